"""Follows the ledger: whoever is promoted answers, a moment later, and no request is lost in between.

A version is opened, verified and warmed on this thread; the event loop then sees the new fleet by one assignment.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journey.errors import JourneyError, Unavailable
from journey.records.entries import Version
from serving.models import Fleet, Model, Surroundings, open_model

if TYPE_CHECKING:      # a server of one fixed version needs no ledger, and SQLAlchemy is half of the time that a server takes to start
    from journey.records.ledger import Ledger

LOG = logging.getLogger("serving")
AGAIN_SECONDS = 30.0    # until a version that couldn't be opened is tried again: a volume comes back, a public key is added
POLL_SECONDS = 0.5      # how late a promotion may be; a poll is one read of two small tables

Refuse = Callable[[Version, JourneyError], None]


@dataclass(frozen=True)
class Watched:
    """Which model's versions are held, how many besides the champion, and whether the newest answers while none is promoted."""

    model: str
    others: int
    newest: bool


class Follower:
    """Keeps the fleet as the ledger says."""

    def __init__(self, ledger: "Ledger", watched: Watched, surroundings: Surroundings) -> None:
        self.fleet = Fleet()
        self.failures = 0
        self._ledger = ledger
        self._watched = watched
        self._surroundings = surroundings
        self._refused: dict[tuple[int, str], float] = {}        # version and bundle > when it was tried last
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follow", daemon=True)

    def start(self) -> None:
        """Opens what the ledger names now, then goes on following on a thread of its own.

        Raises:
            Untrusted, DataError: the champion can't be opened; a server that starts answers with the promoted version or not at all.
        """
        self._refresh(refuse=_raise)
        self._thread.start()

    def stop(self) -> None:
        """Stops following; the fleet stays as it is."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            try:
                self._refresh(refuse=self._remember)
            except Unavailable as error:
                LOG.warning("the ledger can't be read, the versions held stay as they are: %s", error)
            except Exception:
                LOG.exception("following the ledger failed, the versions held stay as they are")

    def _refresh(self, refuse: Refuse) -> None:
        champion, records = self._wanted()
        before = self.fleet
        models: dict[int, Model] = {}
        for record in records:
            model = before.models.get(record.version) or self._opened(record, refuse if record.version == champion else self._remember)
            if model is not None:
                models[record.version] = model
        answering = models.get(champion) if champion is not None else None
        if answering is None and before.champion is not None:      # the new champion can't be opened: the old one goes on
            answering = models[before.champion.version] = before.champion
        if answering is not before.champion or models.keys() != before.models.keys():
            self.fleet = Fleet(answering, dict(sorted(models.items())))
            LOG.info("answering: version %s; held: %s", answering.version if answering else "none", list(self.fleet.models))

    def _wanted(self) -> tuple[int | None, list[Version]]:
        """The version that shall answer, and all that shall be held: it, the one that it replaced (for a rollback), the newest others."""
        versions = {record.version: record for record in reversed(self._ledger.versions(self._watched.model))}
        live = [version for version, record in versions.items() if record.retired is None]
        promotion = self._ledger.current(self._watched.model)
        if promotion is None:
            champion, first = (live[0] if live and self._watched.newest else None), []
        else:
            champion = promotion.version
            first = [champion, *(one.version for one in self._ledger.promotions(self._watched.model) if one.seq == promotion.replaces_seq)]
        held = list(dict.fromkeys([*first, *live]))[: self._watched.others + 1]
        return champion, [versions[version] for version in held]

    def _opened(self, record: Version, refuse: Refuse) -> Model | None:
        known = (record.version, record.bundle)
        if known in self._refused and time.monotonic() - self._refused[known] < AGAIN_SECONDS:
            return None
        try:
            model = open_model(record, self._surroundings)
        except JourneyError as error:
            refuse(record, error)
            return None
        if self._refused.pop(known, None) is not None:
            LOG.info("version %s can be opened now", record.version)
        return model

    def _remember(self, record: Version, error: JourneyError) -> None:
        known = (record.version, record.bundle)
        if known not in self._refused:
            self.failures += 1
            LOG.error("version %s is not held: %s", record.version, error)
        self._refused[known] = time.monotonic()


def _raise(record: Version, error: JourneyError) -> None:
    raise error
