"""A value in a table and the same value in a JSON request come out equal, whatever the rule, its type and the value's physical type."""

import itertools
import math
import random
from datetime import UTC, datetime
from functools import cache

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journey.errors import RequestError
from journey.values.columns import ColumnRule, Value, consequence, value_form
from journey.values.messages import expectation
from journey.values.tables import repaired, standardized

RULES = {
    "string": {"type": "string"},
    "string as it is": {"type": "string", "strip": False, "null": []},
    "string collapsed": {"type": "string", "collapse": True},
    "string collapsed but not stripped": {"type": "string", "strip": False, "collapse": True, "null": ["", " "]},
    "string upper": {"type": "string", "case": "upper", "breach": "null"},
    "string lower": {"type": "string", "case": "lower", "breach": "warn"},
    "string required": {"type": "string", "required": True},
    "string pattern": {"type": "string", "pattern": r"[A-Za-z]+[-. ]?\w*", "breach": "warn"},
    "string pattern with dots": {"type": "string", "pattern": r"(?:1|[^a-f\d]).{0,3}", "breach": "null"},
    "category": {"type": "category", "null": ["", "?", "NA", "-999", "1.5", "true", "nan", "inf", "it's", "\\"]},
    "category of values": {
        "type": "category", "case": "lower", "spellings": {"e-com": "online", "1": "one"}, "values": ["online", "one", "straße"],
    },
    "category of values, else missing": {"type": "category", "case": "upper", "values": ["NO", "YES", "TRUE", "1"], "breach": "null"},
    "category of values, else a warning": {"type": "category", "values": ["a", "b", "0"], "breach": "warn", "required": True},
    "category spelled": {"type": "category", "spellings": {"it's": "it is", "a\\b": "ab", "-0": "0", "2.5": "half"}, "breach": "fail"},
    "integer": {"type": "integer"},
    "integer with tokens": {"type": "integer", "null": ["", "-999", "0", "7.0", "false"]},
    "integer in a range": {"type": "integer", "range": [0, 120]},
    "integer clipped": {"type": "integer", "range": [-5, 99], "breach": "clip"},
    "integer clipped above": {"type": "integer", "range": [None, 1e15], "breach": "clip", "required": True},
    "integer of values": {"type": "integer", "values": ["0", "1", "12"], "breach": "null"},
    "integer of values in a range": {"type": "integer", "values": ["0", "1", "12"], "range": [0, 5], "breach": "warn"},
    "float": {"type": "float"},
    "float with tokens": {"type": "float", "null": ["", "-999", "1.5", "0", "inf", "1e+16"], "breach": "null"},
    "float in cents": {"type": "float", "scale": 0.01, "range": [0.01, 20000], "breach": "warn"},
    "float in Fahrenheit": {"type": "float", "scale": 0.5555555555555556, "offset": -17.77777777777778},
    "float moved": {"type": "float", "offset": 0.1, "range": [0, None], "breach": "clip"},
    "float scaled out of the doubles": {"type": "float", "scale": 1e300, "required": True},
    "float turned around": {"type": "float", "scale": -1.0, "range": [-1e3, 1e3], "breach": "clip"},
    "boolean": {"type": "boolean"},
    "boolean in words": {
        "type": "boolean", "true": [" Ja ", ">50K", "STRASSE", "1.5"], "false": ["nein", "<=50k", "-1"], "null": ["", "?"],
    },
    "boolean with tokens": {"type": "boolean", "null": ["true", "0"], "breach": "null", "required": True},
    "date": {"type": "date"},
    "date as it is": {"type": "date", "strip": False, "null": ["1970-01-01"], "breach": "null"},
    "timestamp": {"type": "timestamp"},
    "timestamp in Berlin": {"type": "timestamp", "zone": "Europe/Berlin", "breach": "null"},
    "timestamp in New York": {"type": "timestamp", "zone": "America/New_York", "required": True},
    "timestamp on Lord Howe": {"type": "timestamp", "zone": "Australia/Lord_Howe", "null": ["", "0"]},
    "timestamp in Kathmandu": {"type": "timestamp", "zone": "Asia/Kathmandu", "breach": "warn"},
}
PHYSICAL = {"text": pa.string(), "integer": pa.int64(), "double": pa.float64(), "boolean": pa.bool_()}
HARD = {
    "text": [
        "", " ", "\t x \u3000", "\xa0\u2003a\x1cb\x85", "it's", "a\\b", "\\", '"', "%", "\x00", "a\x00b", "__missing__", " __missing__ ",
        "nan", "NaN", "inf",
        "Infinity", "-999", "-999.0", "007", "+7", "7.", "7.000", ".5", "5.", "-.5e-3", "1e5", "1E+16", "1e999", "-1e999", "1e-999",
        "0x10", "1_000",
        "1,5", "٣", "\uff11", "123456789012345678", "1234567890123456789", "9007199254740993", "-0", "-0.0", "--1", "1e", "e1", ".",
        "1.7976931348623157e308",
        "straße", "STRASSE", "ﬁx", "İstanbul", "ΌΣΟΣ", "ǅ", "ß", "true", "TRUE", " Yes", "no\n", "t", "e-com", "E-COM", "ja", ">50K",
        "<=50K", "?", "NA",
        "2024-02-29", "2023-02-29", "2024-13-01", "0999-12-31", "1000-01-01", "2999-12-31", "3000-01-01", "2024-2-3", "20240203",
        "2024-02-03T",
        "2024-10-27 02:30:00", "2024-10-27 02:30", "2024-03-31T02:30:00.9999999", "2024-03-31T02:30:00.123456789Z",
        "2024-03-31 02:30:00+14:59",
        "2024-03-31 02:30:00-00:30", "2024-03-31 02:30:00+15", "2024-03-31 02:30:00+0230", "2024-03-31 02:30+02", "2024-03-31 24:00:00",
        "2024-03-31 23:59:60", "2024-03-31T02", "2024-04-07 01:45:00", "2024-10-06 02:15:00", "2999-12-31T23:59:59.999999-14:59",
        "1970-01-01",
        "2024-03-31 02:30:00 Z", "2024-03-31t02:30:00z", "1000-01-01T00:00:00+14:00", "x" * 1_001, "x" * 1_000, "A" + "b" * 64, "1" * 400,
    ],
    "integer": [0, 1, -1, 5, 12, -999, 120, 121, 2**53, 2**53 + 1, 10**18 - 1, 10**18, -(10**18), 2**63 - 1, -(2**63), 32_503_680_000,
    -30_610_224_001],
    "double": [
        0.0, -0.0, 1.0, -999.0, 1.5, 2.5, 0.1, 120.00000000000001, 1e15, 2.0**53, 2.0**53 + 2, 1e16, 1e17, 1e22, 1e300, 5e-324, -1e-5,
        1e-4, math.nan,
        math.inf, -math.inf, 1.7976931348623157e308, 1e9 + 5e-7, 1_700_000_000.123456, -0.5, 32_503_680_000.0, -30_610_224_000.5, 1e-300,
        20000.01,
    ],
    "boolean": [True, False],
}  # fmt: skip

