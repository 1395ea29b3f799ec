"""What the server answers to raw rows is what training computes from its own tables: for census, and for payments with look-ups."""

import json
import sqlite3
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from examples.payments.generator import Bank, BankDatabase
from journey.artifacts import ROW, SPLIT, TIME, FrameSchema
from journey.model.estimators import loads
from journey.model.inputs import matrix
from journey.model.scoring_tables import frame_arrays

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

REFRESH = timedelta(hours=12)
TTL = timedelta(days=7)


def posted(address: str, rows: Sequence[dict]) -> np.ndarray:
    """The server's probabilities [rows, classes], asked for a hundred rows at a time."""
    answers: list[list[float]] = []
    for start in range(0, len(rows), 100):
        body = json.dumps({"jsonData": {"rows": rows[start : start + 100]}}).encode()
        request = urllib.request.Request(f"{address}/api/v1.0/predictions", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answers += json.load(response)["data"]["ndarray"]
    return np.array(answers)


def computed(run, frame: pa.Table) -> np.ndarray:
    """The training path: the fitted Pipeline on the frame's rows."""
    schema = FrameSchema.read(run.artifact("select-features", "selected") / "frame.json")
    arrays = frame_arrays(frame, schema)
    pipeline = loads((run.artifact("choose-model", "model") / "model.skops").read_bytes())
    return pipeline.predict_proba(matrix(arrays.numbers, arrays.categories))


def held_out(run, at_most: int) -> pa.Table:
    frame = pq.read_table(run.artifact("select-features", "selected") / "frame.parquet")
    return frame.filter(pc.equal(frame[SPLIT], "test")).slice(0, at_most)


def raw_rows(run, table: str, frame: pa.Table, label: str | None) -> list[dict]:
    raw = pq.read_table(run.artifact("ingest-data", "raw") / f"{table}.parquet").take(frame[ROW])
    return (raw.drop_columns([label]) if label else raw).to_pylist()


def test_a_thousand_raw_rows_of_census(census_run, served) -> None:
    frame = held_out(census_run, 1000)
    rows = raw_rows(census_run, "census", frame, "income")
    assert len(rows) == 1000
    assert rows[0]["workclass"].startswith(" ")                 # as raw as the file has them
    expected = computed(census_run, frame)
    with served(census_run.project, census_run.home) as address:
        found = posted(address, rows)
        assert (np.abs(found - expected) <= 1e-6 + 1e-5 * np.abs(expected)).all()
        broken = posted(address, [{**row, "education_num": "1"} for row in rows[:50]])
    assert (np.abs(broken - expected[:50]) > 1e-6 + 1e-5 * np.abs(expected[:50])).any()     # another value would be noticed


def test_a_rule_that_is_broken_on_one_side_is_noticed(census_run, served) -> None:
    """The same comparison with the training side's white space left in, as if only the server stripped it."""
    frame = held_out(census_run, 200)
    place = frame.schema.get_field_index("workclass")
    unstripped = frame.set_column(place, "workclass", pc.binary_join_element_wise(" ", pc.fill_null(frame["workclass"], "?"), ""))
    with served(census_run.project, census_run.home) as address:
        found = posted(address, raw_rows(census_run, "census", frame, "income"))
    expected = computed(census_run, unstripped)
    assert (np.abs(found - expected) > 1e-6 + 1e-5 * np.abs(expected)).any()


@pytest.mark.filterwarnings("ignore")          # MLflow warns of its own classes and queries, in an order of its own
def test_pyfunc_predicts_a_hundred_raw_rows_as_the_server_does(census_run, served, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow
    import pandas as pd

    rows = raw_rows(census_run, "census", held_out(census_run, 100), "income")
    with served(census_run.project, census_run.home) as address:
        expected = posted(address, rows)
    mlflow.set_tracking_uri(f"sqlite:///{census_run.home / 'mlflow' / 'mlflow.db'}")
    monkeypatch.setenv("JOURNEY_HOME", str(census_run.home))
    model = mlflow.pyfunc.load_model(f"models:/census/{census_run.said['version']}")
    assert np.abs(model.predict(pd.DataFrame(rows)).to_numpy() - expected).max() < 1e-9


@pytest.fixture(scope="module")
def payments_run(journey, tmp_path_factory: pytest.TempPathFactory):
    """Payments, run on a bank of its own."""
    from tests.acceptance.conftest import REPOSITORY, Trained

    folder = tmp_path_factory.mktemp("payments")
    bank = Bank(seed=11)
    books = BankDatabase(folder / "bank.db")
    books.found(bank)
    payments = bank.history(20)
    books.enter(payments, now=payments[-1].paid_at)
    books.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANK_URL", f"sqlite:///{folder / 'bank.db'}")
        answer = journey("run", "-p", REPOSITORY / "examples" / "payments", "--home", folder / "home", "--json")
        assert answer.code == 0, answer.err
        yield Trained(REPOSITORY / "examples" / "payments", folder / "home", answer.json), folder / "bank.db"


def test_payments_with_each_cards_values_of_that_time_in_the_online_store(payments_run, served) -> None:
    run, bank = payments_run
    frame = held_out(run, 100_000)
    moment = _moment(frame[TIME][0].as_py()) + REFRESH
    window = frame.filter(pc.and_(pc.greater_equal(frame[TIME], moment), pc.less(frame[TIME], moment + REFRESH)))
    window = window.filter(pa.array(_not_about_to_expire(bank, raw_rows(run, "payments", window, None), moment)))
    assert len(window) >= 300
    middle = moment + REFRESH / 2
    clock = f"{middle.isoformat()}@{datetime.now(UTC).timestamp()}x0.000001"              # time stands still in that refresh
    with served(run.project, run.home, JOURNEY_CLOCK=clock) as address:
        found = posted(address, raw_rows(run, "payments", window, None))
    expected = computed(run, window)
    assert (np.abs(found - expected) <= 1e-6 + 1e-5 * np.abs(expected)).all()
    usual = FrameSchema.read(run.artifact("select-features", "selected") / "frame.json").lookups[0].features
    assert any(feature.name == "usual_amount" for feature in usual)
    assert pc.count(window["usual_amount"]).as_py() > 200                                # most were really looked up


def _moment(time: datetime) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (time.astimezone(UTC) - epoch) // REFRESH * REFRESH


def _not_about_to_expire(bank: Path, rows: Sequence[dict], moment: datetime) -> list[bool]:
    """Whether a card's newest payment is clearly within or beyond the view's ttl, whenever in this refresh one asks."""
    cut = (moment - REFRESH / 4).strftime("%Y-%m-%d %H:%M:%S")
    with sqlite3.connect(bank) as database:
        newest = dict(database.execute("select card_id, max(paid_at) from payments where paid_at < ? group by card_id", (cut,)))
    clear = []
    for row in rows:
        last = newest.get(row["card_id"])
        age = moment - datetime.fromisoformat(last).replace(tzinfo=UTC) if last else None
        clear.append(age is None or age > TTL or age < TTL - REFRESH)
    return clear
