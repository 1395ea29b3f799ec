"""Looked-up features, read as Feast stores them in SQLite.

A lookup is one SELECT by Feast's entity key and the decoding of a few protobuf scalars. The file is made anew and renamed over at each
refresh; a reader notices that at its next lookup and never waits.
"""

import os
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from journey.artifacts import Lookup
from journey.errors import Unavailable
from journey.model.feast_layout import CASTS, PROJECT, Cast, entity_key, key_prefix, value_of
from journey.values.columns import Value

# One row: which project's tables these are, and as of when. Written beside Feast's tables at each refresh.
REFRESH_TABLE = "journey_refresh"


@dataclass(frozen=True)
class _Query:
    """One view's lookup, with what doesn't change from row to row worked out once."""

    view: str
    column: str
    key_prefix: bytes
    sql: str
    ttl: timedelta | None
    casts: Mapping[str, Cast]


class SqliteStore:
    """An OnlineStore in Feast's SQLite file."""

    def __init__(self, path: Path, lookups: Sequence[Lookup]) -> None:
        """Remembers where the store is.

        Args:
            path: Feast's SQLite file.
            lookups: of the bundle's signature.
        """
        self.misses: dict[str, int] = {lookup.view: 0 for lookup in lookups}
        self.age_seconds: float | None = None
        self._path = os.fspath(path)
        self._lookups = tuple(lookups)
        self._seen: tuple[int, int, int] | None = None
        self._connection: sqlite3.Connection | None = None
        self._queries: tuple[_Query, ...] = ()
        self._cut: datetime | None = None

    def read(self, row: Mapping[str, Value], now: datetime) -> dict[str, Value]:
        """As OnlineStore.read."""
        return self.read_many((row,), now)[0]

    def read_many(self, rows: Sequence[Mapping[str, Value]], now: datetime) -> list[dict[str, Value]]:
        """As OnlineStore.read_many."""
        try:
            connection = self._current()
            if connection is None:
                for lookup in self._lookups:
                    self.misses[lookup.view] += len(rows)
                self.age_seconds = None
                return [{} for _ in rows]
            found = [self._look_up(connection, row, now) for row in rows]
        except (sqlite3.Error, ValueError, IndexError, struct.error) as error:
            views = ", ".join(self.misses)
            raise Unavailable(
                f"online store {self._path}: expected Feast's tables of {views}, found: {error}. Refresh the features again."
            ) from error
        self.age_seconds = None if self._cut is None else (now - self._cut).total_seconds()
        return found

    def close(self) -> None:
        """As OnlineStore.close."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._seen = None

    def _look_up(self, connection: sqlite3.Connection, row: Mapping[str, Value], now: datetime) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for query in self._queries:
            key = entity_key(query.key_prefix, row.get(query.column))
            stored = [] if key is None else connection.execute(query.sql, (key,)).fetchall()
            if not stored or (query.ttl is not None and now - _moment(stored[0][2]) > query.ttl):
                self.misses[query.view] += 1
                continue
            for feature, value, _ in stored:
                cast = query.casts.get(feature)
                if cast is not None:
                    found[feature] = value_of(value, cast)
        return found

    def _current(self) -> sqlite3.Connection | None:
        """The connection to the file as it is now."""
        try:
            status = os.stat(self._path)  # noqa: PTH116  a tenth of Path.stat, at every lookup
        except FileNotFoundError:
            self.close()
            return None
        seen = (status.st_dev, status.st_ino, status.st_mtime_ns)
        if seen != self._seen:
            self.close()
            self._connection = sqlite3.connect(f"{Path(self._path).absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            project, self._cut = _refresh_of(self._connection)
            self._queries = tuple(_query(lookup, project) for lookup in self._lookups)
            self._seen = seen
        return self._connection


def _query(lookup: Lookup, project: str) -> _Query:
    table = f"{project}_{lookup.view}".replace('"', '""')
    return _Query(
        lookup.view,
        lookup.column,
        key_prefix(lookup.column),
        f'SELECT feature_name, value, event_ts FROM "{table}" WHERE entity_key = ?',  # noqa: S608  a name, quoted
        None if lookup.ttl_seconds is None else timedelta(seconds=lookup.ttl_seconds),
        {feature.name: CASTS[feature.type] for feature in lookup.features},
    )


def _refresh_of(connection: sqlite3.Connection) -> tuple[str, datetime | None]:
    """Feast's project and the cut of the store, as the refresh wrote them."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (REFRESH_TABLE,)).fetchone()
    if known is None:
        return PROJECT, None
    project, cut = connection.execute(f"SELECT project, cut FROM {REFRESH_TABLE}").fetchone()  # noqa: S608  a constant
    return project, datetime.fromisoformat(cut)


def _moment(stored: int) -> datetime:
    """Feast writes whole seconds of a UTC time as if it were local time, and reads them so."""
    return datetime.fromtimestamp(stored).replace(tzinfo=UTC)
