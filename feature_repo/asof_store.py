"""A Feast offline store on DuckDB that joins as of a time with DuckDB's ASOF JOIN, and knows when the online store was refreshed.

Feast's own point-in-time join makes every pair of a row and an older feature row before it picks the newest; ASOF JOIN picks at once
(a million rows by a million: 4 s beside 32 s). With `refresh_seconds` a row at time t sees what a lookup at t would have seen online: the
feature rows before the cut of the last refresh (feature_repo/refresh.py). How old a row may be still counts from t.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import ibis
import pandas as pd
from feast.feature_view import FeatureView
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig, _read_data_source, _write_data_source
from feast.infra.offline_stores.ibis import IbisRetrievalJob, deduplicate
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig

from feature_repo.refresh import cut_column
from feature_repo.views import UTC_TIME

KNOWN_AT = "{view}__known_at"      # with `known_at`: from when on the joined feature row was known; null where there was none


class AsofOfflineStoreConfig(DuckDBOfflineStoreConfig):  # type: ignore[misc]  # Feast has no types
    """What feature_store.yaml may say of this store.

    Attributes:
        refresh_seconds: platform seconds between two refreshes of the online store; None: join as of the row's own time.
        known_at: give a column `<view>__known_at` beside each view's features.
    """

    type: str = "feature_repo.asof_store.AsofOfflineStore"
    refresh_seconds: float | None = None
    known_at: bool = False


@dataclass(frozen=True)
class _Side:
    """One view's rows as the join takes them: `keys` are the entity side's names, columns are k0.., known_at, f0.."""

    rows: ibis.Table
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl: timedelta | None
    known_at: str | None


class AsofOfflineStore(DuckDBOfflineStore):  # type: ignore[misc]  # Feast has no types
    """Feast's DuckDB store with its point-in-time join replaced."""

    supports_filter_by_created_timestamp = False

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """Feature values as of each row's time; rows come out in no particular order.

        Raises:
            ValueError: a query instead of a DataFrame, or `filter_by_created_timestamp`: an ASOF join has one inequality.
        """
        if not isinstance(entity_df, pd.DataFrame) or filter_by_created_timestamp:
            raise ValueError("expected entity_df as a DataFrame and no filter_by_created_timestamp; the offline store 'duckdb' takes both")
        time = infer_event_timestamp_from_entity_df(dict(entity_df.dtypes))
        # rows in memory look like one row to DuckDB's planner, which then takes the quadratic loop join
        ibis.get_backend().raw_sql("SET asof_loop_join_threshold = 0")
        sides = [_side(config, view, feature_refs, full_feature_names) for view in feature_views]
        joined = _asof_join(ibis.memtable(entity_df), time, sides, config.offline_store.refresh_seconds)
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        return IbisRetrievalJob(
            joined,
            on_demand,
            full_feature_names,
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=[name for name in entity_df.columns if name != time],
                min_event_timestamp=entity_df[time].min(),
                max_event_timestamp=entity_df[time].max(),
            ),
            data_source_writer=_write_data_source,
            staging_location=config.offline_store.staging_location,
            staging_location_endpoint_override=config.offline_store.staging_location_endpoint_override,
            repo_path=str(config.repo_path),
        )


def _side(config: RepoConfig, view: FeatureView, refs: Sequence[str], full_names: bool) -> _Side:
    source = view.batch_source
    rows = _read_data_source(source, str(config.repo_path))
    rows = rows.rename({new: old for old, new in source.field_mapping.items() if old in rows.columns})
    keys: dict[str, str] = view.projection.join_key_map or {entity.name: entity.name for entity in view.entity_columns}
    prefix = view.projection.name_to_use()
    wanted = [ref.split(":")[1] for ref in refs if ref.startswith(f"{prefix}:")]
    unique = deduplicate(rows, [*keys, source.timestamp_field], source.timestamp_field, source.created_timestamp_column)
    shown = view.projection.name_alias or view.name
    return _Side(
        unique.select(
            **{f"k{index}": unique[key] for index, key in enumerate(keys)},
            known_at=unique[source.timestamp_field].cast(UTC_TIME),
            **{f"f{index}": unique[feature] for index, feature in enumerate(wanted)},
        ),
        tuple(keys.values()),
        tuple(f"{shown}__{feature}" if full_names else feature for feature in wanted),
        view.ttl or None,
        KNOWN_AT.format(view=shown) if config.offline_store.known_at else None,
    )


def _asof_join(entities: ibis.Table, time: str, sides: Sequence[_Side], refresh_seconds: float | None) -> ibis.Table:
    """The entity rows with each side's newest row as of their time, null where that is none or older than its ttl."""
    at = entities[time].cast(UTC_TIME)          # ns or without a zone, as pandas has it
    as_of = at if refresh_seconds is None else cut_column(at, timedelta(seconds=refresh_seconds))
    rows = entities.mutate(journey_at=at, journey_as_of=as_of)
    kept = list(entities.columns)
    for side in sides:
        newest = rows.journey_as_of >= side.rows.known_at if refresh_seconds is None else rows.journey_as_of > side.rows.known_at
        keys = [rows[name] == side.rows[f"k{index}"] for index, name in enumerate(side.keys)]
        joined = rows.asof_join(side.rows, on=newest, predicates=keys)
        alive = joined.known_at.notnull()
        if side.ttl is not None:
            since = joined.known_at.truncate("s")          # Feast's online store keeps whole seconds: a row is as old here as there
            alive = alive & (since + ibis.interval(side.ttl) >= joined.journey_at)
        values = {name: _where(alive, joined[f"f{index}"]) for index, name in enumerate(side.features)}
        if side.known_at is not None:
            values[side.known_at] = _where(alive, joined.known_at)
        kept += values
        rows = joined.select("journey_at", "journey_as_of", *[name for name in kept if name not in values], **values)
    return rows.select(kept)


def _where(condition: ibis.expr.types.BooleanValue, value: ibis.Value) -> ibis.Value:
    return condition.ifelse(value, ibis.null(value.type()))
