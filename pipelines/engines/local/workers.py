"""The fork servers of a run: one for each phase, none where every step is taken from the cache."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from journey.errors import ProjectError
from pipelines.engines.local.graph import Program
from pipelines.engines.runner import Job, Report, RunnerLost, one_thread

_MODULE = "pipelines.engines.local.forkserver"
_LIMIT = 1 << 24            # bytes of one message: an executor input is at most 128 KiB, a component's source little
_PATIENCE_SECONDS = 5.0     # a server that was told to end has nothing to do but kill


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
        self.slots = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

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
            RunnerLost: the server ended; its log is named.
            ProjectError: a variable that a Secret gives on a cluster is not set here.
        """
        environment = {**_held(job.program), **job.environment}
        self.start(job.phase)
        return await (await asyncio.shield(self._servers[job.phase])).run(job, environment)


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
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno()), *arguments],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **one_thread(), "_KFP_RUNTIME": "true", "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LIMIT)
        self._listening = asyncio.create_task(self._listen(reader))
        return self

    async def run(self, job: Job, environment: Mapping[str, str]) -> Report:
        if self._listening.done():
            raise RunnerLost(self._lost())
        self._number += 1
        message = {
            "id": self._number,
            "source": job.program.source,
            "function": job.program.function,
            "input": job.input,
            "environment": dict(environment),
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
                waiting.set_exception(RunnerLost(self._lost()))

    def _lost(self) -> str:
        return f"the process that starts the steps of phase '{self._phase}' ended; its output is in {self._log}"


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line; none where the other end is gone."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


def _held(program: Program) -> dict[str, str]:
    """What Secrets and ConfigMaps give on a cluster, from this machine's environment."""
    for variable in program.variables:
        if variable.name not in os.environ and not variable.optional:
            where = f"which {variable.held_by} gives on a cluster"
            raise ProjectError(f"expected the environment variable {variable.name}, {where}: it is not set. Export it.")
    return {variable.name: os.environ[variable.name] for variable in program.variables if variable.name in os.environ}
