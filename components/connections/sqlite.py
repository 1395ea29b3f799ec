"""A SQLite database as a source, while somebody else is writing to it: all its tables as they were at one moment."""

import csv
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

import duckdb

from journey.errors import DataError, ProjectError, Unavailable
from journey.parquet import copy_to_parquet, exact, identifier, open_duckdb, quoted
from journey.sections import SqlSource
from journey.values.text import number_text

_BUSY_SECONDS = 30.0          # as long as the ledger's own busy timeout: a writer's transaction is far shorter
_ROW_NAMES = ("rowid", "_rowid_", "oid")
_LONGEST_ROW = 2**26         # bytes; DuckDB's own limit of 2 MB is for files by hand
_MIXED = "mixed"
_NULL = "\\N 5f0c2a71"         # stands for NULL on the way to DuckDB; nothing that a source would hold, unlike an empty text


def database_path(url: str, where: str) -> str:
    """The path in `sqlite:///path` (relative) or `sqlite:////path` (absolute).

    Raises:
        ProjectError: the URL is of another kind; only its scheme is shown, the rest may hold a password.
    """
    if not url.startswith("sqlite:///") or len(url) == len("sqlite:///"):
        scheme = urlsplit(url).scheme or "no"
        raise ProjectError(f"{where}: expected sqlite:///path, found a URL of {scheme} scheme, which is not supported in this version")
    return url.removeprefix("sqlite:///")


