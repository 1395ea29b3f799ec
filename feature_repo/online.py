"""The online store, wherever it is: a refresh is prepared beside the one in use, and switched in at its moment."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from feature_repo.materialize import Refresh
from feature_repo.sqlite_online import SqliteOnline
from journey.model.lookups import is_redis


class Prepared(Protocol):
    """A refresh that waits beside the one in use."""

    @property
    def refresh(self) -> Refresh:
        """What is in it."""

    @property
    def rows(self) -> Mapping[str, int]:
        """View > entities in it."""

    def switch_in(self) -> None:
        """Puts the refresh in use: readers see the old one or the new one, whole, and never wait.

        Raises:
            Conflict: another refresher has begun one meanwhile.
            Unavailable: the store doesn't answer.
        """

    def discard(self) -> None:
        """Leaves the refresh in use as it is."""


class Online(Protocol):
    """Where refreshes are put in use."""

    def prepare(self, refresh: Refresh) -> Prepared:
        """Materializes views through Feast, beside what is in use.

        Raises:
            Unavailable: the store doesn't answer.
        """

    def in_use(self) -> datetime | None:
        """The moment of the refresh that is in use; None where there is none.

        Raises:
            Unavailable: the store doesn't answer.
        """


def online_at(place: str, folder: Path) -> Online:
    """The online store at a place.

    Args:
        place: the path of the SQLite file in `folder`, or a redis:// URL, resolved.
        folder: of Feast's registry, such as $JOURNEY_HOME/feast.
    """
    if is_redis(place):
        from feature_repo.redis_online import RedisOnline

        return RedisOnline(place, folder)
    return SqliteOnline(folder)