pieces = st.sampled_from(
    ["0", "1", "9", "12", ".", "e", "E", "-", "+", ":", "T", "Z", " ", "\t", "\xa0", "\u2029", "a", "A", "é", "ß", "İ", "Σ", "ﬁ", "?",
    "true", "NO", "2024-", "02"]
)  # fmt: skip
spaces = st.sampled_from(["", "", " ", "\t", "\x85 "])
numbers = st.one_of(st.floats(allow_nan=False).map(repr), st.integers().map(str), st.decimals(-1000, 1000, places=2).map(str))
times = st.datetimes(datetime(900, 1, 1), datetime(3100, 1, 1)).map(lambda time: time.isoformat())
offsets = st.sampled_from(["", "", "Z", "+02", "-0330", "+14:59", "+15:00", "z"])
texts = st.one_of(
    st.text(max_size=8).filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text)),
    st.lists(pieces, max_size=6).map("".join),
    st.tuples(spaces, numbers, spaces).map("".join),
    st.tuples(spaces, times, offsets).map("".join),
    st.dates().map(str),
)
values = st.fixed_dictionaries({
    "text": st.lists(texts, min_size=20, max_size=40),
    "integer": st.lists(st.one_of(st.integers(-20, 130), st.integers(-(2**63), 2**63 - 1)), min_size=5, max_size=20),
    "double": st.lists(st.one_of(st.floats(), st.floats(-1000, 1000), st.integers(-(2**60), 2**60).map(float)), min_size=5, max_size=20),
    "boolean": st.just([True, False]),
})  # fmt: skip


@cache
def duckdb() -> ibis.BaseBackend:
    return ibis.duckdb.connect(threads=1)


