"""Processes that are kept running: started again when they end, and ended together."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

LOOK_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 0.5          # before a process that ended is started again; doubled each time
LONGEST_PAUSE_SECONDS = 30.0
GOOD_LIFE_SECONDS = 60.0           # a process that lived so long starts with the first pause again
GRACE_SECONDS = 30.0               # from SIGTERM to SIGKILL: the server lets clients leave for 5, drains for up to 20, writes what waits


@dataclass(frozen=True)
class Service:
    """One process.

    Attributes:
        name: also of its log.
        command: program and arguments.
        needs: a file that must be there before it is started; None: nothing.
    """

    name: str
    command: tuple[str, ...]
    needs: Path | None = None

    @property
    def can_start(self) -> bool:
        """Whether what it needs is there."""
        return self.needs is None or self.needs.exists()


@dataclass
class _Kept:
    """A service and its process."""

    service: Service
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    started: float
    restarts: int = 0
    pause: float = 0.0              # before it was last started again; 0.0: it never was
    due: float | None = None


@dataclass
class Supervisor:
    """Keeps services running.

    Attributes:
        services: started in this order, ended in the opposite one.
        folder: for `<name>.log` and `status.json`.
        environment: of the processes.
        told: is told what happens, for people.
        facts: what else status.json says.
    """

    services: Sequence[Service]
    folder: Path
    environment: Mapping[str, str]
    told: Callable[[str], None] = lambda _: None
    facts: Mapping[str, object] = field(default_factory=dict)
    _kept: list[_Kept] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Starts all and keeps them until `stop` is set; then ends them. To be called in a thread that outlives the processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start_those_that_can()
            self._write_status("running")
            while not stop.wait(LOOK_SECONDS):
                changed = [self._look(kept) for kept in self._kept]
                if self._start_those_that_can() or any(changed):
                    self._write_status("running")
        finally:
            self.end()

    def end(self) -> None:
        """Ends all processes, the last started first; those that don't end in time are killed."""
        for kept in reversed(self._kept):
            _signal(kept, signal.SIGTERM)
            try:
                kept.process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self.told(f"{kept.service.name} did not end within {GRACE_SECONDS:g} s and was killed")
            _signal(kept, signal.SIGKILL)
            kept.process.wait()
            kept.log.close()
        self._write_status("ended")
        self._kept.clear()

    def _start_those_that_can(self) -> bool:
        """Starts services in order, up to the first whose need isn't there yet; whether any was started."""
        begun = len(self._kept)
        for service in self.services[begun:]:
            if not service.can_start:
                break
            self._kept.append(self._start(service))
        return len(self._kept) > begun

    def _start(self, service: Service) -> _Kept:
        log = (self.folder / f"{service.name}.log").open("ab")
        return _Kept(service, self._spawn(service, log), log, time.monotonic())

    def _spawn(self, service: Service, log: IO[bytes]) -> subprocess.Popen[bytes]:
        # -P: a folder `app` where somebody stands is not ours
        command = [sys.executable, "-P", "-m", "app.child", str(os.getpid()), *service.command]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self.environment), start_new_session=True
        )

    def _look(self, kept: _Kept) -> bool:
        """Starts a process again whose pause is over; whether anything changed."""
        now = time.monotonic()
        if kept.due is not None:
            if now < kept.due:
                return False
            kept.process, kept.started, kept.due = self._spawn(kept.service, kept.log), now, None
            return True
        code = kept.process.poll()
        if code is None:
            return False
        _signal(kept, signal.SIGKILL)
        begins_anew = not kept.pause or now - kept.started > GOOD_LIFE_SECONDS
        kept.pause = FIRST_PAUSE_SECONDS if begins_anew else min(kept.pause * 2, LONGEST_PAUSE_SECONDS)
        kept.due, kept.restarts = now + kept.pause, kept.restarts + 1
        self.told(f"{kept.service.name} ended with code {code}; it starts again in {kept.pause:g} s (log: {kept.log.name})")
        return True

    def _write_status(self, state: str) -> None:
        processes = [
            {
                "name": kept.service.name,
                "pid": kept.process.pid,
                "running": kept.process.poll() is None,
                "restarts": kept.restarts,
                "log": kept.log.name,
            }
            for kept in self._kept
        ]
        half = self.folder / "status.json.half"
        body = {"format": 1, "state": state, "pid": os.getpid(), **self.facts, "processes": processes}
        half.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
        half.replace(self.folder / "status.json")


def _signal(kept: _Kept, number: signal.Signals) -> None:
    """Signals the process and what it started: each service is a session of its own."""
    try:
        os.killpg(kept.process.pid, number)
    except ProcessLookupError:
        return
