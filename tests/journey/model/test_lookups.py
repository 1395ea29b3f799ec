"""Lookups give what Feast itself gives, from the same file, and notice a refresh."""

import math
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.materialize import Refresh
from feature_repo.sqlite_online import PreparedFile, SqliteOnline
from feature_repo.views import ViewTable
from journey.artifacts import Lookup, LookupFeature
from journey.errors import Unavailable
from journey.model.feast_layout import decoded
from journey.model.sqlite_lookups import SqliteStore

MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
REFRESH = timedelta(hours=12)
HOUR = timedelta(hours=1)
FEATURES = (("count", "integer"), ("amount", "float"), ("channel", "category"), ("big", "boolean"))
VALUES = {
    "card ä": (-3, -0.5, "ünline ", False),
    "b": (2**40, 1e-300, "", True),
    "c": (None, None, None, None),
    "": (0, 0.0, "0", True),
    "d": (-(2**62), math.pi, "x" * 300, None),
}


def lookup(view: str, column: str, ttl_seconds: float | None = 7200.0) -> Lookup:
    features = tuple(LookupFeature(name=f"{view}_{name}", type=kind) for name, kind in FEATURES)
    return Lookup(view=view, entity=column.removesuffix("_id"), column=column, ttl_seconds=ttl_seconds, features=features)


CARD, SHOP = lookup("history", "card_id"), lookup("shops", "shop_id", None)


def view(folder: Path, of: Lookup, keys: list, values: list[tuple], age: timedelta) -> ViewTable:
    types = (pa.int64(), pa.float64(), pa.string(), pa.bool_())
    times = pa.array([MOMENT - REFRESH / 4 - age] * len(keys), pa.timestamp("us", "UTC"))
    columns = {each.name: pa.array(column, kind) for each, column, kind in zip(of.features, zip(*values, strict=True), types, strict=True)}
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({of.column: keys, "at": times, **columns}), folder / f"{of.view}.parquet")
    return ViewTable(of, "at", folder / f"{of.view}.parquet")


