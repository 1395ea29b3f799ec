"""Looked-up features: what reads them from Feast's online store, wherever that is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from journey.artifacts import Lookup
from journey.model.sqlite_lookups import SqliteStore
from journey.values.columns import Value

REDIS_SCHEMES = ("redis://", "rediss://")


class OnlineStore(Protocol):
    """The online store of one project, for the lookups of one bundle.

    Attributes:
        misses: view > lookups so far that found no row, or one older than the view's ttl.
        age_seconds: at the last lookup, platform seconds since the moment up to which the store knows (its cut); None where nothing
            was looked up yet, or the store doesn't say.
    """

    misses: dict[str, int]
    age_seconds: float | None

    def read(self, row: Mapping[str, Value], now: datetime) -> dict[str, Value]:
        """The features of one row that are there and fresh enough; a feature whose value is missing is None.

        Args:
            row: with the views' key columns, after their rules.
            now: platform time.

        Raises:
            Unavailable: the store can't be read.
        """

    def read_many(self, rows: Sequence[Mapping[str, Value]], now: datetime) -> list[dict[str, Value]]:
        """`read` for several rows, all of one refresh.

        Raises:
            Unavailable: the store can't be read.
        """

    def close(self) -> None:
        """Lets go of the store; the next lookup opens it again."""


def is_redis(place: str) -> bool:
    """Whether an online store's place is a Redis, not a file."""
    return place.startswith(REDIS_SCHEMES)


def open_online(place: str, lookups: Sequence[Lookup]) -> OnlineStore:
    """The online store at a place; it is connected to at the first lookup.

    Args:
        place: the path of Feast's SQLite file, or a redis:// or rediss:// URL, resolved. While nothing was refreshed there every lookup
            is a miss.
        lookups: of the bundle's signature.

    Raises:
        ProjectError: the URL is none.
    """
    if is_redis(place):
        from journey.model.redis_lookups import RedisStore  # who reads a file needs no Redis client

        return RedisStore(place, lookups)
    return SqliteStore(Path(place), lookups)
