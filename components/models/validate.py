"""Validate models: cross-validation on training rows, and whether the gates are within reach."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.models.folds import CrossValidation
from components.models.gates import on_metrics, require_known, within
from journey.artifacts import CandidateSpec, Document
from journey.declarations import Candidate
from journey.model.scores import score
from journey.sections import Gates, ModelPlan

SCORES = "scores.json"


class FoldScores(Document):
    """scores.json: one candidate's metric in each fold. Nothing of a gate is in it, so that a gate that moves trains nothing anew."""

    candidate: str
    metric: str
    fold_scores: tuple[float, ...]

    @classmethod
    def of(cls, directory: Path) -> "FoldScores":
        """Reads scores.json of a folder."""
        return cls.read(directory / SCORES)


@dataclass(frozen=True)
class Validated:
    """A candidate's scores, and the gates that are out of its reach: said early, decided by choose."""

    scores: FoldScores
    out_of_reach: tuple[str, ...]


def validate(spec: CandidateSpec, plan: ModelPlan, gates: Gates, folds: CrossValidation, own: tuple[Candidate, ...]) -> Validated:
    """Scores a candidate in each fold.

    A gate on a metric is out of reach if even the folds' mean plus two standard errors misses it: folds have fewer rows than
    the final fit, so the mean alone would be too strict.

    Raises:
        ProjectError: a gate or a candidate can't be.
    """
    require_known(gates, plan.task)
    asked = on_metrics(gates)
    found: dict[str, list[float]] = {name: [] for name in (plan.metric, *asked)}
    for part, predictions in folds.predictions(spec, own):
        for name, values in found.items():
            values.append(score(name, part.labels, predictions))
    missed = tuple(name for name, bound in sorted(asked.items()) if not any(within(bound, value) for value in _reach(found[name])))
    return Validated(FoldScores(candidate=spec.name, metric=plan.metric, fold_scores=tuple(found[plan.metric])), missed)


def _reach(values: list[float]) -> tuple[float, float, float]:
    """The mean, and two standard errors to both sides of it."""
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return mean - 2 * error, mean, mean + 2 * error
