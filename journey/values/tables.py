"""The form of a column rule for a table's column: Ibis expressions for DuckDB that agree with the value form to the bit.

The columns of a raw table are text, int64, double or boolean. `repaired` is rules 1 to 3, `standardized` rules 4 to 7; a table that goes
through both in separate projections lets DuckDB work out each part once. Nothing depends on the session's time zone.
"""

from dataclasses import dataclass

import ibis
from ibis.expr import types as ir

from journey.values.duckdb_functions import matches, moment_at, placed, replaced
from journey.values.parsing import (
    DATE,
    END_SECOND,
    FIRST_SECOND,
    FLOAT,
    INTEGER,
    INTEGER_LIMIT,
    TIMESTAMP,
    TIMESTAMP_WITH_OFFSET,
    integer_of,
)
from journey.values.patterns import LONGEST
from journey.values.rules import TEXTS, ColumnRule, Kind, consequence
from journey.values.text import EXACT_INTEGERS, MISSING, WHITE_RE2, lower, stripped
from journey.values.tokens import tokens_of


@dataclass(frozen=True)
class Ruled:
    """A column after its rule.

    Attributes:
        value: the typed value; null where it is missing, can't be read, or the rule's breach makes it so; at the limit where it is clipped.
        breach: the kind of breach in each row (parse, required, range, values, pattern), null in good rows. What follows from it is
            `consequence(rule, kind)`; only null, clip and warn are already done to `value`.
    """

    value: ir.Value
    breach: ir.StringValue


def repaired(rule: ColumnRule, column: ir.Value) -> ir.Value:
    """Rules 1 to 3: NaN, white space and null tokens; of the same type as the column."""
    tokens = tokens_of(rule.null)
    if column.type().is_string():
        text = _tidied(rule, column)
        return _without(text, [_text(token) for token in sorted(tokens.texts)])
    if column.type().is_floating():
        number = ibis.ifelse(column.isnan(), ibis.null("float64"), column)
        return _without(number, [_double(token) for token in sorted(tokens.floats)])
    if column.type().is_boolean():
        return _without(column, [ibis.literal(token) for token in sorted(tokens.truths)])
    within = [token for token in sorted(tokens.integers) if -(2**63) <= token < 2**63]
    return _without(column, [ibis.literal(token, type="int64") for token in within])


def standardized(rule: ColumnRule, column: ir.Value) -> Ruled:
    """Rules 4 to 7 for a repaired column: spellings, type, unit, checks."""
    typed = _typed(rule, column)
    conditions: list[tuple[ir.BooleanValue, Kind]] = [(column.notnull() & typed.isnull(), "parse"), *_checks(rule, typed)]
    if rule.required:
        conditions.insert(0, (column.isnull(), "required"))
    breach = ibis.cases(*((condition, _text(kind)) for condition, kind in conditions), else_=ibis.null("string"))
    return Ruled(_kept(rule, typed, breach), breach)


def _tidied(rule: ColumnRule, text: ir.StringValue) -> ir.StringValue:
    if rule.strip:
        text = replaced(text, f"^{WHITE_RE2}|{WHITE_RE2}$", "", "g")
    return replaced(text, WHITE_RE2, " ", "g") if rule.collapse else text


def _without(column: ir.Value, tokens: list[ir.Value]) -> ir.Value:
    return ibis.ifelse(column.isin(tokens), ibis.null(column.type()), column) if tokens else column


def _typed(rule: ColumnRule, column: ir.Value) -> ir.Value:
    """The column as its type, null where a value can't be read."""
    if rule.type in TEXTS:
        return _spelled(rule, column)
    if rule.type == "float":
        return _scaled(rule, column)
    if rule.type == "integer":
        return _integer(column)
    if rule.type == "boolean":
        return _truth(rule, column)
    if rule.type == "date":
        return _guarded(DATE, column, column.try_cast("date")) if column.type().is_string() else ibis.null("date")
    return _moment(rule, column)


def _spelled(rule: ColumnRule, column: ir.Value) -> ir.StringValue:
    text = _as_text(column)
    if rule.case is not None:
        text = text.upper() if rule.case == "upper" else text.lower()
    if rule.spellings:
        spellings, meanings = [_text(key) for key in rule.spellings], [_text(word) for word in rule.spellings.values()]
        text = ibis.ifelse(text.isin(spellings), ibis.map(ibis.array(spellings), ibis.array(meanings)).get(text), text)
    return text.nullif(_text(MISSING))


def _scaled(rule: ColumnRule, column: ir.Value) -> ir.FloatingValue:
    if column.type().is_boolean():
        return ibis.null("float64")
    number = _finite(_guarded(FLOAT, column, column.try_cast("float64")) if column.type().is_string() else column.cast("float64"))
    if rule.scale is None and rule.offset is None:
        return number + _double(0.0)              # -0.0 becomes 0.0
    if rule.scale is not None:
        number = number * _double(rule.scale)
    return _finite(number + _double(rule.offset or 0.0)) + _double(0.0)


