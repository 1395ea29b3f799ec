"""Feast's objects, made from a project's views: what `feast apply` would be given."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.repo_config import RepoConfig
from feast.types import Bool, FeastType, Float64, Int64, String
from pyarrow import parquet, types

from feature_repo.views import ViewTable
from journey.errors import ProjectError
from journey.model.feast_layout import PROJECT
from journey.request_features import FeatureType

OFFLINE_STORE = "feature_repo.asof_store.AsofOfflineStore"
_DTYPES: dict[FeatureType, FeastType] = {"float": Float64, "integer": Int64, "boolean": Bool, "category": String}


def definitions(views: Sequence[ViewTable]) -> list[Entity | FeatureView]:
    """An entity for each key column, and a feature view for each view.

    Raises:
        ProjectError: a key column is neither text nor an integer.
    """
    entities: dict[str, Entity] = {}
    for view in views:
        name, column = view.lookup.entity, view.lookup.column
        entities.setdefault(name, Entity(name=name, join_keys=[column], value_type=_key_type(view)))
    return [*entities.values(), *(_feature_view(view, entities[view.lookup.entity]) for view in views)]


@contextmanager
def open_store(
    folder: Path,
    *,
    online: Path | Mapping[str, object],
    project: str = PROJECT,
    refresh: timedelta | None = None,
    known_at: bool = False,
) -> Iterator[FeatureStore]:
    """A Feast store whose registry lies in a folder; it lets go of the online store's file at the end.

    Args:
        folder: where registry.db is or will be.
        online: the SQLite file of the online store, or Feast's section `online_store` for another one.
        project: Feast's project.
        refresh: look views up as of the last refresh before a row's time; None: as of its time, as Feast does.
        known_at: give `<view>__known_at` beside each view's features.
    """
    offline = {"type": OFFLINE_STORE, "refresh_seconds": refresh.total_seconds() if refresh else None, "known_at": known_at}
    store = FeatureStore(
        config=RepoConfig(
            project=project,
            provider="local",
            registry={"registry_type": "file", "path": str(folder / "registry.db")},
            offline_store=offline,
            online_store={"type": "sqlite", "path": str(online)} if isinstance(online, Path) else dict(online),
            materialization={"pull_latest_features": True},
            entity_key_serialization_version=3,
        )
    )
    try:
        yield store
    finally:
        _let_go(store)


def _let_go(store: FeatureStore) -> None:
    """Closes the SQLite connection: Feast's own close() leaves it open."""
    connection = getattr(store._get_provider().online_store, "_conn", None)
    if connection is not None:
        connection.close()


def _feature_view(view: ViewTable, entity: Entity) -> FeatureView:
    lookup = view.lookup
    return FeatureView(
        name=lookup.view,
        entities=[entity],
        ttl=timedelta(seconds=lookup.ttl_seconds or 0),        # Feast's word for "for ever" is 0
        schema=[
            Field(name=lookup.column, dtype=_DTYPES["category"] if entity.value_type is ValueType.STRING else _DTYPES["integer"]),
            *(Field(name=feature.name, dtype=_DTYPES[feature.type]) for feature in lookup.features),
        ],
        source=FileSource(name=f"{lookup.view}_rows", path=str(view.path), timestamp_field=view.time),
        online=True,
    )


def _key_type(view: ViewTable) -> ValueType:
    kind = parquet.read_schema(view.path).field(view.lookup.column).type
    if types.is_string(kind) or types.is_large_string(kind):
        return ValueType.STRING
    if types.is_integer(kind):
        return ValueType.INT64
    raise ProjectError(
        f"view '{view.lookup.view}': expected its key '{view.lookup.column}' to be text or an integer, found {kind}; "
        "give the column the type string in project.yaml"
    )
