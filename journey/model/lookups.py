"""Looked-up features, read as Feast stores them in SQLite, without Feast.

A lookup is one SELECT by Feast's entity key (serialization version 3) and the decoding of a few protobuf scalars. The file is made anew
and renamed over at each refresh; a reader notices that at its next lookup and never waits.
"""

import os
import sqlite3
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from journey.artifacts import Lookup
from journey.errors import Unavailable
from journey.values.columns import Value

# One row: which project's tables these are, and as of when. Written beside Feast's tables at each refresh.
REFRESH_TABLE = "journey_refresh"
PROJECT = "journey"            # Feast's project: a store belongs to one Journey project, by its folder

_STRING, _INT64 = 2, 4         # Feast's ValueType
_UINT32 = struct.Struct("<I")
_DOUBLE, _FLOAT, _LONG = struct.Struct("<d"), struct.Struct("<f"), struct.Struct("<q")
_CASTS: Mapping[str, Callable[[str | int | float | bool], Value]] = {"float": float, "integer": int, "boolean": bool, "category": str}


@dataclass(frozen=True)
class _Query:
    """One view's lookup, with what doesn't change from row to row worked out once."""

    view: str
    column: str
    key_prefix: bytes
    sql: str
    ttl: timedelta | None
    casts: Mapping[str, Callable[[str | int | float | bool], Value]]


class OnlineStore:
    """The online store of one project, for the lookups of one bundle.

    Attributes:
        misses: view > lookups so far that found no row, or one older than the view's ttl.
        age_seconds: at the last lookup, platform seconds since the moment up to which the store knows (its cut); None where nothing
            was looked up yet, or the store doesn't say.
    """

    def __init__(self, path: Path, lookups: Sequence[Lookup]) -> None:
        """Remembers where the store is; it is opened at the first lookup.

        Args:
            path: Feast's SQLite file. While there is none every lookup is a miss.
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
        """The features of one row that are there and fresh enough; a feature whose value is missing is None.

        Args:
            row: with the views' key columns, after their rules.
            now: platform time.

        Raises:
            Unavailable: the store can't be read.
        """
        try:
            connection = self._current()
            found: dict[str, Value] = {}
            if connection is None:
                for lookup in self._lookups:
                    self.misses[lookup.view] += 1
                return found
            for query in self._queries:
                self._look_up(connection, query, row.get(query.column), now, found)
        except (sqlite3.Error, ValueError, IndexError, struct.error) as error:
            views = ", ".join(self.misses)
            raise Unavailable(
                f"online store {self._path}: expected Feast's tables of {views}, found: {error}. Refresh the features again."
            ) from error
        if self._cut is not None:
            self.age_seconds = (now - self._cut).total_seconds()
        return found

    def close(self) -> None:
        """Lets go of the file; the next lookup opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._seen = None

    def _look_up(self, connection: sqlite3.Connection, query: _Query, key: Value, now: datetime, found: dict[str, Value]) -> None:
        rows = [] if key is None else connection.execute(query.sql, (query.key_prefix + _key_bytes(key),)).fetchall()
        if not rows or (query.ttl is not None and now - _moment(rows[0][2]) > query.ttl):
            self.misses[query.view] += 1
            return
        casts = query.casts
        for feature, value, _ in rows:
            cast = casts.get(feature)
            if cast is not None:
                plain = decoded(value)
                found[feature] = None if plain is None or plain != plain else cast(plain)

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
    column = lookup.column.encode()
    return _Query(
        lookup.view,
        lookup.column,
        _UINT32.pack(1) + _UINT32.pack(_STRING) + _UINT32.pack(len(column)) + column,
        f'SELECT feature_name, value, event_ts FROM "{table}" WHERE entity_key = ?',  # noqa: S608  a name, quoted
        None if lookup.ttl_seconds is None else timedelta(seconds=lookup.ttl_seconds),
        {feature.name: _CASTS[feature.type] for feature in lookup.features},
    )


def _refresh_of(connection: sqlite3.Connection) -> tuple[str, datetime | None]:
    """Feast's project and the cut of the store, as the refresh wrote them."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (REFRESH_TABLE,)).fetchone()
    if known is None:
        return PROJECT, None
    project, cut = connection.execute(f"SELECT project, cut FROM {REFRESH_TABLE}").fetchone()  # noqa: S608  a constant
    return project, datetime.fromisoformat(cut)


def _key_bytes(key: Value) -> bytes:
    """The value part of Feast's entity key."""
    if isinstance(key, int) and not isinstance(key, bool):
        return _UINT32.pack(_INT64) + _UINT32.pack(8) + _LONG.pack(key)
    text = str(key).encode()
    return _UINT32.pack(_STRING) + _UINT32.pack(len(text)) + text


def _moment(stored: int) -> datetime:
    """Feast writes whole seconds of a UTC time as if it were local time, and reads them so."""
    return datetime.fromtimestamp(stored).replace(tzinfo=UTC)


def decoded(value: bytes) -> str | int | float | bool | None:
    """A scalar of Feast's protobuf message Value; empty is None.

    Raises:
        ValueError: the message holds something else, such as a list.
    """
    if not value:
        return None
    tag = value[0]
    if tag == 0x29:            # double_val = 5, eight bytes
        return float(_DOUBLE.unpack_from(value, 1)[0])
    if tag == 0x35:            # float_val = 6, four bytes
        return float(_FLOAT.unpack_from(value, 1)[0])
    if tag in (0x20, 0x18, 0x40):            # int64_val = 4, int32_val = 3, unix_timestamp_val = 8: varint
        number, _ = _varint(value, 1)
        return number - (1 << 64) if number >> 63 else number
    if tag == 0x38:            # bool_val = 7, varint
        return value[1] != 0
    if tag == 0x12:            # string_val = 2, length and UTF-8
        length, start = _varint(value, 1)
        return value[start : start + length].decode()
    raise ValueError(f"a value of Feast's field {tag >> 3}, which is no text, number or boolean")


def _varint(message: bytes, start: int) -> tuple[int, int]:
    """A base-128 number and where it ends."""
    number = shift = 0
    while True:
        byte = message[start]
        start += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, start
        shift += 7
