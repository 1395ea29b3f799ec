"""What passes between steps: names, paths, tables, JSON. A stored format carries `format: 1`."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from journey.errors import DataError
from journey.sections import Task

ROW = "journey_row"            # int64: the row's ordinal in its raw table, from clean on
TIME = "journey_time"          # timestamp (µs, UTC): the spine row's event time, null where the project has no time
SPLIT = "journey_split"        # train | validation | test
LABEL = "journey_label"        # int64 class index into FrameSchema.classes, or float64 for regression
GROUP = "journey_group"        # text: rows with one of it are never on both sides; only where the project says split.group

FEWEST_TRAINING_ROWS = 10      # a guess: with fewer, no fold of a cross-validation holds anything


class Document(BaseModel):
    """A JSON file of a known format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1

    def write(self, path: Path) -> None:
        """Writes the document: keys in declared order, two spaces, a final newline; parents are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the document.

        Raises:
            DataError: the file is missing, damaged or of a newer format.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(f"{path.name}: expected a {cls.__name__} of format 1, found something else: {error}") from error


class TableSnapshot(Document):
    """One raw table as it was read. `digest`: SHA-256 of its Parquet file; `watermark`: largest value of the source's cursor, as text."""

    rows: int
    columns: dict[str, Literal["text", "int64", "double", "boolean"]]
    digest: str
    watermark: str | None = None


class Snapshot(Document):
    """snapshot.json: what ingest read."""

    tables: dict[str, TableSnapshot]


class ColumnQuality(Document):
    """What was seen in one column, and what was done to it. Texts of columns with `pii` are never shown."""

    missing: int                                                       # null or NaN in the raw table
    null_tokens: dict[str, int] = Field(default_factory=dict)          # token > how many raw values it made missing
    distinct: int                                                      # different raw values, null not counted
    min: str | None = None
    max: str | None = None
    frequent: tuple[tuple[str, int], ...] = ()                         # the most frequent raw values with their counts
    trimmed: int = 0                                                   # values that strip or collapse changed
    breaches: dict[str, int] = Field(default_factory=dict)             # rule > how many values broke it, whatever its breach


class TableQuality(Document):
    """One table: rows_in = rows_out + duplicates + the sum of quarantined."""

    rows_in: int
    duplicates: int = 0
    quarantined: dict[str, int] = Field(default_factory=dict)          # "column: rule" of a row's first breach > rows
    rows_out: int
    undeclared: tuple[str, ...] = ()                                   # columns that were dropped
    columns: dict[str, ColumnQuality]


class QualityReport(Document):
    """quality.json: written by validate, extended by clean and standardize, carried on by curate."""

    tables: dict[str, TableQuality]


class Curated(Document):
    """curated.json: which rows of the spine are trained on, and why the others are not."""

    spine: str
    label: str
    task: Task
    rows: int                                                          # all standardized rows of the spine
    watermark: datetime | None                                         # newest event time less the source's lag
    onset: datetime | None                                             # of the drift that asked for this training
    window: tuple[datetime | None, datetime | None]                    # first and last moment of rows that count
    boundaries: tuple[datetime | None, datetime | None]                # first moment of validation and of test, split by time
    counts: dict[str, int]                                             # train, validation, test > rows
    left_out: dict[str, int]                                           # reason > rows; with counts they add up to `rows`
    classes: tuple[str | int | float | bool, ...]                      # binary: (negative, positive); empty for regression
    class_counts: dict[str, tuple[int, ...]]                           # split > rows by class
    training_labels: int                                               # different labels among the training rows
    trained_on: tuple[datetime | None, datetime | None]                # first and last event time of training and validation rows

    def require_enough(self) -> None:
        """Refuses what no model can learn from.

        A retraining that waits for fresh rows looks at `counts` first; everything that trains calls this.

        Raises:
            DataError: a part of the split has too few rows or lacks a class.
        """
        problem = next(self._shortages(), None)
        if problem is not None:
            left_out = ", ".join(f"{rows:,} {reason}" for reason, rows in self.left_out.items() if rows) or "none"
            raise DataError(f"table '{self.spine}', label '{self.label}': {problem}. Of {self.rows:,} rows left out: {left_out}")

    def _shortages(self) -> Iterator[str]:
        train = self.counts["train"]
        if train < FEWEST_TRAINING_ROWS:
            yield f"expected at least {FEWEST_TRAINING_ROWS} training rows, found {train}"
        for name in ("validation", "test"):
            if not self.counts[name]:
                yield f"expected {name} rows, found none beside {train:,} training rows; bring more rows, or raise split.{name}"
        if self.training_labels < 2:
            only = f"only {self.classes[0]!r}" if len(self.classes) == 1 else "the same one"
            yield f"expected labels that differ, found {only} in all {train:,} training rows; nothing can be learned from a constant"
        for name in ("validation", "test"):
            if self._cannot_differ(name):
                yield f"expected {name} rows with labels that differ, without which r2 and roc_auc mean nothing; bring more rows"
        parts = ("train", "validation", "test") if self.task == "binary" else ("train",)
        for name in parts if self.task != "regression" else ():
            for label, rows in zip(self.classes, self.class_counts[name], strict=True):
                if not rows:
                    yield f"expected rows of every class, found no {name} row of class {label!r}; bring more rows of it"

    def _cannot_differ(self, name: str) -> bool:
        """Whether all rows of a part must have one label; of a binary label more is asked below."""
        if self.task == "regression":
            return self.counts[name] < 2
        return self.task == "multiclass" and sum(map(bool, self.class_counts[name])) < 2


