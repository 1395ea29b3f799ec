"""The online store is what training saw: made from the sources by the training pipeline's own steps."""

import csv
import random
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import pytest

from components.features.extract import CuratedTables, Frame, ProjectCode, extract
from components.operations.refresh import FOLDER, Refresher, refresh
from feature_repo.refresh import moment_at, next_moment
from journey.artifacts import LABEL, ROW, SPLIT, TIME
from journey.errors import DataError, ProjectError, Unavailable
from journey.model.lookups import open_online
from journey.model.sqlite_lookups import SqliteStore
from journey.targets import Target
from tests.ports import free_port

START = datetime(2026, 1, 1, tzinfo=UTC)
REFRESH = timedelta(hours=6)
PROJECT = """
name: bank
sources: {payments: {files: payments.csv}}
tables:
  payments:
    key: id
    columns:
      id:      {type: string}
      card:    {type: string}
      paid_at: {type: timestamp, zone: Europe/Berlin}
      amount:  {type: float, scale: 0.01, range: [0.01, null]}
      channel: {type: category, case: lower}
      fraud:   {type: boolean}
spine: payments
time: paid_at
entities: {card: card}
predict: {label: fraud, task: binary, positive: true, metric: roc_auc}
split: {by: time}
features: {refresh: 6h}
"""
FEATURES = """
import ibis
from journey import feature_view

@feature_view(entity="card", time="paid_at", ttl="6h", defaults={"payments_1d": 0})
def history(payments: ibis.Table) -> ibis.Table:
    day = ibis.range_window(group_by="card", order_by="paid_at", preceding=ibis.interval(days=1), following=0)
    return payments.select(
        "card", "paid_at",
        payments_1d=payments.count().over(day),
        spent_1d=payments.amount.sum().over(day),
        usual=payments.amount.median().over(day),
        last_channel=payments.channel,
    )
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Ten cards over six days; some rows break a rule, one is there twice, and times are of Berlin."""
    folder = tmp_path_factory.mktemp("bank")
    draw = random.Random(11)
    times = sorted(draw.randrange(6 * 24 * 60) for _ in range(900))
    rows = [
        [f"p{n}", f" c{draw.randrange(10)} ", (START + timedelta(minutes=m)).strftime("%Y-%m-%d %H:%M:%S"),
         draw.choice(["", 0, draw.randrange(1, 9999)]), draw.choice(["Online", "phone", ""]), draw.choice(["true", "false"])]
        for n, m in enumerate(times)
    ]  # fmt: skip
    with (folder / "payments.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "card", "paid_at", "amount", "channel", "fraud"], *rows, rows[5]])
    (folder / "project.yaml").write_text(PROJECT)
    (folder / "features.py").write_text(FEATURES)
    return folder


@pytest.fixture(scope="module")
def frame(project, tmp_path_factory) -> Frame:
    """What training sees of the same file."""
    refresher, scratch = Refresher.of(project, project / ".journey", {}), tmp_path_factory.mktemp("frame")
    with refresher.tables(scratch) as tables:
        spine = tables["payments"]
        curated = spine.mutate(**{TIME: spine.paid_at, SPLIT: ibis.literal("train"), LABEL: spine.fraud.cast("int64")})
        curated = curated.mutate(**{ROW: curated.id.replace("p", "").cast("int64")})
        given = CuratedTables({"payments": curated}, (False, True))
        own = ProjectCode.load(project)
        return extract(refresher.project.extract_plan(), refresher.project.tables, given, own, scratch / "views")


def test_a_lookup_in_the_time_of_a_refresh_gives_what_the_training_frame_holds(project, frame):
    (lookup,) = frame.schema.lookups
    refresher = Refresher.of(project, project / ".journey", {})
    store = SqliteStore(project / ".journey" / FOLDER / "online.db", (lookup,))
    cards = cards_of(project)
    rows = defaults = 0
    for moment in [START + 14 * timedelta(hours=6), START + 19 * timedelta(hours=6)]:
        refresher.prepare(moment).switch_in()
        for row in frame.table.to_pylist():
            if moment_at(row[TIME], REFRESH) != moment:
                continue
            found = store.read({"card": cards[row[ROW]]}, row[TIME])
            for feature in lookup.features:
                expected = row[feature.name]
                assert found.get(feature.name, feature.default) == (expected if isinstance(expected, str) else pytest.approx(expected))
            rows += 1
            defaults += not found
    assert rows > 50
    assert 0 < defaults < rows


def cards_of(project: Path) -> dict[int, str]:
    with (project / "payments.csv").open() as file:
        return {int(row["id"][1:]): row["card"].strip() for row in csv.DictReader(file)}


def test_the_next_refresh_would_give_another_answer(project, frame):
    """So the test above would notice a store that knows too much."""
    (lookup,) = frame.schema.lookups
    moment = START + 14 * timedelta(hours=6)
    Refresher.of(project, project / ".journey", {}).prepare(next_moment(moment, REFRESH)).switch_in()
    store, cards = SqliteStore(project / ".journey" / FOLDER / "online.db", (lookup,)), cards_of(project)
    rows = [row for row in frame.table.to_pylist() if moment_at(row[TIME], REFRESH) == moment]
    differing = sum(store.read({"card": cards[row[ROW]]}, row[TIME]).get("spent_1d") != row["spent_1d"] for row in rows)
    assert differing > len(rows) / 3


def test_a_refresh_says_what_it_made_and_whether_it_was_late(project, tmp_path):
    moment = START + timedelta(days=5)
    clock = {"JOURNEY_CLOCK": f"{(moment - timedelta(hours=1)).isoformat()}@4102444800x1"}
    refreshed = refresh(project, tmp_path, moment, clock)
    assert (refreshed.moment, refreshed.cut, refreshed.late) == (moment, moment - REFRESH / 4, False)
    assert refreshed.rows == {"history": 10}
    assert refreshed.seconds > 0
    assert refresh(project, tmp_path, moment, {}).late


def test_for_one_moment_redis_and_the_file_answer_alike_for_every_card(project, tmp_path, redis_server, frame):
    (lookup,) = frame.schema.lookups
    moment, somewhere = START + timedelta(days=4), {"REDIS_URL": redis_server.url}
    target = Target(online="${REDIS_URL}")
    there, here = Refresher.of(project, tmp_path / "there", somewhere, target), Refresher.of(project, tmp_path / "here", {})
    prepared = [refresher.prepare(moment) for refresher in (there, here)]
    assert prepared[0].rows == prepared[1].rows == {"history": 10}
    for one in prepared:
        one.switch_in()
    assert there.online.in_use() == here.online.in_use() == moment
    stores = [open_online(place, (lookup,)) for place in (redis_server.url, str(tmp_path / "here" / FOLDER / "online.db"))]
    rows = [{"card": card} for card in [*sorted(set(cards_of(project).values())), "nobody", None]]
    for now in (moment, moment + timedelta(hours=3), moment + REFRESH):
        remote, file = (store.read_many(rows, now) for store in stores)
        assert remote == file
        assert remote[-2:] == [{}, {}]
    assert any(found.get("spent_1d") for found in stores[0].read_many(rows, moment))
    for store in stores:
        store.close()


def test_where_redis_does_not_answer_nothing_changes(project, tmp_path):
    nowhere = {"REDIS_URL": f"redis://:planted-word@127.0.0.1:{free_port()}"}
    refresher = Refresher.of(project, tmp_path, nowhere, Target(online="${REDIS_URL}"))
    with pytest.raises(Unavailable, match=r"online store redis://127\.0\.0\.1:[0-9]+/?: expected Redis to answer") as told:
        refresher.prepare(START + timedelta(days=4))
    assert "planted-word" not in str(told.value)
    with pytest.raises(ProjectError, match="REDIS_URL"):
        Refresher.of(project, tmp_path, {}, Target(online="${REDIS_URL}"))


def test_a_refresh_that_fails_leaves_the_store_in_use(project, tmp_path):
    moment = START + timedelta(days=5)
    refresh(project, tmp_path, moment, {})
    before = (tmp_path / FOLDER / "online.db").read_bytes()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "project.yaml").write_text(PROJECT)
    (broken / "features.py").write_text(FEATURES)
    with pytest.raises(DataError, match=r"payments.csv"):
        refresh(broken, tmp_path, moment, {})
    assert (tmp_path / FOLDER / "online.db").read_bytes() == before
    assert not list((tmp_path / FOLDER).glob("next-*"))


