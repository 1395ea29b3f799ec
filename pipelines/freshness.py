"""Online features kept fresh: each refresh is built ahead of its moment and switched in at its moment."""

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TextIO

from components.operations.refresh import FOLDER, Refreshed, Refresher
from feature_repo.materialize import load_feast
from feature_repo.refresh import cut, lead, moment_at, next_moment
from journey.clock import Clock
from journey.errors import JourneyError, Unavailable

REFRESHES = "refreshes.json"
# After a cut, this part of the lead is left for rows from just before it to arrive in the source: a guess.
SETTLING = 10
# Real time between two looks whether the refresh in use is still there: one read of one key or one small table. A store that was
# emptied (a Redis without a disk that was started again) answers with defaults until it is filled again.
LOOK_SECONDS = 5.0
AGAIN_SECONDS = 30.0               # real time before what failed is tried again where no moment is near: a restart takes that long


@dataclass
class Freshness:
    """The loop, and what it counts.

    Attributes:
        done: refreshes that were switched in.
        late: those of them that were ready only after their moment; the first one, made at the start, is never late.
        failed: refreshes that were given up; the store before stays in use.
        skipped: moments that passed while an earlier refresh was still being made.
        lost: times the store had lost the refresh in use, which was then made anew.
        newest: the refresh that was switched in last.
    """

    refresher: Refresher
    clock: Clock
    stop: threading.Event
    out: TextIO
    done: int = 0
    late: int = 0
    failed: int = 0
    skipped: int = 0
    lost: int = 0
    newest: Refreshed | None = field(default=None, init=False)
    _last: datetime | None = field(default=None, init=False)
    _again: float = field(default=0.0, init=False)

    def first(self) -> None:
        """Makes the store of the newest refresh moment and puts it in use at once.

        Raises:
            JourneyError: it can't be made.
        """
        load_feast()
        self._now()

    def first_at_last(self) -> None:
        """`first`, tried again and again until it is done or `stop` is set: sources and stores may come up later than this process."""
        load_feast()
        while not self.stop.is_set():
            try:
                self._now()
            except JourneyError as error:
                self._fail(moment_at(self.clock.now(), self.refresher.interval), error)
                self.stop.wait(AGAIN_SECONDS)
            else:
                return

    def keep(self) -> None:
        """Refreshes at every moment until `stop` is set; what the store loses in between is made anew."""
        every = self.refresher.interval
        while not self.stop.is_set():
            if self._is_lost():
                self._mend()
            moment = next_moment(self.clock.now(), every)
            if self._last is not None:
                self.skipped += max(0, (moment - self._last) // every - 1)
            if not self._idle_until(cut(moment, every) + lead(every) / SETTLING):
                return
            self._last = moment
            try:
                self._tell(self._refreshed(moment, in_time=False))
            except JourneyError as error:
                self._fail(moment, error)
                self._idle_until(moment)

    def _now(self) -> None:
        self._last = moment = moment_at(self.clock.now(), self.refresher.interval)
        self._tell(self._refreshed(moment, in_time=True))

    def _refreshed(self, moment: datetime, *, in_time: bool) -> Refreshed | None:
        """The store for a moment, in use from its moment on; None where `stop` or a loss came before."""
        begun = time.monotonic()
        prepared = self.refresher.prepare(moment)
        seconds = time.monotonic() - begun
        late = not in_time and self.clock.now() > moment
        if not self._untouched_until(moment):
            prepared.discard()
            return None
        prepared.switch_in()
        return Refreshed(moment, prepared.refresh.cut, prepared.rows, seconds, late)

    def _idle_until(self, moment: datetime) -> bool:
        """Waits for platform time and makes anew what is lost meanwhile; False where `stop` was set."""
        while not self._untouched_until(moment):
            if self.stop.is_set():
                return False
            self._mend()
        return True

    def _untouched_until(self, moment: datetime) -> bool:
        """Waits for platform time; False at once where `stop` is set or the store has lost the refresh in use."""
        while (left := max(0.0, self.clock.real_seconds(moment - self.clock.now()))) > LOOK_SECONDS:
            if self.stop.wait(LOOK_SECONDS) or self._is_lost():
                return False
        return not self.stop.wait(left)

    def _is_lost(self) -> bool:
        """Whether the store should have the newest refresh and hasn't; what failed just now is left alone for a while."""
        if self.newest is None or time.monotonic() < self._again:
            return False
        try:
            used = self.refresher.online.in_use()
        except Unavailable:            # it is away; whether it is empty is seen when it is back
            return False
        return used is None or used < self.newest.moment

    def _mend(self) -> None:
        self.lost += 1
        try:
            self._now()
        except JourneyError as error:
            self._again = time.monotonic() + AGAIN_SECONDS
            self._fail(moment_at(self.clock.now(), self.refresher.interval), error)

    def _fail(self, moment: datetime, error: JourneyError) -> None:
        self.failed += 1
        self._say({"moment": moment.isoformat(), "error": str(error)})

    def _tell(self, refreshed: Refreshed | None) -> None:
        if refreshed is None:
            return
        self.newest = refreshed
        self.done += 1
        self.late += refreshed.late
        self._say(
            {
                "moment": refreshed.moment.isoformat(),
                "cut": refreshed.cut.isoformat(),
                "rows": dict(refreshed.rows),
                "seconds": round(refreshed.seconds, 3),
                "late": refreshed.late,
            }
        )

    def _say(self, last: dict[str, object]) -> None:
        self.out.write(json.dumps(last) + "\n")
        self.out.flush()
        counts = {"done": self.done, "late": self.late, "failed": self.failed, "skipped": self.skipped, "lost": self.lost, "last": last}
        path = self.refresher.home / FOLDER / REFRESHES
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
