import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from components.connections.files import FileTable
from journey.errors import DataError
from journey.parquet import digest_of
from journey.sections import FilesSource


def read(folder: Path, files: str, **source: object) -> list[dict[str, object]]:
    declared = FilesSource(files=files, **source)
    FileTable("sources.t.files", declared, folder, files).write(folder / "out" / "t.parquet")
    return pyarrow.parquet.read_table(folder / "out" / "t.parquet").to_pylist()


def refused(folder: Path, content: bytes, **source: object) -> str:
    (folder / "t.csv").write_bytes(content)
    with pytest.raises(DataError) as error:
        read(folder, "t.csv", **source)
    return str(error.value)


def test_every_value_of_a_csv_file_is_its_text_and_empty_ones_are_null(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n007, x \n1.5,""\n,"two\nlines"\n')
    assert read(tmp_path, "t.csv") == [{"a": "007", "b": " x "}, {"a": "1.5", "b": None}, {"a": None, "b": "two\nlines"}]


def test_late_decimals_after_many_integers_are_not_rounded(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n" + "1\n" * 30_000 + "1.5\n")
    assert read(tmp_path, "t.csv")[-1] == {"a": "1.5"}


def test_header_delimiter_byte_order_mark_and_compression_are_understood(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa; b\r\n1;2\r\n")
    assert read(tmp_path, "t.csv", delimiter=";") == [{"a": "1", "b": "2"}]
    (tmp_path / "n.csv").write_text("1|2\n3|4\n")
    assert read(tmp_path, "n.csv", delimiter="|", header=("x", "y")) == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]
    (tmp_path / "z.csv.gz").write_bytes(gzip.compress(b"a\n5\n"))
    assert read(tmp_path, "z.csv.gz") == [{"a": "5"}]


def test_a_glob_reads_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, value in (("2.csv", "b"), ("10.csv", "a"), ("3.csv", "c")):
        (tmp_path / name).write_text(f"v\n{value}\n")
    assert [row["v"] for row in read(tmp_path, "*.csv")] == ["a", "b", "c"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_folders_and_files_whose_names_look_like_patterns_are_none(tmp_path: Path, ending: str) -> None:
    folder, neighbour = tmp_path / "churn [v2]", tmp_path / "churn v"
    for path, value in ((folder / "t1", "a"), (folder / "t[1]", "b"), (neighbour / "t1", "c")):
        path.parent.mkdir(exist_ok=True)
        if ending == "csv":
            path.with_suffix(".csv").write_text(f"v\n{value}\n")
        else:
            pyarrow.parquet.write_table(pyarrow.table({"v": [value]}), path.with_suffix(".parquet"))
    assert read(folder, f"t1.{ending}") == [{"v": "a"}]
    assert read(folder, f"*.{ending}") == [{"v": "a"}, {"v": "b"}]


def test_files_of_one_source_must_agree_in_their_columns(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n1,2\n")
    with pytest.raises(DataError, match=r"2\.csv: expected the columns of 1\.csv \(a, b\), found a, c"):
        read(tmp_path, "*.csv")


def test_a_missing_file_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sources\.t\.files: expected a file at .*nowhere\.csv, found none"):
        read(tmp_path, "nowhere.csv")


def test_a_truncated_line_is_told_with_file_and_line(tmp_path: Path) -> None:
    message = refused(tmp_path, b"a,b\n1,2\n3\n")
    assert "t.csv, line 3: expected 2 values separated by ',', found 1" in message


def test_an_open_quote_foreign_bytes_and_an_empty_file_are_told_as_such(tmp_path: Path) -> None:
    assert "line 2: expected every quote to be closed" in refused(tmp_path, b'a,b\n1,"x\n3,4\n')
    assert "line 2: expected text in UTF-8" in refused(tmp_path, b"a,b\n1,\xff\xfe\n")
    assert "expected a line with the columns' names, found an empty one" in refused(tmp_path, b"")
    assert "line 1: expected a header line in UTF-8" in refused(tmp_path, b"\xff\xfe\x00a,b\n")


def test_columns_that_differ_by_case_only_or_have_no_name_are_refused(tmp_path: Path) -> None:
    assert "found 'a' and 'A'; rename one" in refused(tmp_path, b"a,A\n1,2\n")
    assert "found column 2 without one" in refused(tmp_path, b"a,,b\n1,2,3\n")


def test_a_file_that_only_looks_like_parquet_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(DataError, match=r"t\.parquet: expected a readable file"):
        read(tmp_path, "t.parquet")


def test_parquet_types_become_text_int64_double_and_boolean(tmp_path: Path) -> None:
    moment = datetime(2024, 3, 1, 12, 30, 0, 123456)
    columns = {
        "small": pyarrow.array([7], pyarrow.int8()),
        "large": pyarrow.array([2**64 - 1], pyarrow.uint64()),
        "single": pyarrow.array([0.5], pyarrow.float32()),
        "exact": pyarrow.array([Decimal("1.25")], pyarrow.decimal128(5, 2)),
        "truth": [True],
        "day": [date(2024, 3, 1)],
        "local": [moment],
        "placed": [moment.replace(tzinfo=UTC)],
        "word": pyarrow.array(["a"]).dictionary_encode(),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    assert read(tmp_path, "t.parquet") == [
        {
            "small": 7,
            "large": "18446744073709551615",
            "single": 0.5,
            "exact": 1.25,
            "truth": True,
            "day": "2024-03-01",
            "local": "2024-03-01T12:30:00.123456",
            "placed": "2024-03-01T12:30:00.123456+00:00",
            "word": "a",
        }
    ]


def test_a_parquet_column_of_lists_is_refused_by_name(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"a": [[1, 2]]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="column 'a': expected text, numbers, booleans, dates or times"):
        read(tmp_path, "t.parquet")


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{row},{row % 7}\n" for row in range(200_000)))
    digests = set()
    for _ in range(2):
        FileTable("sources.t.files", FilesSource(files="t.csv"), tmp_path, "t.csv").write(tmp_path / "t.parquet")
        digests.add(digest_of(tmp_path / "t.parquet"))
    assert len(digests) == 1
