"""What a model takes: numbers with NaN and categories with a word for missing, as two arrays or as scikit-learn's one."""

import numpy as np
from numpy.typing import NDArray

from journey.errors import RequestError
from journey.values.text import MISSING

__all__ = ["MISSING", "matrix", "worded"]


def worded(name: str, value: object) -> str:
    """A category as models see it, in training as in scoring: a missing one is the reserved word.

    Raises:
        RequestError: the value is the reserved word itself, or no text.
    """
    if value is None:
        return MISSING
    if value.__class__ is not str or value == MISSING:
        raise RequestError(name, f"text other than the reserved word {MISSING}", repr(value))
    return value  # type: ignore[return-value]  # a str, as was just looked at


def matrix(numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[np.object_]:
    """The one object array [n, d + c] that Pipelines take, numbers first; they select columns by position."""
    return np.concatenate([numbers.astype(object), categories], axis=1)
