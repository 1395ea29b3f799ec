"""The fork servers of a run: one for each phase, none where every step is taken from the cache."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipelines.engines.local.graph import Program

_MODULE = "pipelines.engines.local.forkserver"
_LIMIT = 1 << 24            # bytes of one message: an executor input is at most 128 KiB, a component's source little
_PATIENCE_SECONDS = 5.0     # a server that was told to end has nothing to do but kill


@dataclass(frozen=True)
class Job:
    """One attempt at a step.

    Attributes:
        input: KFP's executor input.
        environment: variables that are added to this process's own.
        log: the file that the step's output is appended to.
        error: the file that a failing step writes its exception to.
    """

    phase: str
    program: Program
    input: Mapping[str, object]
    environment: Mapping[str, str]
    log: Path
    error: Path


@dataclass(frozen=True)
class Report:
    """How a job ended: the process's exit code (negative: the signal that killed it), real seconds, and its largest memory."""

    status: int
    seconds: float
    memory_mib: float

    def reason(self) -> str:
        """Why a process ended that left no exception."""
        if self.status == -signal.SIGKILL:
            advice = "most likely for want of memory: give the machine more, or run with --workers 1"
            return f"killed by SIGKILL at {self.memory_mib:.0f} MiB, {advice}"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name} at {self.memory_mib:.0f} MiB"
        return f"ended with exit code {self.status} without an exception"


class ServerLost(Exception):
    """A fork server ended while jobs were waiting for it."""


class Workers:
    """Starts fork servers and hands them jobs."""

    def __init__(self, preload: Mapping[str, Sequence[str]], root: Path, logs: Path, niceness: int = 0) -> None:
        """Prepares; nothing is started.

        Args:
            preload: for each phase the modules that its server loads.
            root: the folder that holds the steps' modules.
            logs: where each server's own output goes.
            niceness: how much the steps give way to other processes, 0 to 19.
        """
        self._niceness = niceness
        self._preload = preload
        self._root = root
        self._logs = logs
        self._servers: dict[str, asyncio.Task[_Server]] = {}
        self._ahead: dict[tuple[str, ...], asyncio.Task[None]] = {}
        self.preload_seconds: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for loading in self._ahead.values():
            loading.cancel()
        for opening in self._servers.values():
            await (await opening).close()

    def start(self, phase: str) -> None:
        """Starts a phase's server if it isn't there; it loads its modules on its own time."""
        if phase not in self._servers:
            server = _Server(phase, self._logs / f".{phase}.log", self.preload_seconds)
            arguments = (str(self._niceness), *self._preload.get(phase, ()))
            self._servers[phase] = asyncio.create_task(server.opened(arguments, self._root))

    def load_ahead(self, phases: tuple[str, ...]) -> None:
        """Starts the servers of these phases one after another, so that loading leaves room for the steps that run meanwhile."""
        if phases not in self._ahead:
            self._ahead[phases] = asyncio.create_task(self._one_after_another(phases))

    async def _one_after_another(self, phases: tuple[str, ...]) -> None:
        for opening in list(self._servers.values()):
            await (await asyncio.shield(opening)).ready.wait()      # shielded: a server that is being started can always be ended
        for phase in phases:
            self.start(phase)
            await (await asyncio.shield(self._servers[phase])).ready.wait()

    async def run(self, job: Job) -> Report:
        """Runs a job to its end.

        Raises:
            ServerLost: the server ended; its log is named.
        """
        self.start(job.phase)
        return await (await asyncio.shield(self._servers[job.phase])).run(job)


class _Server:
    """One fork server, seen from here."""

    def __init__(self, phase: str, log: Path, preload_seconds: dict[str, float]) -> None:
        self._phase = phase
        self._log = log
        self._preload_seconds = preload_seconds
        self.ready = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[Report]] = {}
        self._number = 0

    async def opened(self, arguments: Sequence[str], root: Path) -> Self:
        ours, theirs = socket.socketpair()
        path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH", "")])])
        one_thread = {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno()), *arguments],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **one_thread, "_KFP_RUNTIME": "true", "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LIMIT)
        self._listening = asyncio.create_task(self._listen(reader))
        return self

    async def run(self, job: Job) -> Report:
        if self._listening.done():
            raise ServerLost(self._lost())
        self._number += 1
        message = {
            "id": self._number,
            "source": job.program.source,
            "function": job.program.function,
            "input": job.input,
            "environment": dict(job.environment),
            "log": str(job.log),
            "error": str(job.error),
        }
        ended: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = ended
        self._writer.write(json.dumps(message).encode() + b"\n")
        with suppress(ConnectionError):             # it ended: _listen sees that too, and says so to all who wait
            await self._writer.drain()
        return await ended

    async def close(self) -> None:
        self._writer.close()
        self._listening.cancel()
        if self._phase not in self._preload_seconds:        # it is still loading, and has no children
            self._process.kill()
        try:
            await asyncio.to_thread(self._process.wait, _PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await _line(reader):
            report: dict[str, Any] = json.loads(line)
            if "ready" in report:
                self._preload_seconds[self._phase] = report["ready"]
                self.ready.set()
            else:
                waiting = self._waiting.pop(report["id"])
                if not waiting.done():              # it is where the run was interrupted
                    waiting.set_result(Report(report["status"], report["seconds"], report["memory_mib"]))
        self.ready.set()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ServerLost(self._lost()))

    def _lost(self) -> str:
        return f"the process that starts the steps of phase '{self._phase}' ended; its output is in {self._log}"


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line; none where the other end is gone."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""
