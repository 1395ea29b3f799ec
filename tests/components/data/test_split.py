import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.data.split import boundaries, training_rows
from journey.sections import Split


def split(validation: float = 0.2, test: float = 0.2) -> Split:
    return Split(by="time", validation=validation, test=test)


def test_the_newest_share_is_for_test_and_the_share_before_it_for_validation() -> None:
    edges = boundaries(np.arange(10, dtype=np.int64), split())
    assert (edges.validation, edges.test) == (6, 8)


def test_rows_of_one_moment_stay_on_one_side() -> None:
    edges = boundaries(np.array([1, 2, 3, 4, 5, 6, 7, 7, 7, 7], dtype=np.int64), split())
    assert edges.test == 7


def test_no_rows_have_no_boundaries_and_no_training_rows() -> None:
    nothing = np.array([], dtype=np.int64)
    assert (boundaries(nothing, split()).validation, boundaries(nothing, split()).test) == (None, None)
    assert training_rows(nothing, split(), 0) == 0


def test_rows_whose_label_is_not_known_at_the_boundary_are_not_trained_on() -> None:
    times = np.arange(10, dtype=np.int64)
    assert training_rows(times, split(), 0) == 6
    assert training_rows(times, split(), 1) == 6           # the row at 5 is mature at 6, when validation begins
    assert training_rows(times, split(), 3) == 4


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(0, 20), st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_training_rows_are_those_that_end_their_wait_before_validation(
    times: list[int], matures: int, validation: float, test: float
) -> None:
    ordered = np.array(sorted(times), dtype=np.int64)
    edges = boundaries(ordered, split(validation, test))
    first = edges.validation if edges.validation is not None else edges.test
    expected = sum(1 for time in times if first is None or (time < first and time + matures <= first))
    assert training_rows(ordered, split(validation, test), matures) == expected
