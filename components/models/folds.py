"""Folds of the training rows for cross-validation: forward in time where there is time, else by class and chance, group by group."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.models.rows import FrameRows, Part
from components.models.train import fit_told
from journey.artifacts import CandidateSpec
from journey.clock import duration
from journey.declarations import Candidate
from journey.errors import DataError
from journey.model.estimators import build
from journey.model.fitting import Rows, Training
from journey.sections import ModelPlan

Numbers = NDArray[np.int64]
Predictions = NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """Row numbers to fit on and row numbers to look at."""

    fit: Numbers
    look: Numbers


def folds_of(part: Part, plan: ModelPlan, count: int) -> tuple[Fold, ...]:
    """The folds of some rows.

    Raises:
        DataError: no fold has rows on both sides.
    """
    whole = _forward(part, plan, count) if plan.by_time else _by_chance(part, plan, count)
    usable = tuple(fold for fold in whole if _differ(part, fold.fit) and _differ(part, fold.look))
    if not usable:
        expected = f"cross-validation: expected {len(part)} training rows to make {count} folds with rows to fit on and rows to look at"
        groups = len(np.unique(part.groups))
        if plan.by_time:
            left = f"`matures` ({plan.matures}) leaves too few rows before the edges"
            why = f"{left}, or all labels of a side are one. Give more rows, or a longer `window`"
        elif groups < len(part):
            why = f"split.group makes {groups} groups of them, which stay whole. Give rows of more groups, or split by another column"
        else:
            why = "too few of them are of a second class. Give more rows"
        raise DataError(f"{expected}, found none: {why}.")
    return usable


class CrossValidation:
    """The folds of a frame's training rows, encoded once for every candidate that is tried on them."""

    def __init__(self, rows: FrameRows, plan: ModelPlan, count: int) -> None:
        """Makes the folds.

        Raises:
            DataError: as `folds_of`.
        """
        self._rows = rows
        self._plan = plan
        part = rows.part("train")
        self._sides = [(part.at(fold.fit), part.at(fold.look)) for fold in folds_of(part, plan, count)]
        self._training = [Training(fit.table, fit.labels) for fit, _ in self._sides]
        self._looking = [Rows(look.table) for _, look in self._sides]

    def predictions(self, spec: CandidateSpec, own: tuple[Candidate, ...]) -> Iterator[tuple[Part, Predictions]]:
        """Fits the candidate in each fold; gives the rows that were held out, and what it predicts of them.

        Raises:
            ProjectError: the candidate can't be built or fitted.
        """
        for (_, look), training, looking in zip(self._sides, self._training, self._looking, strict=True):
            pipeline = fit_told(spec, build(spec, self._rows.schema, self._plan.seed, own), training)
            yield look, looking.predict(pipeline, self._rows.classes)


def _forward(part: Part, plan: ModelPlan, count: int) -> list[Fold]:
    """Blocks of equally many rows in the order of time: each but the first is looked at by a model of all rows mature before it."""
    order = np.argsort(part.times, kind="stable")
    times = part.times[order]
    edges = [times[len(order) * block // (count + 1)] for block in range(1, count + 1)]
    ends = [*edges[1:], times[-1] + np.timedelta64(1, "us")]
    matures = np.timedelta64(duration(plan.matures))
    return [
        Fold(order[(times < edge) & (times + matures <= edge)], order[(times >= edge) & (times < end)])
        for edge, end in zip(edges, ends, strict=True)
    ]


def _by_chance(part: Part, plan: ModelPlan, count: int) -> list[Fold]:
    """Groups are dealt out in turn, whole, in an order drawn by the seed; for classes those of one mean label after each other.

    Where a row is a group of its own, each class's rows are so dealt out evenly.
    """
    sizes = np.bincount(part.groups)
    drawn = np.random.default_rng(plan.seed).permutation(len(sizes))
    if plan.task != "regression":
        means = np.bincount(part.groups, weights=part.labels) / sizes
        drawn = drawn[np.argsort(means[drawn], kind="stable")]
    dealt = np.empty(len(sizes), dtype=np.int64)
    dealt[drawn] = np.arange(len(sizes)) % count
    fold = dealt[part.groups]
    return [Fold(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(count)]


def _differ(part: Part, rows: Numbers) -> bool:
    """Whether labels differ: from one label nothing is learned, and many a metric is not defined on it."""
    return len(np.unique(part.labels[rows])) > 1
