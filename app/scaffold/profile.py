"""What a CSV file holds, column by column: counts only, worked out by DuckDB over every row as text."""

import csv
from dataclasses import dataclass
from pathlib import Path

import duckdb

from journey.errors import DataError
from journey.parquet import exact, identifier, open_duckdb, quoted
from journey.values.parsing import DATE, FLOAT, INTEGER, TIMESTAMP
from journey.values.text import WHITE_RE2

NULL_WORDS = ("", "?", "??", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "Null", "None", "#N/A", "<NA>", "-", "--", ".")
"""Words that files write for a missing value."""
TRUTH_WORDS = ("true", "false", "t", "f", "yes", "no", "y", "n")
"""The words that a boolean column reads by default, less 1 and 0: those are numbers first."""

_SHOWN = 25                  # commonest values that are kept a column: more than a label's classes


@dataclass(frozen=True)
class ColumnProfile:
    """One column, after white space at the ends of its values is gone.

    Attributes:
        known: rows with a value that is no null word.
        null_words: the null words that come in the file, and how often; the empty text among them.
        integers, floats, dates, times, truths: known rows that read as such; integers are floats, dates are times too.
        pointed: known rows that are written with a decimal point or an exponent, `127.0` among them.
        zero_led: known rows such as 007, which are codes rather than numbers.
        distinct: different known values.
        common: the commonest known values with their rows, commonest first.
        least, greatest: of the floats, as numbers.
    """

    name: str
    rows: int
    known: int
    null_words: dict[str, int]
    integers: int
    floats: int
    pointed: int
    zero_led: int
    dates: int
    times: int
    truths: int
    distinct: int
    common: tuple[tuple[str, int], ...]
    least: float | None
    greatest: float | None


@dataclass(frozen=True)
class CsvProfile:
    """A CSV file: how its values are separated, how many rows it has, and its columns in their order."""

    delimiter: str
    rows: int
    columns: tuple[ColumnProfile, ...]


def profile(path: Path) -> CsvProfile:
    """Profiles a CSV file with a header line.

    Raises:
        DataError: there is no such file, it has no header or no rows, or isn't CSV.
    """
    delimiter, names = _header(path)
    types = "{" + ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names) + "}"
    options = f"auto_detect = false, columns = {types}, header = true, delim = {quoted(delimiter)}, quote = '\"', escape = '\"'"
    with open_duckdb() as connection:
        try:
            connection.execute(f"CREATE TEMPORARY TABLE rows AS SELECT * FROM read_csv({quoted(exact(path))}, {options})")  # noqa: S608  # names are quoted
        except duckdb.Error as error:
            raise DataError(f"{path}: expected a CSV file in UTF-8, found: {str(error).splitlines()[0]}") from error
        columns = tuple(_column(connection, name) for name in names)
    if columns[0].rows == 0:
        raise DataError(f"{path}: expected rows below the header, found none")
    return CsvProfile(delimiter, columns[0].rows, columns)


def _header(path: Path) -> tuple[str, list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a CSV file in UTF-8, found: {getattr(error, 'strerror', None) or error}") from error
    delimiter = max(",;\t|", key=first.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(names):
        raise DataError(f"{path}: expected a first line with the columns' names, found an empty one")
    if "" in names:
        raise DataError(
            f"{path}: expected a name for each column, found column {names.index('') + 1} without one; name it "
            "(pandas writes its index so: leave it out with to_csv(index=False))"
        )
    lowered = [name.lower() for name in names]
    twice = next((name for name, low in zip(names, lowered, strict=True) if lowered.count(low) > 1), None)
    if twice is not None:
        raise DataError(
            f"{path}: expected columns with different names (upper and lower case is the same name), found '{twice}' twice; rename one"
        )
    return delimiter, names


def _column(connection: duckdb.DuckDBPyConnection, name: str) -> ColumnProfile:
    trimmed = f"coalesce(regexp_replace({identifier(name)}, '^{WHITE_RE2}|{WHITE_RE2}$', '', 'g'), '')"
    connection.execute(f"CREATE OR REPLACE TEMPORARY TABLE shown AS SELECT {trimmed} AS v FROM rows")  # noqa: S608  # the name is quoted
    connection.execute(f"CREATE OR REPLACE TEMPORARY TABLE known AS SELECT v FROM shown WHERE v NOT IN ({_words(NULL_WORDS)})")  # noqa: S608
    (rows,) = _numbers(connection, "SELECT count(*) FROM shown")
    present, distinct, integers, pointed, zero_led, dates, times, truths = _numbers(connection, _COUNTS)
    floats, least, greatest = connection.execute(_FLOATS).fetchall()[0]
    null_words = _by_value(connection, f"SELECT v FROM shown WHERE v IN ({_words(NULL_WORDS)})")  # noqa: S608  # our own words
    return ColumnProfile(
        name=name, rows=rows, known=present, null_words=dict(null_words), integers=integers, floats=floats, pointed=pointed,
        zero_led=zero_led, dates=dates, times=times, truths=truths, distinct=distinct, common=tuple(_by_value(connection, "FROM known")),
        least=least, greatest=greatest,
    )  # fmt: skip


def _numbers(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    return tuple(int(number) for number in connection.execute(query).fetchall()[0])


def _by_value(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, int]]:
    grouped = f"SELECT v, count(*) AS n FROM ({query}) GROUP BY v ORDER BY n DESC, v LIMIT {_SHOWN}"  # noqa: S608  # our own queries
    return [(str(value), int(count)) for value, count in connection.execute(grouped).fetchall()]


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, words))


_COUNTS = f"""
    SELECT count(*), count(DISTINCT v),
        count(*) FILTER (regexp_full_match(v, '{INTEGER}')),
        count(*) FILTER (regexp_full_match(v, '{FLOAT}') AND NOT regexp_full_match(v, '[+-]?[0-9]+')),
        count(*) FILTER (regexp_full_match(v, '-?0[0-9]+')),
        count(*) FILTER (regexp_full_match(v, '{DATE}')),
        count(*) FILTER (regexp_full_match(v, '{TIMESTAMP}')),
        count(*) FILTER (lower(v) IN ({_words(TRUTH_WORDS)}))
    FROM known"""  # noqa: S608  # our own patterns and words
_FLOATS = f"""
    SELECT count(x), min(x), max(x) FROM (
        SELECT CASE WHEN regexp_full_match(v, '{FLOAT}') AND isfinite(try_cast(v AS DOUBLE)) THEN try_cast(v AS DOUBLE) END AS x
        FROM known
    )"""  # noqa: S608  # our own pattern
