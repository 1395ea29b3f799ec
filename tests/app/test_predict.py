"""`journey predict`'s file to file."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.predict import Layout, predict_file
from journey.errors import DataError, Unavailable
from journey.model.bundle import open_bundle
from journey.model.keys import Trusted
from journey.model.scoring import Scorer
from journey.model.scoring_tables import nothing_looked_up
from tests.serving.tiny import probability, write_tiny_bundle

COMMAS = Layout()


@pytest.fixture
def scorer(tmp_path):
    write_tiny_bundle(tmp_path / "bundle", tmp_path / "keys")
    return Scorer(open_bundle(tmp_path / "bundle", Trusted.of(tmp_path / "keys")))


def predicted(scorer, tmp_path, text: str, layout: Layout = COMMAS, name: str = "out.csv"):
    source = tmp_path / "in.csv"
    source.write_text(text, encoding="utf-8")
    done = predict_file(scorer, nothing_looked_up, source, tmp_path / name, layout)
    with (tmp_path / name).open(newline="") as file:
        return done, list(csv.DictReader(file))


def test_rows_come_out_as_they_were_with_a_prediction_and_a_probability_a_class(scorer, tmp_path):
    done, rows = predicted(scorer, tmp_path, "payment_id,amount,channel,limit\np1, 1.5 ,Online,1\np2,-3,phone,\n")
    assert (done.rows, done.refused) == (2, 0)
    assert list(rows[0]) == ["payment_id", "amount", "channel", "limit", "prediction", "probability_false", "probability_true", "error"]
    assert rows[0]["amount"] == " 1.5 "
    assert [float(row["probability_true"]) for row in rows] == pytest.approx([probability(1.5, "online", 1), probability(-3, "phone", 1)])
    assert rows[0]["prediction"] == "true"


def test_a_row_that_breaks_a_rule_or_has_too_few_cells_gets_an_error_and_no_prediction(scorer, tmp_path):
    done, rows = predicted(scorer, tmp_path, "amount,channel,limit\n500,online,1\n1,online\n\n1,online,1\n")
    assert (done.rows, done.refused) == (3, 2)
    assert done.example.startswith("row 1: column 'amount': expected")
    assert [row["prediction"] for row in rows] == ["", "", "true"]
    assert "column 'amount'" in rows[0]["error"]
    assert rows[1]["error"] == "expected 3 cells, found 2"
    assert rows[2]["error"] == ""


def test_parquet_keeps_its_types_and_agrees_with_csv(scorer, tmp_path):
    table = pa.table({"amount": [1.5, None], "channel": ["online", None], "limit": pa.array([1, 2], pa.int64())})
    pq.write_table(table, tmp_path / "in.parquet")
    predict_file(scorer, nothing_looked_up, tmp_path / "in.parquet", tmp_path / "out.parquet")
    scored = pq.read_table(tmp_path / "out.parquet")
    assert scored.select(["amount", "channel", "limit"]).equals(table)
    _, rows = predicted(scorer, tmp_path, "amount,channel,limit\n1.5,online,1\n,,2\n")
    assert scored["probability_true"].to_pylist() == pytest.approx([float(row["probability_true"]) for row in rows])


def test_a_file_without_rows_gives_one_without_rows(scorer, tmp_path):
    done, rows = predicted(scorer, tmp_path, "amount,channel,limit\n")
    assert (done.rows, rows) == (0, [])
    assert (tmp_path / "out.csv").read_text().startswith("amount,channel,limit,prediction")


def test_a_parquet_file_without_rows_gives_one_without_rows(scorer, tmp_path):
    table = pa.table({"amount": pa.array([], pa.float64()), "channel": pa.array([], pa.string()), "limit": pa.array([], pa.int64())})
    pq.write_table(table, tmp_path / "in.parquet")
    for name in ("out.parquet", "out.csv"):
        assert predict_file(scorer, nothing_looked_up, tmp_path / "in.parquet", tmp_path / name).rows == 0
    assert pq.read_table(tmp_path / "out.parquet").column_names[:4] == ["amount", "channel", "limit", "prediction"]
    assert (tmp_path / "out.csv").read_text().startswith("amount,channel,limit,prediction")


def test_a_parquet_file_that_is_damaged_inside_is_refused_and_leaves_nothing(scorer, tmp_path):
    table = pa.table({"amount": [1.5] * 2000, "channel": ["online"] * 2000, "limit": pa.array([1] * 2000, pa.int64())})
    pq.write_table(table, tmp_path / "in.parquet")
    content = bytearray((tmp_path / "in.parquet").read_bytes())
    content[4:60] = b"\xaa" * 56
    (tmp_path / "in.parquet").write_bytes(content)
    with pytest.raises(DataError, match="expected a Parquet file that is whole"):
        predict_file(scorer, nothing_looked_up, tmp_path / "in.parquet", tmp_path / "out" / "scored.csv")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("target", "found"), [("folder", "found a folder"), ("in.csv/out.csv", "found: .*in.csv")])
def test_a_place_that_cannot_be_written_to_is_told(scorer, tmp_path, target, found):
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable, match=found):
        predicted(scorer, tmp_path, "amount,channel,limit\n1.5,online,1\n", name=target)


def test_a_file_is_read_as_the_projects_source_is_laid_out(scorer, tmp_path):
    _, rows = predicted(scorer, tmp_path, "1.5;online;1\n", Layout(";", ("amount", "channel", "limit")))
    assert float(rows[0]["probability_true"]) == pytest.approx(probability(1.5, "online", 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected rows, found an empty file"),
        ("amount,limit\n1,1\n", "found no channel among amount, limit"),
        ("amount,channel,limit,extra\n1,a,1,2\n", "found also extra"),
        ("amount,amount,channel,limit\n1,1,a,1\n", "found 'amount' twice"),
    ],
)
def test_a_file_of_other_columns_is_refused_whole_and_nothing_is_written(scorer, tmp_path, text, says):
    with pytest.raises(DataError, match=says):
        predicted(scorer, tmp_path, text)
    assert not list(tmp_path.glob("*out.csv*"))


def test_a_file_that_is_not_there_or_is_no_parquet_is_said_so(scorer, tmp_path):
    with pytest.raises(DataError, match="expected a file of rows, found none"):
        predict_file(scorer, nothing_looked_up, tmp_path / "no.csv", tmp_path / "out.csv")
    (tmp_path / "no.parquet").write_text("text")
    with pytest.raises(DataError, match="expected a Parquet file"):
        predict_file(scorer, nothing_looked_up, tmp_path / "no.parquet", tmp_path / "out.csv")


def test_a_result_that_was_there_stays_when_the_new_one_fails(scorer, tmp_path):
    (tmp_path / "out.csv").write_text("before")
    (tmp_path / "in.csv").write_bytes(b"amount,channel,limit\n1,\xff,1\n")
    with pytest.raises(DataError, match="expected CSV in UTF-8"):
        predict_file(scorer, nothing_looked_up, tmp_path / "in.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "before"
