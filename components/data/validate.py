"""Validate data: does each raw table have the columns, rows and freshness that its contract asks for, and what is in it?"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches

import ibis

from journey.artifacts import ColumnQuality, QualityReport, Snapshot, TableQuality
from journey.clock import duration
from journey.errors import DataError
from journey.sections import Table
from journey.values.columns import ColumnRule
from journey.values.tables import repaired, standardized
from journey.values.text import number_text

_RESERVED = "journey_"         # the columns that Journey adds begin so, and DuckDB's names know no case
_FREQUENT = 5                  # most frequent values in the profile; a guess at what a person reads
_FEW_VALUES = ("category", "boolean")


def validate(tables: Mapping[str, ibis.Table], snapshot: Snapshot, contracts: Mapping[str, Table], now: datetime) -> QualityReport:
    """Compares raw tables with their contracts, then profiles them.

    Args:
        tables: raw tables by name.
        snapshot: what ingest read.
        contracts: each table's section of project.yaml.
        now: platform time, for freshness.

    Raises:
        DataError: with everything that keeps the run from going on, a line each.
    """
    refuse_breaches(tables, snapshot, contracts, now)
    found = {name: list(snapshot.tables[name].columns) for name in contracts}
    return QualityReport(tables={name: _profiled(tables[name], contract, found[name]) for name, contract in contracts.items()})


def refuse_breaches(tables: Mapping[str, ibis.Table], snapshot: Snapshot, contracts: Mapping[str, Table], now: datetime) -> None:
    """Compares raw tables with their contracts, without the profile: for whoever needs the tables and nobody reads of them.

    Raises:
        DataError: with everything that keeps the run from going on, a line each.
    """
    problems = [problem for name, contract in contracts.items() for problem in _problems(name, contract, snapshot)]
    if not problems:
        problems = [problem for name, contract in contracts.items() for problem in _staleness(name, tables[name], contract, now)]
    if problems:
        raise DataError("\n".join(problems))


def _problems(name: str, contract: Table, snapshot: Snapshot) -> Iterator[str]:
    found = snapshot.tables[name]
    yield from _column_problems(name, contract, list(found.columns))
    low, high = contract.rows.min, contract.rows.max
    if found.rows < low or (high is not None and found.rows > high):
        expected = f"at least {low:,} rows" if high is None else f"{low:,} to {high:,} rows"
        advice = "mend the source" if found.rows else "the source is empty; mend it"
        yield f"table '{name}': expected {expected}, found {found.rows:,}; {advice}, or change tables.{name}.rows"


def _column_problems(name: str, contract: Table, columns: list[str]) -> Iterator[str]:
    undeclared = [column for column in columns if column not in contract.columns]
    for column in contract.columns:
        if column not in columns:
            near = get_close_matches(column, undeclared, n=1, cutoff=0.4) or get_close_matches(column, columns, n=1, cutoff=0)
            nearest = f"; the nearest is '{near[0]}'" if near else ""
            yield f"table '{name}': expected a column '{column}', found none{nearest}. Mend the source or tables.{name}.columns"
    for column in columns:
        if column.lower().startswith(_RESERVED):
            yield f"table '{name}': expected no column that begins with {_RESERVED} (kept for Journey's own), found '{column}'; rename it"
    if undeclared and contract.undeclared == "refuse":
        listed = ", ".join(f"'{column}'" for column in undeclared)
        yield (
            f"table '{name}': expected only declared columns, found {listed} besides; "
            f"declare them under tables.{name}.columns, or say tables.{name}.undeclared: drop"
        )


def _staleness(name: str, table: ibis.Table, contract: Table, now: datetime) -> Iterator[str]:
    """The newest event is the newest moment in the table that isn't in the future: a due date is no event."""
    if contract.freshness is None:
        return
    moments = {column: rule for column, rule in contract.columns.items() if rule.type == "timestamp"}
    values = [standardized(rule, repaired(rule, table[column])).value for column, rule in moments.items()]
    past = [ibis.ifelse(value <= ibis.literal(now), value, ibis.null(value.type())).max() for value in values]
    if not past:
        yield f"table '{name}': expected a column of type timestamp to tell its freshness by, found none; drop tables.{name}.freshness"
        return
    row = table.aggregate(**{f"newest_{place}": moment for place, moment in enumerate(past)}).to_pyarrow().to_pylist()[0]
    newest = max((moment for moment in row.values() if moment is not None), default=None)
    if newest is None or now - newest > duration(contract.freshness):
        found = "none" if newest is None else f"one of {newest.isoformat(timespec='seconds')}, {_age(now - newest)} ago"
        yield f"table '{name}': expected an event of the last {contract.freshness}, found {found}; is the source still being written?"


def _age(age: timedelta) -> str:
    return str(age).split(".")[0]


def _profiled(table: ibis.Table, contract: Table, found: list[str]) -> TableQuality:
    measures = {
        f"{place}/{measure}": value
        for place, (name, rule) in enumerate(contract.columns.items())
        for measure, value in _measures(rule, table[name]).items()
    }
    counted = table.aggregate(rows=table.count(), **measures).to_pyarrow().to_pylist()[0]
    columns = {}
    for place, (name, rule) in enumerate(contract.columns.items()):
        own = {key.partition("/")[2]: value for key, value in counted.items() if key.startswith(f"{place}/")}
        columns[name] = _column_quality(rule, own, _frequent(rule, table[name]))
    undeclared = tuple(column for column in found if column not in contract.columns)
    return TableQuality(rows_in=counted["rows"], rows_out=counted["rows"], undeclared=undeclared, columns=columns)


def _measures(rule: ColumnRule, column: ibis.Value) -> dict[str, ibis.Value]:
    absent = column.isnull() | column.isnan() if column.type().is_floating() else column.isnull()
    measures = {"missing": absent.sum(), "distinct": column.nunique()}
    for place, token in enumerate(rule.null):
        without = repaired(rule.model_copy(update={"null": (token,)}), column)
        measures[f"token {place}"] = (~absent & without.isnull()).sum()
    if rule.type in ("integer", "float") and not rule.pii:
        number = repaired(rule, column).try_cast("float64")
        number = ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)
        measures |= {"min": number.min(), "max": number.max()}
    elif rule.type in ("date", "timestamp") and column.type().is_string() and not rule.pii:
        text = repaired(rule, column)
        measures |= {"min": text.min(), "max": text.max()}
    return measures


def _column_quality(
    rule: ColumnRule, counted: Mapping[str, int | float | str | None], frequent: tuple[tuple[str, int], ...]
) -> ColumnQuality:
    tokens = {token: int(counted[f"token {place}"] or 0) for place, token in enumerate(rule.null)}
    return ColumnQuality(
        missing=int(counted["missing"] or 0),
        null_tokens={token: count for token, count in tokens.items() if count},
        distinct=int(counted["distinct"] or 0),
        min=_as_text(counted.get("min")),
        max=_as_text(counted.get("max")),
        frequent=frequent,
    )


def _frequent(rule: ColumnRule, column: ibis.Value) -> tuple[tuple[str, int], ...]:
    if rule.type not in _FEW_VALUES or rule.pii:
        return ()
    values = repaired(rule, column).cast("string").name("value").as_table()
    counts = values.filter(values.value.notnull()).group_by("value").aggregate(rows=lambda group: group.count())
    top = counts.order_by([ibis.desc("rows"), "value"]).limit(_FREQUENT).to_pyarrow().to_pylist()
    return tuple((row["value"], row["rows"]) for row in top)


def _as_text(value: int | float | str | None) -> str | None:
    return value if value is None or isinstance(value, str) else number_text(value)
