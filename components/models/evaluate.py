"""Evaluate models: every candidate on the validation rows, best first."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sklearn.pipeline import Pipeline

from components.models.curves import Curves, curves_of
from components.models.rows import FrameRows, Part
from components.models.train import Fitted
from components.models.validate import FoldScores
from journey.artifacts import Board, BoardRow
from journey.errors import DataError
from journey.model.estimators import DUMMY
from journey.model.fitting import Rows
from journey.model.scores import bootstrap, metrics_of, sign
from journey.sections import ModelPlan

BOARD = "board.json"
TIMED_ROWS = 2000         # enough for a steady figure, few enough to cost nothing


@dataclass(frozen=True)
class Evaluated:
    """The leaderboard, and the curves of each candidate by name."""

    board: Board
    curves: dict[str, Curves]


def evaluate(plan: ModelPlan, rows: FrameRows, models: Sequence[Fitted], scores: Iterable[FoldScores]) -> Evaluated:
    """Scores each candidate on the validation rows, with 95 % intervals over the same resamples.

    Raises:
        DataError: a candidate was trained and not validated.
    """
    part = rows.part("validation")
    by_name = {each.candidate: each for each in scores}
    board: list[BoardRow] = []
    curves: dict[str, Curves] = {}
    for model in models:
        folds = by_name.get(model.candidate.name)
        if folds is None:
            raise DataError(f"candidate '{model.candidate.name}': expected its scores in folds, found those of {', '.join(by_name)}")
        predictions = Rows(part.table).predict(model.pipeline, rows.classes)
        curves[model.candidate.name] = curves_of(plan.task, part.labels, predictions)
        board.append(
            BoardRow(
                candidate=model.candidate,
                metrics=bootstrap(metrics_of(plan.task), part.labels, predictions, plan.seed),
                fold_scores=folds.fold_scores,
                fit_seconds=round(model.seconds, 3),
                microseconds_a_row=microseconds_a_row(model.pipeline, part, rows.classes),
                bytes=len(model.content),
            )
        )
    return Evaluated(Board(metric=plan.metric, rows=ranked(board, plan.metric)), curves)


def ranked(rows: Iterable[BoardRow], metric: str) -> tuple[BoardRow, ...]:
    """Best first by the metric on validation rows; equal ones by name, the dummy behind all others of its score."""

    def place(row: BoardRow) -> tuple[float, bool, str]:
        return -sign(metric) * value_of(row, metric), row.candidate.estimator == DUMMY, row.candidate.name

    return tuple(sorted(rows, key=place))


def value_of(row: BoardRow, metric: str) -> float:
    """A row's value of a metric."""
    return next(each.value for each in row.metrics if each.name == metric)


def microseconds_a_row(pipeline: Pipeline, part: Part, classes: int) -> float:
    """What scikit-learn takes to predict one of many rows; shown to people, never decides."""
    table = part.table[:TIMED_ROWS]
    start = time.perf_counter()
    Rows(table).predict(pipeline, classes)
    return round((time.perf_counter() - start) / len(table) * 1e6, 2)