def test_a_project_without_views_has_nothing_to_refresh(project, tmp_path):
    (tmp_path / "project.yaml").write_text(PROJECT)
    with pytest.raises(ProjectError, match=r"expected a @feature_view in features.py, found none"):
        refresh(tmp_path, tmp_path, START, {})


def test_feasts_own_reader_opens_the_folder(project, tmp_path):
    refresh(project, tmp_path, START + timedelta(days=5), {})
    connection = sqlite3.connect(tmp_path / FOLDER / "online.db")
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert names == {"journey_history", "journey_refresh"}
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from feast import FeatureStore

        store = FeatureStore(repo_path=str(tmp_path / FOLDER))
        assert [view.name for view in store.list_feature_views()] == ["history"]
        assert store.config.offline_store.refresh_seconds == REFRESH.total_seconds()


def test_the_steps_that_make_the_tables_are_those_of_the_pipeline(project, tmp_path):
    """Unit, case and the range's quarantine show in the values."""
    with Refresher.of(project, tmp_path, {}).tables(tmp_path) as tables:
        rows = tables["payments"].to_pyarrow().to_pylist()
    amounts = {row["amount"] for row in rows}
    assert 0.0 not in amounts
    assert None in amounts
    assert max(amount for amount in amounts if amount is not None) < 100
    assert {row["channel"] for row in rows} == {"online", "phone", None}
    with (project / "payments.csv").open() as file:
        local = {row["id"]: datetime.fromisoformat(row["paid_at"]).replace(tzinfo=UTC) for row in csv.DictReader(file)}
    assert {local[row["id"]] - row["paid_at"] for row in rows} == {timedelta(hours=1)}
    assert len({row["id"] for row in rows}) == len(rows)
