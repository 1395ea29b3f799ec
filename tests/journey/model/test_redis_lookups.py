"""Lookups from Redis give what Feast gives from there, and what SQLite gives; a switch is seen whole; a Redis that is away is told of."""

import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.materialize import Refresh
from feature_repo.redis_online import RedisOnline
from feature_repo.sqlite_online import ONLINE, SqliteOnline
from feature_repo.views import ViewTable
from journey.artifacts import Lookup, LookupFeature
from journey.errors import ProjectError, Unavailable
from journey.model.feast_layout import seconds_of
from journey.model.lookups import OnlineStore, open_online
from journey.model.redis_lookups import TIMEOUT_SECONDS
from journey.model.redis_place import POINTER, InUse, connection_settings, shown
from tests.ports import free_port
from tests.redis_server import RedisServer, running_redis

MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
REFRESH = timedelta(hours=12)
CUT = MOMENT - REFRESH / 4
FEATURES = (("count", "integer"), ("amount", "float"), ("channel", "category"), ("big", "boolean"))
TYPES = {"integer": pa.int64(), "float": pa.float64(), "category": pa.string(), "boolean": pa.bool_()}
VALUES = {
    "card ä": (-3, -0.5, "ünline ", False),
    "b": (2**40, 1e-300, "", True),
    "c": (None, None, None, None),
    "": (0, 0.0, "0", True),
    "d": (-(2**62), 0.1, "x" * 300, None),
}
# Ages at the cut: by whole seconds, before 1970, and with a part of a second.
AGES = [timedelta(hours=1), timedelta(days=40000), timedelta(microseconds=1), timedelta(seconds=59, milliseconds=500), timedelta(days=2)]


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> None:
    """A reader waits for a Redis that a busy machine keeps from answering."""
    monkeypatch.setattr("journey.model.redis_lookups.TIMEOUT_SECONDS", 60.0)


def lookup(view: str, column: str, ttl_seconds: float | None) -> Lookup:
    features = tuple(LookupFeature(name=f"{view}_{name}", type=kind) for name, kind in FEATURES)
    return Lookup(view=view, entity=column.removesuffix("_id"), column=column, ttl_seconds=ttl_seconds, features=features)


# two views of one entity share a hash; the third has a key of its own
CARD, USE, SHOP = lookup("history", "card_id", 7200.0), lookup("use", "card_id", None), lookup("shops", "shop_id", 90_000.0)
LOOKUPS = (CARD, USE, SHOP)
FOR_EVER = tuple(each.model_copy(update={"ttl_seconds": None}) for each in LOOKUPS)
ROWS = [
    *({"card_id": card, "shop_id": shop} for shop, card in enumerate(VALUES, start=-1)),
    {"card_id": "nobody", "shop_id": 3},
    {"card_id": "b", "shop_id": 99},
    {"card_id": None, "shop_id": 0},
    {"card_id": 7, "shop_id": None},
    {},
    {"card_id": "a lone \ud800 surrogate", "shop_id": 2**63},
    {"card_id": "d", "shop_id": -(2**63) - 1},
]
HOUR, MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)


def view(folder: Path, of: Lookup, keys: list, values: list[tuple]) -> ViewTable:
    times = pa.array([CUT - age for age in AGES[: len(keys)]], pa.timestamp("us", "UTC"))
    columns = {
        each.name: pa.array(column, TYPES[each.type]) for each, column in zip(of.features, zip(*values, strict=True), strict=True)
    }
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({of.column: keys, "at": times, **columns}), folder / f"{of.view}.parquet")
    return ViewTable(of, "at", folder / f"{of.view}.parquet")


def refresh(folder: Path, values: dict[str, tuple] = VALUES) -> Refresh:
    some = dict(list(values.items())[:3])          # so that a card may be in one view of its entity only
    views = [
        view(folder, CARD, list(values), list(values.values())),
        view(folder, USE, list(some), list(some.values())),
        view(folder, SHOP, list(range(-1, len(values) - 1)), list(values.values())),
    ]
    return Refresh(views, MOMENT, REFRESH)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


