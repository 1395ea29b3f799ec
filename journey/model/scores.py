"""Metrics of predictions by name, with 95 % intervals by bootstrap: over weights, so that a thousand resamples cost one sort.

A prediction is [n, classes] of probabilities (binary: the positive class is the second), or [n, 1] of values for regression; a label is
a class index or a value. Definitions are scikit-learn's; tests hold them to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from journey.artifacts import Metric
from journey.errors import ProjectError
from journey.sections import Task

Floats = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float64]
OfWeights = Callable[[Floats], Floats]
"""From weights of rows [draws, n] to a metric's value in each draw [draws]."""
Prepare = Callable[[Labels, Floats], OfWeights]

DRAWS = 1000                    # resamples of an interval: the 2.5 % quantile then rests on 25 of them
FEW_DRAWS = 200                 # of a table so large that intervals are narrow anyway
LARGE = 50_000                  # rows from which few draws do
WEIGHTS_AT_A_TIME = 4_000_000   # doubles in memory at a time, 32 MB
LEAST_PROBABILITY = float(np.finfo(np.float64).eps)     # as scikit-learn clips before a logarithm


@dataclass(frozen=True)
class Measure:
    """One metric.

    Attributes:
        sign: 1 where greater is better, -1 where less is.
        tasks: which it is defined for.
        prepare: works out once what doesn't depend on weights.
    """

    sign: int
    tasks: tuple[Task, ...]
    prepare: Prepare


def metrics_of(task: Task) -> tuple[str, ...]:
    """The names of a task's metrics, in the order in which people are shown them."""
    return tuple(name for name, measure in MEASURES.items() if task in measure.tasks)


def require(name: str, task: Task) -> None:
    """Refuses a metric that isn't defined for a task.

    Raises:
        ProjectError: so it is.
    """
    if name not in metrics_of(task):
        raise ProjectError(f"metric: expected one for {task} ({', '.join(metrics_of(task))}), found '{name}'")


def sign(name: str) -> int:
    """1 where greater is better, -1 where less is."""
    return MEASURES[name].sign


def score(name: str, labels: Labels, predictions: Floats) -> float:
    """A metric's value; NaN where it is not defined, such as an area under the curve of a single class."""
    return float(MEASURES[name].prepare(labels, predictions)(np.ones((1, len(labels))))[0])


def bootstrap(names: Sequence[str], labels: Labels, predictions: Floats, seed: int) -> tuple[Metric, ...]:
    """Several metrics with their 95 % intervals, all over the same resamples.

    Args:
        names: which.
        labels: shape [n].
        predictions: shape [n, classes] or [n, 1].
        seed: equal seeds draw equal rows.
    """
    prepared = [MEASURES[name].prepare(labels, predictions) for name in names]
    everything = np.ones((1, len(labels)))
    drawn: list[list[Floats]] = [[] for _ in names]
    for weights in _draws(len(labels), seed):
        for values, measure in zip(drawn, prepared, strict=True):
            values.append(measure(weights))
    return tuple(
        _metric(name, float(measure(everything)[0]), np.concatenate(values))
        for name, measure, values in zip(names, prepared, drawn, strict=True)
    )


def paired_bootstrap(name: str, labels: Labels, ours: Floats, theirs: Floats, seed: int) -> Metric:
    """By how much our predictions are better than theirs of the same rows: above 0 is better, whichever way the metric goes.

    Args:
        name: of the metric.
        labels: shape [n].
        ours: shape [n, classes] or [n, 1].
        theirs: the same shape.
        seed: equal seeds draw equal rows.
    """
    measure = MEASURES[name]
    first, second = measure.prepare(labels, ours), measure.prepare(labels, theirs)
    everything = np.ones((1, len(labels)))
    value = measure.sign * float(first(everything)[0] - second(everything)[0])
    return _metric(name, value, np.concatenate([measure.sign * (first(w) - second(w)) for w in _draws(len(labels), seed)]))