def prepared(home: Path, values: dict[str, tuple], age: timedelta = HOUR) -> PreparedFile:
    views = [
        view(home.parent / "computed", CARD, list(values), list(values.values()), age),
        view(home.parent / "computed", SHOP, list(range(-1, len(values) - 1)), list(values.values()), age),
    ]
    return SqliteOnline(home).prepare(Refresh(views, MOMENT, REFRESH))


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A feature repo with an online store, made once."""
    home = tmp_path_factory.mktemp("store") / "feast"
    prepared(home, VALUES).switch_in()
    return home


@pytest.fixture
def home(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "feast"))


def test_every_value_is_what_feast_gives(made):
    from feast import FeatureStore

    keys = [{"card_id": card, "shop_id": shop} for shop, card in enumerate([*VALUES, "nobody"], start=-1)]
    refs = [f"{each.view}:{feature.name}" for each in (CARD, SHOP) for feature in each.features]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        feast = FeatureStore(repo_path=str(made)).get_online_features(features=refs, entity_rows=keys).to_dict()
    store = SqliteStore(made / "online.db", (CARD, lookup("history", "card_id", None), SHOP))
    for index, key in enumerate(keys):
        ours = store.read(key, MOMENT)
        theirs = {name: values[index] for name, values in feast.items() if name.startswith("shops_")}
        assert {name: ours.get(name) for name in theirs} == theirs
        assert all(type(ours.get(name)) is type(value) for name, value in theirs.items())


def test_a_row_has_the_values_that_were_written(made):
    store = SqliteStore(made / "online.db", (CARD,))
    for card, values in VALUES.items():
        assert tuple(store.read({"card_id": card}, MOMENT - HOUR * 2).values()) == pytest.approx(values)
    assert store.misses == {"history": 0}


def test_a_missing_value_is_found_as_none_and_an_absent_row_not_at_all(made):
    store = SqliteStore(made / "online.db", (CARD,))
    assert store.read({"card_id": "c"}, MOMENT - HOUR * 3) == dict.fromkeys(feature.name for feature in CARD.features)
    for absent in ("nobody", None, 7):
        assert store.read({"card_id": absent}, MOMENT - HOUR * 3) == {}
    assert store.misses == {"history": 3}


def test_a_row_older_than_its_ttl_is_absent_and_counted(made):
    store = SqliteStore(made / "online.db", (CARD, SHOP))
    written = MOMENT - REFRESH / 4 - HOUR
    assert "history_count" in store.read({"card_id": "b", "shop_id": 0}, written + timedelta(hours=2))
    later = store.read({"card_id": "b", "shop_id": 0}, written + timedelta(hours=2, seconds=1))
    assert "history_count" not in later
    assert "shops_count" in later
    assert store.misses == {"history": 1, "shops": 0}


def test_the_stores_age_counts_from_its_cut(made):
    store = SqliteStore(made / "online.db", (CARD,))
    assert store.age_seconds is None
    store.read({"card_id": "b"}, MOMENT + HOUR)
    assert store.age_seconds == 4 * 3600.0


def test_a_store_that_is_gone_says_no_age(home):
    store = SqliteStore(home / "online.db", (CARD,))
    store.read({"card_id": "b"}, MOMENT)
    assert store.age_seconds is not None
    (home / "online.db").unlink()
    assert (store.read({"card_id": "b"}, MOMENT), store.age_seconds) == ({}, None)


def test_a_refresh_is_seen_at_the_next_lookup(home):
    store = SqliteStore(home / "online.db", (CARD,))
    now = MOMENT - HOUR * 2
    assert store.read({"card_id": "b"}, now)["history_count"] == 2**40
    waiting = prepared(home, {"b": (5, 1.0, "new", True)})
    assert store.read({"card_id": "b"}, now)["history_count"] == 2**40
    waiting.switch_in()
    assert store.read({"card_id": "b"}, now)["history_count"] == 5
    assert store.read({"card_id": "card ä"}, now) == {}


def test_without_a_store_every_lookup_is_a_miss_until_there_is_one(home):
    (home / "online.db").rename(home / "away.db")
    store = SqliteStore(home / "online.db", (CARD, SHOP))
    assert store.read({"card_id": "b", "shop_id": 0}, MOMENT) == {}
    assert store.misses == {"history": 1, "shops": 1}
    (home / "away.db").rename(home / "online.db")
    assert "shops_count" in store.read({"card_id": "b", "shop_id": 0}, MOMENT)


def test_what_is_no_store_is_unavailable(home):
    (home / "online.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Unavailable, match=r"expected Feast's tables of history, found: file is not a database"):
        SqliteStore(home / "online.db", (CARD,)).read({"card_id": "b"}, MOMENT)


def test_a_view_that_the_store_doesnt_have_is_unavailable(made):
    with pytest.raises(Unavailable, match="no such table: journey_other"):
        SqliteStore(made / "online.db", (lookup("other", "card_id"),)).read({"card_id": "b"}, MOMENT)


def test_scalars_are_decoded_as_protobuf_encodes_them():
    from feast.protos.feast.types.Value_pb2 import Int64List, Value

    for message in (
        Value(int64_val=-1), Value(int64_val=2**63 - 1), Value(int64_val=0), Value(int32_val=-7), Value(double_val=-0.0),
        Value(float_val=1.5), Value(bool_val=False), Value(string_val="é" * 200), Value(unix_timestamp_val=12),
    ):  # fmt: skip
        assert decoded(message.SerializeToString()) == getattr(message, message.WhichOneof("val"))
    with pytest.raises(ValueError, match="which is no text, number or boolean"):
        decoded(Value(int64_list_val=Int64List(val=[1])).SerializeToString())


def test_a_lookup_takes_microseconds(made):
    store = SqliteStore(made / "online.db", (CARD,))
    row = {"card_id": "b"}
    store.read(row, MOMENT)
    rounds = []
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(50):
            store.read(row, MOMENT)
        rounds.append((time.perf_counter() - begun) / 50)
    assert min(rounds) < 60e-6


def test_looking_up_imports_neither_feast_nor_pandas_nor_ibis(made):
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from journey.model.sqlite_lookups import SqliteStore; from journey.artifacts import Lookup\n"
        f"store = SqliteStore(Path({str(made / 'online.db')!r}), (Lookup.model_validate({CARD.model_dump()!r}),))\n"
        "store.read({'card_id': 'b'}, datetime.now(UTC))\n"
        "print([m for m in ('feast', 'pandas', 'ibis', 'pyarrow', 'duckdb', 'google.protobuf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_store_says_which_moment_it_is_for(made):
    connection = sqlite3.connect(made / "online.db")
    assert connection.execute("SELECT project, moment, cut FROM journey_refresh").fetchall() == [
        ("journey", MOMENT.isoformat(), (MOMENT - HOUR * 3).isoformat())
    ]
    connection.close()