@pytest.fixture(scope="module")
def made(server: RedisServer, tmp_path_factory) -> Path:
    """The same refresh in Redis and in a file; the folder with both Feast repositories."""
    folder = tmp_path_factory.mktemp("stores")
    for online in (RedisOnline(server.url, folder / "redis"), SqliteOnline(folder / "sqlite")):
        online.prepare(refresh(folder / "computed")).switch_in()
    return folder


@pytest.fixture
def store(made: Path, server: RedisServer) -> Iterator[OnlineStore]:
    opened = open_online(server.url, LOOKUPS)
    yield opened
    opened.close()


def test_every_value_is_what_feast_gives(made, server, store, monkeypatch):
    from feast import FeatureStore

    monkeypatch.setenv("REDIS_PASSWORD", server.password)
    keys = [row for row in ROWS[: len(VALUES) + 2] if row["card_id"] is not None]
    refs = [f"{each.view}:{feature.name}" for each in LOOKUPS for feature in each.features]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        feast = FeatureStore(repo_path=str(made / "redis")).get_online_features(features=refs, entity_rows=keys).to_dict()
    for_ever = open_online(server.url, FOR_EVER)
    found = for_ever.read_many(keys, MOMENT)
    for index in range(len(keys)):
        theirs = {feature.name: feast[feature.name][index] for each in LOOKUPS for feature in each.features}
        assert {name: found[index].get(name) for name in theirs} == theirs
        assert all(type(found[index].get(name)) is type(value) for name, value in theirs.items())
    for_ever.close()


@pytest.mark.parametrize("later", [timedelta(), HOUR, HOUR + MICROSECOND, timedelta(seconds=7140), 24 * HOUR])
def test_redis_and_sqlite_answer_alike_at_every_time(made, store, later):
    file = open_online(str(made / "sqlite" / ONLINE), LOOKUPS)
    for now in (CUT + later, CUT + later + timedelta(seconds=59, milliseconds=500)):
        assert store.read_many(ROWS, now) == file.read_many(ROWS, now)
        assert [store.read(row, now) for row in ROWS] == [file.read(row, now) for row in ROWS]
        assert (store.misses, store.age_seconds) == (file.misses, file.age_seconds)
    assert store.misses["history"] > 2 * len([row for row in ROWS if row.get("card_id") not in VALUES])
    file.close()


def test_a_refresh_that_is_prepared_is_not_read_and_one_that_is_switched_in_is_read_at_once(redis_server, tmp_path):
    online, store = RedisOnline(redis_server.url, tmp_path / "feast"), open_online(redis_server.url, LOOKUPS)
    assert store.read({"card_id": "b", "shop_id": 0}, CUT) == {}
    assert (store.misses, store.age_seconds) == ({"history": 1, "use": 1, "shops": 1}, None)
    first = online.prepare(refresh(tmp_path / "computed"))
    assert store.read({"card_id": "card ä"}, CUT) == {}
    first.switch_in()
    assert store.read({"card_id": "card ä"}, CUT)["history_count"] == -3
    assert store.age_seconds == 0.0
    second = online.prepare(refresh(tmp_path / "computed", {"card ä": (8, 8.0, "8", True)}))
    assert store.read({"card_id": "card ä"}, CUT)["history_count"] == -3
    second.switch_in()
    assert store.read_many([{"card_id": "card ä"}, {"card_id": "b"}], CUT)[0]["history_count"] == 8
    assert "history_count" not in store.read({"card_id": "b"}, CUT)
    store.close()


def until(holds: Callable[[], bool]) -> None:
    """Waits for what the test asserts later, at most two minutes."""
    end = time.monotonic() + 120
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)


