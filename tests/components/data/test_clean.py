from collections.abc import Callable

import ibis
import pytest

from components.data.clean import Cleaned, clean
from components.data.validate import validate
from journey.artifacts import ROW, Snapshot
from journey.clock import EPOCH
from journey.errors import ConflictingKeys
from journey.sections import Table

Raw = Callable[..., ibis.Table]
Describe = Callable[[dict[str, ibis.Table]], Snapshot]


def cleaned(rows: ibis.Table, contract: Table, describe: Describe) -> tuple[Cleaned, list[dict[str, object]]]:
    tables = {"people": rows}
    result = clean(tables, {"people": contract}, validate(tables, describe(tables), {"people": contract}, EPOCH))
    return result, result.tables["people"].order_by(ROW).to_pyarrow().to_pylist()


def table(**section: object) -> Table:
    columns = {"id": {"type": "string"}, "job": {"type": "category", "null": ["?"]}}
    return Table.model_validate({"columns": columns, **section})


def test_the_first_of_repeated_rows_stays_and_the_others_are_counted(raw: Raw, snapshot_of: Describe) -> None:
    result, rows = cleaned(raw(id=["a", "b", " a", "b"], job=["x", None, "x ", "?"]), table(), snapshot_of)
    assert rows == [{ROW: 0, "id": "a", "job": "x"}, {ROW: 1, "id": "b", "job": None}]
    seen = result.quality.tables["people"]
    assert (seen.rows_in, seen.duplicates, seen.rows_out) == (4, 2, 2)
    assert seen.columns["job"].null_tokens == {"?": 1}          # counted before the repeated row went
    assert (seen.columns["id"].trimmed, seen.columns["job"].trimmed) == (1, 1)


def test_repeated_rows_stay_where_the_contract_keeps_them(raw: Raw, snapshot_of: Describe) -> None:
    result, rows = cleaned(raw(id=["a", "a"], job=["x", "x"]), table(duplicates="keep", key="id"), snapshot_of)
    assert len(rows) == 2
    assert result.quality.tables["people"].duplicates == 0


def test_two_rows_that_disagree_under_one_key_are_refused_with_an_example(raw: Raw, snapshot_of: Describe) -> None:
    rows = raw(id=["a", "b", "a", "c", "c"], job=["x", "y", "z", "u", "v"])
    with pytest.raises(ConflictingKeys, match=r"table 'people': expected one row per id, found 2 keys .* such as id=a"):
        cleaned(rows, table(key="id"), snapshot_of)


def test_a_key_that_is_personal_is_not_shown(raw: Raw, snapshot_of: Describe) -> None:
    contract = Table.model_validate({"key": "id", "columns": {"id": {"type": "string", "pii": True}, "job": {"type": "category"}}})
    with pytest.raises(ConflictingKeys, match="not shown: pii"):
        cleaned(raw(id=["secret", "secret"], job=["x", "y"]), contract, snapshot_of)


def test_rows_without_a_key_do_not_conflict(raw: Raw, snapshot_of: Describe) -> None:
    _, rows = cleaned(raw(id=[None, None], job=["x", "y"]), table(key="id"), snapshot_of)
    assert len(rows) == 2


def test_columns_with_the_names_of_our_own_aggregates_do_no_harm(raw: Raw, snapshot_of: Describe) -> None:
    names = ("key", "rows", "first", "count", "value")
    contract = Table.model_validate({"key": "first", "columns": {name: {"type": "string"} for name in names}})
    _, rows = cleaned(raw(**{name: ["a", "b", "a"] for name in names}), contract, snapshot_of)
    assert len(rows) == 2
