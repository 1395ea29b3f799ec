"""Select the best model: by the metric on validation rows, refitted; then, once, the test rows."""

from dataclasses import dataclass

import numpy as np

from components.models.champion import NotComparable, Rival
from components.models.gates import BYTES, OVER_CHAMPION, OVER_DUMMY, Verdict, judged, on_metrics, require_known, within
from components.models.rows import FrameRows, Part
from components.models.train import Fitted, fit
from journey.artifacts import Board, BoardRow, CandidateSpec, Choice, Comparison, Metric
from journey.declarations import Candidate
from journey.errors import DataError
from journey.model.estimators import DUMMY
from journey.model.fitting import Rows, Training
from journey.model.scores import bootstrap, metrics_of, paired_bootstrap
from journey.sections import Bound, Gates, ModelPlan


@dataclass(frozen=True)
class Chosen:
    """The chosen model, refitted on training and validation rows.

    Attributes:
        model: the final fit.
        choice: holds nothing of gates or champion.
        test: the test rows.
        ours: its predictions of the test rows.
        dummy: the dummy's, fitted on the same rows.
    """

    model: Fitted
    choice: Choice
    test: Part
    ours: np.ndarray
    dummy: np.ndarray


@dataclass(frozen=True)
class Compared:
    """What is written of a comparison, and the verdicts that may stop the run."""

    comparison: Comparison
    verdicts: tuple[Verdict, ...]


def best_of(board: Board, gates: Gates) -> BoardRow:
    """The best row within reach of the gates on metrics and size; where none is, the best of all, so that gates can say what is missing.

    A gate on a metric is within reach if the 95 % interval on validation rows touches it; whether it holds, test rows say.

    The dummy is only there to be beaten: it is taken where there is nothing else.

    Raises:
        DataError: the board is empty.
    """
    if not board.rows:
        raise DataError("board: expected candidates to choose from, found none. Name some under `candidates`.")
    size, asked = gates.model.get(BYTES), on_metrics(gates)

    def place(row: BoardRow) -> tuple[bool, bool]:
        small = size is None or within(size, row.bytes)
        return row.candidate.estimator == DUMMY, not (small and all(_touches(metric, asked.get(metric.name)) for metric in row.metrics))

    return min(board.rows, key=place)          # of equals the first: the board is best first


def choose(board: Board, gates: Gates, plan: ModelPlan, rows: FrameRows, own: tuple[Candidate, ...]) -> Chosen:
    """Takes the best, fits it on training and validation rows, and looks at the test rows.

    Raises:
        ProjectError: a gate can't be, or the candidate can't be fitted.
        DataError: there is nothing to choose from, or a split has no rows.
    """
    require_known(gates, plan.task)
    row = best_of(board, gates)
    known, test = rows.part("train", "validation"), rows.part("test")
    training, looking = Training(known.table, known.labels), Rows(test.table)
    model = fit(row.candidate, plan, rows, training, own)
    baseline = fit(CandidateSpec(name=DUMMY, estimator=DUMMY), plan, rows, training, ())
    ours, dummy = (looking.predict(fitted.pipeline, rows.classes) for fitted in (model, baseline))
    choice = Choice(
        candidate=row.candidate,
        why=_why(row, board),
        test_metrics=bootstrap(metrics_of(plan.task), test.labels, ours, plan.seed),
        trained_rows=len(known),
        trained_on=known.span(),
    )
    return Chosen(model, choice, test, ours, dummy)


def compare(chosen: Chosen, gates: Gates, plan: ModelPlan, rival: Rival | NotComparable | None) -> Compared:
    """The chosen model against the dummy and the champion, and the verdict of each gate.

    Args:
        chosen: with its predictions of the test rows.
        gates: what is asked.
        plan: metric and seed.
        rival: the champion's predictions, or why there are none; None where there is no champion.
    """
    over_dummy = paired_bootstrap(plan.metric, chosen.test.labels, chosen.ours, chosen.dummy, plan.seed)
    over_champion, note = None, ""
    if isinstance(rival, Rival):
        labels, ours = chosen.test.labels[rival.rows], chosen.ours[rival.rows]
        over_champion = paired_bootstrap(plan.metric, labels, ours, rival.predictions, plan.seed)
        note = f"on {len(rival.rows)} test rows that neither has seen"
    elif rival is not None:
        note = str(rival)
    verdicts = verdicts_on(chosen, gates, over_dummy, over_champion, note)
    comparison = Comparison(
        over_dummy=over_dummy,
        over_champion=over_champion,
        champion_version=rival.version if rival else None,
        champion_note=note,
        gates={verdict.gate: verdict.text for verdict in verdicts},
    )
    return Compared(comparison, verdicts)


def verdicts_on(chosen: Chosen, gates: Gates, over_dummy: Metric, over_champion: Metric | None, note: str) -> tuple[Verdict, ...]:
    """Each gate's verdict: metrics by their value on the test rows, differences by the low end of their interval."""
    found: dict[str, float | None] = {metric.name: metric.value for metric in chosen.choice.test_metrics}
    found |= {BYTES: float(len(chosen.model.content)), OVER_DUMMY: over_dummy.low}
    found[OVER_CHAMPION] = over_champion.low if over_champion else None
    notes = {metric.name: "on test rows" for metric in chosen.choice.test_metrics}
    notes[OVER_DUMMY] = f"low end of the 95 % interval, {over_dummy.name} better by {over_dummy.value:.6g}"
    notes[OVER_CHAMPION] = note or "there is no champion"
    if over_champion:
        notes[OVER_CHAMPION] = f"low end of the 95 % interval, {over_champion.name} better by {over_champion.value:.6g}, {note}"
    return judged(gates, found, notes)


def _touches(metric: Metric, bound: Bound | None) -> bool:
    return bound is None or any(within(bound, value) for value in (metric.low, metric.value, metric.high))


def _why(row: BoardRow, board: Board) -> str:
    value = next(metric for metric in row.metrics if metric.name == board.metric)
    trials = sum(each.source == "trial" for each in board.rows)
    others = f"{len(board.rows) - trials} candidates and {trials} trials"
    return f"{board.metric} {value.value:.4f} ({value.low:.4f} to {value.high:.4f}) on validation rows, chosen from {others}"
