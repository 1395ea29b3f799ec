from pathlib import Path

import ibis
import pytest

from journey.artifacts import ROW
from journey.errors import DataError
from journey.parquet import copy_to_parquet, digest_of, open_duckdb
from journey.tables import computed, open_backend, open_tables, read_table, write_table

MANY = 300_000        # more than two groups of rows, so that threads have something to disorder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_duckdb() as connection:
        query = f"SELECT (range * 7919) % {MANY} AS k, 'v' || (range % 1000) AS s, range / 7 AS d FROM range({MANY})"
        copy_to_parquet(connection, query, tmp_path / "t.parquet")
    return tmp_path


def test_a_table_is_written_as_the_same_bytes_with_one_and_two_threads(folder: Path) -> None:
    digests = []
    for threads in (1, 2, 2):
        with open_backend() as backend:
            backend.raw_sql(f"SET threads = {threads}")
            table = read_table(backend, folder / "t.parquet", row=ROW)
            firsts = table.group_by(["k", "s"]).aggregate(**{ROW: table[ROW].min()})
            joined = table.inner_join(firsts.select(ROW), ROW)
            write_table(joined, folder / "out.parquet", [ROW])
        digests.append(digest_of(folder / "out.parquet"))
    assert len(set(digests)) == 1


def test_rows_are_numbered_as_they_stand_in_the_file(folder: Path) -> None:
    with open_tables(folder, ["t"], row=ROW) as tables:
        first = tables["t"].order_by(ROW).limit(3).to_pyarrow().to_pylist()
    assert [(row[ROW], row["k"]) for row in first] == [(0, 0), (1, 7919), (2, 15838)]


def test_a_folder_whose_name_looks_like_a_pattern_is_none(folder: Path) -> None:
    with open_duckdb() as connection:
        for name, value in (("home [1]", 1), ("home 1", 2)):
            copy_to_parquet(connection, f"SELECT {value} AS v", folder / name / "t.parquet")
    with open_backend() as backend:
        assert read_table(backend, folder / "home [1]" / "t.parquet").execute()["v"].tolist() == [1]


def test_a_table_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"table 'u': expected u\.parquet among the tables of the step before"), open_tables(folder, ["u"]):
        pass


def test_a_computed_table_is_worked_out_once(folder: Path) -> None:
    with open_tables(folder, ["t"]) as tables:
        table = computed(tables["t"].mutate(luck=ibis.random()))
        assert table.luck.max().to_pyarrow() == table.luck.max().to_pyarrow()


def test_the_zone_is_utc_and_nothing_is_downloaded() -> None:
    with open_duckdb() as connection:
        query = "SELECT current_setting('TimeZone'), current_setting('autoinstall_known_extensions')"
        assert connection.execute(query).fetchone() == ("UTC", False)
    with open_backend() as backend:
        assert backend.raw_sql("SELECT current_setting('TimeZone')").fetchall()[0][0] == "UTC"