def _metric(name: str, value: float, draws: Floats) -> Metric:
    defined = draws[np.isfinite(draws)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (value, value)
    return Metric(name=name, value=value, low=float(low), high=float(high))


def _draws(rows: int, seed: int) -> Iterator[Floats]:
    """How often each row was drawn with replacement, in chunks [draws, rows]."""
    rng = np.random.default_rng(seed)
    left = DRAWS if rows < LARGE else FEW_DRAWS
    chunk = max(1, WEIGHTS_AT_A_TIME // max(rows, 1))
    while left > 0:
        draws = min(chunk, left)
        places = rng.integers(0, rows, size=(draws, rows)) + np.arange(draws)[:, None] * rows
        yield np.bincount(places.ravel(), minlength=draws * rows).reshape(draws, rows).astype(np.float64)
        left -= draws


def _of_sums(statistics: Callable[[Labels, Floats], Floats], combine: Callable[[Floats], Floats]) -> Prepare:
    """A metric that is a function of weighted sums: `statistics` [n, m] of rows, `combine` from sums [draws, m]."""

    def prepare(labels: Labels, predictions: Floats) -> OfWeights:
        columns = np.ascontiguousarray(statistics(labels, predictions).T)
        # einsum, not matmul: BLAS adds up in another order with other threads, and these figures stand on the model's card.
        return lambda weights: combine(np.einsum("dn,mn->dm", weights, columns))

    return prepare


def _mean_of(loss: Callable[[Labels, Floats], Floats]) -> Prepare:
    return _of_sums(lambda y, p: np.column_stack([loss(y, p), np.ones(len(y))]), lambda sums: sums[:, 0] / sums[:, 1])


def _ratio(above: Floats, below: Floats, otherwise: float) -> Floats:
    """The quotient where `below` is above 0."""
    return np.asarray(np.divide(above, below, out=np.full_like(above, otherwise), where=below > 0))


def _log_losses(labels: Labels, probabilities: Floats) -> Floats:
    clipped = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(-np.log(clipped[np.arange(len(labels)), labels.astype(np.int64)]))


def _confusion(labels: Labels, probabilities: Floats) -> Floats:
    """By class: true positives, actual positives, predicted positives."""
    classes = np.arange(probabilities.shape[1])
    actual = labels[:, None] == classes
    predicted = probabilities.argmax(axis=1)[:, None] == classes
    return np.hstack([actual & predicted, actual, predicted]).astype(np.float64)


def _recalls(sums: Floats) -> Floats:
    """Mean share of each class's rows that were found, over the classes that have rows."""
    hits, actual, _ = np.split(sums, 3, axis=1)
    present = actual > 0
    return _ratio(_ratio(hits, actual, 0.0).sum(axis=1), present.sum(axis=1), np.nan)


def _f1_by_class(sums: Floats) -> Floats:
    hits, actual, predicted = np.split(sums, 3, axis=1)
    return _ratio(2 * hits, actual + predicted, 0.0)


def _f1_macro(sums: Floats) -> Floats:
    """Mean over the classes that occur, in truth or in predictions."""
    _, actual, predicted = np.split(sums, 3, axis=1)
    occurs = actual + predicted > 0
    return _ratio(_f1_by_class(sums).sum(axis=1), occurs.sum(axis=1), np.nan)


def _r2_statistics(labels: Labels, values: Floats) -> Floats:
    centred = labels - labels.mean()                   # else the two large sums of squares would swallow their difference
    return np.column_stack([(labels - values[:, 0]) ** 2, centred, centred**2, np.ones(len(labels))])


def _r2(sums: Floats) -> Floats:
    residual, total, squares, rows = sums.T
    spread = squares - total**2 / rows
    return 1 - _ratio(residual, spread, np.nan)


@dataclass(frozen=True)
class _Ranks:
    """Rows by ascending score; `starts` are the places where a new score begins, since rows with one score can't be told apart."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    positive: Floats

    def sums(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of positive and of negative rows by score [draws, scores]."""
        ordered = weights[:, self.order]
        of_positive = np.add.reduceat(ordered * self.positive, self.starts, axis=1)
        return of_positive, np.add.reduceat(ordered, self.starts, axis=1) - of_positive


def _ranks(positive: NDArray[np.bool_], scores: Floats) -> _Ranks:
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    return _Ranks(order, starts, positive[order].astype(np.float64))


def _area(positives: Floats, negatives: Floats) -> Floats:
    """Area under the ROC curve: how often a positive row stands above a negative one, ties counting half."""
    below = np.cumsum(negatives, axis=1) - negatives
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    above = (positives * (below + negatives / 2)).sum(axis=1)
    return _ratio(above, pairs, np.nan)


def _average_precision(positives: Floats, negatives: Floats) -> Floats:
    hits = np.cumsum(positives[:, ::-1], axis=1)
    drawn = np.cumsum((positives + negatives)[:, ::-1], axis=1)
    precision = _ratio(hits, drawn, 0.0)
    total = hits[:, -1]
    return _ratio((precision * positives[:, ::-1]).sum(axis=1), total, np.nan)


def _ranking(combine: Callable[[Floats, Floats], Floats]) -> Prepare:
    """A metric of the order that scores give: of the positive class, or of each class against the others, averaged.

    A class without rows, and one that all rows are of, have none: the average is over the others.
    """

    def prepare(labels: Labels, probabilities: Floats) -> OfWeights:
        classes = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
        ranks = [_ranks(labels == index, probabilities[:, index]) for index in classes]

        def averaged(weights: Floats) -> Floats:
            values = np.stack([combine(*each.sums(weights)) for each in ranks])
            known = np.isfinite(values)
            return _ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64), np.nan)

        return averaged

    return prepare


_BINARY: tuple[Task, ...] = ("binary",)
_CLASSES: tuple[Task, ...] = ("binary", "multiclass")
_VALUES: tuple[Task, ...] = ("regression",)

MEASURES: Mapping[str, Measure] = {
    "roc_auc": Measure(1, _CLASSES, _ranking(_area)),
    "average_precision": Measure(1, _CLASSES, _ranking(_average_precision)),
    "log_loss": Measure(-1, _CLASSES, _mean_of(_log_losses)),
    "brier": Measure(-1, _BINARY, _mean_of(lambda y, p: (p[:, 1] - y) ** 2)),
    "accuracy": Measure(1, _CLASSES, _mean_of(lambda y, p: (p.argmax(axis=1) == y).astype(np.float64))),
    "balanced_accuracy": Measure(1, _CLASSES, _of_sums(_confusion, _recalls)),
    "f1": Measure(1, _BINARY, _of_sums(_confusion, lambda sums: _f1_by_class(sums)[:, 1])),
    "f1_macro": Measure(1, _CLASSES, _of_sums(_confusion, _f1_macro)),
    "r2": Measure(1, _VALUES, _of_sums(_r2_statistics, _r2)),
    "rmse": Measure(-1, _VALUES, lambda y, p: _root(_mean_of(lambda y, p: (y - p[:, 0]) ** 2)(y, p))),
    "mae": Measure(-1, _VALUES, _mean_of(lambda y, p: np.abs(y - p[:, 0]))),
}
"""Every metric by name."""


def _root(squares: OfWeights) -> OfWeights:
    return lambda weights: np.sqrt(squares(weights))
