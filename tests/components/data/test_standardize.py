from collections.abc import Callable
from datetime import UTC, datetime

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.data.clean import clean
from components.data.standardize import MASK, QUARANTINE_ORDER, Standardized, standardize
from components.data.validate import validate
from journey.artifacts import ROW, Snapshot
from journey.clock import EPOCH
from journey.errors import ConflictingKeys, DataError
from journey.sections import Table

Raw = Callable[..., ibis.Table]
Describe = Callable[[dict[str, ibis.Table]], Snapshot]
Rows = list[dict[str, object]]


def standardized(rows: ibis.Table, contract: Table, describe: Describe) -> tuple[Standardized, Rows, Rows]:
    tables, contracts = {"people": rows}, {"people": contract}
    cleaned = clean(tables, contracts, validate(tables, describe(tables), contracts, EPOCH))
    result = standardize(cleaned.tables, contracts, cleaned.quality)
    return result, _listed(result.tables["people"], [ROW]), _listed(result.quarantine, list(QUARANTINE_ORDER))


def _listed(table: ibis.Table, order: list[str]) -> Rows:
    listed: Rows = table.order_by(order).to_pyarrow().to_pylist()
    return listed


def table(**columns: dict[str, object]) -> Table:
    return Table.model_validate({"columns": columns})


def test_columns_get_their_types(raw: Raw, snapshot_of: Describe) -> None:
    contract = table(
        n={"type": "integer"}, f={"type": "float", "scale": 0.01}, b={"type": "boolean"}, t={"type": "timestamp", "zone": "Europe/Berlin"},
        c={"type": "category", "case": "lower", "spellings": {"e-com": "online"}},
    )  # fmt: skip
    table_of_one = raw(n=["7"], f=["150"], b=["Yes"], t=["2026-03-01 12:00:00"], c=["E-Com"])
    result, rows, quarantine = standardized(table_of_one, contract, snapshot_of)
    assert rows == [{ROW: 0, "n": 7, "f": 1.5, "b": True, "t": datetime(2026, 3, 1, 11, tzinfo=UTC), "c": "online"}]
    assert quarantine == []
    schema = result.tables["people"].schema()
    assert [str(schema[name]) for name in ("n", "f", "b", "c")] == ["int64", "float64", "boolean", "string"]
    assert schema["t"].timezone == "UTC"


def test_broken_rows_go_to_quarantine_with_every_rule_that_they_break(raw: Raw, snapshot_of: Describe) -> None:
    contract = Table.model_validate(
        {
            "key": "id",
            "columns": {
                "id": {"type": "string"},
                "age": {"type": "integer", "range": [0, 120]},
                "mail": {"type": "string", "pii": True, "pattern": ".+@.+"},
                "job": {"type": "category", "required": True},
            },
        }
    )
    mails, jobs = ["a@x", "nonsense", "c@x", "d@x"], ["clerk", "clerk", "clerk", ""]
    rows = raw(id=["a", "b", "c", "d"], age=["30", "-3", "x", "40"], mail=mails, job=jobs)
    result, good, quarantine = standardized(rows, contract, snapshot_of)
    assert [row["id"] for row in good] == ["a"]
    assert quarantine == [
        {"table": "people", "row": 1, "key": "b", "column": "age", "rule": "range", "value": "-3"},
        {"table": "people", "row": 1, "key": "b", "column": "mail", "rule": "pattern", "value": MASK},
        {"table": "people", "row": 2, "key": "c", "column": "age", "rule": "parse", "value": "x"},
        {"table": "people", "row": 3, "key": "d", "column": "job", "rule": "required", "value": None},
    ]
    seen = result.quality.tables["people"]
    assert seen.quarantined == {"age: parse": 1, "age: range": 1, "job: required": 1}      # a row counts once
    assert seen.columns["mail"].breaches == {"pattern": 1}
    assert seen.rows_out == 1


