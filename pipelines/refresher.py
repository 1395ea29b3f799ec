"""The process that keeps the online features fresh: each refresh is built ahead of its moment and switched in at its moment.

    python -m pipelines.refresher -p PROJECT --home HOME [--once]

Writes one line of JSON a refresh to stdout; the first says that there is a store to serve from.
"""

import argparse
import gc
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TextIO

from components.operations.refresh import FOLDER, Refreshed, Refresher
from feature_repo.materialize import load_feast
from feature_repo.refresh import cut, lead, moment_at, next_moment
from journey.clock import Clock, clock_of
from journey.errors import JourneyError

REFRESHES = "refreshes.json"
# After a cut, this part of the lead is left for rows from just before it to arrive in the source: a guess.
SETTLING = 10


@dataclass
class Freshness:
    """The loop, and what it counts.

    Attributes:
        done: refreshes that were switched in.
        late: those of them that were ready only after their moment; the first one, made at the start, is never late.
        failed: refreshes that were given up; the store before stays in use.
        skipped: moments that passed while an earlier refresh was still being made.
    """

    refresher: Refresher
    clock: Clock
    stop: threading.Event
    out: TextIO
    done: int = 0
    late: int = 0
    failed: int = 0
    skipped: int = 0
    _last: datetime | None = field(default=None, init=False)

    def first(self) -> None:
        """Makes the store of the newest refresh moment and puts it in use at once.

        Raises:
            JourneyError: it can't be made.
        """
        load_feast()
        self._last = moment = moment_at(self.clock.now(), self.refresher.interval)
        self._tell(self._refreshed(moment, in_time=True))

    def keep(self) -> None:
        """Refreshes at every moment until `stop` is set."""
        every = self.refresher.interval
        while not self.stop.is_set():
            moment = next_moment(self.clock.now(), every)
            if self._last is not None:
                self.skipped += max(0, (moment - self._last) // every - 1)
            if self._wait_until(cut(moment, every) + lead(every) / SETTLING):
                return
            self._last = moment
            try:
                refreshed = self._refreshed(moment, in_time=False)
            except JourneyError as error:
                self.failed += 1
                self._say({"moment": moment.isoformat(), "error": str(error)})
                self._wait_until(moment)
            else:
                if refreshed is not None:
                    self._tell(refreshed)

    def _refreshed(self, moment: datetime, *, in_time: bool) -> Refreshed | None:
        """The store for a moment, in use from its moment on; None where `stop` came before."""
        begun = time.monotonic()
        prepared = self.refresher.prepare(moment)
        seconds = time.monotonic() - begun
        late = not in_time and self.clock.now() > moment
        if self._wait_until(moment):
            prepared.discard()
            return None
        prepared.switch_in()
        return Refreshed(moment, prepared.refresh.cut, prepared.rows, seconds, late)

    def _wait_until(self, moment: datetime) -> bool:
        """Waits for platform time; True where `stop` was set meanwhile."""
        return self.stop.wait(max(0.0, self.clock.real_seconds(moment - self.clock.now())))

    def _tell(self, refreshed: Refreshed | None) -> None:
        if refreshed is None:
            return
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
        counts = {"done": self.done, "late": self.late, "failed": self.failed, "skipped": self.skipped, "last": last}
        path = self.refresher.home / FOLDER / REFRESHES
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
        part.replace(path)


def main() -> int:
    """Makes the online features anew at every refresh moment, until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.refresher", description=main.__doc__)
    parser.add_argument("-p", "--project", type=Path, default=Path())
    parser.add_argument("--home", type=Path, required=True, help="$JOURNEY_HOME")
    parser.add_argument("--once", action="store_true", help="make one store now and end")
    wanted = parser.parse_args()
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: threading.Thread(target=stop.set).start())      # set() may wait for the thread it stopped
    try:
        refresher = Refresher.of(wanted.project.absolute(), wanted.home.absolute(), os.environ)
        freshness = Freshness(refresher, clock_of(os.environ), stop, sys.stdout)
        if refresher.views:
            freshness.first()
            gc.collect()
            gc.freeze()      # Feast and Ibis stay loaded: to walk through them again and again took 5 % of every refresh
    except JourneyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if wanted.once:
        return 0
    if refresher.views:
        freshness.keep()
    stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
