"""The form of a rule for one value: results, refusals in words, and what is counted."""

from datetime import UTC, date, datetime

import numpy
import pytest

from journey.errors import RequestError
from journey.values.columns import ColumnRule, value_form


def ruled(value, **rule):
    """The value after its rule, and what was counted."""
    counted = []
    return value_form("amount", ColumnRule.model_validate(rule), lambda *breach: counted.append(breach))(value), counted


def refusal(value, **rule):
    with pytest.raises(RequestError) as caught:
        ruled(value, **rule)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "rule", "result"),
    [
        (" Private", {"type": "category"}, "Private"),
        (" E-Com ", {"type": "category", "case": "lower", "spellings": {"e-com": "online"}}, "online"),
        ("?", {"type": "category", "null": ["?"]}, None),
        (-999, {"type": "float", "null": [-999]}, None),
        ("1250", {"type": "float", "scale": 0.01}, 12.5),
        (3, {"type": "float"}, 3.0),
        (3.0, {"type": "integer"}, 3),
        (7, {"type": "string"}, "7"),
        (7.0, {"type": "string"}, "7"),
        ("Yes", {"type": "boolean"}, True),
        (0, {"type": "boolean"}, False),
        ("2024-02-29", {"type": "date"}, date(2024, 2, 29)),
        ("2019-03-23 20:21:09", {"type": "timestamp"}, datetime(2019, 3, 23, 20, 21, 9, tzinfo=UTC)),
        ("2019-07-23 20:21:09", {"type": "timestamp", "zone": "Europe/Berlin"}, datetime(2019, 7, 23, 18, 21, 9, tzinfo=UTC)),
        ("2019-03-23T20:21:09+02:00", {"type": "timestamp", "zone": "Europe/Berlin"}, datetime(2019, 3, 23, 18, 21, 9, tzinfo=UTC)),
        (None, {"type": "float"}, None),
        (numpy.float64(2.5), {"type": "float"}, 2.5),
        (numpy.str_(" a"), {"type": "string"}, "a"),
    ],
)
def test_a_good_value_becomes_its_type(value, rule, result):
    typed, counted = ruled(value, **rule)
    assert (type(typed), typed, counted) == (type(result), result, [])


@pytest.mark.parametrize(
    ("value", "rule", "said"),
    [
        ("abc", {"type": "float"}, "column 'amount': expected a finite number, found 'abc'"),
        (130, {"type": "integer", "range": [0, 120], "unit": "years"}, "column 'amount': expected [0, 120] years, found 130"),
        (-1, {"type": "float", "range": [0, None]}, "column 'amount': expected at least 0, found -1"),
        (2, {"type": "float", "range": [None, 1]}, "column 'amount': expected at most 1, found 2"),
        ("c", {"type": "category", "values": ["a", "b"]}, "column 'amount': expected one of a, b, found 'c'"),
        ("1", {"type": "string", "pattern": "[a-z]"}, "column 'amount': expected text that matches [a-z], found '1'"),
        (None, {"type": "float", "required": True}, "column 'amount': expected a finite number (required), found nothing"),
        (True, {"type": "integer"}, "column 'amount': expected an integer of at most 18 digits, found true"),
        ([1], {"type": "float", "breach": "null"}, "column 'amount': expected text, a number, true, false or null, found an array"),
        ({}, {"type": "string", "breach": "warn"}, "column 'amount': expected text, a number, true, false or null, found an object"),
        ("4111", {"type": "integer", "range": [0, 1], "pii": True}, "column 'amount': expected [0, 1], found text (not shown: pii)"),
        ("maybe", {"type": "boolean", "true": ["ja"], "false": ["nein"]}, "column 'amount': expected one of ja, nein, found 'maybe'"),
        ("__missing__", {"type": "category"}, "column 'amount': expected text other than the reserved __missing__, found '__missing__'"),
        (10**300, {"type": "string"}, "column 'amount': expected text other than the reserved __missing__, "
         "found a number of more than 30 digits"),
        (10**400, {"type": "float"}, "column 'amount': expected a finite number, found a number of more than 30 digits"),
        ("x" * 100, {"type": "date"}, f"column 'amount': expected a date as YYYY-MM-DD, found '{'x' * 80}' … (100 characters)"),
    ],
)
def test_a_wrong_value_is_refused_with_column_expected_and_found(value, rule, said):
    assert refusal(value, **rule) == said


@pytest.mark.parametrize(
    ("value", "rule", "result", "kind"),
    [
        ("abc", {"type": "float", "breach": "null"}, None, "parse"),
        (130, {"type": "integer", "range": [0, 120], "breach": "null"}, None, "range"),
        (130, {"type": "integer", "range": [0, 120], "breach": "clip"}, 120, "range"),
        (-1, {"type": "float", "range": [0, 1], "breach": "clip"}, 0.0, "range"),
        (130, {"type": "integer", "range": [0, 120], "breach": "warn"}, 130, "range"),
        ("c", {"type": "category", "values": ["a"], "breach": "warn"}, "c", "values"),
        (None, {"type": "float", "required": True, "breach": "null"}, None, "required"),
        ("abc", {"type": "float", "breach": "warn"}, None, "parse"),
    ],
)
def test_a_breach_that_is_let_through_is_counted(value, rule, result, kind):
    assert ruled(value, **rule) == (result, [("amount", kind)])


def test_each_warning_is_counted_however_often_a_text_repeats():
    counted = []
    form = value_form("channel", ColumnRule(type="category", values=("a",), breach="warn"), lambda *breach: counted.append(breach))
    assert [form("b") for _ in range(3)] == ["b"] * 3
    assert counted == [("channel", "values")] * 3


def test_more_texts_than_are_remembered_come_out_the_same():
    form = value_form("name", ColumnRule(type="string", case="upper"), lambda *_: None)
    names = [f"n{number}" for number in range(3_000)] + ["x" * 100]
    assert [form(name) for name in names * 2] == [name.upper() for name in names * 2]
