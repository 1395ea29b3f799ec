"""The champion on the same test rows as its challenger, where that says something."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.models.rows import FrameRows
from journey.artifacts import Champion, FrameSchema
from journey.errors import JourneyError
from journey.model.bundle import BundleSignature, open_bundle
from journey.model.keys import Trusted
from journey.model.scoring import Scorer
from journey.model.scoring_tables import input_arrays
from journey.sections import ModelPlan

LEAST_ROWS = 500       # fewer rows tell two models apart only by luck: a person decides


@dataclass(frozen=True)
class Rival:
    """What the champion predicts of test rows that neither model has seen.

    Attributes:
        version: the champion's.
        rows: which of the test rows.
        predictions: shape [rows, classes] or [rows, 1].
    """

    version: int
    rows: NDArray[np.int64]
    predictions: NDArray[np.float64]


@dataclass(frozen=True)
class NotComparable:
    """Why the champion of that version can't be compared; a person decides then."""

    version: int
    why: str

    def __str__(self) -> str:
        return f"not comparable: {self.why}"


@dataclass(frozen=True)
class Unseen:
    """The test rows of a frame.

    Attributes:
        table: its columns by name, in the order of `times`.
        times: event times, datetime64[us].
        by_time: the split is by time, so a row's side changes as time goes on; by hash it is the same for ever.
    """

    table: pa.Table
    times: NDArray[np.datetime64]
    by_time: bool


def unseen_rows(rows: FrameRows, plan: ModelPlan) -> Unseen:
    """The test rows of a frame with all their columns."""
    return Unseen(rows.only("test"), rows.part("test").times, plan.by_time)


def rival_of(champion: Champion, trusted: Trusted, test: Unseen, schema: FrameSchema) -> Rival | NotComparable:
    """Scores the test rows outside the champion's training rows with the champion's own bundle.

    Args:
        champion: which version, and where its bundle is.
        trusted: the keys that a bundle may be signed with.
        test: the rows.
        schema: what they hold.
    """
    rows = _unseen(champion, test)
    if len(rows) < LEAST_ROWS:
        why = f"{len(rows)} test rows outside the champion's training rows, at least {LEAST_ROWS} are needed"
        return NotComparable(champion.version, why)
    try:
        scorer = Scorer(open_bundle(Path(champion.uri), trusted))
        differs = _differs(scorer.signature, schema, test.table)
        if differs:
            return NotComparable(champion.version, differs)
        return Rival(champion.version, rows, scorer.predict(input_arrays(test.table.take(pa.array(rows)), scorer.signature.inputs)))
    except JourneyError as error:
        return NotComparable(champion.version, f"version {champion.version} can't be scored: {error}")


def _unseen(champion: Champion, test: Unseen) -> NDArray[np.int64]:
    first, last = (_moment(text) for text in champion.trained_on)
    if not test.by_time or first is None or last is None:
        return np.arange(len(test.times))
    return np.flatnonzero((test.times < first) | (test.times > last))


def _moment(text: str | None) -> np.datetime64 | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment, "us")


def _differs(signature: BundleSignature, schema: FrameSchema, table: pa.Table) -> str:
    """What keeps the champion from predicting these rows; empty where nothing does."""
    if (signature.task, signature.classes) != (schema.task, schema.classes):
        return f"the champion predicts {signature.task} {list(signature.classes)}, the challenger {schema.task} {list(schema.classes)}"
    absent = [item.name for item in signature.inputs if item.name not in table.column_names]
    return f"the champion's inputs {', '.join(absent)} are not in the frame" if absent else ""
