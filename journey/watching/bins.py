"""Bins: how a model's inputs and its score are counted, and the counts of the rows it was made from (reference.json)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from journey.artifacts import Document, FrameSchema
from journey.clock import duration
from journey.values.text import MISSING

NAN = "nan"
OTHER = "other"
SCORE = "score"
MISSING_WORDS = (None, MISSING)            # a missing category, before and after the model's word for it is put in
# Deciles see shifts of the bulk; the outer four see tails and outliers, to which deciles are blind.
QUANTILES = (0.001, 0.01, *(tenth / 10 for tenth in range(1, 10)), 0.99, 0.999)
MOST_CATEGORIES = 20                       # series a feature costs; rarer categories share the bin `other`
# The least PSI that is an effect worth acting on: longer windows hold more rows, so smaller shifts are real there (measured, not guessed).
FLOORS = ((timedelta(days=7), 0.01), (timedelta(days=1), 0.05), (timedelta(0), 0.1))
SMALLEST = float(np.finfo(np.float64).tiny)
LOWEST = float(np.finfo(np.float64).min)

Floats = npt.NDArray[np.float64]
Objects = npt.NDArray[np.object_]


class Columns(Protocol):
    """Model inputs by kind: what `Scorer.inputs` and `frame_arrays` give."""

    @property
    def numbers(self) -> Floats:
        """Shape [rows, numbers], NaN where missing."""

    @property
    def categories(self) -> Objects:
        """Shape [rows, categories], text."""


class ReferenceEntry(Document):
    """How one input, or the score, is counted, and the counts of its reference rows.

    Attributes:
        name: the feature, as in the label `feature` of the metrics.
        kind: number or category.
        edges: for a number, ascending; bin k holds `edges[k-1] < x <= edges[k]`, the first and the last are open.
        categories: for a category, those with a bin of their own.
        counts: reference rows by bin, in the order of `bins`.
        limits: the PSI that must be exceeded, by window as written in project.yaml.
        overdispersion: how much more the shares wobble from block to block than independent rows would; 0 where not calibrated.
    """

    name: str
    kind: Literal["number", "category"]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...]
    limits: dict[str, float]
    overdispersion: float = 0.0

    @property
    def bins(self) -> tuple[str, ...]:
        """The bins' labels in order: two-digit ordinals, `nan`, and for a category `other`."""
        if self.kind == "number":
            return (*_ordinals(len(self.edges) + 1), NAN)
        return (*_ordinals(len(self.categories)), NAN, OTHER)

    @property
    def rows(self) -> int:
        """How many reference rows were counted."""
        return sum(self.counts)

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The share of each bin, smoothed by half a row a bin so that no share is zero."""
        whole = self.rows + 0.5 * len(self.counts)
        return tuple((count + 0.5) / whole for count in self.counts)


class Reference(Document):
    """reference.json: one entry an input, in the model's order, and one for the score."""

    inputs: tuple[ReferenceEntry, ...]
    score: ReferenceEntry

    @property
    def entries(self) -> tuple[ReferenceEntry, ...]:
        """The inputs' entries, then the score's."""
        return (*self.inputs, self.score)


def reference_of(columns: Columns, schema: FrameSchema, scores: Floats, windows: Sequence[str]) -> Reference:
    """Chooses bins and counts the reference rows.

    Args:
        columns: model inputs of the final fit's rows (training and validation).
        schema: names of the inputs, numbers first.
        scores: the model's scores on test rows, shape [rows]: scores of rows it has seen would look surer than any new ones.
        windows: lengths over which drift is judged, such as 1h, 1d, 7d.
    """
    limits = {window: psi_floor(window) for window in windows}
    names = [entry.name for entry in schema.inputs]
    width = columns.numbers.shape[1]
    numbers = (_number_entry(name, columns.numbers[:, place], limits) for place, name in enumerate(names[:width]))
    categories = (_category_entry(name, columns.categories[:, place], limits) for place, name in enumerate(names[width:]))
    return Reference(inputs=(*numbers, *categories), score=_number_entry(_score_name(names), np.asarray(scores, np.float64), limits))


