"""Column rules as project.yaml declares them, and what makes a rule impossible."""

import math
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from journey.values.parsing import INTEGER_LIMIT, integer_of
from journey.values.patterns import why_unsafe
from journey.values.text import MISSING, collapsed, lower, number_text, stripped, upper

ColumnType = Literal["string", "category", "integer", "float", "boolean", "date", "timestamp"]
Breach = Literal["quarantine", "fail", "null", "clip", "warn"]
"""What happens to a value that breaks its rule."""
Kind = Literal["parse", "required", "range", "values", "pattern"]
"""Which part of its rule a value breaks."""
JsonValue = str | int | float | bool | None
Value = str | int | float | bool | date | datetime | None

TEXTS: tuple[ColumnType, ...] = ("string", "category")
NUMBERS: tuple[ColumnType, ...] = ("integer", "float")


def written(value: object) -> object:
    """A YAML or JSON scalar as the text that rules compare with: 7.0 as `7`, true as `true`; anything else as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    return value


def _all_written(value: object) -> object:
    if isinstance(value, dict):
        return {written(key): written(item) for key, item in value.items()}
    return [written(item) for item in value] if isinstance(value, list | tuple) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_all_written)]
"""Values as text; numbers and truth values in JSON or YAML are taken by their text."""


class ColumnRule(BaseModel):
    """One column's rule, applied in the order of the fields whatever the order in the file.

    A rule that no value could pass, or whose parts contradict each other, is refused with all that is wrong: a line each, `key: what`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    strip: bool = True
    collapse: bool = False
    null: Words = ("",)
    case: Literal["lower", "upper"] | None = None
    spellings: Annotated[dict[str, str], BeforeValidator(_all_written)] = Field(default_factory=dict)
    type: ColumnType
    true: Words = ("true", "t", "yes", "y", "1")
    false: Words = ("false", "f", "no", "n", "0")
    zone: str | None = None
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None
    required: bool = False
    range: tuple[float | None, float | None] | None = None
    values: Words | None = None
    pattern: str | None = None
    breach: Breach = "quarantine"
    pii: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        complaints = [f"{key}: {message}" for key, message in impossibilities(self)]
        if complaints:
            raise ValueError("\n".join(complaints))
        return self


def consequence(rule: ColumnRule, kind: Kind) -> Breach:
    """What a rule's `breach` means for one kind of breach: `clip` is for the range alone, all else goes to quarantine then."""
    return "quarantine" if rule.breach == "clip" and kind != "range" else rule.breach


def tidied(rule: ColumnRule, text: str) -> str:
    """Text after rule 2: white space."""
    if rule.strip:
        text = stripped(text)
    return collapsed(text) if rule.collapse else text


def respelled(rule: ColumnRule, text: str) -> str:
    """Text after rule 4: case, then spellings."""
    if rule.case is not None:
        text = upper(text) if rule.case == "upper" else lower(text)
    return rule.spellings.get(text, text)


def impossibilities(rule: ColumnRule) -> Iterator[tuple[str, str]]:
    """The keys of a rule that can't be meant, each with the reason."""
    yield from _misplaced_keys(rule)
    yield from _impossible_texts(rule)
    yield from _impossible_numbers(rule)
    yield from _impossible_words(rule)
    if rule.zone is not None and rule.type == "timestamp" and not _is_zone(rule.zone):
        yield "zone", f"expected the name of a time zone, such as Europe/Berlin, found '{rule.zone}'"


def _misplaced_keys(rule: ColumnRule) -> Iterator[tuple[str, str]]:
    only_for: dict[str, tuple[ColumnType, ...]] = {
        "case": TEXTS, "spellings": TEXTS, "pattern": TEXTS, "values": (*TEXTS, "integer"), "range": NUMBERS,
        "scale": ("float",), "offset": ("float",), "zone": ("timestamp",), "true": ("boolean",), "false": ("boolean",),
    }
    for key, types in only_for.items():
        if getattr(rule, key) != ColumnRule.model_fields[key].get_default(call_default_factory=True) and rule.type not in types:
            yield key, f"is for columns of type {' or '.join(types)}, found type {rule.type}"
    if rule.breach == "clip" and rule.range is None:
        yield "breach", "clip moves a number to the limits of its range: expected a range, found none"


def _impossible_texts(rule: ColumnRule) -> Iterator[tuple[str, str]]:
    for token in rule.null:
        if tidied(rule, token) != token:
            yield "null", f"'{token}' can't occur: white space is repaired first, write '{tidied(rule, token)}'"
    if rule.type not in TEXTS:
        return
    for spelling, meant in rule.spellings.items():
        before = respelled(rule.model_copy(update={"spellings": {}}), tidied(rule, spelling))
        if before != spelling:
            yield "spellings", f"'{spelling}' can't occur: white space and case are repaired first, write '{before}'"
        if meant == MISSING:
            yield "spellings", f"'{MISSING}' is reserved for missing categories"
    for value in rule.values or ():
        if value == MISSING:
            yield "values", f"'{MISSING}' is reserved for missing categories"
        elif value in rule.null:
            yield "values", f"'{value}' can't occur: it is a null token"
        elif value not in rule.spellings.values() and respelled(rule, tidied(rule, value)) != value:
            yield "values", f"'{value}' can't occur: the rules before make it '{respelled(rule, tidied(rule, value))}'"
    if rule.pattern is not None and (why := why_unsafe(rule.pattern)) is not None:
        yield "pattern", f"expected a pattern that Python and DuckDB read alike, found '{rule.pattern}': {why}"


def _impossible_numbers(rule: ColumnRule) -> Iterator[tuple[str, str]]:
    for key in ("scale", "offset"):
        number = getattr(rule, key)
        if number is not None and not math.isfinite(number):
            yield key, f"expected a finite number, found {number}"
    if rule.scale == 0:
        yield "scale", "0 would make every value the same"
    low, high = rule.range or (None, None)
    for limit in (low, high):
        if limit is not None and not math.isfinite(limit):
            yield "range", f"expected finite limits, or null for none, found {limit}"
        elif limit is not None and rule.type == "integer" and not (limit.is_integer() and abs(limit) < INTEGER_LIMIT):
            yield "range", f"expected whole limits of at most 18 digits for an integer, found {number_text(limit)}"
    if low is not None and high is not None and low > high:
        yield "range", f"expected [low, high], found [{number_text(low)}, {number_text(high)}]"
    if rule.type == "integer":
        for value in rule.values or ():
            if integer_of(value) is None:
                yield "values", f"expected integers, found '{value}'"


def _impossible_words(rule: ColumnRule) -> Iterator[tuple[str, str]]:
    if rule.values is not None and not rule.values:
        yield "values", "expected at least one value, found none"
    if rule.type != "boolean":
        return
    both = sorted({lower(stripped(word)) for word in rule.true} & {lower(stripped(word)) for word in rule.false})
    if both:
        yield "true", f"expected words that aren't also under false, found '{both[0]}' under both"
    for key in ("true", "false"):
        if not getattr(rule, key):
            yield key, "expected at least one word, found none"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
