"""The online store that is built for a refresh knows every row before its cut, and of no other."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.materialize import Refresh
from feature_repo.sqlite_online import ONLINE, SqliteOnline
from feature_repo.views import ViewTable
from journey.artifacts import Lookup, LookupFeature
from journey.model.sqlite_lookups import SqliteStore

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
REFRESH = timedelta(hours=12)
LOOKUP = Lookup(
    view="homes", entity="home", column="home_id", ttl_seconds=None, features=(LookupFeature(name="rooms", type="integer", default=None),)
)


def view_of(folder: Path, rows: list[tuple[str, datetime, int]]) -> ViewTable:
    homes, times, rooms = zip(*rows, strict=True) if rows else ([], [], [])
    columns = {"home_id": (homes, pa.string()), "built": (times, pa.timestamp("us", "UTC")), "rooms": (rooms, pa.int64())}
    folder.mkdir()
    pq.write_table(pa.table({name: pa.array(values, kind) for name, (values, kind) in columns.items()}), folder / "homes.parquet")
    return ViewTable(LOOKUP, "built", folder / "homes.parquet")


def test_rows_from_before_1970_are_known_and_rows_from_the_cut_on_are_not(tmp_path):
    cut = MOMENT - REFRESH / 4
    rows = [("old", datetime(1931, 5, 1, tzinfo=UTC), 3), ("new", cut, 4), ("just", cut - timedelta(microseconds=1), 5)]
    prepared = SqliteOnline(tmp_path / "feast").prepare(Refresh([view_of(tmp_path / "rows", rows)], MOMENT, REFRESH))
    assert prepared.rows == {"homes": 2}
    prepared.switch_in()
    store = SqliteStore(tmp_path / "feast" / ONLINE, (LOOKUP,))
    assert [store.read({"home_id": name}, MOMENT) for name in ("old", "new", "just")] == [{"rooms": 3}, {}, {"rooms": 5}]
    store.close()


def test_a_view_that_has_no_rows_yet_makes_a_store_in_which_nothing_is_found(tmp_path):
    SqliteOnline(tmp_path / "feast").prepare(Refresh([view_of(tmp_path / "rows", [])], MOMENT, REFRESH)).switch_in()
    store = SqliteStore(tmp_path / "feast" / ONLINE, (LOOKUP,))
    assert store.read({"home_id": "old"}, MOMENT) == {}
    store.close()
