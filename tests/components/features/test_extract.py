"""The training frame: what goes in, as of when, and in which order."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.features.extract import Frame, ProjectCode
from components.features.lookback import looked_up
from components.features.select import select
from feature_repo.refresh import cut
from feature_repo.views import ViewTable
from journey.artifacts import GROUP, LABEL, ROW, SPLIT, TIME, Lookup, LookupFeature
from journey.declarations import load_declarations, load_request_features
from journey.errors import DataError, ProjectError
from journey.project import Predict, SelectPlan, Table

START = datetime(2026, 1, 1, tzinfo=UTC)
REFRESH = timedelta(hours=12)


def test_inputs_are_numbers_then_categories_and_never_label_key_entity_time_or_text(frame):
    names = [each.name for each in frame.schema.inputs]
    assert names == [
        "amount", "tries", "abroad", "hour", "payments_so_far", "last_amount", "usual", "big", "channel", "channel_before",
    ]  # fmt: skip
    assert frame.table.column_names == [ROW, TIME, SPLIT, LABEL, *names]
    assert {str(frame.table.schema.field(name).type) for name in names[:8]} == {"double"}
    assert frame.schema.classes == (False, True)


def test_groups_go_with_the_rows_and_are_no_input(bank, contracts):
    path = bank.folder / "payments.parquet"
    payments = pq.read_table(path)
    pq.write_table(payments.append_column(GROUP, [payments.column("card_id").to_pylist()]), path)
    frame = bank.frame(ProjectCode(), contracts=contracts)
    assert frame.table.column(GROUP).to_pylist() == ["a", "b"] * 10
    kept = select(SelectPlan(task="binary", drop=("amount",), seed=1), frame).frame
    assert GROUP in kept.table.column_names
    assert GROUP not in {each.name for each in kept.schema.inputs}


def test_only_rows_with_a_split_are_in_ordered_by_time_and_row(frame):
    assert frame.table.column(ROW).to_pylist() == list(range(4, 24))
    assert frame.table.column(SPLIT).null_count == 0


def test_a_row_sees_of_its_card_what_was_there_before_the_cut_of_the_last_refresh(frame):
    rows = frame.table.to_pylist()
    for row in rows:
        before = [n for n in range(24) if n % 2 == row[ROW] % 2 and cut_time(n) < cut(row[TIME], REFRESH)]
        amounts = [float(n) for n in before if n != 9]
        assert row["payments_so_far"] == len(before)
        assert row["last_amount"] == (None if before[-1] == 9 else float(before[-1]))
        assert row["usual"] == pytest.approx(sum(amounts) / len(amounts))


def cut_time(index: int):
    return START + timedelta(hours=6) * (index // 2)


def test_missing_in_a_found_row_stays_missing_and_default_stands_in_for_an_absent_one(bank, contracts):
    text = (bank.folder / "features.py").read_text().replace('"payments_so_far": 0', '"payments_so_far": -1, "last_amount": 7.5')
    later = text.replace("return payments.select(", "payments = payments.filter(payments.amount > 12)\n    return payments.select(")
    (bank.folder / "features.py").write_text(later)
    rows = bank.frame(bank.own(), contracts=contracts).table.to_pylist()
    absent = [row for row in rows if row["payments_so_far"] == -1]
    assert {row["last_amount"] for row in absent} == {7.5}
    assert {row["usual"] for row in absent} == {None}
    assert {row[ROW] for row in absent} == set(range(4, 16))


def test_a_row_older_than_its_ttl_counts_as_absent_from_the_rows_own_time_on(bank):
    text = (bank.folder / "features.py").read_text()
    (bank.folder / "features.py").write_text(text.replace('ttl="2d"', 'ttl="6h"'))
    rows = bank.frame(bank.own()).table.to_pylist()
    # cut at 3 and 15 o'clock, so the newest row known at 0 and 12 is 6 hours old, and at 6 and 18 it is 12 hours old
    assert {row["hour"] for row in rows if row["payments_so_far"] == 0} == {6.0, 18.0}


def test_a_division_by_zero_in_a_view_is_missing(bank):
    text = (bank.folder / "features.py").read_text()
    divided = text.replace("last_amount=payments.amount,", "last_amount=payments.amount / (payments.tries - 1),")
    (bank.folder / "features.py").write_text(divided)
    amounts = bank.frame(bank.own()).table.column("last_amount").to_pylist()
    assert not {float("inf"), float("-inf")} & set(amounts)
    assert amounts.count(None) > 4


def test_the_lookups_say_what_the_server_needs(frame):
    (lookup,) = frame.schema.lookups
    assert isinstance(lookup, Lookup)
    assert (lookup.view, lookup.entity, lookup.column, lookup.ttl_seconds) == ("history", "card", "card_id", 172800.0)
    assert {each.name: (each.type, each.default) for each in lookup.features} == {
        "payments_so_far": ("integer", 0),
        "last_amount": ("float", None),
        "usual": ("float", None),
        "channel_before": ("category", None),
        "big": ("boolean", None),
    }


def test_long_keys_stay_apart_where_some_are_missing(tmp_path):
    long = 2**53
    rows = pa.table({"card_id": [long, long + 1], "at": pa.array([START, START], pa.timestamp("us", "UTC")), "owner": ["a", "b"]})
    pq.write_table(rows, tmp_path / "owners.parquet")
    features = (LookupFeature(name="owner", type="category", default=None),)
    lookup = Lookup(view="owners", entity="card", column="card_id", ttl_seconds=None, features=features)
    view = ViewTable(lookup, "at", tmp_path / "owners.parquet")
    asked = {ROW: [0, 1, 2], TIME: pa.array([START + timedelta(days=1)] * 3, pa.timestamp("us", "UTC")), "card_id": [long + 1, None, long]}
    assert looked_up(pa.table(asked), [view], REFRESH)["owner"].to_pylist() == ["b", None, "a"]


def test_two_frames_of_the_same_rows_are_the_same_bytes(bank, frame, tmp_path):
    for number, made in enumerate((frame, bank.frame(bank.own()))):
        made.write(tmp_path / str(number))
    assert (tmp_path / "0/frame.parquet").read_bytes() == (tmp_path / "1/frame.parquet").read_bytes()
    assert (tmp_path / "0/frame.json").read_bytes() == (tmp_path / "1/frame.json").read_bytes()
    assert Frame.read(tmp_path / "0").schema == frame.schema


def test_a_view_is_not_shown_what_curate_put_beside_the_columns(bank):
    text = (bank.folder / "features.py").read_text().replace("big=payments.amount > 5", f"big=payments.{LABEL}")
    (bank.folder / "features.py").write_text(text)
    with pytest.raises(ProjectError, match=rf"features.py, line \d+, in history: .*{LABEL}"):
        bank.frame(bank.own())


def test_a_request_feature_may_not_ask_for_the_label_or_a_column_that_is_none(bank, given):
    label = given.model_copy(update={"predict": Predict(label="abroad", task="binary", metric="roc_auc")})
    for argument, found in (("abroad", "'abroad', the label"), ("amuont", "'amuont'")):
        code = ProjectCode(functions=load_request_features(f"def f({argument}) -> int:\n    return 1\n".encode()))
        with pytest.raises(ProjectError, match=f"in f: expected arguments named after columns .* found {found}"):
            bank.frame(code, label)


def test_two_inputs_of_one_name_are_refused(bank):
    code = ProjectCode(functions=load_request_features(b"def amount(tries) -> int:\n    return 1\n"))
    with pytest.raises(ProjectError, match="'amount' twice: a column of the spine and a request feature"):
        bank.frame(code)


def test_an_exception_in_a_request_feature_names_the_row(bank):
    code = ProjectCode(functions=load_request_features(b"def f(amount) -> float:\n    return 1 / (amount - 6)\n"))
    with pytest.raises(ProjectError, match=r"line 2, in f: .*ZeroDivisionError.* row 2 \(amount\)"):
        bank.frame(code)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('entity="card"', 'entity="crad"'), r"expected an entity of project.yaml \(card\), found 'crad'"),
        (('time="paid_at"', 'time="seen_at"'), r"expected the column 'seen_at' \(its time\)"),
        (('"payments_so_far": 0', '"payments": 0'), r"defaults: expected one of the view's features .* found 'payments'"),
        (('"payments_so_far": 0', '"payments_so_far": "none"'), r"defaults.payments_so_far: expected integer .* found 'none'"),
        (("big=payments.amount > 5", "big=payments.paid_at + ibis.interval(days=1)"), "feature 'big': expected text, a number"),
        (("big=payments.amount > 5", "amount=payments.amount"), "'amount' twice: a column of the spine and a feature of a view"),
        (("big=payments.amount > 5", "payment_id=payments.channel"),
         r"no column of the spine has, found 'payment_id' \(a feature of a view\)"),
        (('ttl="2d"', 'ttl="0d"'), "in history: ttl: expected more than no time, found 0"),
        (("big=payments.amount > 5", "big=payments.channel.cast('int64')"), r"features.py, in history: .*ConversionException"),
        (('"card_id", "paid_at",', '"paid_at", card_id=payments.tries,'), "key 'card_id' to be string as in the spine, found int64"),
    ],
)
def test_a_view_that_cannot_be_used_is_told_with_its_place(bank, change, told):
    text = (bank.folder / "features.py").read_text()
    assert change[0] in text
    (bank.folder / "features.py").write_text(text.replace(*change))
    with pytest.raises(ProjectError, match=told):
        bank.frame(ProjectCode(load_declarations(bank.folder).views))


def test_a_table_without_split_rows_is_refused(bank, contracts):
    path = bank.folder / "payments.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(SPLIT), SPLIT, pa.nulls(table.num_rows, pa.string())), path)
    with pytest.raises(DataError, match="found none with a split"):
        bank.frame(ProjectCode())


def test_nan_is_missing_in_the_frame(bank):
    path = bank.folder / "payments.parquet"
    table = pq.read_table(path)
    amounts = pc.if_else(pc.equal(table.column("amount"), 6.0), float("nan"), table.column("amount"))
    pq.write_table(table.set_column(table.column_names.index("amount"), "amount", amounts), path)
    column = bank.frame(ProjectCode()).table.column("amount")
    assert column.null_count == 2
    assert not any(value != value for value in column.to_pylist() if value is not None)


def test_a_project_without_views_never_imports_feast(bank):
    code = (
        "import sys; from pathlib import Path; from components.features.extract import ProjectCode, CuratedTables, extract;"
        "from journey.tables import open_tables; from journey.project import ExtractPlan, Table\n"
        f"plan = ExtractPlan.model_validate({PLAIN!r}); contracts = {{'payments': Table.model_validate({COLUMNS!r})}}\n"
        f"with open_tables(Path({str(bank.folder)!r}), contracts) as tables:\n"
        f"    frame = extract(plan, contracts, CuratedTables(tables, (False, True)), ProjectCode(), Path({str(bank.folder)!r}))\n"
        "print(frame.table.num_rows, 'feast' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["20", "False"]


PLAIN = {
    "spine": {"table": "payments"}, "time": None, "entities": {}, "predict": {"label": "disputed", "task": "binary", "metric": "roc_auc"},
    "features": {},
}  # fmt: skip
COLUMNS = Table(columns={"amount": {"type": "float"}, "channel": {"type": "category"}}).model_dump(mode="json")
