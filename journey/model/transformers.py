"""What is learned from training rows before a model sees them: medians, limits, scales, encodings.

Each does one thing, keeps what it learned in plain arrays, and has its ONNX form in onnx_nodes.py. None reads pandas.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

Floats = NDArray[np.float64]
Objects = NDArray[np.object_]
Labels = NDArray[np.int64] | NDArray[np.float64]

LEAST_ROWS = 5         # a category seen in fewer training rows says too little of its own (a guess)
MOST_ONE_HOT = 40      # columns that one category may become; rarer values share "none of them" (a guess)
MOST_ORDERED = 1000    # values of one category that are put in order; bounds the model's size, not its quality


class _Stateless(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A transformer that learns nothing."""

    def fit(self, X: Objects, y: Labels | None = None) -> Self:
        """Learns nothing.

        Args:
            X: shape [n, d].
            y: not looked at.
        """
        self.n_features_in_ = X.shape[1]
        return self


class ToDouble(_Stateless):
    """Objects as doubles, NaN where missing."""

    def transform(self, X: Objects) -> Floats:
        """Shape [n, d] as it came."""
        return np.asarray(X, dtype=np.float64)


class CastFloat(_Stateless):
    """Doubles as floats: ONNX trees compare floats, so the trees must have learned from floats."""

    def transform(self, X: Floats) -> NDArray[np.float32]:
        """Shape [n, d] as it came; what is beyond a float becomes the largest one."""
        largest = np.finfo(np.float32).max
        return np.clip(X, -largest, largest).astype(np.float32)


class Impute(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A missing number becomes its column's median; 0 where a column has no value at all."""

    def fit(self, X: Floats, y: Labels | None = None) -> Self:
        """Learns the medians of the values that are there.

        Args:
            X: shape [n, d], NaN where missing.
            y: not looked at.
        """
        present = [column[~np.isnan(column)] for column in X.T]
        self.medians_ = np.array([np.median(values) if len(values) else 0.0 for values in present], dtype=np.float64)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Floats) -> Floats:
        """Shape [n, d] without NaN."""
        return np.where(np.isnan(X), self.medians_, X)


class Winsorize(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Moves the tails to limits: a linear model would otherwise be steered by a few rows, and by one mistyped value online.

    Args:
        lower: share of training rows that may lie below the lower limit.
        upper: share of training rows that may lie below the upper limit.
    """

    def __init__(self, lower: float = 0.001, upper: float = 0.999) -> None:
        self.lower = lower
        self.upper = upper

    def fit(self, X: Floats, y: Labels | None = None) -> Self:
        """Learns the limits: values that occur, not points between them.

        Args:
            X: shape [n, d] without NaN.
            y: not looked at.
        """
        self.lows_ = np.quantile(X, self.lower, axis=0, method="lower")
        self.highs_ = np.quantile(X, self.upper, axis=0, method="higher")
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Floats) -> Floats:
        """Shape [n, d] within the limits."""
        return np.clip(X, self.lows_, self.highs_)


class Scale(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Centres each column on its mean and divides by its standard deviation; a constant column becomes 0."""

    def fit(self, X: Floats, y: Labels | None = None) -> Self:
        """Learns means and standard deviations.

        Args:
            X: shape [n, d] without NaN.
            y: not looked at.
        """
        self.means_ = X.mean(axis=0)
        deviations = X.std(axis=0)
        self.scales_ = np.where(deviations > 0, deviations, 1.0)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Floats) -> Floats:
        """Shape [n, d]."""
        return np.asarray((X - self.means_) / self.scales_)


class OneHot(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A column of 0 and 1 for each frequent value of each category; rare and unseen values have none.

    Args:
        least: a value of its own needs this many training rows.
        most: values of one category that get a column, the most frequent first.
    """

    def __init__(self, least: int = LEAST_ROWS, most: int = MOST_ONE_HOT) -> None:
        self.least = least
        self.most = most

    def fit(self, X: Objects, y: Labels | None = None) -> Self:
        """Learns the frequent values.

        Args:
            X: shape [n, c] of str.
            y: not looked at.
        """
        frequent = [_frequent(column, self.least, self.most)[0] for column in X.T]
        self.values_ = [np.array(values, dtype=np.str_) for values in frequent]
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Objects) -> Floats:
        """Shape [n, all columns' frequent values]."""
        encoded = np.zeros((len(X), sum(map(len, self.values_))))
        rows = np.arange(len(X))
        start = 0
        for column, values in zip(X.T, self.values_, strict=True):
            place = {value: start + index for index, value in enumerate(values.tolist())}
            places = np.fromiter((place.get(value, -1) for value in column), dtype=np.int64, count=len(X))
            known = places >= 0
            encoded[rows[known], places[known]] = 1.0
            start += len(values)
        return encoded


class TargetOrder(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Each category's values become 0, 1, 2… in the order of their mean label, so that trees can split them well.

    Rare and unseen values stand together where the mean label of all rows would: between the values below and those above it.

    Args:
        least: a value of its own needs this many training rows.
        most: values of one category that get a place, the most frequent first.
    """

    def __init__(self, least: int = LEAST_ROWS, most: int = MOST_ORDERED) -> None:
        self.least = least
        self.most = most

    def fit(self, X: Objects, y: Labels) -> Self:
        """Learns the order.

        Args:
            X: shape [n, c] of str.
            y: shape [n], 0 and 1 or a number.
        """
        self.values_, others = [], []
        average = float(np.mean(y))
        for column in X.T:
            values, members = _frequent(column, self.least, self.most)
            means = {value: float(np.mean(y[rows])) for value, rows in zip(values, members, strict=True)}
            ordered = sorted(means, key=lambda value: (means[value], value))
            self.values_.append(np.array(ordered, dtype=np.str_))
            others.append(sum(mean < average for mean in means.values()) - 0.5)
        self.others_ = np.array(others, dtype=np.float64)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Objects) -> Floats:
        """Shape [n, c]: whole numbers, or halves for rare and unseen values; all are exact as floats."""
        encoded = np.empty(X.shape)
        for index, (column, values, other) in enumerate(zip(X.T, self.values_, self.others_.tolist(), strict=True)):
            place = {value: float(rank) for rank, value in enumerate(values.tolist())}
            encoded[:, index] = [place.get(value, other) for value in column]
        return encoded


def _frequent(column: Objects, least: int, most: int) -> tuple[list[str], list[NDArray[np.int64]]]:
    """The values with at least `least` rows, at most `most` of them, in the order of their text, and the rows of each."""
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(column):
        rows.setdefault(value, []).append(row)
    enough = [value for value, where in rows.items() if len(where) >= least]
    kept = sorted(sorted(enough, key=lambda value: (-len(rows[value]), value))[:most])
    return kept, [np.array(rows[value], dtype=np.int64) for value in kept]
