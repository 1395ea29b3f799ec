"""Revisit candidates: a search over the parameters of the best few, with a budget of trials."""

from collections.abc import Sequence

import numpy as np
import optuna

from components.models.evaluate import microseconds_a_row, ranked
from components.models.folds import CrossValidation
from components.models.rows import FrameRows
from components.models.train import fit
from journey.artifacts import Board, BoardRow, CandidateSpec
from journey.declarations import Candidate
from journey.model.estimators import DUMMY
from journey.model.fitting import Rows, Training
from journey.model.scores import bootstrap, metrics_of, score, sign
from journey.model.spaces import Choices, Parameter, Space, read
from journey.sections import ModelPlan, Search

RANDOM_TRIALS = 4      # of a candidate, before earlier trials steer the search: fewer say too little about where to go (a guess)


def tune(board: Board, search: Search, plan: ModelPlan, rows: FrameRows, own: tuple[Candidate, ...]) -> Board:
    """Adds the trials to the board, best first.

    A trial is chosen by cross-validation on the training rows; then it is fitted on all of them and scored on the validation rows,
    as every candidate was.
    """
    best = _best(board, search)
    if not best or search.trials < 1:
        return board
    folds = CrossValidation(rows, plan, search.folds)
    found: list[tuple[CandidateSpec, tuple[float, ...]]] = []
    for place, row in enumerate(best):
        trials = search.trials // len(best) + (place < search.trials % len(best))
        found += _search(row, trials, folds, plan, own)
    return Board(metric=board.metric, rows=ranked([*board.rows, *_evaluated(found, plan, rows, own)], board.metric))


def _best(board: Board, search: Search) -> list[BoardRow]:
    """The best candidates that have something to vary."""
    return [row for row in board.rows if row.candidate.search_space and row.candidate.estimator != DUMMY][: search.best]


def _search(
    row: BoardRow, trials: int, folds: CrossValidation, plan: ModelPlan, own: tuple[Candidate, ...]
) -> list[tuple[CandidateSpec, tuple[float, ...]]]:
    """A candidate's trials in their order, each with its score in every fold."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spaces = read(row.candidate.search_space)
    sampler = optuna.samplers.TPESampler(seed=plan.seed, n_startup_trials=RANDOM_TRIALS)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    found = []
    for number in range(1, trials + 1):
        trial = study.ask()
        drawn = {name: _drawn(trial, name, space) for name, space in spaces.items()}
        spec = row.candidate.model_copy(
            update={
                "name": f"{row.candidate.name} trial {number}",
                "parameters": {**row.candidate.parameters, **drawn},
                "why": f"trial {number} of {trials}",
            }
        )
        scores = tuple(score(plan.metric, part.labels, predictions) for part, predictions in folds.predictions(spec, own))
        study.tell(trial, sign(plan.metric) * float(np.mean(scores)))
        found.append((spec, scores))
    return found


def _drawn(trial: optuna.Trial, name: str, space: Space) -> Parameter:
    if isinstance(space, Choices):
        place: int = trial.suggest_categorical(name, list(range(len(space.choices))))     # by place: choices may be of any kind
        return space.choices[place]
    if space.whole:
        whole: int = trial.suggest_int(name, int(space.low), int(space.high), log=space.log)
        return whole
    drawn: float = trial.suggest_float(name, space.low, space.high, log=space.log)
    return float(f"{drawn:.4g}")        # four digits are all that a parameter needs, and all that people want to read


def _evaluated(
    found: Sequence[tuple[CandidateSpec, tuple[float, ...]]], plan: ModelPlan, rows: FrameRows, own: tuple[Candidate, ...]
) -> list[BoardRow]:
    train, validation = rows.part("train"), rows.part("validation")
    training, looking = Training(train.table, train.labels), Rows(validation.table)
    board = []
    for spec, scores in found:
        fitted = fit(spec, plan, rows, training, own)
        predictions = looking.predict(fitted.pipeline, rows.classes)
        board.append(
            BoardRow(
                candidate=spec,
                metrics=bootstrap(metrics_of(plan.task), validation.labels, predictions, plan.seed),
                fold_scores=scores,
                fit_seconds=round(fitted.seconds, 3),
                microseconds_a_row=microseconds_a_row(fitted.pipeline, validation, rows.classes),
                bytes=len(fitted.content),
                source="trial",
            )
        )
    return board
