"""Parquet files that are the same bytes whenever they hold the same rows."""

import glob
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

# Rows that are written together. DuckDB's own default, pinned: a digest must not change with a library's default.
ROW_GROUP_ROWS = 122_880


@contextmanager
def open_duckdb() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own, in UTC, that never downloads an extension and spills to a temporary folder of its own."""
    with tempfile.TemporaryDirectory(prefix="journey-duckdb-") as spill:
        connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "temp_directory": spill,
                "preserve_insertion_order": "true",
            }
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


def copy_to_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Writes the rows of a SELECT in the order that it gives; parents are made.

    The same rows in the same order give the same bytes with any number of threads, as long as DuckDB's version is the same.
    The query must fix the order: a plain scan of a file, or ORDER BY something unique.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"COPY ({query}) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS})")


def exact(path: Path) -> str:
    """A path as DuckDB's readers take it for that file alone.

    They read `*`, `?` and `[` as patterns, and would take the file `sales1.csv` for one called `sales[1].csv`. The first folder under the
    root is no pattern to them.
    """
    root, first, *rest = path.absolute().parts
    return str(Path(root, first, *map(glob.escape, rest)))


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