def outcomes_in_a_table(rule: ColumnRule, columns: dict[str, list[Value]]) -> dict[str, list[tuple[Value, str | None]]]:
    """For each physical type, each value's (typed value, kind of breach), from one query."""
    rows = max(map(len, columns.values()))
    padded = {name: pa.array([*column, *[None] * (rows - len(column))], PHYSICAL[name],
    from_pandas=False) for name, column in columns.items()}
    table = duckdb().create_table("raw", pa.table({"row": range(rows), **padded}), overwrite=True)
    table = table.mutate(**{name: repaired(rule, table[name]) for name in columns})
    ruled = {name: standardized(rule, table[name]) for name in columns}
    both = {f"{name}_{part}": getattr(ruled[name], part) for name in columns for part in ("value", "breach")}
    result = table.select("row", **both).order_by("row").to_pyarrow()
    return {
        name: list(zip(*(result[f"{name}_{part}"].to_pylist() for part in ("value", "breach")), strict=True))[: len(column)]
        for name, column in columns.items()
    }


def outcome_of_a_request(rule: ColumnRule, value: Value) -> tuple[Value | str, list[str]]:
    """The value form's result and what it counted; for a refusal what was expected."""
    counted: list[str] = []
    try:
        return value_form("column", rule, lambda _, kind: counted.append(kind))(value), counted
    except RequestError as error:
        return f"refused: {error.expected}", counted


def differences(rule: ColumnRule, columns: dict[str, list[Value]], request_rule: ColumnRule | None = None) -> list[str]:
    """Where the two forms disagree, in words."""
    found = []
    for name, outcomes in outcomes_in_a_table(rule, columns).items():
        for value, (typed, breach) in zip(columns[name], outcomes, strict=True):
            if breach is not None and consequence(rule, breach) in ("quarantine", "fail"):
                expected: tuple[Value, list[str]] = (f"refused: {expectation(rule, breach)}", [])
            else:
                expected = (typed, [] if breach is None else [breach])
            outcome = outcome_of_a_request(request_rule or rule, value)
            if not same(expected[0], outcome[0]) or expected[1] != outcome[1]:
                found.append(f"{name} {value!r}: table {expected}, request {outcome}")
    return found


def same(one: Value, other: Value) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one == other and other.tzinfo is UTC
    return type(one) is type(other) and repr(one) == repr(other)          # repr tells floats apart to the bit, and -0.0 from 0.0


@pytest.mark.parametrize("name", RULES)
def test_hard_values_come_out_equal(name: str):
    assert differences(ColumnRule.model_validate(RULES[name]), HARD) == []


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(columns=values)
def test_generated_values_come_out_equal(name: str, columns: dict[str, list[Value]]):
    assert differences(ColumnRule.model_validate(RULES[name]), columns) == []


@pytest.mark.parametrize("kind", ["string", "category", "integer", "float", "boolean", "date", "timestamp"])
def test_every_option_and_every_type_is_under_test(kind: str):
    rules = [rule for rule in RULES.values() if rule["type"] == kind]
    assert rules
    used = set(itertools.chain.from_iterable(RULES.values()))
    assert used == set(ColumnRule.model_fields) - {"unit", "pii"}


def test_every_breach_is_under_test():
    assert {rule.get("breach", "quarantine") for rule in RULES.values()} == {"quarantine", "fail", "null", "clip", "warn"}


def test_a_rule_that_differs_on_one_side_is_noticed():
    table, request = (ColumnRule(type="category", case=case, null=("",)) for case in ("lower", None))
    assert differences(table, {"text": ["A", "b"]}, request) == ["text 'A': table ('a', []), request ('A', [])"]


def test_many_doubles_have_the_same_text():
    generator = random.Random(0)
    doubles = [generator.uniform(-1, 1) * 10.0 ** generator.randint(-12, 25) for _ in range(20_000)]
    assert differences(ColumnRule(type="category"), {"double": doubles}) == []


@pytest.mark.parametrize("zone", ["Europe/London", "America/Sao_Paulo", "Asia/Tokyo", "Pacific/Auckland", "America/St_Johns",
    "Asia/Kolkata"])
def test_local_times_around_every_change_of_clocks_mean_the_same_moment(zone: str):
    hours = [f"{year}-{month:02}-{day:02} {hour:02}:30" for year in (1985, 2024) for month in (2, 3, 4, 9, 10, 11) for day in range(1,
    29) for hour in range(5)]
    assert differences(ColumnRule(type="timestamp", zone=zone), {"text": hours}) == []
