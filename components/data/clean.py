"""Clean data: column rules 1 to 3, repeated rows out, conflicting keys refused, every change counted."""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis

from journey.artifacts import ROW, QualityReport, TableQuality
from journey.errors import ConflictingKeys
from journey.sections import Table
from journey.tables import computed
from journey.values.tables import repaired


@dataclass(frozen=True)
class Cleaned:
    """Tables after cleaning: their declared columns and ROW, not in any order.

    Attributes:
        quality: validate's report with what was changed here.
    """

    tables: dict[str, ibis.Table]
    quality: QualityReport


def clean(tables: Mapping[str, ibis.Table], contracts: Mapping[str, Table], quality: QualityReport) -> Cleaned:
    """Applies what the contracts declare of missing and repeated values; learns nothing from the rows.

    Args:
        tables: raw tables with ROW, the ordinal of each row.
        contracts: each table's section of project.yaml.
        quality: validate's report.

    Raises:
        ConflictingKeys: two different rows share a key.
    """
    cleaned, report = {}, {}
    for name, contract in contracts.items():
        repaired_rows = _repaired(tables[name], contract)
        distinct = computed(_distinct(repaired_rows, contract))
        _refuse_conflicting_keys(name, distinct, contract)
        cleaned[name] = repaired_rows if contract.duplicates == "keep" else distinct
        report[name] = _counted(tables[name], cleaned[name], contract, quality.tables[name])
    return Cleaned(cleaned, QualityReport(tables=report))


def _repaired(table: ibis.Table, contract: Table) -> ibis.Table:
    return table.select(ROW, **{name: repaired(rule, table[name]) for name, rule in contract.columns.items()})


def _distinct(table: ibis.Table, contract: Table) -> ibis.Table:
    """The first of the rows that are equal in all declared columns."""
    firsts = table.group_by(list(contract.columns)).aggregate(**{ROW: table[ROW].min()})
    return firsts.select(ROW, *contract.columns)


def _refuse_conflicting_keys(name: str, distinct: ibis.Table, contract: Table) -> None:
    if contract.key is None:
        return
    keyed = distinct.filter(distinct[contract.key].notnull())
    shared = keyed.group_by(key=keyed[contract.key]).having(lambda rows: rows.count() > 1).aggregate()
    found = shared.aggregate(count=shared.count(), example=shared.key.cast("string").min()).to_pyarrow().to_pylist()[0]
    if found["count"]:
        example = "(not shown: pii)" if contract.columns[contract.key].pii else found["example"]
        raise ConflictingKeys(name, contract.key, found["count"], example)


def _counted(raw: ibis.Table, cleaned: ibis.Table, contract: Table, seen: TableQuality) -> TableQuality:
    texts = [name for name in contract.columns if raw[name].type().is_string()]
    trimmed = {name: (repaired(contract.columns[name], raw[name]) != raw[name]).sum() for name in texts}
    counts = raw.aggregate(**{str(place): trimmed[name] for place, name in enumerate(texts)}).to_pyarrow().to_pylist()[0] if texts else {}
    columns = dict(seen.columns)
    for place, name in enumerate(texts):
        columns[name] = columns[name].model_copy(update={"trimmed": int(counts[str(place)] or 0)})
    rows = int(cleaned.count().to_pyarrow().as_py())
    return seen.model_copy(update={"duplicates": seen.rows_in - rows, "rows_out": rows, "columns": columns})