def test_while_refreshes_are_switched_no_answer_mixes_two_of_them(redis_server, tmp_path):
    online, cards = RedisOnline(redis_server.url, tmp_path / "feast"), ["a", "b", "c", "d", "e"]

    def prepared(number: int):
        return online.prepare(refresh(tmp_path / "computed", dict.fromkeys(cards, (number, float(number), str(number), True))))

    prepared(0).switch_in()
    ended, seen = threading.Event(), set()

    def look() -> None:
        store = open_online(redis_server.url, FOR_EVER)
        asked = [{"card_id": card, "shop_id": shop} for shop, card in enumerate(cards, start=-1)]
        while not ended.is_set():
            rows = store.read_many(asked, CUT)
            seen.add(frozenset(value for row in rows for name, value in row.items() if name.endswith("count")))
        seen.add(tuple(store.misses.values()))
        store.close()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        until(lambda: frozenset({0}) in seen)
        for number in range(1, 6):
            prepared(number).switch_in()
        until(lambda: frozenset({5}) in seen)
    finally:
        ended.set()
        looking.join(120)
    (misses,) = {each for each in seen if isinstance(each, tuple)}
    assert misses[0] == misses[2] == 0
    assert {each for each in seen if isinstance(each, frozenset)} <= {frozenset({number}) for number in range(6)}
    assert frozenset({5}) in seen


def test_a_redis_that_isnt_there_is_unavailable_and_its_password_is_not_told(tmp_path):
    url = f"redis://:planted-word@127.0.0.1:{free_port()}/0"
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"online store redis://127.0.0.1:\d+/0: expected Redis to answer, found: .*refused") as told:
        open_online(url, LOOKUPS).read({"card_id": "b"}, MOMENT)
    assert time.monotonic() - begun < 20
    with pytest.raises(Unavailable):
        RedisOnline(url, tmp_path / "feast").prepare(refresh(tmp_path / "computed"))
    assert "planted-word" not in f"{told.value} {told.value.__cause__} {RedisOnline(url, tmp_path)!r}"


def test_a_redis_that_accepts_and_says_nothing_is_given_up_in_bounded_time(monkeypatch):
    monkeypatch.setattr("journey.model.redis_lookups.TIMEOUT_SECONDS", TIMEOUT_SECONDS)      # as it is outside these tests
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="Timeout"):
            open_online(f"redis://127.0.0.1:{silent.getsockname()[1]}", LOOKUPS).read({"card_id": "b"}, MOMENT)
        assert time.monotonic() - begun < 20


def test_a_wrong_password_is_unavailable(server):
    with pytest.raises(Unavailable, match="password"):
        open_online(server.url.replace(server.password, "wrong"), LOOKUPS).read({"card_id": "b"}, MOMENT)


def test_after_a_restart_of_redis_the_same_reader_goes_on(tmp_path):
    row = {"card_id": "card ä"}
    with running_redis() as first:
        store = open_online(first.url, LOOKUPS)
        RedisOnline(first.url, tmp_path / "feast").prepare(refresh(tmp_path / "computed")).switch_in()
        assert store.read(row, CUT)["history_count"] == -3
    with pytest.raises(Unavailable):
        store.read(row, CUT)
    with running_redis(first.port):
        assert store.read(row, CUT) == {}
        RedisOnline(first.url, tmp_path / "feast").prepare(refresh(tmp_path / "computed")).switch_in()
        assert store.read(row, CUT)["history_count"] == -3
    store.close()


def test_a_store_that_was_emptied_says_no_age(redis_server, tmp_path):
    RedisOnline(redis_server.url, tmp_path / "feast").prepare(refresh(tmp_path / "computed")).switch_in()
    store = open_online(redis_server.url, LOOKUPS)
    store.read({"card_id": "card ä"}, CUT)
    assert store.age_seconds == 0.0
    with redis_server.client as client:
        client.flushall()
    assert (store.read({"card_id": "card ä"}, CUT), store.age_seconds) == ({}, None)
    store.close()


