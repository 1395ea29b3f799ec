"""The ASOF join gives what a plain search through the rows gives, and what Feast's own join gives."""

import random
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.materialize import Refresh
from feature_repo.refresh import cut
from feature_repo.sqlite_online import ONLINE, SqliteOnline
from feature_repo.views import ViewTable
from journey.artifacts import Lookup, LookupFeature
from journey.model.sqlite_lookups import SqliteStore

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TTL = timedelta(hours=30)


def lookup(view: str, column: str, ttl: timedelta | None) -> Lookup:
    return Lookup(
        view=view,
        entity=column.removesuffix("_id"),
        column=column,
        ttl_seconds=ttl and ttl.total_seconds(),
        features=(LookupFeature(name=f"{view}_value", type="integer"), LookupFeature(name=f"{view}_word", type="category")),
    )


@pytest.fixture(scope="module")
def rows() -> dict[str, list[tuple]]:
    """Rows of two views: (key, time, value, word), times on the hour so that ties with entity times and cuts are frequent."""
    draw = random.Random(3)
    made = {}
    for view in ("cards", "shops"):
        keys = sorted({(draw.randrange(20), draw.randrange(400)) for _ in range(1500)})
        values = [None if draw.random() < 0.2 else draw.randrange(99) for _ in keys]
        made[view] = [
            (key if view == "shops" else f"c{key}", START + hour * HOUR, value, draw.choice("xyz"))
            for (key, hour), value in zip(keys, values, strict=True)
        ]
    return made


@pytest.fixture(scope="module")
def views(tmp_path_factory, rows) -> list[ViewTable]:
    folder = tmp_path_factory.mktemp("views")
    made = []
    for name, column, ttl in (("cards", "card_id", TTL), ("shops", "shop_id", None)):
        keys, times, values, words = zip(*rows[name], strict=True)
        table = {column: keys, "at": pa.array(times, pa.timestamp("us", "UTC")), f"{name}_value": values, f"{name}_word": words}
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
        made.append(ViewTable(lookup(name, column, ttl), "at", folder / f"{name}.parquet"))
    return made


@pytest.fixture(scope="module")
def entities() -> pd.DataFrame:
    draw = random.Random(5)
    drawn = [(row, START + draw.randrange(420) * HOUR, f"c{draw.randrange(22)}", draw.randrange(22)) for row in range(800)]
    return pd.DataFrame(drawn, columns=["row", "event_timestamp", "card_id", "shop_id"]).astype({"event_timestamp": "datetime64[us, UTC]"})


def joined(folder: Path, views: list[ViewTable], entities: pd.DataFrame, **options) -> list[dict]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from feature_repo.definitions import definitions, open_store

        with open_store(folder, online=folder / "online.db", **options) as store:
            store.apply(definitions(views))
            refs = [f"{view.lookup.view}:{each.name}" for view in views for each in view.lookup.features]
            table = store.get_historical_features(entity_df=entities.copy(), features=refs).to_arrow()
    return sorted(table.to_pylist(), key=lambda row: row["row"])


def searched(rows: list[tuple], key: object, before: datetime, *, exclusive: bool) -> tuple | None:
    known = [row for row in rows if row[0] == key and (row[1] < before if exclusive else row[1] <= before)]
    return max(known, key=lambda row: row[1], default=None)


def test_without_refresh_a_row_sees_the_newest_row_up_to_its_time(tmp_path, views, rows, entities):
    for row in joined(tmp_path, views, entities):
        card = searched(rows["cards"], row["card_id"], row["event_timestamp"], exclusive=False)
        alive = card is not None and card[1] + TTL >= row["event_timestamp"]
        assert (row["cards_value"], row["cards_word"]) == (card[2:] if alive else (None, None))
        shop = searched(rows["shops"], row["shop_id"], row["event_timestamp"], exclusive=False)
        assert (row["shops_value"], row["shops_word"]) == (shop[2:] if shop else (None, None))


def test_with_refresh_a_row_sees_what_was_known_before_the_cut_and_ages_from_its_own_time(tmp_path, views, rows, entities):
    refresh, seen = 12 * HOUR, 0
    for row in joined(tmp_path, views, entities, refresh=refresh, known_at=True):
        card = searched(rows["cards"], row["card_id"], cut(row["event_timestamp"], refresh), exclusive=True)
        alive = card is not None and card[1] + TTL >= row["event_timestamp"]
        assert (row["cards__known_at"], row["cards_value"], row["cards_word"]) == (card[1:] if alive else (None, None, None))
        seen += alive
    assert 100 < seen < 700


def test_a_row_is_as_old_as_in_the_online_store_which_keeps_whole_seconds(tmp_path):
    known = START + timedelta(seconds=0.9)
    table = {"card_id": ["c"], "at": pa.array([known], pa.timestamp("us", "UTC")), "cards_value": [7], "cards_word": ["x"]}
    pq.write_table(pa.table(table), tmp_path / "cards.parquet")
    view = ViewTable(lookup("cards", "card_id", TTL), "at", tmp_path / "cards.parquet")
    asked = [START + TTL, START + TTL + timedelta(seconds=0.5)]
    frame = pd.DataFrame({"row": [0, 1], "event_timestamp": asked, "card_id": ["c", "c"]})
    found = joined(tmp_path, [view], frame.astype({"event_timestamp": "datetime64[us, UTC]"}))
    assert [row["cards_value"] for row in found] == [7, None]
    SqliteOnline(tmp_path / "feast").prepare(Refresh([view], START + 24 * HOUR, HOUR)).switch_in()
    store = SqliteStore(tmp_path / "feast" / ONLINE, (view.lookup,))
    assert [store.read({"card_id": "c"}, moment).get("cards_value") for moment in asked] == [7, None]
    store.close()


def test_feasts_own_join_agrees(tmp_path, views, entities):
    """With a ttl of whole days: Feast's own join can't take one of 30 hours."""
    from feast import FeatureStore
    from feast.repo_config import RepoConfig

    from feature_repo.definitions import definitions

    whole = views[0].lookup.model_copy(update={"ttl_seconds": 2 * 86_400.0})
    views = [ViewTable(whole, views[0].time, views[0].path), views[1]]
    ours = joined(tmp_path / "ours", views, entities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = RepoConfig(
            project="stock",
            provider="local",
            registry=str(tmp_path / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
            entity_key_serialization_version=3,
        )
        store = FeatureStore(config=config)
        store.apply(definitions(views))
        refs = [f"{view.lookup.view}:{each.name}" for view in views for each in view.lookup.features]
        stock = store.get_historical_features(entity_df=entities.copy(), features=refs).to_arrow().to_pylist()
    stock.sort(key=lambda row: row["row"])
    names = ["row", "cards_value", "cards_word", "shops_value", "shops_word"]
    assert [[row[name] for name in names] for row in ours] == [[row[name] for name in names] for row in stock]


def test_a_query_or_a_second_inequality_is_refused(tmp_path, views):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from feature_repo.definitions import definitions, open_store

        with open_store(tmp_path, online=tmp_path / "online.db") as store:
            store.apply(definitions(views))
            with pytest.raises(ValueError, match="expected entity_df as a DataFrame"):
                store.get_historical_features(entity_df="SELECT 1", features=["cards:cards_value"])
