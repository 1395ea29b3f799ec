from collections.abc import Callable
from datetime import UTC, datetime

import ibis
import pytest

from components.data.profile import profile_page
from components.data.validate import validate
from journey.artifacts import QualityReport, Snapshot
from journey.errors import DataError
from journey.sections import Table

NOW = datetime(2026, 3, 1, tzinfo=UTC)
Raw = Callable[..., ibis.Table]
Describe = Callable[[dict[str, ibis.Table]], Snapshot]


def table(**section: object) -> Table:
    return Table.model_validate({"columns": {"age": {"type": "integer"}, "job": {"type": "category", "null": ["", "?"]}}, **section})


def checked(rows: ibis.Table, contract: Table, describe: Describe) -> QualityReport:
    return validate({"people": rows}, describe({"people": rows}), {"people": contract}, NOW)


def test_a_profile_counts_missing_values_and_null_tokens_on_raw_rows(raw: Raw, snapshot_of: Describe) -> None:
    rows = raw(age=[" 39", "50", None, "50"], job=[" ?", "clerk ", "?", " "])
    seen = checked(rows, table(), snapshot_of).tables["people"]
    assert (seen.rows_in, seen.rows_out, seen.duplicates) == (4, 4, 0)
    assert (seen.columns["age"].missing, seen.columns["age"].distinct) == (1, 2)
    assert (seen.columns["age"].min, seen.columns["age"].max) == ("39", "50")
    assert seen.columns["job"].null_tokens == {"?": 2, "": 1}
    assert seen.columns["job"].frequent == (("clerk", 1),)


def test_numbers_that_stand_for_missing_are_counted_in_numeric_columns(raw: Raw, snapshot_of: Describe) -> None:
    contract = Table.model_validate({"columns": {"income": {"type": "float", "null": ["-999"]}}})
    seen = checked(raw(income=[-999.0, 1.5, float("nan")]), contract, snapshot_of).tables["people"].columns["income"]
    assert (seen.missing, seen.null_tokens, seen.max) == (1, {"-999": 1}, "1.5")


def test_personal_data_never_shows_its_values(raw: Raw, snapshot_of: Describe) -> None:
    contract = Table.model_validate({"columns": {"name": {"type": "category", "pii": True}, "born": {"type": "date", "pii": True}}})
    seen = checked(raw(name=["Ann"], born=["1990-01-01"]), contract, snapshot_of)
    assert "Ann" not in seen.model_dump_json()
    assert "1990" not in seen.model_dump_json()


def test_all_problems_of_the_columns_are_told_at_once_with_the_nearest_name(raw: Raw, snapshot_of: Describe) -> None:
    with pytest.raises(DataError) as error:
        checked(raw(Age=["1"], job=["a"], shoe=["x"], Journey_row_=["y"]), table(), snapshot_of)
    message = str(error.value)
    assert "table 'people': expected a column 'age', found none; the nearest is 'Age'" in message
    assert "expected only declared columns, found 'Age', 'shoe', 'Journey_row_' besides" in message
    assert "begins with journey_" in message


def test_undeclared_columns_are_dropped_where_the_contract_says_so(raw: Raw, snapshot_of: Describe) -> None:
    seen = checked(raw(age=["1"], job=["a"], shoe=["x"]), table(undeclared="drop"), snapshot_of)
    assert seen.tables["people"].undeclared == ("shoe",)


def test_an_empty_table_stops_the_run(raw: Raw, snapshot_of: Describe) -> None:
    with pytest.raises(DataError, match=r"table 'people': expected at least 1 rows, found 0; the source is empty"):
        checked(raw(age=[], job=[]), table(), snapshot_of)


def test_too_few_and_too_many_rows_stop_the_run(raw: Raw, snapshot_of: Describe) -> None:
    rows = raw(age=["1", "2", "3"], job=["a", "b", "c"])
    with pytest.raises(DataError, match="expected at least 4 rows, found 3"):
        checked(rows, table(rows={"min": 4}), snapshot_of)
    with pytest.raises(DataError, match="expected 1 to 2 rows, found 3"):
        checked(rows, table(rows={"max": 2}), snapshot_of)


def test_freshness_looks_at_the_newest_event_that_is_not_in_the_future(raw: Raw, snapshot_of: Describe) -> None:
    contract = Table.model_validate({"freshness": "2d", "columns": {"at": {"type": "timestamp"}}})
    fresh, stale = ["2026-02-27T00:00:01", "2030-01-01T00:00:00"], ["2026-02-26T23:00:00", "2030-01-01T00:00:00"]
    checked(raw(at=fresh), contract, snapshot_of)
    with pytest.raises(DataError, match=r"expected an event of the last 2d, found one of 2026-02-26T23:00:00\+00:00, 2 days, 1:00:00 ago"):
        checked(raw(at=stale), contract, snapshot_of)


def test_the_profile_page_escapes_what_the_data_holds(raw: Raw, snapshot_of: Describe) -> None:
    page = profile_page(checked(raw(age=["1"], job=["<script>"]), table(), snapshot_of))
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
