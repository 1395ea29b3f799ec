"""Standardize data: column rules 4 to 7; typed columns, and broken rows in quarantine with the rule that they break."""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis

from journey.artifacts import ROW, QualityReport, TableQuality
from journey.errors import ConflictingKeys, DataError
from journey.sections import Table
from journey.tables import computed
from journey.values.columns import ColumnRule, Kind, consequence
from journey.values.messages import expectation, shown
from journey.values.tables import Ruled, standardized

KINDS: tuple[Kind, ...] = ("required", "parse", "range", "values", "pattern")
QUARANTINE_ORDER = ("table", "row", "column")
MASK = "(not shown: pii)"
_EXAMPLES = 3


@dataclass(frozen=True)
class Standardized:
    """Tables after standardizing: ROW and the declared columns with their types, not in any order.

    Attributes:
        quarantine: a row for each broken value that goes there: table, row, key, column, rule, value; `value` and `key` masked where pii.
        quality: clean's report with what was found here.
    """

    tables: dict[str, ibis.Table]
    quarantine: ibis.Table
    quality: QualityReport


@dataclass(frozen=True)
class _Ruled:
    """A table with the outcome of its rules: for each column its place in the contract as a text, `v<place>` and `b<place>`."""

    name: str
    contract: Table
    rows: ibis.Table

    @property
    def places(self) -> list[tuple[int, str, ColumnRule]]:
        return [(place, name, rule) for place, (name, rule) in enumerate(self.contract.columns.items())]

    def sent_away(self, place: int, rule: ColumnRule) -> ibis.Value:
        """Whether a column's breach sends the row to quarantine."""
        kinds = [kind for kind in KINDS if consequence(rule, kind) == "quarantine"]
        return self.rows[f"b{place}"].isin(kinds).fill_null(False) if kinds else ibis.literal(False)


def standardize(tables: Mapping[str, ibis.Table], contracts: Mapping[str, Table], quality: QualityReport) -> Standardized:
    """Applies the rules that give each column its type, unit and limits.

    Args:
        tables: cleaned tables with ROW.
        contracts: each table's section of project.yaml.
        quality: clean's report.

    Raises:
        DataError: none of a column's values can be read, or a value breaks a rule whose breach is `fail`.
        ConflictingKeys: two rows have the same key once their keys are spelled alike.
    """
    typed, quarantined, report = {}, [], {}
    for name, contract in contracts.items():
        ruled = _ruled(name, tables[name], contract)
        broken = _counted(ruled)
        _refuse_breaches(ruled, broken)
        typed[name] = _good(ruled)
        _refuse_conflicting_keys(name, typed[name], contract)
        quarantined += [_sent_away(ruled, place) for place, column, rule in ruled.places if _sends_away(rule, broken[column])]
        report[name] = _reported(ruled, broken, typed[name], quality.tables[name])
    nothing = _nothing(next(iter(tables.values())))
    return Standardized(typed, ibis.union(nothing, *quarantined) if quarantined else nothing, QualityReport(tables=report))


def _ruled(name: str, table: ibis.Table, contract: Table) -> _Ruled:
    columns: dict[str, ibis.Value] = {}
    for place, (column, rule) in enumerate(contract.columns.items()):
        outcome: Ruled = standardized(rule, table[column])
        columns |= {f"v{place}": outcome.value, f"b{place}": outcome.breach, f"r{place}": table[column]}
    return _Ruled(name, contract, computed(table.select(ROW, **columns)))


def _counted(ruled: _Ruled) -> dict[str, dict[Kind, int]]:
    """How many values of each column break each part of its rule."""
    counts = {f"{place}/{kind}": (ruled.rows[f"b{place}"] == kind).sum() for place, _, _ in ruled.places for kind in KINDS}
    counted = ruled.rows.aggregate(**counts).to_pyarrow().to_pylist()[0]
    broken: dict[str, dict[Kind, int]] = {name: {} for _, name, _ in ruled.places}
    for place, name, _ in ruled.places:
        for kind in KINDS:
            if counted[f"{place}/{kind}"]:
                broken[name][kind] = int(counted[f"{place}/{kind}"])
    return broken


def _refuse_breaches(ruled: _Ruled, broken: Mapping[str, Mapping[Kind, int]]) -> None:
    """Raises for what no run can go on with: an unreadable column, and breaches that are declared to fail."""
    problems = []
    for place, name, rule in ruled.places:
        unread = broken[name].get("parse", 0)
        if unread and unread == int(ruled.rows[f"r{place}"].count().to_pyarrow().as_py()):
            found = f"none of its {unread:,} values can be read, such as {_examples(ruled, place, 'parse')}"
            advice = f"Mend the source, or tables.{ruled.name}.columns.{name}"
            problems.append(f"table '{ruled.name}', column '{name}': expected {expectation(rule, 'parse')}, found that {found}. {advice}")
            continue
        for kind, count in broken[name].items():
            if consequence(rule, kind) == "fail":
                found = f"{_examples(ruled, place, kind)} in {count:,} of {_rows(ruled.rows):,} rows"
                advice = f"Mend the source, or let tables.{ruled.name}.columns.{name}.breach be another than fail"
                problems.append(f"table '{ruled.name}', column '{name}': expected {expectation(rule, kind)}, found {found}. {advice}")
    if problems:
        raise DataError("\n".join(problems))