@dataclass(frozen=True)
class Database:
    """An open database, within one read transaction.

    Attributes:
        path: the file, for messages.
        connection: reads the database as it was at the first read.
    """

    path: Path
    connection: sqlite3.Connection

    @classmethod
    @contextmanager
    def opened(cls, path: Path, where: str) -> Iterator[Self]:
        """Opens the database for reading only; whoever writes to it goes on.

        Raises:
            DataError: there is no such file, or it can't be opened.
        """
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        try:
            if not path.is_file():          # which raises where a folder on the way can't be entered
                raise DataError(f"{where}: expected a SQLite database at {path}, found none; mend the path, or make the database first")
            connection = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        except (OSError, sqlite3.OperationalError) as error:
            advice = "Let this process read it (in pods that is user and group 65532)."
            raise DataError(f"{where}: expected a SQLite database at {path} that can be opened, found: {error}. {advice}") from error
        connection.create_function("number_text", 1, number_text, deterministic=True)
        try:
            connection.execute("BEGIN")
            yield cls(path, connection)
        finally:
            connection.close()

    def tables(self) -> list[str]:
        """The names of its tables and views."""
        return [row[0] for row in self.connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")]

    def columns(self, table: str) -> dict[str, int]:
        """The columns of a table in order, each with its place in the primary key (0: not part of it)."""
        rows = self.connection.execute(f"PRAGMA table_info({identifier(table)})")
        return {row[1]: row[5] for row in rows}

    def order(self, table: str) -> str:
        """The ORDER BY of a table that is the same on every read: its row number, else its primary key, else every column."""
        columns = self.columns(table)
        listed = self.connection.execute("SELECT type, wr FROM pragma_table_list WHERE name = ? AND schema = 'main'", (table,))
        kind, without_rowid = listed.fetchone()
        free = [name for name in _ROW_NAMES if name not in {column.lower() for column in columns}]
        if kind == "table" and not without_rowid and free:
            return free[0]
        key = sorted((place, name) for name, place in columns.items() if place)
        return ", ".join(identifier(name) for _, name in key) or ", ".join(identifier(name) for name in columns)


@dataclass(frozen=True)
class DatabaseTable:
    """The rows of one table of a database.

    Attributes:
        where: the key of project.yaml that names it, for messages.
        source: the source's section.
        database: where the table is.
    """

    where: str
    source: SqlSource
    database: Database

    @property
    def cursor(self) -> str | None:
        """The column whose largest value is the watermark."""
        return self.source.cursor

    def write(self, path: Path) -> None:
        """Writes all rows to a Parquet file, ordered by row number or primary key.

        Raises:
            DataError: there is no such table, or a column holds bytes or broken text.
            Unavailable: the database stayed locked.
        """
        with tempfile.TemporaryDirectory(prefix="journey-sqlite-") as folder, self._translated():
            rows = Path(folder, "rows.csv")
            types = self._copy(rows)
            columns = "{" + ", ".join(f"{quoted(name)}: '{kind}'" for name, kind in types.items()) + "}"
            query = (
                f"SELECT * FROM read_csv({quoted(exact(rows))}, auto_detect = false, columns = {columns}, header = false, "  # noqa: S608  # quoted
                f"delim = ',', quote = '\"', escape = '\"', new_line = '\\n', nullstr = {quoted(_NULL)}, "
                f"max_line_size = {_LONGEST_ROW}, buffer_size = {_LONGEST_ROW})"      # by default 16 rows: 1 GiB, more than a small pod has
            )
            with open_duckdb() as connection:
                copy_to_parquet(connection, query, path)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        where, path = self.where, self.database.path
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                locked = f"found it locked for {_BUSY_SECONDS:.0f} s; try again when its writer is done"
                raise Unavailable(f"{where}: expected {path} to be readable, {locked}") from error
            raise DataError(f"{where}: expected a readable table in {path}, found: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DataError(f"{where}: expected a SQLite database at {path}, found: {error}") from error
        except duckdb.InvalidInputException as error:
            raise DataError(f"{where}: expected rows of at most {_LONGEST_ROW >> 20} MiB in {path}, found: {error}") from error

    def _copy(self, rows: Path) -> dict[str, str]:
        """Copies the rows to a CSV file, from C to C: no value becomes an object of ours. Returns DuckDB's type of each column."""
        table = self._table()
        types = self._types(table)
        selected = ", ".join(f"ifnull({_told(name, kind)}, {quoted(_NULL)})" for name, kind in types.items())
        query = f"SELECT {selected} FROM {identifier(table)} ORDER BY {self.database.order(table)}"  # noqa: S608  # names are quoted
        with rows.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(self.database.connection.execute(query))
        return {name: "VARCHAR" if kind == _MIXED else kind for name, kind in types.items()}

    def _table(self) -> str:
        tables = self.database.tables()
        if self.source.table not in tables:
            near = get_close_matches(self.source.table, tables, n=1, cutoff=0)
            nearest = f"; the nearest is '{near[0]}'" if near else "; it has no tables"
            expected = f"a table '{self.source.table}' in {self.database.path}"
            raise DataError(f"{self.where}: expected {expected}, found none of that name{nearest}")
        return self.source.table

    def _types(self, table: str) -> dict[str, str]:
        """One type a column: BIGINT, DOUBLE, VARCHAR, or mixed where numbers stand beside text. SQLite types values, not columns."""
        names = list(self.database.columns(table))
        kinds = ("integer", "real", "text", "blob")
        asked = ", ".join(f"max(typeof({identifier(name)}) = '{kind}')" for name in names for kind in kinds)
        query = f"SELECT {asked} FROM {identifier(table)}"  # noqa: S608  # names are quoted
        found = self.database.connection.execute(query).fetchone()
        types = {}
        for place, name in enumerate(names):
            integer, real, text, blob = (bool(value) for value in found[4 * place : 4 * place + 4])
            if blob:
                todo = "make a view without that column, and read the view"
                raise DataError(f"{self.where}: column '{name}': expected text or numbers, found bytes; {todo}")
            number = "DOUBLE" if real else "BIGINT"
            types[name] = (_MIXED if text else number) if integer or real else "VARCHAR"
        return types


def _told(name: str, kind: str) -> str:
    """A column as its type; repr and strtod between SQLite and DuckDB keep every double to the bit."""
    column = identifier(name)
    if kind == _MIXED:
        return f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN number_text({column}) ELSE {column} END"
    return f"CAST({column} AS REAL)" if kind == "DOUBLE" else column
