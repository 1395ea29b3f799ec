"""Looking views up for training rows: what the online store would have given at each row's time."""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.views import ViewTable
from journey.artifacts import ROW, TIME, LookupFeature
from journey.errors import ProjectError

_TYPES = {"float": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "category": pa.string()}


def looked_up(spine: pa.Table, views: Sequence[ViewTable], refresh: timedelta) -> dict[str, pa.Array]:
    """Each view feature's values, in the order of the spine's rows.

    Through Feast: its objects are applied to a registry of their own, and its historical join is asked for the rows' features. Where
    a row is absent or older than its ttl the feature's default stands, as it does online.

    Args:
        spine: with ROW (unique), TIME and the key columns.
        views: what to look up.
        refresh: how often the online store is made anew.

    Raises:
        ProjectError: a view's key isn't of the spine column's type.
    """
    _refuse_other_types(spine, views)
    rows = _history(spine, views, refresh)
    found = rows.take(pc.index_in(spine.column(ROW), rows.column(ROW)))
    return {
        feature.name: _defaulted(found.column(feature.name), found.column(f"{view.lookup.view}__known_at"), feature)
        for view in views
        for feature in view.lookup.features
    }


def _history(spine: pa.Table, views: Sequence[ViewTable], refresh: timedelta) -> pa.Table:
    keys = sorted({view.lookup.column for view in views})
    asked = spine.select([ROW, TIME, *keys]).rename_columns([ROW, "event_timestamp", *keys])
    entities = asked.to_pandas(integer_object_nulls=True)          # as doubles, two long keys would become one
    with tempfile.TemporaryDirectory(prefix="journey-feast-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")          # Feast's own deprecations; and importing it changes the filters of the whole process
        from feature_repo.definitions import definitions, open_store

        with open_store(Path(folder), online=Path(folder) / "online.db", refresh=refresh, known_at=True) as store:
            store.apply(definitions(views))
            refs = [f"{view.lookup.view}:{feature.name}" for view in views for feature in view.lookup.features]
            rows: pa.Table = store.get_historical_features(entity_df=entities, features=refs).to_arrow()
    return rows


def _defaulted(values: pa.ChunkedArray, known_at: pa.ChunkedArray, feature: LookupFeature) -> pa.Array:
    kind = _TYPES[feature.type]
    typed = values.cast(kind)
    if feature.default is None:
        return typed
    return pc.if_else(pc.is_null(known_at), pa.scalar(feature.default, kind), typed)


def _refuse_other_types(spine: pa.Table, views: Sequence[ViewTable]) -> None:
    for view in views:
        column = view.lookup.column
        own, others = spine.schema.field(column).type, _key_type(view, column)
        if pa.types.is_integer(own) != pa.types.is_integer(others):
            raise ProjectError(
                f"view '{view.lookup.view}': expected its key '{column}' to be {own} as in the spine, found {others}; "
                "give both columns one type in project.yaml"
            )


def _key_type(view: ViewTable, column: str) -> pa.DataType:
    return pq.read_schema(view.path).field(column).type


def declared(tables: Mapping[str, ibis.Table], columns: Mapping[str, Sequence[str]]) -> dict[str, ibis.Table]:
    """The tables with their declared columns only: a view must not see the label or the split that curate put beside them."""
    return {name: table.select(list(columns[name])) for name, table in tables.items()}
