"""Conditions mean what KFP means by them, whatever stands in a text."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey.errors import ProjectError
from pipelines.engines.local.conditions import holds, parse

SIGNS = {"==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from(sorted(SIGNS)), st.booleans())
def test_numbers_compare_as_in_python(left, right, sign, negated):
    text = f"int(inputs.parameter_values['pipelinechannel--a-Output']) {sign} {right}"
    expected = SIGNS[sign](left, right) != negated
    assert holds(parse(f"!({text})" if negated else text), {"pipelinechannel--a-Output": left}) is expected


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(sorted(SIGNS)))
def test_doubles_survive_their_text(number, sign):
    assert holds(parse(f"inputs.parameter_values['x'] {sign} {number}"), {"x": number}) is SIGNS[sign](number, number)


@given(st.text(alphabet="ab'\"\\ &|!()=<>", max_size=12))
def test_a_text_equals_itself_whatever_stands_in_it(text):
    assert holds(parse(f"inputs.parameter_values['x'] == '{text}'"), {"x": text})


@given(st.text(alphabet="ab'\"\\ ", max_size=8), st.text(alphabet="ab'\"\\ ", max_size=8))
def test_the_branches_of_if_and_else_exclude_each_other(value, compared):
    once = f"inputs.parameter_values['x'] == '{compared}'"
    both = [holds(parse(once), {"x": value}), holds(parse(f"!({once})"), {"x": value})]
    assert sorted(both) == [False, True]


def test_all_parts_of_a_conjunction_must_hold():
    first, second = "!(inputs.parameter_values['x'] == 'it's')", "double(int(inputs.parameter_values['n'])) > 3"
    condition = parse(f"{first} && {second} && inputs.parameter_values['b'] == true")
    assert holds(condition, {"x": "so", "n": 4, "b": True})
    assert not holds(condition, {"x": "it's", "n": 4, "b": True})
    assert not holds(condition, {"x": "so", "n": 3, "b": True})
    assert not holds(condition, {"x": "so", "n": 4, "b": False})


@pytest.mark.parametrize("text", ["__import__('os').system('true')", "1 == 1 or 2", "inputs.parameter_values['x'] = 1", "", "1 == 2 ||"])
def test_what_kfp_does_not_write_is_refused(text):
    with pytest.raises(ProjectError, match="pipeline condition: expected comparisons"):
        parse(text)


def test_a_missing_input_is_named():
    with pytest.raises(ProjectError, match=r"expected one of the inputs \['y'\], found 'x'"):
        holds(parse("inputs.parameter_values['x'] == 'a'"), {"y": "a"})
