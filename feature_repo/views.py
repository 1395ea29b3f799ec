"""Feature views as tables: what a project's functions compute, checked, made unique by entity and time, and written as Parquet.

Training and the online store both read what is written here, so that neither can see a row that the other doesn't.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt

from journey.artifacts import Lookup, LookupFeature
from journey.declarations import Default, FeatureView
from journey.errors import ProjectError
from journey.request_features import FeatureType
from journey.tables import write_table
from journey.user_code import told

UTC_TIME = dt.Timestamp(timezone="UTC", scale=6)
_SAMPLE: Mapping[FeatureType, tuple[type, ...]] = {"float": (int, float), "integer": (int,), "boolean": (bool,), "category": (str,)}


@dataclass(frozen=True)
class ViewTable:
    """A computed view.

    Attributes:
        lookup: name, entity, key column, ttl and features, as a bundle carries them.
        time: the column that says from when on a row was known.
        path: Parquet with the key column, `time` and the features, one row an entity and time, ordered by them.
    """

    lookup: Lookup
    time: str
    path: Path


def write_views(
    views: Sequence[FeatureView], tables: Mapping[str, ibis.Table], entities: Mapping[str, str], directory: Path
) -> tuple[ViewTable, ...]:
    """Computes every view and writes it as `<view>.parquet`.

    Args:
        views: what features.py declares.
        tables: the project's tables by name, typed, all on one DuckDB connection.
        entities: entity > its column.
        directory: where the files go; it is made.

    Raises:
        ProjectError: a view isn't what it must be, or its function or its expression raises.
    """
    return tuple(_write_view(view, tables, entities, directory) for view in views)


def _write_view(view: FeatureView, tables: Mapping[str, ibis.Table], entities: Mapping[str, str], directory: Path) -> ViewTable:
    if view.entity not in entities:
        known = ", ".join(entities) or "none"
        raise ProjectError(f"{view.compute.place}: expected an entity of project.yaml ({known}), found '{view.entity}'")
    key = entities[view.entity]
    computed = view.compute(tables)
    lookup = _lookup(view, computed, key)
    with told(view.compute.path, view.name):
        rows = _computed(view.name, computed, [key, view.time, *(feature.name for feature in lookup.features)], tables)
    path = directory / f"{view.name}.parquet"
    write_table(_unique(_typed(rows, lookup, view.time), key, view.time), path, [key, view.time])
    return ViewTable(lookup, view.time, path)


def _computed(name: str, view: ibis.Table, columns: Sequence[str], tables: Mapping[str, ibis.Table]) -> ibis.Table:
    """The view's rows, computed once; in one thread, because sums of doubles depend on how rows are shared out among threads."""
    backend = next(iter(tables.values())).get_backend()
    backend.raw_sql("SET threads = 1")
    try:
        return backend.create_table(f"journey_view_{name}", view.select(columns), temp=True, overwrite=True)
    finally:
        backend.raw_sql("RESET threads")


def _typed(rows: ibis.Table, lookup: Lookup, time: str) -> ibis.Table:
    """Known rows with their features in the four types, and what is no number missing, as everywhere; a time without a zone is UTC."""
    known = rows.filter(rows[lookup.column].notnull(), rows[time].notnull())
    features = {feature.name: _cast(known[feature.name], feature.type) for feature in lookup.features}
    return known.mutate(**{time: known[time].cast(UTC_TIME)}, **features)


def _cast(column: ibis.Value, kind: FeatureType) -> ibis.Value:
    if kind == "float":
        number = column.cast("float64")
        none = number.isnan() | number.isinf()           # DuckDB divides by zero without a word
        return none.ifelse(ibis.null("float64"), number + ibis.literal(0.0, "float64"))
    return column.cast({"integer": "int64", "boolean": "boolean", "category": "string"}[kind])


def _unique(rows: ibis.Table, key: str, time: str) -> ibis.Table:
    """One row an entity and time: of several the first by its features' values, so that the choice never depends on the order of rows."""
    features = [rows[name] for name in rows.columns if name not in (key, time)]
    window = ibis.window(group_by=[rows[key], rows[time]], order_by=features)
    numbered = rows.mutate(journey_nth=ibis.row_number().over(window))
    return numbered.filter(numbered.journey_nth == 0).drop("journey_nth")


def _lookup(view: FeatureView, table: ibis.Table, key: str) -> Lookup:
    place, schema = view.compute.place, table.schema()
    for column, role in ((key, f"the column of entity '{view.entity}'"), (view.time, "its time")):
        if column not in schema:
            raise ProjectError(f"{place}: expected the column '{column}' ({role}) in its table, found {', '.join(schema)}")
    if not (schema[view.time].is_timestamp() or schema[view.time].is_date()):
        raise ProjectError(f"{place}: expected '{view.time}' to be a timestamp, found {schema[view.time]}")
    if view.ttl == timedelta():
        raise ProjectError(f"{place}: ttl: expected more than no time, found 0; leave ttl out for rows that last")
    names = [name for name in schema if name not in (key, view.time)]
    if not names:
        raise ProjectError(f"{place}: expected at least one feature beside '{key}' and '{view.time}', found none")
    for name in view.defaults:
        if name not in names:
            raise ProjectError(f"{place}: defaults: expected one of the view's features ({', '.join(names)}), found '{name}'")
    return Lookup(
        view=view.name,
        entity=view.entity,
        column=key,
        ttl_seconds=None if view.ttl is None else view.ttl.total_seconds(),
        features=tuple(_feature(place, name, schema[name], view.defaults.get(name)) for name in names),
    )


def _feature(place: str, name: str, kind: dt.DataType, default: Default) -> LookupFeature:
    type_ = _feature_type(kind)
    if type_ is None:
        raise ProjectError(
            f"{place}: feature '{name}': expected text, a number or a boolean, found {kind}. "
            "Make a number of it (such as days since), or leave it out of the view."
        )
    if default is not None and type(default) not in _SAMPLE[type_]:
        raise ProjectError(f"{place}: defaults.{name}: expected {type_} as the feature is, found {default!r}")
    return LookupFeature(name=name, type=type_, default=default)


def _feature_type(kind: dt.DataType) -> FeatureType | None:
    if kind.is_boolean():
        return "boolean"
    if kind.is_integer():
        return "integer"
    if kind.is_floating() or kind.is_decimal():
        return "float"
    return "category" if kind.is_string() else None
