"""What a Pipeline takes: one array of objects by position, numbers first, then categories.

Imports numpy alone: the server has to make the same array.
"""

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
    return value


def matrix(numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[np.object_]:
    """The array that a Pipeline takes.

    Args:
        numbers: shape [n, d], NaN where missing.
        categories: shape [n, c] of str, MISSING where missing.

    Returns:
        Shape [n, d + c].
    """
    table = np.empty((len(numbers), numbers.shape[1] + categories.shape[1]), dtype=object)
    table[:, : numbers.shape[1]] = numbers
    table[:, numbers.shape[1] :] = categories
    return table
