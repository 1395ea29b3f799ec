"""Ingest data: every source's rows as one raw table each, and a snapshot that says what was read."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, Protocol

from journey.artifacts import Snapshot, TableSnapshot
from journey.errors import DataError
from journey.parquet import digest_of, exact, identifier, open_duckdb, quoted

_PHYSICAL: dict[str, Literal["text", "int64", "double", "boolean"]] = {
    "VARCHAR": "text",
    "BIGINT": "int64",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
}


class RawTable(Protocol):
    """A source's rows, ready to be copied."""

    @property
    def cursor(self) -> str | None:
        """The column whose largest value is the watermark, None where the source declares none."""
        ...

    def write(self, path: Path) -> None:
        """Writes all rows, in the source's order, to a Parquet file of text, int64, double and boolean columns."""
        ...


def ingest(sources: Mapping[str, RawTable], directory: Path) -> Snapshot:
    """Copies every source to `<name>.parquet` of a directory and says what it holds in snapshot.json.

    An unchanged source gives the same files and the same snapshot, whenever it is read.

    Raises:
        DataError: a source can't be read, or its cursor is not among its columns.
        Unavailable: a source didn't answer.
    """
    tables = {}
    for name, source in sources.items():
        path = directory / f"{name}.parquet"
        source.write(path)
        tables[name] = _snapshot(name, path, source.cursor)
    snapshot = Snapshot(tables=tables)
    snapshot.write(directory / "snapshot.json")
    return snapshot


def _snapshot(name: str, path: Path, cursor: str | None) -> TableSnapshot:
    with open_duckdb() as connection:
        relation = connection.sql(f"SELECT * FROM read_parquet({quoted(exact(path))})")  # noqa: S608  # the path is quoted
        columns = {column: _PHYSICAL[str(kind)] for column, kind in zip(relation.columns, relation.types, strict=True)}
        rows = relation.count("*").fetchall()[0][0]
        watermark = None
        if cursor is not None:
            _refuse_unknown_cursor(name, cursor, list(columns))
            watermark = relation.aggregate(f"CAST(max({identifier(cursor)}) AS VARCHAR)").fetchall()[0][0]
    return TableSnapshot(rows=rows, columns=columns, digest=digest_of(path), watermark=watermark)


def _refuse_unknown_cursor(name: str, cursor: str, columns: list[str]) -> None:
    if cursor not in columns:
        near = get_close_matches(cursor, columns, n=1, cutoff=0)
        nearest = f", the nearest is '{near[0]}'" if near else ""
        raise DataError(f"sources.{name}.cursor: expected a column of the source, found '{cursor}'{nearest}; name one of its columns")
