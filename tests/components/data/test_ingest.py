"""A snapshot says what the files hold that were written for it."""

from pathlib import Path

from components.data.ingest import ingest
from journey.parquet import copy_to_parquet, open_duckdb


class Numbers:
    """A source of so many rows."""

    cursor = "n"

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def write(self, path: Path) -> None:
        with open_duckdb() as connection:
            copy_to_parquet(connection, f"SELECT range AS n FROM range({self._rows})", path)


def test_a_folder_whose_name_looks_like_a_pattern_is_none(tmp_path: Path) -> None:
    ingest({"t": Numbers(2)}, tmp_path / "home 1")
    snapshot = ingest({"t": Numbers(5)}, tmp_path / "home [1]")
    assert (snapshot.tables["t"].rows, snapshot.tables["t"].watermark) == (5, "4")
