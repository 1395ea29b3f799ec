"""project.yaml as typed models, and the sections of it that each step is given. Its targets are in journey.targets."""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from journey.section import Duration, Section
from journey.targets import Target
from journey.values.carried import InOrder
from journey.values.columns import ColumnRule

Task = Literal["binary", "multiclass", "regression"]
Scalar = str | int | float | bool

_CLASSES: tuple[Task, ...] = ("binary", "multiclass")
METRICS: dict[str, tuple[Task, ...]] = {
    "roc_auc": _CLASSES,
    "average_precision": _CLASSES,
    "log_loss": _CLASSES,
    "brier": ("binary",),
    "accuracy": _CLASSES,
    "balanced_accuracy": _CLASSES,
    "f1": ("binary",),
    "f1_macro": _CLASSES,
    "r2": ("regression",),
    "rmse": ("regression",),
    "mae": ("regression",),
}
"""The metrics that a project may name, with the tasks that they fit. How they are worked out: journey.model.scores."""

ESTIMATORS: dict[str, tuple[Task, ...]] = {
    "dummy": (*_CLASSES, "regression"),
    "logistic": _CLASSES,
    "ridge": ("regression",),
    "hist_gradient_boosting": (*_CLASSES, "regression"),
    "random_forest": (*_CLASSES, "regression"),
}
"""The candidates that come with the platform, with the tasks that they fit. How they are built: journey.model.estimators."""


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


def _source_kind(source: object) -> str | None:
    """Which model reads a source: told by its keys, so that what is wrong with it is told of that model alone."""
    keys = source if isinstance(source, dict) else vars(source) if isinstance(source, Section) else {}
    return next((kind for kind in ("files", "sql") if kind in keys), None)


Source = Annotated[Annotated[FilesSource, Tag("files")] | Annotated[SqlSource, Tag("sql")], Discriminator(_source_kind)]
"""One raw table comes from each source; `files` or `sql` says of which kind it is."""


class RowCount(Section):
    """How many rows a raw table must have."""

    min: Annotated[int, Field(ge=0)] = 1
    max: Annotated[int, Field(ge=0)] | None = None


class Table(Section):
    """A table's contract and column rules."""

    key: str | None = None
    duplicates: Literal["drop", "keep"] = "drop"
    rows: RowCount = RowCount()
    freshness: Duration | None = None
    undeclared: Literal["refuse", "drop"] = "refuse"
    columns: InOrder[str, ColumnRule]


class Spine(Section):
    """The table whose rows are predictions, and which of its rows; the name alone stands for all of them."""

    table: str
    only: dict[str, tuple[Scalar, ...]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_a_name(cls, data: object) -> object:
        return {"table": data} if isinstance(data, str) else data


class Predict(Section):
    """What is predicted."""

    label: str
    task: Task
    positive: Scalar | None = None
    metric: str
    matures: Duration = "0s"


class Split(Section):
    """Which rows train, validate and test."""

    by: Literal["time", "hash"]
    window: Duration | None = None
    group: str | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float, Field(gt=0, lt=1)] = 0.15


class Features(Section):
    """Where features come from and how fresh they are."""

    drop: tuple[str, ...] = ()
    refresh: Duration = "1h"
    missing: Literal["default", "refuse"] = "default"
    history: Duration = "0s"


class Search(Section):
    """The budget of the hyperparameter search: a number of trials, never seconds."""

    trials: Annotated[int, Field(ge=0)] = 14
    best: Annotated[int, Field(ge=1)] = 2
    folds: Annotated[int, Field(ge=2)] = 3


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
    latency_ms: Annotated[float, Field(gt=0)] = 20.0
    feedback: bool = False


class Retraining(Section):
    """When a model may be trained again without being asked."""

    cooldown: Duration = "6h"
    per_day: Annotated[int, Field(ge=0)] = 4
    fresh_rows: Annotated[int, Field(ge=1)] = 500


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


class Project(Section):
    """project.yaml, whole. It never goes through a pipeline: what `candidates` holds stays as it is written, 1.0 a float."""

    format: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    sources: dict[str, Source]
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

    @model_validator(mode="before")
    @classmethod
    def _after_a_pipeline(cls, data: object) -> object:
        return data

    @property
    def spine_table(self) -> Table:
        """The contract of the spine."""
        return self.tables[self.spine.table]

    def curate_plan(self) -> CuratePlan:
        """What curate is given."""
        return CuratePlan(
            spine=self.spine, time=self.time, entities=self.entities, predict=self.predict, split=self.split,
            history=self.features.history, lag=self.sources[self.spine.table].lag, seed=self.seed,
        )

    def extract_plan(self) -> ExtractPlan:
        """What extract is given."""
        return ExtractPlan(spine=self.spine, time=self.time, entities=self.entities, predict=self.predict, features=self.features)

    def select_plan(self) -> SelectPlan:
        """What select is given."""
        return SelectPlan(task=self.predict.task, drop=self.features.drop, seed=self.seed)

    def model_plan(self) -> ModelPlan:
        """What the steps from identify to choose are given."""
        return ModelPlan(
            task=self.predict.task, metric=self.predict.metric, by_time=self.split.by == "time",
            matures=self.predict.matures, seed=self.seed,
        )

    def package_plan(self) -> PackagePlan:
        """What package is given."""
        return PackagePlan(
            name=self.name, description=self.description, predict=self.predict, spine=self.spine, key=self.spine_table.key, time=self.time,
            windows=self.monitoring.windows, missing=self.features.missing, sections=self._sections_digest(), seed=self.seed,
        )

    def _sections_digest(self) -> str:
        """SHA-256, hex, over the sections that decide the model's bytes; in the file's order, because the order of columns does too."""
        deciding = {"tables", "spine", "time", "entities", "predict", "split", "features", "candidates", "search", "seed"}
        sections = self.model_dump(mode="json", include=deciding) | {"windows": self.monitoring.windows}
        return hashlib.sha256(json.dumps(sections, separators=(",", ":")).encode()).hexdigest()
