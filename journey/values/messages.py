"""Column rules in words: what a rule asks for, and what was found instead."""

from journey.values.rules import ColumnRule, ColumnType, Kind
from journey.values.text import MISSING, number_text

_SHOWN = 80                # characters of a wrong text that a message quotes
_LONGEST_NUMBER = 10**30   # larger integers aren't spelled out
_LISTED = 10               # allowed values that a message lists
_READABLE: dict[ColumnType, str] = {
    "string": f"text other than the reserved {MISSING}",
    "category": f"text other than the reserved {MISSING}",
    "integer": "an integer of at most 18 digits",
    "float": "a finite number",
    "boolean": "true or false",
    "date": "a date as YYYY-MM-DD",
    "timestamp": "a time as YYYY-MM-DDTHH:MM:SS, with an offset or without",
}


def expectation(rule: ColumnRule, kind: Kind) -> str:
    """What a rule asks of a value, for one kind of breach: `[0, 120] years`."""
    if kind == "range":
        return _range_in_words(rule)
    if kind == "values":
        values = rule.values or ()
        more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
        return f"one of {', '.join(values[:_LISTED])}{more}"
    if kind == "pattern":
        return f"text that matches {rule.pattern}"
    if kind == "required":
        return f"{_READABLE[rule.type]} (required)"
    return f"one of {', '.join((*rule.true, *rule.false))}" if rule.type == "boolean" else _READABLE[rule.type]


def shown(value: object, *, masked: bool) -> str:
    """A JSON value as a message quotes it: long text cut, personal data (`masked`) by its kind only."""
    if value is None:
        return "nothing"
    if masked:
        return f"{kind_of(value)} (not shown: pii)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= _SHOWN else f"'{value[:_SHOWN]}' … ({len(value)} characters)"
    if isinstance(value, int | float):
        return number_text(value) if -_LONGEST_NUMBER < value < _LONGEST_NUMBER else "a number of more than 30 digits"
    return kind_of(value)


def kind_of(value: object) -> str:
    """What a value is, in JSON's words where it is JSON."""
    for kind, word in ((bool, "a truth value"), (str, "text"), (int | float, "a number"), (dict, "an object"), (list | tuple, "an array")):
        if isinstance(value, kind):
            return word
    return f"a Python {type(value).__name__}"


def _range_in_words(rule: ColumnRule) -> str:
    low, high = (None if limit is None else number_text(limit) for limit in rule.range or (None, None))
    unit = f" {rule.unit}" if rule.unit else ""
    if low is not None and high is not None:
        return f"[{low}, {high}]{unit}"
    return f"at most {high}{unit}" if low is None else f"at least {low}{unit}"
