"""Which inputs are dropped and why, decided on training rows alone."""

import random

import pyarrow as pa
import pytest

from components.features.extract import Frame
from components.features.select import select
from journey.artifacts import LABEL, ROW, SPLIT, TIME, Derived, FrameSchema, Input, Lookup, LookupFeature
from journey.errors import DataError, ProjectError
from journey.project import SelectPlan

ROWS = 2000
SPLITS = ["train"] * 1600 + ["validation"] * 200 + ["test"] * 200


def frame_of(columns: dict[str, list], labels: list, task: str = "binary", **schema) -> Frame:
    def kind(values):
        return "category" if any(isinstance(value, str) for value in values) else "integer" if isinstance(values[0], int) else "float"

    inputs = tuple(Input(name=name, type=kind(values), origin="spine") for name, values in columns.items())
    classes = () if task == "regression" else tuple(sorted(set(labels)))
    arrays = {name: pa.array(values, pa.string() if kind(values) == "category" else pa.float64()) for name, values in columns.items()}
    spine = {ROW: list(range(ROWS)), TIME: pa.nulls(ROWS, pa.timestamp("us", "UTC")), SPLIT: SPLITS, LABEL: labels}
    return Frame(pa.table({**spine, **arrays}), FrameSchema(task=task, classes=classes, inputs=inputs, **schema))


def plan(task: str = "binary", drop: tuple[str, ...] = ()) -> SelectPlan:
    return SelectPlan(task=task, drop=drop, seed=1)


@pytest.fixture
def draw() -> random.Random:
    return random.Random(4)


@pytest.fixture
def labels(draw) -> list[int]:
    return [draw.randint(0, 1) for _ in range(ROWS)]


@pytest.fixture
def honest(draw, labels) -> list[float]:
    return [draw.gauss(1.5 * label, 1.0) for label in labels]


def reasons(frame: Frame, given: SelectPlan | None = None) -> dict[str, str]:
    return {each.name: each.reason for each in select(given or plan(), frame).frame.schema.dropped}


def test_honest_inputs_are_kept(honest, labels, draw):
    noise, group = [draw.random() for _ in range(ROWS)], [draw.choice("abc") for _ in range(ROWS)]
    assert reasons(frame_of({"honest": honest, "noise": noise, "group": group}, labels)) == {}


def test_constant_and_always_missing_inputs_go_but_sometimes_missing_ones_stay(honest, labels, draw):
    frame = frame_of(
        {
            "honest": honest,
            "one": [1.0] * ROWS,
            "none": [None] * ROWS,
            "word": ["a"] * ROWS,
            "there": [None if draw.random() < 0.3 else 1.0 for _ in range(ROWS)],
        },
        labels,
    )
    assert reasons(frame) == {"one": "constant", "none": "constant", "word": "constant"}


def test_only_training_rows_are_looked_at(honest, labels):
    late = [1.0] * 1600 + [float(n) for n in range(400)]
    copied_later = [float(n % 7) for n in range(1600)] + labels[1600:]
    frame = frame_of({"honest": honest, "late": late, "copied_later": copied_later}, labels)
    assert reasons(frame) == {"late": "constant"}


def test_a_linear_copy_and_a_renamed_category_are_redundant_to_the_earlier_one(honest, labels, draw):
    group = [draw.choice("abc") for _ in range(ROWS)]
    frame = frame_of(
        {
            "honest": honest,
            "cents": [-100 * value + 3 for value in honest],
            "like_it": [value + draw.gauss(0, 0.3) for value in honest],
            "group": group,
            "renamed": [{"a": "x", "b": "y", "c": "z"}[value] for value in group],
            "coarser": ["a" if value == "a" else "other" for value in group],
        },
        labels,
    )
    assert reasons(frame) == {"cents": "redundant", "renamed": "redundant"}
    (cents, _) = select(plan(), frame).frame.schema.dropped
    assert "'honest'" in cents.detail


def test_a_copy_that_is_missing_elsewhere_is_not_redundant(honest, labels):
    frame = frame_of({"honest": honest, "sometimes": [None if n % 3 == 0 else 2 * value for n, value in enumerate(honest)]}, labels)
    assert reasons(frame) == {}