def psi_floor(window: str) -> float:
    """The least PSI that is called drift over a window, where no time blocks calibrate it."""
    length = duration(window)
    return next(floor for least, floor in FLOORS if length >= least)


def bin_index(entry: ReferenceEntry, values: Floats | Objects) -> npt.NDArray[np.int64]:
    """The place in `entry.bins` of each value.

    Args:
        entry: the feature.
        values: shape [rows]: doubles for a number (NaN is missing, an infinity falls into the outer bin), text for a category.
    """
    if entry.kind == "number":
        return _number_index(np.asarray(entry.edges, np.float64), np.asarray(values, np.float64))
    places = category_places(entry)
    other = len(entry.categories) + 1
    return np.fromiter((places.get(value, other) for value in values), np.int64, len(values))


def bin_counts(entry: ReferenceEntry, values: Floats | Objects) -> npt.NDArray[np.int64]:
    """How many of the values fall into each of `entry.bins`."""
    size = len(entry.bins)
    if entry.kind == "number":
        return np.bincount(bin_index(entry, values), minlength=size)
    places = category_places(entry)
    counts = np.zeros(size, np.int64)
    for value, count in Counter(values.tolist()).items():
        counts[places.get(value, size - 1)] += count
    return counts


def category_places(entry: ReferenceEntry) -> dict[str | None, int]:
    """The bin of each category that has one, and of a missing value; any other belongs to the last bin."""
    places: dict[str | None, int] = {category: place for place, category in enumerate(entry.categories)}
    return places | dict.fromkeys(MISSING_WORDS, len(entry.categories))


def _ordinals(count: int) -> tuple[str, ...]:
    return tuple(f"{place:02d}" for place in range(count))


def _score_name(names: Iterable[str]) -> str:
    """`score`, or where an input has that name, the same with as many underscores as make it unique."""
    name, taken = SCORE, set(names)
    while name in taken:
        name += "_"
    return name


def _number_entry(name: str, values: Floats, limits: dict[str, float]) -> ReferenceEntry:
    edges = _edges(values[np.isfinite(values)])
    counts = np.bincount(_number_index(edges, values), minlength=len(edges) + 2)
    return ReferenceEntry(name=name, kind="number", edges=tuple(edges.tolist()), counts=tuple(counts.tolist()), limits=limits)


def _category_entry(name: str, values: Objects, limits: dict[str, float]) -> ReferenceEntry:
    counted = Counter(values.tolist())
    present = sorted((-count, value) for value, count in counted.items() if value not in MISSING_WORDS)
    common = tuple(sorted(value for _, value in present[:MOST_CATEGORIES]))
    missing = sum(counted[word] for word in MISSING_WORDS)
    own = tuple(counted[category] for category in common)
    counts = (*own, missing, len(values) - missing - sum(own))
    return ReferenceEntry(name=name, kind="category", categories=common, counts=counts, limits=limits)


def _edges(values: Floats) -> Floats:
    """Quantiles that are values of the rows; one that repeats (a value with a large share of rows) gets a bin of its own."""
    if not len(values):
        return np.zeros(0)
    found, times = np.unique(np.quantile(values, QUANTILES, method="inverted_cdf") + 0.0, return_counts=True)
    return np.unique(np.concatenate([found, _just_below(found[times > 1])]))


def _just_below(values: Floats) -> Floats:
    # next to zero the next double is subnormal, which code compiled for speed takes for zero
    return np.where(np.abs(values) <= SMALLEST, values - SMALLEST, np.nextafter(values, LOWEST))


def _number_index(edges: Floats, values: Floats) -> npt.NDArray[np.int64]:
    places: npt.NDArray[np.int64] = np.searchsorted(edges, values, side="left").astype(np.int64)
    places[np.isnan(values)] = len(edges) + 1
    return places
