"""The form of a column rule for one JSON value: what the server applies to each value of a request.

A rule is compiled once into a closure. The commonest way through it, a good value, is kept short, because it is walked for every column of
every request.
"""

from collections.abc import Callable

from journey.errors import RequestError
from journey.values.messages import expectation, kind_of, shown
from journey.values.readings import limited, reading_of
from journey.values.rules import Breach, ColumnRule, ColumnType, JsonValue, Kind, Value, consequence
from journey.values.text import MISSING, collapsed, stripped
from journey.values.tokens import tokens_of

__all__ = ["MISSING", "Breach", "ColumnRule", "ColumnType", "JsonValue", "Kind", "Value", "consequence", "value_form"]

_REMEMBERED = 1_024        # distinct texts whose outcome a column remembers; more than a category usually has
_REMEMBERED_LENGTH = 64    # characters: keeps what is remembered under about 200 KiB a column


def value_form(name: str, rule: ColumnRule, count: Callable[[str, str], None]) -> Callable[[object], Value]:
    """Compiles a column rule for single values.

    Args:
        name: the column, for messages and counts.
        rule: what its values must become.
        count: called with the column and the kind of breach for each breach that the rule lets through (null, clip, warn).

    Returns:
        A function from a JSON value (text, number, true, false or None) to the typed value; timestamps are in UTC.
        It raises RequestError for a value that breaks the rule (breach quarantine or fail), and for arrays, objects and other things.
    """
    broken = _breaches(name, rule, count)
    form = _plain_form(name, rule, broken)
    repeats = rule.type in ("string", "category", "boolean")
    return _remembering(form) if repeats and rule.breach != "warn" else form      # each warning has to be counted


def _breaches(name: str, rule: ColumnRule, count: Callable[[str, str], None]) -> Callable[[Kind, object, Value], Value]:
    """What happens at a breach: (kind, the value as it came, its typed value if there is one) to what stays of it."""

    def broken(kind: Kind, found: object, typed: Value) -> Value:
        outcome = consequence(rule, kind)
        if outcome in ("quarantine", "fail"):
            raise RequestError(name, expectation(rule, kind), shown(found, masked=rule.pii))
        count(name, kind)
        if outcome == "clip":
            return limited(rule, typed)
        return typed if outcome == "warn" else None

    return broken


def _plain_form(name: str, rule: ColumnRule, broken: Callable[[Kind, object, Value], Value]) -> Callable[[object], Value]:
    reading, tokens, tidy, required = reading_of(rule), tokens_of(rule.null), _tidying(rule), rule.required
    of_text, of_number, of_truth, breach = reading.text, reading.number, reading.truth, reading.breach
    texts, integers, floats, truths = tokens.texts, tokens.integers, tokens.floats, tokens.truths

    def form(value: object) -> Value:
        typed: Value
        if type(value) is str:
            text = tidy(value)
            if text in texts:
                return broken("required", None, None) if required else None
            typed = of_text(text)
        elif type(value) is float:
            if value != value or value in floats:
                return broken("required", None, None) if required else None
            typed = of_number(value)
        elif type(value) is int:
            if value in integers:
                return broken("required", None, None) if required else None
            typed = of_number(value)
        elif value is None or (type(value) is bool and value in truths):
            return broken("required", None, None) if required else None
        elif type(value) is bool:
            typed = of_truth(value)
        else:
            return form(_plain(name, value))
        if typed is None:
            return broken("parse", value, None)
        if breach is not None and (kind := breach(typed)) is not None:  # type: ignore[arg-type]  # a reading checks what it read
            return broken(kind, value, typed)
        return typed

    return form


def _remembering(form: Callable[[object], Value]) -> Callable[[object], Value]:
    """A form that looks good texts up after their first time: categories repeat."""
    known: dict[str, Value] = {}

    def remembered(value: object) -> Value:
        if type(value) is not str:
            return form(value)
        typed = known.get(value)
        if typed is None:
            typed = form(value)
            if typed is not None and len(known) < _REMEMBERED and len(value) <= _REMEMBERED_LENGTH:
                known[value] = typed
        return typed

    return remembered


def _tidying(rule: ColumnRule) -> Callable[[str], str]:
    """Rule 2 as the shortest function that does it."""
    if rule.collapse:
        return (lambda text: collapsed(stripped(text))) if rule.strip else collapsed
    return stripped if rule.strip else str


def _plain(name: str, value: object) -> str | int | float:
    """A subclass of a JSON type (NumPy's float64, an enumeration of texts) as the type itself.

    Raises:
        RequestError: an array, an object, or nothing that JSON knows.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise RequestError(name, "text, a number, true, false or null", kind_of(value))