@pytest.mark.parametrize("kind", ["number", "threshold", "category", "missing"])
def test_an_input_that_alone_tells_the_label_is_a_leak(honest, labels, draw, kind):
    leak = {
        "number": [float(label) for label in labels],
        "threshold": [draw.random() + 2 * label for label in labels],
        "category": ["open" if label else "closed" for label in labels],
        "missing": [draw.random() if label else None for label in labels],
    }[kind]
    frame = frame_of({"honest": honest, "leak": leak}, labels)
    assert reasons(frame) == {"leak": "leaking"}
    (dropped,) = select(plan(), frame).frame.schema.dropped
    assert "of the label" in dropped.detail


def test_a_leak_of_a_class_or_of_a_number_is_found_too(draw):
    classes = [draw.randint(0, 2) for _ in range(ROWS)]
    noise = [draw.random() for _ in range(ROWS)]
    told = frame_of({"noise": noise, "leak": ["xyz"[label] for label in classes]}, classes, "multiclass")
    assert reasons(told, plan("multiclass")) == {"leak": "leaking"}
    values = [draw.gauss(0, 1) for _ in range(ROWS)]
    near = [value + draw.gauss(0, 0.5) for value in values]
    told = frame_of({"near": near, "leak": [3 * value for value in values]}, values, "regression")
    assert reasons(told, plan("regression")) == {"leak": "leaking"}


def test_names_and_numbers_of_rows_are_useless(honest, labels, draw):
    frame = frame_of(
        {
            "honest": honest,
            "id": [f"id{n}" for n in range(ROWS)],
            "number": [n + 17 for n in range(ROWS)],
            "rare": [1.5 if n in (3, 70) else None for n in range(ROWS)],
            "year": [1900 + draw.randint(0, 90) for _ in range(ROWS)],
        },
        labels,
    )
    assert reasons(frame) == {"id": "useless", "number": "useless", "rare": "useless"}


def test_what_the_newest_rows_dont_have_is_unavailable(honest, labels, draw):
    late = [draw.random() if n < 1400 else None for n in range(ROWS)]
    frame = frame_of({"honest": honest, "late": late}, labels)
    assert reasons(frame) == {"late": "unavailable"}


def test_what_is_asked_to_go_goes_and_a_wrong_name_is_told(honest, labels, draw):
    frame = frame_of({"honest": honest, "noise": [draw.random() for _ in range(ROWS)]}, labels)
    assert reasons(frame, plan(drop=("noise",))) == {"noise": "asked"}
    with pytest.raises(ProjectError, match=r"features.drop: .*found 'nois'; did you mean 'noise'\?"):
        select(plan(drop=("nois",)), frame)


def test_a_frame_without_any_input_left_is_refused(labels):
    with pytest.raises(DataError, match="found none: 'one' has one and the same value"):
        select(plan(), frame_of({"one": [1.0] * ROWS}, labels))


def test_a_dropped_feature_is_no_longer_derived_or_looked_up(honest, labels, draw):
    noise = [draw.random() for _ in range(ROWS)]
    frame = frame_of(
        {"honest": honest, "count": noise, "constant": [2.0] * ROWS, "hour": [3.0] * ROWS},
        labels,
        derived=(Derived(name="hour", function="hour", arguments=("paid_at",), type="integer"),),
        lookups=(
            Lookup(view="a", entity="card", column="c", ttl_seconds=None, features=(LookupFeature(name="constant", type="float"),)),
            Lookup(
                view="b", entity="card", column="c", ttl_seconds=None,
                features=(LookupFeature(name="count", type="float"), LookupFeature(name="gone", type="float")),
            ),
        ),
    )  # fmt: skip
    chosen = select(plan(), frame).frame
    assert chosen.schema.derived == ()
    assert [each.view for each in chosen.schema.lookups] == ["b"]
    assert chosen.table.column_names == [ROW, TIME, SPLIT, LABEL, "honest", "count"]
    assert chosen.table.num_rows == ROWS


def test_the_page_shows_every_reason_and_no_value_of_a_row(honest, labels):
    page = select(plan(), frame_of({"honest": honest, "<one>": ["secret"] * ROWS}, labels)).reasons
    assert "&lt;one&gt;" in page
    assert "has one and the same value in all 1,600 training rows" in page
    assert "secret" not in page
