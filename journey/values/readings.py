"""How each column type reads a JSON value: rule parts 4 to 7 for text, for a number and for true and false."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from journey.values.parsing import INTEGER_LIMIT, date_of, float_of, integer_of, moment_of, moment_of_seconds
from journey.values.patterns import LONGEST, matcher
from journey.values.rules import ColumnRule, Kind, Value, respelled
from journey.values.text import EXACT_INTEGERS, MISSING, lower, number_text, stripped

_WORD = 2**64
LARGEST = 1.7976931348623157e308
"""The largest double."""

_Typed = TypeVar("_Typed", str, int, float, bool, date, datetime)


@dataclass(frozen=True)
class Reading(Generic[_Typed]):
    """A column type's way with the JSON types; None says that the value can't be read.

    Attributes:
        text: reads text after white space and null tokens.
        number: reads an integer or a double that isn't NaN.
        truth: reads true or false.
        breach: the kind of check that a value fails, None for a good one.
    """

    text: Callable[[str], _Typed | None]
    number: Callable[[float], _Typed | None]
    truth: Callable[[bool], _Typed | None]
    breach: Callable[[_Typed], Kind | None] | None = None


AnyReading = Reading[str] | Reading[int] | Reading[float] | Reading[bool] | Reading[date] | Reading[datetime]


def reading_of(rule: ColumnRule) -> AnyReading:
    """The way in which a rule's type reads values."""
    if rule.type in ("string", "category"):
        return _text_reading(rule)
    if rule.type == "float":
        return Reading(_scaled(rule, float_of), _scaled(rule, float), _unreadable, _range_breach(rule))
    if rule.type == "integer":
        return Reading(integer_of, _whole, _unreadable, _integer_breach(rule))
    if rule.type == "boolean":
        return _boolean_reading(rule)
    if rule.type == "date":
        return Reading(date_of, _unreadable, _unreadable)
    zone = None if rule.zone is None else ZoneInfo(rule.zone)
    return Reading(lambda text: moment_of(text, zone), moment_of_seconds, _unreadable)


def limited(rule: ColumnRule, value: Value) -> Value:
    """A number at the nearer limit of its range: what `breach: clip` makes of it."""
    low, high = rule.range or (None, None)
    if isinstance(value, int | float):
        limit = low if low is not None and value < low else high
        return int(limit) if rule.type == "integer" and limit is not None else limit
    return value


def _unreadable(_: object) -> None:
    return None


def _is_json(number: int | float) -> bool:
    """Whether a parser of requests gives such a number; a longer integer can't even be written out in time."""
    return isinstance(number, float) or -_WORD < number < _WORD


def _text_reading(rule: ColumnRule) -> Reading[str]:
    values = None if rule.values is None else frozenset(rule.values)
    matches = None if rule.pattern is None else matcher(rule.pattern).fullmatch

    def spelled(text: str) -> str | None:
        text = respelled(rule, text)
        return text if text != MISSING else None

    def breach(text: str) -> Kind | None:
        if values is not None and text not in values:
            return "values"
        if matches is not None and (len(text) > LONGEST or matches(text) is None):
            return "pattern"
        return None

    return Reading(
        spelled,
        lambda number: spelled(number_text(number)) if _is_json(number) else None,
        lambda truth: spelled("true" if truth else "false"),
        None if values is None and matches is None else breach,
    )


def _scaled(rule: ColumnRule, parse: Callable[..., float | None]) -> Callable[..., float | None]:
    scale, offset = rule.scale, rule.offset

    def plain(value: object) -> float | None:
        try:
            number = parse(value)
        except OverflowError:              # an integer of more than 308 digits
            return None
        return number + 0.0 if number is not None and -LARGEST <= number <= LARGEST else None      # -0.0 becomes 0.0

    def converted(value: object) -> float | None:
        number = plain(value)
        if number is None:
            return None
        number = (number if scale is None else number * scale) + (0.0 if offset is None else offset)
        return number + 0.0 if -LARGEST <= number <= LARGEST else None

    return plain if scale is None and offset is None else converted


def _range_breach(rule: ColumnRule) -> Callable[[float], Kind | None] | None:
    if rule.range is None:
        return None
    low, high = rule.range
    least, most = float("-inf") if low is None else low, float("inf") if high is None else high
    return lambda number: None if least <= number <= most else "range"


def _whole(number: float) -> int | None:
    if isinstance(number, float) and not (number.is_integer() and -EXACT_INTEGERS <= number <= EXACT_INTEGERS):
        return None
    return int(number) if -INTEGER_LIMIT < number < INTEGER_LIMIT else None


def _integer_breach(rule: ColumnRule) -> Callable[[int], Kind | None] | None:
    out_of_range = _range_breach(rule)
    values = None if rule.values is None else frozenset(map(integer_of, rule.values))
    if values is None:
        return out_of_range

    def breach(number: int) -> Kind | None:
        if out_of_range is not None and out_of_range(number):
            return "range"
        return None if number in values else "values"

    return breach


def _boolean_reading(rule: ColumnRule) -> Reading[bool]:
    meaning = {lower(stripped(word)): False for word in rule.false} | {lower(stripped(word)): True for word in rule.true}
    return Reading(
        lambda text: meaning.get(lower(stripped(text))),
        lambda number: meaning.get(number_text(number)) if _is_json(number) else None,
        lambda truth: truth,
    )
