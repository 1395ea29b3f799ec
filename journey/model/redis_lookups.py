"""Looked-up features, read as Feast stores them in Redis.

One round trip: the pointer to the refresh in use and the rows' hashes come in one pipeline. The hashes are those of the refresh that was
in use at the last lookup; where the pointer says that another one is by now, they are read again, so no answer mixes two refreshes.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import mmh3

from journey.artifacts import Lookup
from journey.clock import EPOCH
from journey.errors import Unavailable
from journey.model.feast_layout import CASTS, Cast, entity_key, key_prefix, seconds_of, value_of
from journey.model.redis_place import POINTER, InUse, answering, connected, shown
from journey.values.columns import Value

# A healthy Redis answers within a millisecond or two; a request waits this long for one that isn't, then fails, and the next one tries
# anew: above a lost packet's retransmissions (200 and 400 ms) and the pauses of a Redis that shares its core (over half a second was
# seen, and each was a request lost), below what callers of a server wait.
TIMEOUT_SECONDS = 1.0
# The pointer moves once a refresh: a second read finds it where the first did, but for a switch between the two.
TRIES = 3

Hash = Sequence[bytes | None]


@dataclass(frozen=True)
class _Feature:
    """Where in a hash's fields a feature is, and what becomes of it."""

    field: int
    name: str
    cast: Cast


@dataclass(frozen=True)
class _View:
    """Where in a hash's fields a view is."""

    name: str
    ttl_seconds: float | None
    time_field: int
    features: tuple[_Feature, ...]


@dataclass(frozen=True)
class _Entity:
    """The views that share a key column, and so a hash."""

    column: str
    key_prefix: bytes
    fields: tuple[bytes, ...]
    views: tuple[_View, ...]


class RedisStore:
    """An OnlineStore in Feast's Redis layout: key = entity key and project, field = murmur3 of view:feature."""

    def __init__(self, url: str, lookups: Sequence[Lookup]) -> None:
        """Remembers where the store is.

        Args:
            url: redis:// or rediss://, resolved.
            lookups: of the bundle's signature.

        Raises:
            ProjectError: the URL is none.
        """
        self.misses: dict[str, int] = {lookup.view: 0 for lookup in lookups}
        self.age_seconds: float | None = None
        self._url = url
        self._redis = connected(url, TIMEOUT_SECONDS)
        self._entities = _entities(lookups)
        self._pointer: bytes | None = None
        self._project = b""
        self._cut = EPOCH

    def read(self, row: Mapping[str, Value], now: datetime) -> dict[str, Value]:
        """As OnlineStore.read."""
        return self.read_many((row,), now)[0]

    def read_many(self, rows: Sequence[Mapping[str, Value]], now: datetime) -> list[dict[str, Value]]:
        """As OnlineStore.read_many; one round trip for all of them."""
        # by row, then by entity
        keys = [entity_key(entity.key_prefix, row.get(entity.column)) for row in rows for entity in self._entities]
        try:
            with answering(self._url):
                hashes = iter(self._hashes(keys))
            found = [self._decoded(hashes, now) for _ in rows]
        except (ValueError, IndexError, struct.error) as error:
            views = ", ".join(self.misses)
            raise Unavailable(
                f"online store {shown(self._url)}: expected Feast's rows of {views}, found: {error}. Refresh the features again."
            ) from error
        self.age_seconds = None if self._pointer is None else (now - self._cut).total_seconds()
        return found

    def close(self) -> None:
        """As OnlineStore.close."""
        self._redis.close()

    def _hashes(self, keys: Sequence[bytes | None]) -> list[Hash | None]:
        """Each key's hash, all of one refresh; None for a key that there is none of, and for all while nothing was refreshed."""
        for _ in range(TRIES):
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.get(POINTER)
            asked = [] if self._pointer is None else [(n, key) for n, key in enumerate(keys) if key is not None]
            for number, key in asked:
                fields = self._entities[number % len(self._entities)].fields
                pipeline.execute_command("HMGET", key + self._project, *fields)  # type: ignore[no-untyped-call]  # redis has none
            pointer, *read = pipeline.execute()
            if pointer == self._pointer:
                hashes: list[Hash | None] = [None] * len(keys)
                for (number, _), stored in zip(asked, read, strict=True):
                    hashes[number] = stored
                return hashes
            self._follow(pointer)
        raise ValueError(f"another refresh at the key {POINTER} each time, {TRIES} times in a row")

    def _follow(self, pointer: bytes | None) -> None:
        if pointer is not None:
            in_use = InUse.of(pointer)
            self._project, self._cut = in_use.project.encode(), in_use.cut
        self._pointer = pointer

    def _decoded(self, hashes: Iterator[Hash | None], now: datetime) -> dict[str, Value]:
        """One row's features, from the hash of each entity."""
        found: dict[str, Value] = {}
        for entity, stored in zip(self._entities, hashes, strict=False):
            for view in entity.views:
                time = None if stored is None else stored[view.time_field]
                if stored is None or time is None or _is_older(time, view.ttl_seconds, now):
                    self.misses[view.name] += 1
                    continue
                for feature in view.features:
                    found[feature.name] = value_of(stored[feature.field] or b"", feature.cast)
        return found


def _is_older(time: bytes, ttl_seconds: float | None, now: datetime) -> bool:
    """By whole seconds of the row's time, as in the SQLite store and in training."""
    return ttl_seconds is not None and (now - EPOCH).total_seconds() - seconds_of(time) > ttl_seconds


def _entities(lookups: Sequence[Lookup]) -> tuple[_Entity, ...]:
    columns = dict.fromkeys(lookup.column for lookup in lookups)
    return tuple(_entity(column, [lookup for lookup in lookups if lookup.column == column]) for column in columns)


def _entity(column: str, lookups: Sequence[Lookup]) -> _Entity:
    fields: list[bytes] = []
    views = []
    for lookup in lookups:
        features = []
        for feature in lookup.features:
            features.append(_Feature(len(fields), feature.name, CASTS[feature.type]))
            fields.append(_field(lookup.view, feature.name))
        views.append(_View(lookup.view, lookup.ttl_seconds, len(fields), tuple(features)))
        fields.append(f"_ts:{lookup.view}".encode())
    return _Entity(column, key_prefix(column), tuple(fields), tuple(views))


def _field(view: str, feature: str) -> bytes:
    return struct.pack("<I", mmh3.hash(f"{view}:{feature}", signed=False))
