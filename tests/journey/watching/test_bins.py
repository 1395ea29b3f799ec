"""What the server counts."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey.artifacts import FrameSchema, Input
from journey.errors import DataError
from journey.watching.bins import Reference, ReferenceEntry, bin_counts, bin_index, psi_floor, reference_of


@dataclass(frozen=True)
class Arrays:
    numbers: np.ndarray
    categories: np.ndarray


def reference(numbers=(), categories=(), scores=(0.1, 0.9)) -> Reference:
    rows = len(numbers or categories)
    inputs = [Input(name=name, type="float", origin="spine") for name in ["amount"][: bool(numbers)]]
    inputs += [Input(name=name, type="category", origin="spine") for name in ["channel"][: bool(categories)]]
    arrays = Arrays(np.array(numbers, float).reshape(rows, -1), np.array(categories, object).reshape(rows, -1))
    schema = FrameSchema(task="binary", classes=(False, True), inputs=tuple(inputs))
    return reference_of(arrays, schema, np.array(scores), ("1h", "1d", "7d"))


def test_a_continuous_feature_gets_thirteen_edges_and_a_bin_for_missing():
    entry = reference(numbers=list(np.arange(100_000.0))).inputs[0]
    assert len(entry.edges) == 13
    assert entry.bins == (*(f"{k:02d}" for k in range(14)), "nan")
    assert entry.counts[:3] == (100, 900, 9000)
    assert entry.counts[-3:] == (900, 100, 0)


def test_a_value_that_many_rows_share_has_a_bin_of_its_own():
    entry = reference(numbers=[0.0] * 900 + list(np.arange(1.0, 101.0))).inputs[0]
    below, zero, above = bin_index(entry, np.array([-0.001, 0.0, 0.001]))
    assert len({below, zero, above}) == 3
    assert entry.counts[zero] == 900


def test_infinities_fall_into_the_outer_bins_and_nan_into_its_own():
    entry = reference(numbers=[1.0, 2.0, 3.0, float("inf"), float("nan")]).inputs[0]
    last = len(entry.edges)
    assert bin_index(entry, np.array([-np.inf, np.inf, np.nan])).tolist() == [0, last, last + 1]
    assert all(np.isfinite(entry.edges))
    assert entry.rows == 5


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=False), min_size=1, max_size=60))
def test_every_number_falls_into_exactly_one_bin(values):
    entry = reference(numbers=values).inputs[0]
    assert len(entry.edges) <= 13
    assert sorted(set(entry.edges)) == list(entry.edges)
    assert bin_counts(entry, np.array(values)).tolist() == list(entry.counts)
    assert sum(entry.counts) == len(values)


def test_the_twenty_commonest_categories_have_bins_and_the_rest_share_other():
    values = [f"c{k:02d}" for k in range(30) for _ in range(k + 1)]
    entry = reference(categories=values).inputs[0]
    assert entry.categories == tuple(f"c{k:02d}" for k in range(10, 30))
    assert entry.bins[-2:] == ("nan", "other")
    assert entry.counts[-1] == sum(range(1, 11))


def test_a_missing_category_is_counted_as_nan_and_an_unseen_one_as_other():
    entry = reference(categories=["online", "__missing__", "phone", "online"]).inputs[0]
    assert entry.categories == ("online", "phone")
    assert [entry.bins[place] for place in bin_index(entry, np.array(["phone", "__missing__", "fax"], object))] == ["01", "nan", "other"]
    assert bin_counts(entry, np.array(["phone", "__missing__", "fax", "fax"], object)).tolist() == [0, 1, 1, 2]


@given(st.lists(st.text(max_size=3) | st.just("__missing__"), min_size=1, max_size=60))
def test_every_category_falls_into_exactly_one_bin(values):
    entry = reference(categories=values).inputs[0]
    assert bin_counts(entry, np.array(values, object)).tolist() == list(entry.counts)
    assert np.bincount(bin_index(entry, np.array(values, object)), minlength=len(entry.bins)).tolist() == list(entry.counts)


def test_smoothed_shares_are_never_zero_and_add_up_to_one():
    entry = ReferenceEntry(name="x", kind="number", edges=(0.0,), counts=(9, 0, 0), limits={})
    assert entry.probabilities == pytest.approx((9.5 / 10.5, 0.5 / 10.5, 0.5 / 10.5))
    assert sum(entry.probabilities) == pytest.approx(1)


def test_limits_are_the_floors_of_their_windows():
    assert reference(numbers=[1.0]).inputs[0].limits == {"1h": 0.1, "1d": 0.05, "7d": 0.01}
    assert psi_floor("12h") == 0.1
    assert psi_floor("30d") == 0.01


def test_the_score_gives_way_to_an_input_of_its_name():
    schema = FrameSchema(task="binary", classes=(0, 1), inputs=(Input(name="score", type="float", origin="spine"),))
    made = reference_of(Arrays(np.ones((2, 1)), np.empty((2, 0), object)), schema, np.array([0.5]), ())
    assert [entry.name for entry in made.entries] == ["score", "score_"]


def test_a_reference_read_again_counts_the_same(tmp_path):
    made = reference(numbers=[0.1, 0.2, 0.30000000000000004] * 5 + [0.0] * 9, scores=[])
    made.write(tmp_path / "reference.json")
    assert Reference.read(tmp_path / "reference.json") == made


def test_a_reference_of_a_newer_format_is_refused(tmp_path):
    (tmp_path / "reference.json").write_text('{"format": 2, "inputs": [], "score": {}}')
    with pytest.raises(DataError, match=r"reference\.json: expected a Reference of format 1"):
        Reference.read(tmp_path / "reference.json")
