"""What carries out a step: a child of a fork server on this machine, or a pod. The executor doesn't know which."""

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pipelines.engines.local.graph import Program

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """One attempt at a step.

    Attributes:
        step: what it is called in its run.
        task: the pipeline's task that it belongs to; of a loop's rounds all have the same.
        phase: of its program.
        input: KFP's executor input.
        environment: variables that are added to those that all steps have.
        log: the file that the step's output is appended to.
        error: the file that tells of the exception of a step that failed; see `told`.
    """

    step: str
    task: str
    phase: str
    program: Program
    input: Mapping[str, object]
    environment: Mapping[str, str]
    log: Path
    error: Path


@dataclass(frozen=True)
class Report:
    """How a job ended.

    Attributes:
        status: the process's exit code (negative: the signal that killed it).
        seconds: real ones.
        memory_mib: its largest memory; 0 where that isn't known.
        why: the reason in words, where whoever ran it knows better than the exit code.
        lost: it was taken away from outside, and another attempt may well end.
    """

    status: int
    seconds: float
    memory_mib: float = 0.0
    why: str = ""
    lost: bool = False

    def reason(self) -> str:
        """Why a process ended that left no exception."""
        if self.why:
            return self.why
        if self.status == -signal.SIGKILL:
            advice = "most likely for want of memory: give the machine more, or run with --workers 1"
            return f"killed by SIGKILL at {self.memory_mib:.0f} MiB, {advice}"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name} at {self.memory_mib:.0f} MiB"
        return f"ended with exit code {self.status} without an exception"


class RunnerLost(Exception):
    """What carries out steps has itself ended; its message says where to look."""


class Runner(Protocol):
    """Carries out jobs.

    Attributes:
        slots: how many at a time, where nobody says.
        preload_seconds: for each phase how long its libraries took to load, beside the steps.
    """

    slots: int
    preload_seconds: dict[str, float]

    async def __aenter__(self) -> Self:
        """Gets ready."""
        ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends everything that still runs."""
        ...

    def start(self, phase: str) -> None:
        """A job of this phase will come: what takes long may begin."""
        ...

    def load_ahead(self, phases: tuple[str, ...]) -> None:
        """Jobs of these phases will come, in this order."""
        ...

    async def run(self, job: Job) -> Report:
        """Runs a job to its end.

        Raises:
            RunnerLost: it can't be known how the job ended.
            JourneyError: it can't be run.
        """
        ...


@dataclass(frozen=True)
class Told:
    """The exception of a step that failed: its class with its module, its text, and the exit code that it asks for."""

    kind: str
    message: str
    exit_code: int

    def write(self, path: Path) -> None:
        """Writes it as a job's `error`."""
        path.write_text(json.dumps({"kind": self.kind, "message": self.message, "exit_code": self.exit_code}), encoding="utf-8")


def told(path: Path) -> Told | None:
    """What a job's `error` tells; None where it was killed before it could say why, or had no room to."""
    try:
        found = json.loads(path.read_bytes())
        return Told(found["kind"], found["message"], found["exit_code"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def one_thread() -> dict[str, str]:
    """Variables that keep numeric libraries to one thread, unless the environment says otherwise: bits change with their number."""
    return {name: os.environ.get(name, "1") for name in _THREADS}
