"""Refreshes in Redis: one is in use, one waits; what was left behind goes; no password is written anywhere."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from redis import Redis

import feature_repo.redis_online
from feature_repo.materialize import ABANDONED_SECONDS, Refresh
from feature_repo.online import online_at
from feature_repo.redis_online import MADE_KEY, RedisOnline
from feature_repo.views import ViewTable
from journey.artifacts import Lookup, LookupFeature
from journey.errors import Conflict, Unavailable
from journey.model.lookups import open_online

MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
INTERVAL = timedelta(hours=12)
LOOKUP = Lookup(view="homes", entity="home", column="home_id", ttl_seconds=None, features=(LookupFeature(name="rooms", type="integer"),))
HOMES = 20


def refresh(folder: Path, rooms: int, moment: datetime = MOMENT) -> Refresh:
    """Homes with that many rooms, known since a day."""
    folder.mkdir(exist_ok=True)
    times = pa.array([moment - timedelta(days=1)] * HOMES, pa.timestamp("us", "UTC"))
    homes = pa.table({"home_id": [f"h{n}" for n in range(HOMES)], "at": times, "rooms": [rooms] * HOMES})
    pq.write_table(homes, folder / "homes.parquet")
    return Refresh([ViewTable(LOOKUP, "at", folder / "homes.parquet")], moment, INTERVAL)


@pytest.fixture
def online(redis_server, tmp_path) -> RedisOnline:
    made = online_at(redis_server.url, tmp_path / "feast")
    assert isinstance(made, RedisOnline)
    return made


def rooms(redis_server) -> int | None:
    store = open_online(redis_server.url, (LOOKUP,))
    found = store.read({"home_id": "h3"}, MOMENT)
    store.close()
    return found.get("rooms")


def stored_rows(redis_server) -> int:
    with redis_server.client as client:
        return sum(b"home_id" in key for key in client.scan_iter())


def test_a_refresh_says_what_it_holds_and_that_it_is_in_use(online, redis_server, tmp_path):
    assert online.in_use() is None
    prepared = online.prepare(refresh(tmp_path / "computed", 3))
    assert (prepared.rows, prepared.refresh.cut) == ({"homes": HOMES}, MOMENT - INTERVAL / 4)
    assert online.in_use() is None
    prepared.switch_in()
    assert (online.in_use(), rooms(redis_server)) == (MOMENT, 3)


def test_rows_from_the_cut_on_are_not_in_it(online, redis_server, tmp_path):
    late = refresh(tmp_path / "computed", 4, MOMENT + INTERVAL)
    prepared = online.prepare(Refresh(late.views, MOMENT - 2 * INTERVAL, INTERVAL))
    assert prepared.rows == {"homes": 0}
    assert stored_rows(redis_server) == 0


def test_the_refresh_before_stays_for_readers_under_way_until_the_next_is_begun(online, redis_server, tmp_path):
    for number in range(1, 5):
        online.prepare(refresh(tmp_path / "computed", number)).switch_in()
        assert (rooms(redis_server), stored_rows(redis_server)) == (number, HOMES * min(number, 2))


def test_what_killed_refreshers_left_behind_is_removed_by_the_next(online, redis_server, tmp_path, monkeypatch):
    online.prepare(refresh(tmp_path / "computed", 1)).switch_in()
    for number in range(2, 6):
        online.prepare(refresh(tmp_path / "computed", number))          # and then it is killed
        assert (rooms(redis_server), stored_rows(redis_server)) == (1, 2 * HOMES)
    with redis_server.client as client:
        assert client.hlen(MADE_KEY) == 5
    real = feature_repo.redis_online.time.time
    monkeypatch.setattr(feature_repo.redis_online.time, "time", lambda: real() + ABANDONED_SECONDS + 1)
    online.prepare(refresh(tmp_path / "computed", 6)).switch_in()
    with redis_server.client as client:
        assert client.hlen(MADE_KEY) == 2


def test_of_two_refreshers_the_one_that_began_later_wins_and_the_other_is_told(online, redis_server, tmp_path):
    slow = online.prepare(refresh(tmp_path / "computed", 1))
    quick = online.prepare(refresh(tmp_path / "computed", 2))
    with pytest.raises(Conflict, match="another refresher has begun one") as told:
        slow.switch_in()
    assert redis_server.password not in str(told.value)
    quick.switch_in()
    assert (rooms(redis_server), stored_rows(redis_server)) == (2, HOMES)
    assert not list(online.home.glob("next-*"))


def test_a_refresh_that_is_discarded_leaves_nothing(online, redis_server, tmp_path):
    online.prepare(refresh(tmp_path / "computed", 1)).switch_in()
    online.prepare(refresh(tmp_path / "computed", 2)).discard()
    assert (rooms(redis_server), stored_rows(redis_server)) == (1, HOMES)
    assert not list(online.home.glob("next-*"))


def test_a_redis_that_is_full_fails_the_refresh_and_keeps_the_one_in_use(online, redis_server, tmp_path):
    online.prepare(refresh(tmp_path / "computed", 1)).switch_in()
    with redis_server.client as client:
        used = client.info("memory")["used_memory"]
        client.set("ballast", b"x" * 2_000_000)
        client.config_set("maxmemory", used + 1_000_000)
        try:
            with pytest.raises(Unavailable, match="maxmemory"):
                online.prepare(refresh(tmp_path / "computed", 2))
        finally:
            client.config_set("maxmemory", 0)
    assert (rooms(redis_server), stored_rows(redis_server)) == (1, HOMES)


def test_no_password_is_written_and_feasts_own_commands_read_the_folder(online, redis_server, tmp_path, capfd, monkeypatch):
    online.prepare(refresh(tmp_path / "computed", 7)).switch_in()
    assert capfd.readouterr() == ("", "")
    files = [path for path in online.home.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"feature_store.yaml", "registry.db", "homes.parquet"}
    assert not [path for path in files if redis_server.password.encode() in path.read_bytes()]
    monkeypatch.setenv("REDIS_PASSWORD", redis_server.password)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from feast import FeatureStore

        found = FeatureStore(repo_path=str(online.home)).get_online_features(["homes:rooms"], [{"home_id": "h5"}]).to_dict()
    assert found["rooms"] == [7]


def test_another_application_in_the_same_redis_keeps_its_keys(online, redis_server, tmp_path):
    with redis_server.client as client:
        client.set("journey", 1)
        client.hset("home_id of somebody journey_20260301", "x", 1)
        for number in range(3):
            online.prepare(refresh(tmp_path / "computed", number)).switch_in()
        assert client.exists("journey", "home_id of somebody journey_20260301") == 2


def test_readers_see_each_refresh_while_it_is_replaced_and_removed(online, redis_server, tmp_path):
    online.prepare(refresh(tmp_path / "computed", 0)).switch_in()
    ended, looked, missed = threading.Event(), threading.Event(), []

    def look() -> None:
        store = open_online(redis_server.url, (LOOKUP,))
        while not ended.is_set():
            store.read_many([{"home_id": f"h{n}"} for n in range(HOMES)], MOMENT)
            looked.set()
        missed.append(store.misses["homes"])
        store.close()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        assert looked.wait(30), "nobody reads while the refreshes are switched"
        for number in range(1, 6):
            online.prepare(refresh(tmp_path / "computed", number)).switch_in()
    finally:
        ended.set()
        looking.join(30)
    assert missed == [0]


def test_a_switch_whose_answer_was_lost_and_was_asked_for_again_is_no_conflict(online, redis_server, tmp_path, monkeypatch):
    """Redis' client does so by itself where the connection breaks after the command."""
    once = Redis.eval

    def twice(client, *words):
        once(client, *words)
        return once(client, *words)

    prepared = online.prepare(refresh(tmp_path / "computed", 3))
    monkeypatch.setattr(Redis, "eval", twice)
    prepared.switch_in()
    assert (online.in_use(), rooms(redis_server), stored_rows(redis_server)) == (MOMENT, 3, HOMES)


def test_a_refresh_that_is_switched_in_while_another_one_begins_keeps_its_rows(online, redis_server, tmp_path, monkeypatch):
    online.prepare(refresh(tmp_path / "computed", 1)).switch_in()
    slow = online.prepare(refresh(tmp_path / "computed", 2))
    look, refused = feature_repo.redis_online._in_use, []

    def look_and_be_overtaken(client):
        """What is in use; right after that the other one is switched in, where it still may be."""
        used = look(client)
        monkeypatch.setattr(feature_repo.redis_online, "_in_use", look)
        try:
            slow.switch_in()
        except Conflict as conflict:
            refused.append(conflict)
        return used

    monkeypatch.setattr(feature_repo.redis_online, "_in_use", look_and_be_overtaken)
    online.prepare(refresh(tmp_path / "computed", 3))
    assert (len(refused), rooms(redis_server)) == (1, 1)
