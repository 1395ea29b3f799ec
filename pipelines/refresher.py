"""The process that keeps the online features fresh.

    python -m pipelines.refresher -p PROJECT --home HOME [--target NAME] [--once]
    python -m pipelines.refresher --published --home HOME [--target NAME] --port 8082      beside a cluster's pipelines
    GET /health     200 while the process lives, also while no project is published yet
    GET /metrics    refreshes by outcome, their age, seconds and rows

Writes one line of JSON a refresh to stdout; the first says that there is a store to serve from.
"""

import argparse
import gc
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from components.operations.refresh import Refresher
from journey.clock import clock_of
from journey.errors import JourneyError
from journey.project import load_project
from pipelines.freshness import Freshness
from pipelines.placement import target_of
from pipelines.published import Published, start_anew, tell_when_replaced, wait_until_published

LOCAL = "local"


@dataclass
class _Process:
    """The process's state: what it is asked for, and how far it is."""

    wanted: argparse.Namespace
    stop: threading.Event = field(default_factory=threading.Event)
    replaced: threading.Event = field(default_factory=threading.Event)
    freshness: Freshness | None = None

    def state(self) -> dict[str, object]:
        """What /health says."""
        loop = self.freshness
        if loop is None:
            return {"waiting": "for a project to be published"}
        return {"project": loop.refresher.project.name, "in_use": loop.newest.moment.isoformat() if loop.newest else None}

    def run(self) -> None:
        """Refreshes until it is told to stop, or another project is published.

        Raises:
            JourneyError: the project can't be read; or, where it isn't a published one, its first refresh can't be made.
        """
        folder, target = self.wanted.project, self.wanted.target
        if self.wanted.published:
            found = wait_until_published(self.wanted.home, self.stop)
            if found is None:
                return
            folder, target = found.folder, target or found.target
            tell_when_replaced(self.wanted.home, found, self._replace, _same)
        folder = folder.absolute()
        place = target_of(load_project(folder), target or LOCAL)
        refresher = Refresher.of(folder, self.wanted.home, os.environ, place)
        self.freshness = loop = Freshness(refresher, clock_of(os.environ), self.stop, sys.stdout)
        if refresher.views:
            loop.first_at_last() if self.wanted.published else loop.first()
            gc.collect()
            gc.freeze()      # Feast and Ibis stay loaded: to walk through them again and again took 5 % of every refresh
        if self.wanted.once:
            return
        if refresher.views:
            loop.keep()
        self.stop.wait()

    def _replace(self) -> None:
        self.replaced.set()
        self.stop.set()


def _same(known: Published, found: Published) -> bool:
    """Whether a refresh of both would be the same: the image is the pipelines' business."""
    return (known.digest, known.target) == (found.digest, found.target)


def main() -> int:
    """Makes the online features anew at every refresh moment, until SIGTERM or SIGINT."""
    wanted = _parser().parse_args()
    wanted.home = wanted.home.absolute()
    process = _Process(wanted)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: threading.Thread(target=process.stop.set).start())      # set() may wait for the thread it stopped
    try:
        if wanted.port is not None:
            _answer_probes(process)
        process.run()
    except JourneyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if process.replaced.is_set():
        start_anew()
    return 0


def _answer_probes(process: _Process) -> None:
    from pipelines.freshness_metrics import FreshnessCollector
    from pipelines.probed import Probed, process_registry

    registry = process_registry()
    registry.register(FreshnessCollector(lambda: process.freshness))
    Probed((process.wanted.host, process.wanted.port), process.state, registry)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.refresher", description=main.__doc__)
    parser.add_argument("-p", "--project", type=Path, default=Path())
    parser.add_argument("--published", action="store_true", help="the project that was run last in this home, in place of --project")
    parser.add_argument("--home", type=Path, required=True, help="$JOURNEY_HOME")
    parser.add_argument("--target", help="whose online store it is, as project.yaml names it; by default the published one's, else local")
    parser.add_argument("--once", action="store_true", help="make one store now and end")
    parser.add_argument("--host", default="127.0.0.1", help="the address of /health and /metrics")
    parser.add_argument("--port", type=int, help="the port of /health and /metrics; without it there are none")
    return parser


if __name__ == "__main__":
    sys.exit(main())
