"""The local engine: a compiled pipeline and what it is run with, in; what became of it, out."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.engines.local.cache import Cache
from pipelines.engines.local.executor import Executor
from pipelines.engines.local.graph import Graph
from pipelines.engines.local.phases import following, phase_of, preloaded
from pipelines.engines.local.steps import Record, Setting, Tools
from pipelines.engines.local.store import Store
from pipelines.engines.local.until import until
from pipelines.engines.local.values import Failure
from pipelines.engines.local.workers import Workers
from pipelines.engines.runner import Runner
from pipelines.runs import Progress, Silence


@dataclass(frozen=True)
class Request:
    """How a graph is to be run.

    Attributes:
        run: the run's id; its logs go to `home/runs/<run>/log`.
        root: the folder that holds the steps' modules.
        environment: variables that every step is given.
        libraries: for each phase what its fork server loads beside what the steps import themselves.
        workers: how many steps at a time; None for as many as the runner says: here, as there are cores.
        niceness: how much the steps give way to other processes, 0 to 19.
        holds: given a task and its cached parameters, whether what it did in the world still stands.
        runner: what carries out the steps; None: fork servers on this machine.
    """

    run: str
    home: Path
    root: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, Sequence[str]] = field(default_factory=dict)
    until: str | None = None
    workers: int | None = None
    niceness: int = 0
    progress: Progress = field(default_factory=Silence)
    holds: Callable[[str, Mapping[str, object]], bool] = lambda _task, _parameters: True
    runner: Runner | None = None


@dataclass(frozen=True)
class Ended:
    """What became of a run.

    Attributes:
        failure: the first thing that went wrong, if anything did.
        preload_seconds: how long each fork server that was needed took to load its libraries.
    """

    record: Record
    failure: Failure | None
    seconds: float
    preload_seconds: Mapping[str, float]


def execute(graph: Graph, request: Request) -> Ended:
    """Runs a graph to its end; a step that fails stops only those that need it. Call it while holding the home's lock.

    Raises:
        ProjectError: a parameter or the name of the last step is wrong.
    """
    graph = until(graph, request.until) if request.until else graph
    began = time.monotonic()
    (request.home / "runs" / request.run / "log").mkdir(parents=True, exist_ok=True)
    try:
        record, failure, preload_seconds = asyncio.run(_executed(graph, request))
    finally:
        request.progress.close()
    return Ended(record, failure, time.monotonic() - began, preload_seconds)


async def _executed(graph: Graph, request: Request) -> tuple[Record, Failure | None, Mapping[str, float]]:
    logs = request.home / "runs" / request.run / "log"
    begun = request.runner or Workers(preloaded(graph, request.libraries), request.root, logs, request.niceness)
    async with begun as runner:
        setting = Setting(
            run=request.run,
            home=request.home,
            environment=request.environment,
            slots=request.workers or runner.slots,
            progress=request.progress,
            phase_of=phase_of,
            following=following(graph),
            holds=request.holds,
        )
        store = Store(request.home)
        store.sweep()               # not before the runner is there: it ends what a killed run left running
        executor = Executor(graph, setting, Tools(Cache(request.home, request.root), store, runner))
        outcome = await executor.run(request.parameters)
        failures = executor.record.failures
        return executor.record, failures[0] if failures else outcome.failure, runner.preload_seconds