def _integer(column: ir.Value) -> ir.IntegerValue:
    if column.type().is_string():
        return _guarded(INTEGER, column, column.try_cast("int64"))
    if column.type().is_floating():
        whole = column.abs() <= _double(EXACT_INTEGERS)
        number = column.try_cast("int64")
        return ibis.ifelse(whole & (number.cast("float64") == column), number, ibis.null("int64"))
    if column.type().is_boolean():
        return ibis.null("int64")
    limit = ibis.literal(INTEGER_LIMIT, type="int64")
    return ibis.ifelse((column < limit) & (column > -limit), column, ibis.null("int64"))


def _truth(rule: ColumnRule, column: ir.Value) -> ir.BooleanValue:
    if column.type().is_boolean():
        return column
    text = _as_text(column)
    if column.type().is_string():
        text = replaced(text, f"^{WHITE_RE2}|{WHITE_RE2}$", "", "g").lower()
    yes, no = (sorted({lower(stripped(word)) for word in words}) for words in (rule.true, rule.false))
    return ibis.cases(
        (text.isin([_text(word) for word in yes]), ibis.literal(True)), (text.isin([_text(word) for word in no]), ibis.literal(False)),
        else_=ibis.null("boolean"),
    )


def _moment(rule: ColumnRule, column: ir.Value) -> ir.TimestampValue:
    nothing = ibis.null("timestamp('UTC')")
    if column.type().is_boolean():
        return nothing
    if column.type().is_string():
        local = placed(_text(rule.zone or "UTC"), column.try_cast("timestamp(6)"))
        exact = column.try_cast("timestamp('UTC', 6)")
        return ibis.cases((matches(column, TIMESTAMP_WITH_OFFSET), exact), (matches(column, TIMESTAMP), local), else_=nothing)
    seconds = column.cast("float64")
    told = (seconds >= _double(FIRST_SECOND)) & (seconds < _double(END_SECOND))
    microseconds = (seconds * _double(1e6)).try_cast("int64")
    return ibis.ifelse(told, placed(_text("UTC"), moment_at(ibis.ifelse(told, microseconds, ibis.null("int64")))), nothing)


def _checks(rule: ColumnRule, typed: ir.Value) -> list[tuple[ir.BooleanValue, Kind]]:
    """Conditions of a breach, in the order in which they count."""
    checks: list[tuple[ir.BooleanValue, Kind]] = []
    low, high = _limits(rule)
    if low is not None:
        checks.append((typed < low, "range"))
    if high is not None:
        checks.append((typed > high, "range"))
    if rule.values is not None and rule.type == "integer":
        checks.append((~typed.isin([ibis.literal(integer_of(value), type="int64") for value in rule.values]), "values"))
    elif rule.values is not None:
        checks.append((~typed.isin([_text(value) for value in rule.values]), "values"))
    if rule.pattern is not None:
        checks.append(((typed.length() > LONGEST) | ~matches(typed, rule.pattern), "pattern"))
    return checks


def _kept(rule: ColumnRule, typed: ir.Value, breach: ir.StringValue) -> ir.Value:
    """What stays of a value after a breach that the rule lets through."""
    if rule.breach == "null":
        return ibis.ifelse(breach.notnull(), ibis.null(typed.type()), typed)
    if consequence(rule, "range") == "clip":
        low, high = _limits(rule)
        clipped = [(typed < low, low)] if low is not None else []
        clipped += [(typed > high, high)] if high is not None else []
        return ibis.cases(*clipped, else_=typed) if clipped else typed
    return typed


def _limits(rule: ColumnRule) -> tuple[ir.NumericValue | None, ir.NumericValue | None]:
    low, high = rule.range or (None, None)
    literal = _whole if rule.type == "integer" else _double
    return None if low is None else literal(low), None if high is None else literal(high)


def _guarded(pattern: str, column: ir.StringValue, parsed: ir.Value) -> ir.Value:
    return ibis.ifelse(matches(column, pattern), parsed, ibis.null(parsed.type()))


def _finite(number: ir.FloatingValue) -> ir.FloatingValue:
    return ibis.ifelse(number.isinf(), ibis.null("float64"), number)


def _as_text(column: ir.Value) -> ir.StringValue:
    """The one text of each value, as `number_text` gives it for numbers."""
    if column.type().is_string():
        return column
    if column.type().is_floating():
        whole = column.try_cast("int64")
        is_whole = (column.abs() <= _double(EXACT_INTEGERS)) & (whole.cast("float64") == column)
        return ibis.ifelse(is_whole, whole.cast("string"), column.cast("string"))
    return column.cast("string")


def _double(number: float) -> ir.FloatingScalar:
    """A double to the bit: printed bare, DuckDB would read it as a DECIMAL."""
    return ibis.literal(repr(float(number))).cast("float64")


def _whole(number: float) -> ir.IntegerScalar:
    return ibis.literal(int(number), type="int64")


def _text(text: str) -> ir.StringScalar:
    return ibis.literal(text, type="string")