def test_breaches_that_are_let_through_are_counted_and_their_rows_stay(raw: Raw, snapshot_of: Describe) -> None:
    contract = table(
        nulled={"type": "integer", "breach": "null"},
        clipped={"type": "float", "range": [0, 1], "breach": "clip"},
        warned={"type": "category", "values": ["a"], "breach": "warn"},
    )
    result, rows, quarantine = standardized(raw(nulled=["x", "1"], clipped=["7", ".5"], warned=["b", "a"]), contract, snapshot_of)
    assert rows[0] == {ROW: 0, "nulled": None, "clipped": 1.0, "warned": "b"}
    assert quarantine == []
    seen = result.quality.tables["people"].columns
    assert [seen[name].breaches for name in ("nulled", "clipped", "warned")] == [{"parse": 1}, {"range": 1}, {"values": 1}]


def test_a_breach_that_is_declared_to_fail_stops_the_run_with_an_example(raw: Raw, snapshot_of: Describe) -> None:
    contract = table(age={"type": "integer", "range": [0, 120], "unit": "years", "breach": "fail"})
    with pytest.raises(DataError, match=r"table 'people', column 'age': expected \[0, 120\] years, found '-3' in 1 of 3 rows"):
        standardized(raw(age=["-3", "5", "6"]), contract, snapshot_of)


@pytest.mark.parametrize("breach", ["quarantine", "null", "warn"])
def test_a_column_none_of_whose_values_parse_stops_the_run_whatever_its_breach(raw: Raw, snapshot_of: Describe, breach: str) -> None:
    contract = table(age={"type": "integer", "breach": breach}, job={"type": "category"})
    expected = r"column 'age': expected an integer.*found that none of its 2 values can be read, such as 'old', 'new'"
    with pytest.raises(DataError, match=expected):
        standardized(raw(age=["old", None, "new"], job=["a", "b", "c"]), contract, snapshot_of)


def test_a_column_without_any_value_does_not_stop_the_run(raw: Raw, snapshot_of: Describe) -> None:
    _, rows, _ = standardized(raw(age=["", None], job=["a", "b"]), table(age={"type": "integer"}, job={"type": "category"}), snapshot_of)
    assert len(rows) == 2


def test_keys_that_are_spelled_alike_after_their_rules_are_refused(raw: Raw, snapshot_of: Describe) -> None:
    contract = Table.model_validate({"key": "id", "columns": {"id": {"type": "string", "case": "lower"}, "n": {"type": "integer"}}})
    with pytest.raises(ConflictingKeys, match="found 1 keys with several different rows, such as id=a"):
        standardized(raw(id=["a", "A"], n=["1", "2"]), contract, snapshot_of)


_words = st.sampled_from(["", " ", "?", "1", " 1", "2", "-7", "300", "x", None])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.tuples(_words, _words), min_size=1, max_size=12),
    breaches=st.tuples(*[st.sampled_from(["quarantine", "null", "clip", "warn"])] * 2),
    duplicates=st.sampled_from(["drop", "keep"]),
    required=st.booleans(),
)
def test_rows_in_are_rows_out_and_duplicates_and_quarantined(
    raw: Raw, snapshot_of: Describe, values: list[tuple[str | None, str | None]], breaches: tuple[str, str], duplicates: str, required: bool
) -> None:
    rule = {"type": "integer", "range": [0, 100], "null": ["", "?"]}
    columns = {"a": {**rule, "breach": breaches[0], "required": required}, "b": {**rule, "breach": breaches[1]}}
    contract = Table.model_validate({"duplicates": duplicates, "columns": columns})
    # One good value in each column, so that none is unreadable as a whole.
    rows = [*values, ("5", "5")]
    result, good, quarantine = standardized(raw(a=[row[0] for row in rows], b=[row[1] for row in rows]), contract, snapshot_of)
    seen = result.quality.tables["people"]
    assert seen.rows_in == len(rows)
    assert seen.rows_out == len(good)
    assert seen.rows_in == seen.rows_out + seen.duplicates + sum(seen.quarantined.values())
    assert len({entry["row"] for entry in quarantine}) == sum(seen.quarantined.values())
    assert {entry["row"] for entry in quarantine}.isdisjoint(row[ROW] for row in good)