class Input(Document):
    """One model input, in the order in which the Pipeline takes them: numbers first, then categories."""

    name: str
    type: Literal["float", "integer", "boolean", "category"]
    origin: Literal["spine", "request", "view"]


class Derived(Document):
    """A request feature: a function of request_features.py over spine columns after their rules."""

    name: str
    function: str
    arguments: tuple[str, ...]
    type: Literal["float", "integer", "boolean", "category"]


class LookupFeature(Document):
    """One feature of a view, with the value that stands in where the row is missing (None: missing)."""

    name: str
    type: Literal["float", "integer", "boolean", "category"]
    default: str | int | float | bool | None = None


class Lookup(Document):
    """A view that is looked up online by the value of one spine column."""

    view: str
    entity: str
    column: str
    ttl_seconds: float | None
    features: tuple[LookupFeature, ...]


class Dropped(Document):
    """An input that select left out, and why."""

    name: str
    reason: Literal["constant", "redundant", "leaking", "useless", "unavailable", "asked"]
    detail: str


class FrameSchema(Document):
    """frame.json: what frame.parquet holds beside ROW, TIME, SPLIT and LABEL."""

    task: Task
    classes: tuple[str | int | float | bool, ...]      # binary: (negative, positive); empty for regression
    inputs: tuple[Input, ...]
    derived: tuple[Derived, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    dropped: tuple[Dropped, ...] = ()


class CandidateSpec(Document):
    """A candidate model; `search_space` maps a parameter to a Range or Choices of journey.model.spaces, as JSON."""

    name: str
    estimator: str
    parameters: dict[str, object] = {}
    search_space: dict[str, object] = {}
    why: str = ""


class Metric(Document):
    """A metric's value with its 95 % bootstrap interval."""

    name: str
    value: float
    low: float
    high: float


class BoardRow(Document):
    """One candidate on the validation rows."""

    candidate: CandidateSpec
    metrics: tuple[Metric, ...]
    fold_scores: tuple[float, ...]         # the project's metric in each fold of the training rows
    fit_seconds: float = 0.0               # shown to people; never decides
    microseconds_a_row: float = 0.0
    bytes: int = 0
    source: Literal["candidate", "trial"] = "candidate"


class Board(Document):
    """The leaderboard, best first."""

    metric: str
    rows: tuple[BoardRow, ...]


class Choice(Document):
    """What was chosen and why: only what decides the model's bytes and its card."""

    candidate: CandidateSpec
    why: str
    test_metrics: tuple[Metric, ...]
    trained_rows: int
    trained_on: tuple[str | None, str | None]      # first and last event time of the final fit's rows, ISO


class Comparison(Document):
    """The chosen model against the dummy and the champion, and the gates' verdicts."""

    over_dummy: Metric
    over_champion: Metric | None = None
    champion_version: int | None = None
    champion_note: str = ""                         # such as "not comparable: 312 test rows outside the champion's training rows"
    gates: dict[str, str] = {}                      # gate > "passed: …" | "failed: …"


class Champion(Document):
    """The champion that a challenger is compared with: the pipeline argument `champion`, as JSON ("" for none)."""

    model: str
    version: int
    bundle: str
    uri: str
    trained_on: tuple[str | None, str | None]
