"""project.yaml as typed models, and the sections of it that each step is given."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from journey.clock import duration
from journey.values.carried import InOrder, restored
from journey.values.columns import ColumnRule

Task = Literal["binary", "multiclass", "regression"]


def _checked_duration(text: object) -> object:
    if isinstance(text, str):
        duration(text)
    return text


Duration = Annotated[str, BeforeValidator(_checked_duration)]
"""90s, 15m, 6h or 30d, kept as it is written; `journey.clock.duration` gives the timedelta."""


class Section(BaseModel):
    """A part of project.yaml: unknown keys are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _after_a_pipeline(cls, data: object) -> object:
        return restored(data) if isinstance(data, dict) else data


class FilesSource(Section):
    """Files of rows: CSV or Parquet, one path or a glob, relative to the project's folder."""

    files: str
    header: tuple[str, ...] | None = None          # names of the columns of a CSV file without a header line
    delimiter: str = ","
    cursor: str | None = None
    lag: Duration = "0s"


class SqlSource(Section):
    """A table of a database, by SQLAlchemy URL (`sqlite:///path`)."""

    sql: str
    table: str
    cursor: str | None = None
    lag: Duration = "0s"


class RowCount(Section):
    """How many rows a raw table must have."""

    min: int = 1
    max: int | None = None


class Table(Section):
    """A table's contract and column rules."""

    key: str | None = None
    duplicates: Literal["drop", "keep"] = "drop"
    rows: RowCount = RowCount()
    freshness: Duration | None = None
    undeclared: Literal["refuse", "drop"] = "refuse"
    columns: InOrder[str, ColumnRule]


class Spine(Section):
    """The table whose rows are predictions, and which of its rows."""

    table: str
    only: dict[str, tuple[str | int | float | bool, ...]] = Field(default_factory=dict)


class Predict(Section):
    """What is predicted."""

    label: str
    task: Task
    positive: str | int | float | bool | None = None
    metric: str
    matures: Duration = "0s"


class Split(Section):
    """Which rows train, validate and test."""

    by: Literal["time", "hash"]
    window: Duration | None = None
    group: str | None = None
    validation: float = 0.15
    test: float = 0.15


class Features(Section):
    """Where features come from and how fresh they are."""

    drop: tuple[str, ...] = ()
    refresh: Duration = "1h"
    missing: Literal["default", "refuse"] = "default"
    history: Duration = "0s"


class Search(Section):
    """The budget of the hyperparameter search: a number of trials, never seconds."""

    trials: int = 14
    best: int = 2
    folds: int = 3


class Bound(Section):
    """A lower or an upper limit."""

    min: float | None = None
    max: float | None = None


class Gates(Section):
    """What a model must reach. Keys of `model`: a metric's name, over_dummy, over_champion, bytes."""

    model: dict[str, Bound] = Field(default_factory=dict)


class Monitoring(Section):
    """What the server counts and what is watched."""

    windows: tuple[Duration, ...] = ("1h", "1d", "7d")
    latency_ms: float = 20.0
    availability: float = 0.999
    feedback: bool = False


class Retraining(Section):
    """When a model may be trained again without being asked."""

    cooldown: Duration = "6h"
    per_day: int = 4
    fresh_rows: int = 500


class Target(Section):
    """What differs between places."""

    engine: Literal["local"] = "local"


class Project(Section):
    """project.yaml, whole."""

    format: Literal[1] = 1
    name: str
    description: str = ""
    seed: int = 0
    sources: dict[str, FilesSource | SqlSource]
    tables: dict[str, Table]
    spine: Spine
    time: str | None = None
    entities: InOrder[str, str] = Field(default_factory=dict)
    predict: Predict
    split: Split
    features: Features = Features()
    candidates: Literal["auto"] | tuple[str | dict[str, dict[str, object]], ...] = "auto"
    search: Search = Search()
    gates: Gates = Gates()
    monitoring: Monitoring = Monitoring()
    retraining: Retraining = Retraining()
    targets: dict[str, Target] = Field(default_factory=lambda: {"local": Target()})


class CuratePlan(Section):
    """What curate needs besides the tables' contracts."""

    spine: Spine
    time: str | None
    entities: InOrder[str, str]
    predict: Predict
    split: Split
    history: Duration
    lag: Duration
    seed: int


class ExtractPlan(Section):
    """What extract needs besides the tables' contracts."""

    spine: Spine
    time: str | None
    entities: InOrder[str, str]
    predict: Predict
    features: Features


class SelectPlan(Section):
    """What select needs."""

    task: Task
    drop: tuple[str, ...]
    seed: int


class ModelPlan(Section):
    """What identify, train, validate, evaluate, tune and choose need. `by_time`: folds go forward in time."""

    task: Task
    metric: str
    by_time: bool
    matures: Duration
    seed: int


class PackagePlan(Section):
    """What package needs besides the spine's contract. `sections`: digest of the sections that decide the model's bytes."""

    name: str
    description: str
    predict: Predict
    spine: Spine
    key: str | None
    time: str | None
    windows: tuple[Duration, ...]
    missing: Literal["default", "refuse"]
    sections: str
    seed: int


def load_project(directory: Path) -> Project:
    """Reads project.yaml.

    Raises:
        ProjectError: with everything that is wrong, file and line with each.
    """
    raise NotImplementedError(directory)
