"""A small payments model, fitted for real, with the raw rows that it came from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.release.package import Material, package
from components.release.register import Lineage
from journey.artifacts import (
    LABEL,
    ROW,
    SPLIT,
    TIME,
    Board,
    BoardRow,
    CandidateSpec,
    Choice,
    Comparison,
    Curated,
    Derived,
    FrameSchema,
    Input,
    Lookup,
    LookupFeature,
    Metric,
    Snapshot,
    TableSnapshot,
)
from journey.model.estimators import build, dumps, encoding_of
from journey.model.fitting import Training
from journey.model.inputs import matrix
from journey.model.keys import SigningKey
from journey.model.scoring_tables import frame_arrays
from journey.sections import PackagePlan, Predict, Spine, Table
from journey.values.columns import ColumnRule

ROWS = 300
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SPELLED = {"online": (" E-Com", "online", "ONLINE "), "phone": ("phone", "Phone"), None: ("", "?")}

NIGHT = b'''"""Request features."""

from datetime import datetime


def night(paid_at: datetime) -> bool:
    return paid_at.hour < 6
'''

CONTRACT = Table(
    key="payment_id",
    columns={
        "payment_id": ColumnRule(type="string"),
        "card_id": ColumnRule(type="string", required=True, pii=True),
        "paid_at": ColumnRule(type="timestamp", required=True),
        "amount": ColumnRule(type="float", scale=0.01, range=(0, 20000)),
        "channel": ColumnRule(type="category", case="lower", spellings={"e-com": "online"}, null=("", "?")),
        "disputed": ColumnRule(type="boolean"),
    },
)

SCHEMA = FrameSchema(
    task="binary",
    classes=(False, True),
    inputs=(
        Input(name="amount", type="float", origin="spine"),
        Input(name="night", type="boolean", origin="request"),
        Input(name="payments_30d", type="integer", origin="view"),
        Input(name="channel", type="category", origin="spine"),
    ),
    derived=(
        Derived(name="night", function="night", arguments=("paid_at",), type="boolean"),
        Derived(name="dropped", function="dropped", arguments=("amount",), type="float"),
    ),
    lookups=(
        Lookup(
            view="card_history",
            entity="card",
            column="card_id",
            ttl_seconds=2592000,
            features=(
                LookupFeature(name="payments_30d", type="integer", default=0),
                LookupFeature(name="dropped_too", type="float"),
            ),
        ),
    ),
)

PLAN = PackagePlan(
    name="payments",
    description="Will a payment be disputed?",
    predict=Predict(label="disputed", task="binary", positive=True, metric="roc_auc"),
    spine=Spine(table="payments"),
    key="payment_id",
    time="paid_at",
    windows=("1h", "1d"),
    missing="default",
    sections="5" * 64,
    seed=7,
)


@dataclass(frozen=True)
class Rows:
    """Raw rows and the frame that training makes of them."""

    raw: pa.Table
    frame: pa.Table


def rows() -> Rows:
    random = np.random.default_rng(7)
    raw: dict[str, list[object]] = {name: [] for name in CONTRACT.columns}
    frame: dict[str, list[object]] = {name: [] for name in (ROW, TIME, SPLIT, LABEL, "amount", "night", "payments_30d", "channel")}
    for number in range(ROWS):
        cents = None if random.random() < 0.1 else int(random.integers(0, 100_000))
        channel = list(SPELLED)[random.integers(0, 3)]
        paid_at = FIRST + timedelta(minutes=int(37 * number))
        payments = int(random.integers(0, 12))
        logit = (cents or 0) / 20_000 - payments / 3 + (channel == "online") + (paid_at.hour < 6)
        disputed = bool(random.random() < 1 / (1 + np.exp(-logit)))
        raw["payment_id"].append(f"p{number}")
        raw["card_id"].append(f"secret-{number % 20}")
        raw["paid_at"].append(paid_at.strftime("%Y-%m-%d %H:%M:%S"))
        raw["amount"].append("" if cents is None else str(cents))
        raw["channel"].append(SPELLED[channel][random.integers(0, len(SPELLED[channel]))])
        raw["disputed"].append(str(disputed).lower())
        frame[ROW].append(number)
        frame[TIME].append(paid_at)
        frame[SPLIT].append("train" if number < 180 else "validation" if number < 220 else "test")
        frame[LABEL].append(int(disputed))
        frame["amount"].append(None if cents is None else cents * 0.01)
        frame["night"].append(float(paid_at.hour < 6))
        frame["payments_30d"].append(float(payments))
        frame["channel"].append(channel)
    types = {ROW: pa.int64(), TIME: pa.timestamp("us", "UTC"), LABEL: pa.int64(), "payments_30d": pa.float64()}
    return Rows(pa.table(raw), pa.table({name: pa.array(values, types.get(name)) for name, values in frame.items()}))


def fitted(estimator: str, frame: pa.Table) -> bytes:
    spec = CandidateSpec(name=estimator, estimator=estimator)
    arrays = frame_arrays(frame.slice(0, 220), SCHEMA)
    training = Training(matrix(arrays.numbers, arrays.categories), arrays.labels)
    return dumps(training.fit(build(spec, SCHEMA, 7), encoding_of(estimator)))


@pytest.fixture(scope="session")
def material_of() -> Callable[..., Material]:
    """Makes material with a fitted model; changes by field name."""
    made = rows()

    def make(estimator: str = "logistic", **changes: object) -> Material:
        material = Material(
            plan=PLAN,
            contract=CONTRACT,
            raw=made.raw,
            snapshot=Snapshot(tables={"payments": TableSnapshot(rows=ROWS, columns={}, digest="a" * 64)}),
            curated=curated(),
            frame=made.frame,
            schema=SCHEMA,
            model=fitted(estimator, made.frame),
            choice=choice(estimator),
            request_features=NIGHT,
            code="c" * 64,
        )
        return replace(material, **changes)

    return make


def curated() -> Curated:
    return Curated.model_validate(
        {
            "spine": "payments",
            "label": "disputed",
            "task": "binary",
            "rows": ROWS,
            "watermark": FIRST + timedelta(days=8),
            "onset": None,
            "window": (None, None),
            "boundaries": (None, None),
            "counts": {"train": 180, "validation": 40, "test": 80},
            "left_out": {},
            "classes": (False, True),
            "class_counts": {}, "training_labels": 2,
            "trained_on": (FIRST, FIRST + timedelta(days=5)),
        }
    )


def choice(estimator: str) -> Choice:
    return Choice(
        candidate=CandidateSpec(name=estimator, estimator=estimator, parameters={"C": 1.0}),
        why="Best on validation rows.",
        test_metrics=(Metric(name="roc_auc", value=0.8, low=0.7, high=0.9),),
        trained_rows=220,
        trained_on=("2026-01-01T00:00:00+00:00", "2026-01-06T00:00:00+00:00"),
    )


@pytest.fixture
def signer(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "keys")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, material_of: Callable[..., Material]) -> Path:
    """Two bundles, `one` and `two`, and the keys that signed them."""
    folder = tmp_path_factory.mktemp("bundles")
    signer = SigningKey.load_or_create(folder / "keys")
    package(material_of(), folder / "one", signer)
    package(material_of(code="d" * 64), folder / "two", signer)
    return folder


def lineage(material: Material) -> Lineage:
    metric = Metric(name="roc_auc", value=0.8, low=0.7, high=0.9)
    tried = [CandidateSpec(name=name, estimator=name, parameters={"C": 0.5}) for name in ("logistic", "dummy")]
    trial = CandidateSpec(name="logistic", estimator="logistic", parameters={"C": 2.0})
    rows = [BoardRow(candidate=candidate, metrics=(metric,), fold_scores=(0.7, 0.8)) for candidate in tried]
    board = Board(metric="roc_auc", rows=(*rows, BoardRow(candidate=trial, metrics=(metric,), fold_scores=(0.75,), source="trial")))
    comparison = Comparison(over_dummy=metric, gates={"roc_auc": "passed: 0.8 is at least 0.7"})
    choice = material.choice.model_copy(update={"candidate": trial})
    return Lineage(board, choice, comparison, material.curated, "run-1", datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.fixture
def made(material_of: Callable[..., Material]) -> Lineage:
    return lineage(material_of())
