"""Small frames of each task, as the step before writes them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from components.models.rows import FrameRows
from journey.artifacts import LABEL, ROW, SPLIT, TIME, FrameSchema, Input
from journey.sections import ModelPlan, Task

START = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES: dict[Task, tuple[str, ...]] = {"binary": ("no", "yes"), "multiclass": ("low", "mid", "high"), "regression": ()}
METRICS: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
MakeFrame = Callable[..., FrameRows]


def frame_of(task: Task = "binary", rows: int = 600, *, noise: float = 0.7, timed: bool = True) -> FrameRows:
    """An hour between rows; 60 % train, 20 % validation, 20 % test. One number and one category carry the label."""
    rng = np.random.default_rng(11)
    amount, useless = rng.normal(size=rows), rng.normal(size=rows)
    channel = rng.choice(["online", "terminal"], size=rows)
    signal = amount + 1.5 * (channel == "online") + noise * rng.normal(size=rows)
    labels = {"binary": (signal > 1).astype(np.int64), "multiclass": np.digitize(signal, [0.0, 1.5]), "regression": signal}[task]
    kinds = (("amount", "float"), ("useless", "float"), ("channel", "category"))
    inputs = tuple(Input(name=name, type=kind, origin="spine") for name, kind in kinds)
    schema = FrameSchema(task=task, classes=CLASSES[task], inputs=inputs)
    table = pa.table({
        ROW: pa.array(range(rows), pa.int64()),
        TIME: pa.array([START + timedelta(hours=hour) if timed else None for hour in range(rows)], pa.timestamp("us", "UTC")),
        SPLIT: ["train"] * int(rows * 0.6) + ["validation"] * int(rows * 0.2) + ["test"] * (rows - int(rows * 0.6) - int(rows * 0.2)),
        LABEL: labels,
        "amount": pa.array([None if place % 50 == 0 else value for place, value in enumerate(amount)], pa.float64()),
        "useless": useless,
        "channel": pa.array([None if place % 40 == 0 else value for place, value in enumerate(channel)], pa.string()),
    })  # fmt: skip
    return FrameRows(schema, table)


def plan_of(task: Task = "binary", **changes: object) -> ModelPlan:
    return ModelPlan(task=task, metric=METRICS[task], by_time=True, matures="6h", seed=7).model_copy(update=changes)


def with_column(rows: FrameRows, name: str, values: object) -> FrameRows:
    """The frame with one column changed."""
    table = rows.table
    return replace(rows, table=table.set_column(table.column_names.index(name), name, pa.array(values)))


@pytest.fixture
def make_frame() -> MakeFrame:
    return frame_of


@pytest.fixture
def make_plan() -> Callable[..., ModelPlan]:
    return plan_of


@pytest.fixture
def change_column() -> Callable[[FrameRows, str, object], FrameRows]:
    return with_column
