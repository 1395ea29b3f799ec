"""A rule that can't be meant is refused, with all that is wrong with it."""

import pytest
from pydantic import ValidationError

from journey.values.columns import ColumnRule, consequence


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"type": "integer", "case": "lower"}, "case: is for columns of type string or category, found type integer"),
        ({"type": "float", "spellings": {"one": "1"}}, "spellings: is for columns of type string or category, found type float"),
        ({"type": "integer", "scale": 0.5}, "scale: is for columns of type float, found type integer"),
        ({"type": "date", "zone": "Europe/Berlin"}, "zone: is for columns of type timestamp, found type date"),
        ({"type": "timestamp", "zone": "Europe/Berlim"},
        "zone: expected the name of a time zone, such as Europe/Berlin, found 'Europe/Berlim'"),
        ({"type": "category", "range": [0, 1]}, "range: is for columns of type integer or float, found type category"),
        ({"type": "float", "range": [2, 1]}, "range: expected [low, high], found [2, 1]"),
        ({"type": "integer", "range": [0.5, 1]}, "range: expected whole limits of at most 18 digits for an integer, found 0.5"),
        ({"type": "float", "breach": "clip"}, "breach: clip moves a number to the limits of its range: expected a range, found none"),
        ({"type": "float", "scale": 0}, "scale: 0 would make every value the same"),
        ({"type": "float", "offset": float("inf")}, "offset: expected a finite number, found inf"),
        ({"type": "category", "null": [" ?"]}, "null: ' ?' can't occur: white space is repaired first, write '?'"),
        ({"type": "category", "case": "lower", "values": ["Online"]}, "values: 'Online' can't occur: the rules before make it 'online'"),
        ({"type": "category", "values": ["a", ""]}, "values: '' can't occur: it is a null token"),
        ({"type": "category", "values": []}, "values: expected at least one value, found none"),
        ({"type": "category", "values": ["__missing__"]}, "values: '__missing__' is reserved for missing categories"),
        ({"type": "category", "spellings": {"x": "__missing__"}}, "spellings: '__missing__' is reserved for missing categories"),
        ({"type": "category", "case": "lower", "spellings": {"E-Com": "online"}},
        "spellings: 'E-Com' can't occur: white space and case are"),
        ({"type": "integer", "values": ["1", "two"]}, "values: expected integers, found 'two'"),
        ({"type": "boolean", "true": ["Y", "1"], "false": ["n", "y "]},
        "true: expected words that aren't also under false, found 'y' under both"),
        ({"type": "boolean", "false": []}, "false: expected at least one word, found none"),
        ({"type": "string", "pattern": "^a"}, "pattern: expected a pattern that Python and DuckDB read alike, found '^a'"),
    ],
)
def test_an_impossible_rule_is_refused_by_its_key(rule, said):
    with pytest.raises(ValidationError) as caught:
        ColumnRule.model_validate(rule)
    assert said in str(caught.value)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(ValidationError) as caught:
        ColumnRule.model_validate({"type": "date", "case": "lower", "scale": 2, "breach": "clip"})
    lines = str(caught.value.errors()[0]["ctx"]["error"]).splitlines()
    assert [line.split(":")[0] for line in lines] == ["case", "scale", "breach"]


def test_numbers_and_truth_values_in_lists_of_words_are_taken_by_their_text():
    rule = ColumnRule.model_validate({"type": "category", "null": [-999, 1.0, True], "values": [1.5], "spellings": {1: 2.5}})
    assert (rule.null, rule.values, rule.spellings) == (("-999", "1", "true"), ("1.5",), {"1": "2.5"})


@pytest.mark.parametrize("rule", [{"type": "float", "range": (0, None), "breach": "clip"}, {"type": "boolean"}, {"type": "category",
    "values": ("a",)}])
def test_a_rule_is_the_same_after_json(rule):
    first = ColumnRule.model_validate(rule)
    assert ColumnRule.model_validate_json(first.model_dump_json()) == first


def test_clip_is_for_the_range_and_anything_else_goes_to_quarantine():
    rule = ColumnRule(type="float", range=(0, 1), breach="clip")
    assert (consequence(rule, "range"), consequence(rule, "parse"), consequence(rule, "required")) == ("clip", "quarantine", "quarantine")
    assert consequence(ColumnRule(type="float", breach="null"), "parse") == "null"


def test_a_rule_is_the_same_after_a_pipeline():
    from google.protobuf import json_format, struct_pb2

    from journey.sections import Table
    from journey.values.carried import carried

    rules = {
        "b": {"type": "float", "scale": 2.0, "range": [None, 1.0], "null": ["", "-1"], "breach": "clip"},
        "a": {"type": "category", "case": "upper", "spellings": {"1": "2"}, "values": ["2", "TRUE"], "null": []},
        "c": {"type": "boolean", "true": ["1"], "false": ["0"]},
    }
    table = Table.model_validate({"columns": rules})
    message = struct_pb2.Struct()
    message.update(carried(table))
    again = Table.model_validate(json_format.MessageToDict(message))
    assert (again, list(again.columns)) == (table, ["b", "a", "c"])
