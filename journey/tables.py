"""Directories of Parquet files as Ibis tables: read lazily, written in an order that makes the same bytes every time."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import ibis

from journey.errors import DataError
from journey.parquet import copy_to_parquet, exact


@contextmanager
def open_tables(directory: Path, names: Iterable[str], *, row: str | None = None) -> Iterator[dict[str, ibis.Table]]:
    """Opens `<name>.parquet` of each name on one DuckDB connection of its own, which ends with the context.

    All tables of one call can be joined; tables of different calls can't. Zone is UTC; nothing is downloaded.

    Args:
        directory: a folder of Parquet files.
        names: which of them.
        row: adds a column of this name with the ordinal (int64, from 0) of each row in its file.

    Raises:
        DataError: a file is not there.
    """
    with open_backend() as backend:
        yield {name: read_table(backend, directory / f"{name}.parquet", row=row) for name in names}


@contextmanager
def open_backend() -> Iterator[ibis.BaseBackend]:
    """A DuckDB backend of its own for Ibis, in UTC, that never downloads an extension."""
    with tempfile.TemporaryDirectory(prefix="journey-duckdb-") as spill:
        backend = ibis.duckdb.connect(
            autoinstall_known_extensions=False, autoload_known_extensions=False, temp_directory=spill, preserve_insertion_order=True
        )
        try:
            yield backend
        finally:
            backend.disconnect()


def read_table(backend: ibis.BaseBackend, path: Path, *, row: str | None = None) -> ibis.Table:
    """One Parquet file as a table of a backend; `row` adds each row's ordinal in the file under that name.

    Raises:
        DataError: the file is not there.
    """
    if not path.is_file():
        raise DataError(f"table '{path.stem}': expected {path.name} among the tables of the step before, found none; run that step again")
    if row is None:
        return backend.read_parquet(exact(path))
    table = backend.read_parquet(exact(path), file_row_number=True)
    return table.rename({row: "file_row_number"})


def computed(table: ibis.Table, backend: ibis.BaseBackend | None = None) -> ibis.Table:
    """The table worked out once, for several questions to it: a temporary table that ends with the connection.

    Args:
        table: what to work out.
        backend: where to; None: where the table is. Has to be said for what may be made of memory alone, such as a user's DataFrame.
    """
    where = table.get_backend() if backend is None else backend
    return where.create_table(ibis.util.gen_name("computed"), table, temp=True)


def write_table(table: ibis.Table, path: Path, order: Sequence[str]) -> None:
    """Writes a table ordered by columns that are together unique; parents are made."""
    ordered = table.order_by([table[name] for name in order])
    copy_to_parquet(table.get_backend().con, ibis.to_sql(ordered, dialect="duckdb"), path)


def write_tables(tables: Mapping[str, ibis.Table], directory: Path, order: Sequence[str]) -> None:
    """Writes each table as `<name>.parquet`."""
    for name, table in tables.items():
        write_table(table, directory / f"{name}.parquet", order)
