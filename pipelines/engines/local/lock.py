"""One run at a time in a home: a lock that the kernel lets go of when its holder dies."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TextIO

from journey.errors import Conflict, Unavailable

_PAUSE_SECONDS = 0.2        # how often a waiting run looks again


class Busy(Conflict):
    """Another run holds the home."""

    @classmethod
    def at(cls, home: Path, holder: str) -> Self:
        """Of a home, by who holds it."""
        advice = "Wait for it (--wait), or give this run a home of its own (--home)."
        return cls(f"{home}: expected no other run here, found {holder}. {advice}")


@contextmanager
def held(home: Path, run: str, *, wait: bool) -> Iterator[None]:
    """Holds the home's lock for the run. A process of the same run that is just ending, as a pod that was replaced does, is waited for.

    Args:
        home: the folder that runs share.
        run: who holds it, for those who come later.
        wait: whether to wait until it is free.

    Raises:
        Busy: another run holds it, and `wait` is off.
        Unavailable: the home can't be made or written to.
    """
    with _lock_file(home) as file:
        while not _taken(file.fileno()):
            if not (wait or _holds(home, run)):
                raise Busy.at(home, _holder(home))
            time.sleep(_PAUSE_SECONDS)
        file.truncate(0)
        file.write(json.dumps({"run": run, "process": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}))
        file.flush()
        yield


def _lock_file(home: Path) -> TextIO:
    try:
        home.mkdir(parents=True, exist_ok=True)
        return (home / "run.lock").open("a+", encoding="utf-8")
    except OSError as error:
        advice = "Name another one (--home, JOURNEY_HOME)."
        raise Unavailable(f"home {home}: expected a folder that can be made and written to, found: {error}. {advice}") from error


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holds(home: Path, run: str) -> bool:
    try:
        return bool(json.loads((home / "run.lock").read_text(encoding="utf-8"))["run"] == run)
    except (OSError, ValueError, KeyError):
        return False


def _holder(home: Path) -> str:
    try:
        holder = json.loads((home / "run.lock").read_text(encoding="utf-8"))
        return f"run {holder['run']} of process {holder['process']}, there since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return "a run that has only just begun"
