"""What a search looked at, as MLflow shows it: a finished run for each candidate and trial; done again, it changes nothing."""

import hashlib
from typing import TYPE_CHECKING

from journey.artifacts import Board, BoardRow, CandidateSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient

BUNDLE_TAG = "journey.bundle"
CANDIDATE_TAG = "journey.candidate"
CHOSEN_TAG = "journey.chosen"
_MOST_RUNS = 5000


def log_candidates(client: "MlflowClient", experiment: str, digest: str, board: Board, chosen: CandidateSpec) -> str:
    """Logs a run for each row of the board.

    Args:
        client: of the tracking server or store.
        experiment: its id.
        digest: the bundle's, by which the runs are found again.
        board: every candidate and trial that was looked at.
        chosen: the row of the board that the bundle holds.

    Returns:
        The id of the chosen row's run; of one of its own where it isn't on the board.
    """
    ours = f"tags.`{BUNDLE_TAG}` = '{digest}'"
    known = {
        run.data.tags[CANDIDATE_TAG]: run
        for run in client.search_runs([experiment], ours, max_results=_MOST_RUNS)
        if CANDIDATE_TAG in run.data.tags
    }
    on_board = any(row.candidate == chosen for row in board.rows)
    rows = board.rows if on_board else (*board.rows, BoardRow(candidate=chosen, metrics=(), fold_scores=()))
    found = ""
    for row in rows:
        key = _key(row)
        run = known.get(key)
        if run is None:
            tags = {BUNDLE_TAG: digest, CANDIDATE_TAG: key, **_tags(row, row.candidate == chosen)}
            run = client.create_run(experiment, run_name=row.candidate.name, tags=tags)
        if run.info.status != "FINISHED":
            log_row(client, run.info.run_id, row, board.metric)
        if row.candidate == chosen:
            found = str(run.info.run_id)
    return found


def log_row(client: "MlflowClient", run: str, row: BoardRow, metric: str) -> None:
    """Logs one row's figures and parameters and ends its run."""
    from mlflow.entities import Metric, Param

    figures = {name: value for each in row.metrics for name, value in _figures(each.name, each.value, each.low, each.high)}
    figures |= {"fit_seconds": row.fit_seconds, "microseconds_a_row": row.microseconds_a_row, "bytes": float(row.bytes)}
    folds = [Metric(f"fold_{metric}", score, 0, step) for step, score in enumerate(row.fold_scores)]
    parameters = {"estimator": row.candidate.estimator, **row.candidate.parameters}
    client.log_batch(
        run,
        metrics=[*(Metric(name, value, 0, 0) for name, value in figures.items()), *folds],
        params=[Param(name, str(value)) for name, value in parameters.items()],
    )
    client.set_terminated(run, "FINISHED")


def _key(row: BoardRow) -> str:
    return hashlib.sha256(f"{row.source} {row.candidate.model_dump_json()}".encode()).hexdigest()[:16]


def _tags(row: BoardRow, chosen: bool) -> dict[str, str]:
    tags = {"journey.source": row.source, "journey.why": row.candidate.why}
    return {**tags, CHOSEN_TAG: str(chosen).lower()}


def _figures(name: str, value: float, low: float, high: float) -> tuple[tuple[str, float], ...]:
    return (name, value), (f"{name}_low", low), (f"{name}_high", high)
