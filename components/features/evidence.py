"""What is seen of one input in the training rows, and what it tells: measures that select's reasons rest on."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# An input that alone explains so much of the label is more likely a leak than a find: a guess; honest single inputs of
# real tables (census, breast cancer, wine) stay under 0.9.
LEAKING = 0.99
# |r| from here on: a linear copy. Measurement noise of 4 % of the spread already gives less.
SAME = 0.999
# Fine enough that a threshold leak leaves at most one mixed bin in 256; still tens of rows a bin from 10,000 rows on.
BINS = 256
NEWEST_SHARE, NEWEST_ROWS = 0.05, 100


@dataclass(frozen=True)
class Evidence:
    """One input in the training rows.

    Attributes:
        codes: int64 [rows], the value's number among the distinct ones (in no meaningful order), -1 where missing.
        numbers: float64 [rows] with NaN where missing; None for a category.
        distinct: different values; missing is none.
        row: int64 [rows], ordinals in the raw table; the rows are ordered by time where there is time.
    """

    codes: NDArray[np.int64]
    numbers: NDArray[np.float64] | None
    distinct: int
    row: NDArray[np.int64]

    @classmethod
    def of(cls, column: pa.ChunkedArray, row: NDArray[np.int64]) -> "Evidence":
        """Looks at a column of the training rows."""
        encoded = column.combine_chunks().dictionary_encode()
        codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        numbers = column.to_numpy() if pa.types.is_floating(column.type) else None
        return cls(codes, numbers, len(encoded.dictionary), row)

    @property
    def rows(self) -> int:
        """How many training rows there are."""
        return len(self.codes)

    @property
    def missing(self) -> int:
        """In how many of them the input is missing."""
        return int(np.count_nonzero(self.codes < 0))


def numbers_the_rows(seen: Evidence) -> bool:
    """Whether an integer goes up by one where the raw table's rows go up by one, whatever rows are left out between."""
    if seen.numbers is None or seen.missing:
        return False
    return bool(np.all(seen.numbers - seen.row == seen.numbers[0] - seen.row[0]))


def newest_missing(seen: Evidence) -> int | None:
    """The number of newest rows, if the input is missing in all of them and in under half of those before; else None."""
    newest = max(NEWEST_ROWS, int(NEWEST_SHARE * seen.rows))
    if seen.rows < 4 * newest:
        return None
    absent = seen.codes < 0
    return newest if absent[-newest:].all() and absent[:-newest].mean() < 0.5 else None


def same_categories(one: Evidence, other: Evidence) -> bool:
    """Whether each value of one stands for just one value of the other, missing included."""
    pairs = np.unique(np.stack([one.codes, other.codes]), axis=1).shape[1]
    return bool(pairs == len(np.unique(one.codes)) == len(np.unique(other.codes)))


def same_numbers(one: Evidence, other: Evidence) -> bool:
    """Whether two numbers are missing in the same rows and linear in each other (|Pearson's r| of SAME and more)."""
    if one.numbers is None or other.numbers is None or not np.array_equal(one.codes < 0, other.codes < 0):
        return False
    present = one.codes >= 0
    a, b = one.numbers[present] - one.numbers[present].mean(), other.numbers[present] - other.numbers[present].mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return spread > 0 and abs(float((a * b).sum())) / spread >= SAME


def explained(seen: Evidence, label: NDArray[np.float64], classes: int) -> float:
    """The share of the label that one input explains: 1 - squared error / squared error of the mean, at most 1.

    Rows are grouped by the input's value (numbers: by at most BINS quantiles); a group's mean label is taken from every other row and
    tried on the rest, so that an input with a value of its own in each row explains nothing. For classes the label is their indicators,
    and the squared error is Brier's.

    Args:
        seen: the input.
        label: [rows], class indices or values.
        classes: how many; 0 for regression.
    """
    groups = _groups(seen)
    target = label.astype(np.float64)[:, None] if classes == 0 else np.eye(classes)[label.astype(np.int64)]
    fitted, tried = slice(0, None, 2), slice(1, None, 2)
    mean = target[fitted].mean(axis=0)
    means = _group_means(groups[fitted], target[fitted], int(groups.max()) + 1, ordered=seen.numbers is not None)
    total = float(((target[tried] - mean) ** 2).sum())
    error = float(((target[tried] - means[groups[tried]]) ** 2).sum())
    return 1 - error / total if total > 0 else 0.0


def _groups(seen: Evidence) -> NDArray[np.int64]:
    """A group's number for each row; missing is group 0, groups of numbers go up with them."""
    if seen.numbers is None:
        return seen.codes + 1
    present = seen.codes >= 0
    edges = np.unique(np.quantile(seen.numbers[present], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(present, np.searchsorted(edges, seen.numbers, side="right") + 1, 0)


def _group_means(groups: NDArray[np.int64], target: NDArray[np.float64], size: int, *, ordered: bool) -> NDArray[np.float64]:
    """The mean target of each group [size, targets]; an empty one has its lower neighbour's where ordered, else that of all."""
    counts = np.bincount(groups, minlength=size)
    sums = np.stack([np.bincount(groups, weights=column, minlength=size) for column in target.T], axis=1)
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], target.mean(axis=0))
    if ordered and size > 1:
        filled = np.maximum.accumulate(np.where(counts[1:] > 0, np.arange(1, size), 0))
        means[1:] = means[np.where(filled > 0, filled, np.arange(1, size))]
    return means
