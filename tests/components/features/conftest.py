"""A small bank: payments of two cards every six hours, a view of each card's past, a request feature."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.features.extract import CuratedTables, Frame, ProjectCode, extract
from journey.artifacts import LABEL, ROW, SPLIT, TIME
from journey.project import ExtractPlan, Features, Predict, Spine, Table
from journey.tables import open_tables

START = datetime(2026, 1, 1, tzinfo=UTC)
SIX_HOURS = timedelta(hours=6)

FEATURES = '''
import ibis
from journey import feature_view

@feature_view(entity="card", time="paid_at", ttl="2d", defaults={"payments_so_far": 0})
def history(payments: ibis.Table) -> ibis.Table:
    so_far = ibis.cumulative_window(group_by="card_id", order_by="paid_at")
    return payments.select(
        "card_id", "paid_at",
        payments_so_far=payments.count().over(so_far),
        last_amount=payments.amount,
        usual=payments.amount.mean().over(so_far),
        channel_before=payments.channel,
        big=payments.amount > 5,
    )
'''
REQUEST_FEATURES = "def hour(paid_at) -> int:\n    return paid_at.hour\n"

CONTRACTS = {
    "payments": Table(
        key="payment_id",
        columns={
            "payment_id": {"type": "string"},
            "card_id": {"type": "string"},
            "paid_at": {"type": "timestamp"},
            "amount": {"type": "float"},
            "tries": {"type": "integer"},
            "channel": {"type": "category"},
            "abroad": {"type": "boolean"},
            "note": {"type": "string"},
        },
    )
}


def plan(**features: object) -> ExtractPlan:
    return ExtractPlan(
        spine=Spine(table="payments"),
        time="paid_at",
        entities={"card": "card_id"},
        predict=Predict(label="disputed", task="binary", metric="roc_auc"),
        features=Features(refresh="12h", **features),
    )


def payments() -> pa.Table:
    """Twelve rows each of cards a and b at the same times; the first four have no split, as if they were warming up."""
    rows = []
    for index in range(24):
        step = index // 2
        rows.append(
            {
                "payment_id": f"p{index}",
                "card_id": "ab"[index % 2],
                "paid_at": START + step * SIX_HOURS,
                "amount": None if index == 9 else float(index),
                "tries": index % 3,
                "channel": None if index == 10 else ["online", "phone"][index % 2],
                "abroad": index % 5 == 0,
                "note": "text",
                ROW: index,
                TIME: START + step * SIX_HOURS,
                SPLIT: None if index < 4 else "train" if index < 16 else "test",
                LABEL: None if index < 4 else index % 2,
            }
        )
    times = {name: pa.timestamp("us", "UTC") for name in ("paid_at", TIME)}
    table = pa.Table.from_pylist(rows)
    return pa.table({name: table.column(name).cast(times.get(name, table.schema.field(name).type)) for name in table.column_names})


@dataclass(frozen=True)
class Bank:
    """Where the tables and the project's own Python lie."""

    folder: Path

    def own(self) -> ProjectCode:
        return ProjectCode.load(self.folder)

    def frame(self, code: ProjectCode, given: ExtractPlan | None = None, contracts=CONTRACTS) -> Frame:
        with open_tables(self.folder, contracts) as tables:
            return extract(given or plan(), contracts, CuratedTables(tables, (False, True)), code, self.folder / "views")


def written(folder: Path) -> Bank:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "features.py").write_text(FEATURES)
    (folder / "request_features.py").write_text(REQUEST_FEATURES)
    pq.write_table(payments(), folder / "payments.parquet")
    return Bank(folder)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return written(tmp_path / "bank")


@pytest.fixture
def contracts() -> dict[str, Table]:
    return dict(CONTRACTS)


@pytest.fixture
def given() -> ExtractPlan:
    return plan()


@pytest.fixture(scope="session")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Frame:
    """The bank's frame, made once: importing Feast takes seconds."""
    bank = written(tmp_path_factory.mktemp("bank"))
    return bank.frame(bank.own())