@pytest.mark.parametrize("planted", ["no json", '{"format": 2}', '{"format": 1}', "[1]"])
def test_what_is_no_pointer_of_ours_is_unavailable_and_the_next_refresh_takes_its_place(redis_server, tmp_path, planted):
    with redis_server.client as client:
        client.set(POINTER, planted)
    store = open_online(redis_server.url, LOOKUPS)
    with pytest.raises(Unavailable, match="expected Feast's rows of history, use, shops"):
        store.read({"card_id": "b"}, MOMENT)
    RedisOnline(redis_server.url, tmp_path / "feast").prepare(refresh(tmp_path / "computed")).switch_in()
    assert "history_count" in store.read({"card_id": "card ä"}, CUT)
    store.close()


def test_what_is_no_value_of_feasts_is_unavailable(redis_server, tmp_path):
    RedisOnline(redis_server.url, tmp_path / "feast").prepare(refresh(tmp_path / "computed")).switch_in()
    with redis_server.client as client:
        for key in client.scan_iter(b"*card_id*"):
            for field in client.hkeys(key):
                client.hset(key, field, b"\xff broken")
    store = open_online(redis_server.url, LOOKUPS)
    with pytest.raises(Unavailable, match="Refresh the features again"):
        store.read({"card_id": "b"}, CUT)
    store.close()


PASSWORDS = ["planted-word", "a/planted-word", "planted-word/b", "a#planted-word", "planted-word?b", "a@planted-word"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_url_that_is_none_is_told_without_its_password(password):
    with pytest.raises(ProjectError, match="expected redis://") as told:
        open_online(f"redis://:{password}@redis:port/0", LOOKUPS)
    assert "planted-word" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://:planted-word@redis:6379/0", "redis://redis:6379/0"),
        ("rediss://me:planted-word@redis", "rediss://redis"),
        ("redis://redis:6379/0?password=planted-word", "redis://redis:6379/0"),
        ("redis://redis:6379/0?password=a@planted-word", "redis://…"),
        ("redis://[::1", "redis://[::1"),
    ],
)
def test_a_url_is_shown_without_what_is_secret_in_it(url, told):
    assert shown(url) == told


def test_a_pointer_is_what_was_written():
    used = InUse("journey_x", MOMENT, CUT)
    assert InUse.of(used.text().encode()) == used


def test_feasts_connection_string_holds_no_password():
    assert connection_settings("rediss://me:planted-word@redis:6380/3") == "redis:6380,db=3,ssl=true,username=me,password=${REDIS_PASSWORD}"
    assert connection_settings("redis://redis") == "redis:6379,db=0"


def test_seconds_are_those_that_protobuf_writes():
    from google.protobuf.timestamp_pb2 import Timestamp

    for seconds, nanos in ((0, 0), (0, 5), (1, 0), (1_772_409_600, 999_999_000), (-1, 500_000_000), (-30_610_224_000, 0)):
        assert seconds_of(Timestamp(seconds=seconds, nanos=nanos).SerializeToString()) == seconds
    with pytest.raises(ValueError, match="a time that begins with"):
        seconds_of(b"\x2a\x00")


def test_a_lookup_is_one_round_trip(made, server, store):
    store.read_many(ROWS, MOMENT)
    with server.client as client:
        before = client.info("stats")["total_reads_processed"]
        store.read_many(ROWS, MOMENT)
        assert client.info("stats")["total_reads_processed"] - before == 2          # one of them is this question


def test_looking_up_in_redis_imports_neither_feast_nor_pandas_nor_protobuf(made, server):
    code = (
        "import sys; from datetime import datetime, UTC\n"
        "import journey.model.redis_lookups as it; it.TIMEOUT_SECONDS = 60.0\n"
        "from journey.model.lookups import open_online; from journey.artifacts import Lookup\n"
        f"store = open_online({server.url!r}, (Lookup.model_validate({USE.model_dump()!r}),))\n"
        "assert store.read({'card_id': 'b'}, datetime.now(UTC))\n"
        "print([m for m in ('feast', 'pandas', 'ibis', 'pyarrow', 'duckdb', 'google.protobuf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_who_reads_a_file_needs_no_redis_client():
    code = "import sys; from journey.model.lookups import open_online; open_online('x.db', ()); print('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