def _examples(ruled: _Ruled, place: int, kind: Kind) -> str:
    """The first wrong values in the order of rows, each once."""
    rule = ruled.places[place][2]
    wrong = ruled.rows.filter(ruled.rows[f"b{place}"] == kind)
    seen = wrong.group_by(value=wrong[f"r{place}"]).aggregate(first=wrong[ROW].min()).order_by("first").limit(_EXAMPLES)
    values = [row["value"] for row in seen.to_pyarrow().to_pylist()]
    return ", ".join(dict.fromkeys(shown(value, masked=rule.pii) for value in values))


def _good(ruled: _Ruled) -> ibis.Table:
    """The rows that stay, with their typed columns under their names."""
    rows = ruled.rows
    away = _any([ruled.sent_away(place, rule) for place, _, rule in ruled.places])
    columns = {name: rows[f"v{place}"] for place, name, _ in ruled.places}
    return rows.filter(~away).select(ROW, **columns)


def _sends_away(rule: ColumnRule, broken: Mapping[Kind, int]) -> bool:
    return any(consequence(rule, kind) == "quarantine" for kind in broken)


def _sent_away(ruled: _Ruled, place: int) -> ibis.Table:
    """The values of one column that send their rows to quarantine."""
    _, name, rule = ruled.places[place]
    rows = ruled.rows.filter(ruled.sent_away(place, rule))
    keys = [_told(key_rule, rows[f"r{place}"]) for place, column, key_rule in ruled.places if column == ruled.contract.key]
    return rows.select(
        table=ibis.literal(ruled.name, type="string"),
        row=rows[ROW],
        key=keys[0] if keys else ibis.null("string"),
        column=ibis.literal(name, type="string"),
        rule=rows[f"b{place}"],
        value=_told(rule, rows[f"r{place}"]),
    )


def _told(rule: ColumnRule, column: ibis.Value) -> ibis.Value:
    text = column.cast("string")
    return ibis.ifelse(text.notnull(), ibis.literal(MASK), text) if rule.pii else text


def _nothing(table: ibis.Table) -> ibis.Table:
    """A quarantine without rows, on the backend of a table."""
    text = ibis.null("string")
    return table.filter(ibis.literal(False)).select(table=text, row=table[ROW], key=text, column=text, rule=text, value=text)


def _reported(ruled: _Ruled, broken: Mapping[str, Mapping[Kind, int]], good: ibis.Table, seen: TableQuality) -> TableQuality:
    columns = {name: column.model_copy(update={"breaches": dict(broken[name])}) for name, column in seen.columns.items()}
    rows = _rows(good)
    return seen.model_copy(update={"quarantined": _quarantined(ruled, broken), "rows_out": rows, "columns": columns})


def _quarantined(ruled: _Ruled, broken: Mapping[str, Mapping[Kind, int]]) -> dict[str, int]:
    """Rows in quarantine by their first breach, in the order of the contract's columns: each row counts once."""
    firsts = [
        (ruled.sent_away(place, rule), ibis.literal(f"{name}: ") + ruled.rows[f"b{place}"])
        for place, name, rule in ruled.places
        if _sends_away(rule, broken[name])
    ]
    if not firsts:
        return {}
    reasons = ruled.rows.select(reason=ibis.cases(*firsts, else_=ibis.null("string")))
    counts = reasons.filter(reasons.reason.notnull()).group_by("reason").aggregate(rows=lambda group: group.count()).order_by("reason")
    return {row["reason"]: row["rows"] for row in counts.to_pyarrow().to_pylist()}


def _refuse_conflicting_keys(name: str, good: ibis.Table, contract: Table) -> None:
    """Keys that were different as written, and are the same once typed and spelled alike."""
    if contract.key is None:
        return
    key = contract.key
    different = good.filter(good[key].notnull()).select(*contract.columns).distinct()
    shared = different.group_by(key=different[key]).having(lambda rows: rows.count() > 1).aggregate()
    found = shared.aggregate(count=shared.count(), example=shared.key.cast("string").min()).to_pyarrow().to_pylist()[0]
    if found["count"]:
        raise ConflictingKeys(name, key, found["count"], MASK if contract.columns[key].pii else found["example"])


def _any(conditions: list[ibis.Value]) -> ibis.Value:
    away = ibis.literal(False)
    for condition in conditions:
        away = away | condition
    return away


def _rows(table: ibis.Table) -> int:
    return int(table.count().to_pyarrow().as_py())
