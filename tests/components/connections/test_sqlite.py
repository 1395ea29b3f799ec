import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from components.connections.sources import Surroundings, open_sources
from journey.errors import DataError, ProjectError
from journey.sections import FilesSource, Source, SqlSource


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "bank.db")
    yield connection
    connection.close()


def read(folder: Path, table: str) -> list[dict[str, object]]:
    sources: dict[str, Source] = {"t": SqlSource(sql="${BANK}", table=table)}
    with open_sources(sources, Surroundings(folder, {"BANK": "sqlite:///bank.db"})) as tables:
        tables["t"].write(folder / "t.parquet")
    return pyarrow.parquet.read_table(folder / "t.parquet").to_pylist()


def test_columns_are_typed_by_their_values_and_mixed_ones_become_text(tmp_path: Path, bank: sqlite3.Connection) -> None:
    bank.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, whole, part, word, mixed, empty)")
    rows = [(1, 7, 1, 'a "b",\n', "x", None), (2, None, 0.1, "", 2.5, None), (3, -(2**63), None, None, 7.0, None)]
    bank.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", rows)
    bank.commit()
    assert read(tmp_path, "t") == [
        {"id": 1, "whole": 7, "part": 1.0, "word": 'a "b",\n', "mixed": "x", "empty": None},
        {"id": 2, "whole": None, "part": 0.1, "word": "", "mixed": "2.5", "empty": None},
        {"id": 3, "whole": -(2**63), "part": None, "word": None, "mixed": "7", "empty": None},
    ]


def test_rows_come_by_row_number_then_by_primary_key_then_by_every_column(tmp_path: Path, bank: sqlite3.Connection) -> None:
    bank.execute("CREATE TABLE plain (v)")
    bank.execute("CREATE TABLE keyed (b, a, PRIMARY KEY (a, b)) WITHOUT ROWID")
    bank.execute("CREATE VIEW seen AS SELECT v FROM plain ORDER BY v DESC")
    bank.executemany("INSERT INTO plain VALUES (?)", [(3,), (1,), (2,)])
    bank.executemany("INSERT INTO keyed VALUES (?, ?)", [(1, "y"), (2, "x"), (1, "x")])
    bank.commit()
    assert [row["v"] for row in read(tmp_path, "plain")] == [3, 1, 2]
    assert [(row["a"], row["b"]) for row in read(tmp_path, "keyed")] == [("x", 1), ("x", 2), ("y", 1)]
    assert [row["v"] for row in read(tmp_path, "seen")] == [1, 2, 3]


def test_an_empty_table_is_read_with_its_columns(tmp_path: Path, bank: sqlite3.Connection) -> None:
    bank.execute("CREATE TABLE t (a, b)")
    assert read(tmp_path, "t") == []
    assert pyarrow.parquet.read_schema(tmp_path / "t.parquet").names == ["a", "b"]


def test_tables_of_one_database_are_read_at_one_moment_while_others_write(tmp_path: Path, bank: sqlite3.Connection) -> None:
    bank.execute("PRAGMA journal_mode = WAL")
    bank.execute("CREATE TABLE paid (n INTEGER)")
    bank.execute("CREATE TABLE booked (n INTEGER)")
    bank.commit()
    stop = threading.Event()

    def write() -> None:
        writer = sqlite3.connect(tmp_path / "bank.db", timeout=30)
        number = 0
        while not stop.is_set():
            with writer:
                writer.executemany("INSERT INTO paid VALUES (?)", [(number + place,) for place in range(50)])
                writer.executemany("INSERT INTO booked VALUES (?)", [(number + place,) for place in range(50)])
            number += 50
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        sources: dict[str, Source] = {name: SqlSource(sql="sqlite:///bank.db", table=name) for name in ("paid", "booked")}
        for _ in range(5):
            with open_sources(sources, Surroundings(tmp_path, {})) as tables:
                for name, table in tables.items():
                    table.write(tmp_path / f"{name}.parquet")
            paid, booked = (pyarrow.parquet.read_metadata(tmp_path / f"{name}.parquet").num_rows for name in sources)
            assert paid == booked
            assert paid % 50 == 0
    finally:
        stop.set()
        thread.join()


def test_a_missing_table_names_the_nearest(tmp_path: Path, bank: sqlite3.Connection) -> None:
    bank.execute("CREATE TABLE payments (a)")
    with pytest.raises(DataError, match=r"sources\.t\.table: expected a table 'payment' in .*; the nearest is 'payments'"):
        read(tmp_path, "payment")


def test_a_column_of_bytes_is_refused_by_name(tmp_path: Path, bank: sqlite3.Connection) -> None:
    bank.execute("CREATE TABLE t (picture)")
    bank.execute("INSERT INTO t VALUES (x'00ff')")
    bank.commit()
    with pytest.raises(DataError, match="column 'picture': expected text or numbers, found bytes"):
        read(tmp_path, "t")


def test_what_is_no_database_or_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sources\.t\.sql: expected a SQLite database at .*bank\.db, found none"):
        read(tmp_path, "t")
    (tmp_path / "bank.db").write_text("certainly no database, but long enough to be read as one" * 20)
    with pytest.raises(DataError, match="file is not a database"):
        read(tmp_path, "t")


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (sqlite3, "connect", sqlite3.OperationalError("unable to open database file")),
        (Path, "is_file", PermissionError(13, "Permission denied")),        # of a folder that can't be entered
    ],
)
@pytest.mark.usefixtures("bank")
def test_a_file_that_cannot_be_opened_is_told_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: Exception
) -> None:
    def shut(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(owner, name, shut)
    with pytest.raises(DataError, match=r"sources\.t\.sql: expected .*bank\.db that can be opened, found: .*(unable|denied)"):
        read(tmp_path, "t")


def test_another_kind_of_url_is_refused_without_showing_its_password(tmp_path: Path) -> None:
    sources: dict[str, Source] = {"t": SqlSource(sql="postgresql://me:secret@host/db", table="t")}
    expected = "postgresql scheme, which is not supported"
    with pytest.raises(ProjectError, match=expected) as error, open_sources(sources, Surroundings(tmp_path, {})):
        pass
    assert "secret" not in str(error.value)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    sources: dict[str, Source] = {"census": FilesSource(files="${CENSUS_CSV}")}
    expected = r"sources\.census\.files: expected the environment variable CENSUS_CSV to be set, found it unset or empty"
    with pytest.raises(ProjectError, match=expected), open_sources(sources, Surroundings(tmp_path, {})):
        pass


def test_reading_sources_loads_no_dataframe_library() -> None:
    modules = "import sys, components.connections.sources, components.data.ingest"
    program = f"{modules}; print([name for name in ('pandas', 'ibis', 'pyarrow') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
