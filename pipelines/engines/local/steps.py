"""One step of a run: taken from the cache, or run in a child process, tried again where the pipeline says so, and published."""

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from journey.errors import GateFailed, JourneyError
from pipelines.engines.local.cache import Cache, Entry
from pipelines.engines.local.graph import Component, Program, Task
from pipelines.engines.local.messages import executor_input, left_behind, moved, said
from pipelines.engines.local.store import Store
from pipelines.engines.local.values import Failure, Outcome, Values
from pipelines.engines.runner import Job, Runner, RunnerLost, Told, told
from pipelines.runs import Progress, Step, StepState

_LOSSES = 3                 # in one try of a step: nodes that are drained one after another take a pod away that often, hardly more


@dataclass(frozen=True)
class Setting:
    """What a run works with.

    Attributes:
        environment: variables that every step is given.
        slots: how many steps run at a time.
        phase_of: the phase of a step's source; each phase has its own fork server.
        following: for each phase those that wait for it, in the order in which they are needed.
        holds: whether what a step did beside its artifacts still stands, so that it may be taken from the cache.
    """

    run: str
    home: Path
    environment: Mapping[str, str]
    slots: int
    progress: Progress
    phase_of: Callable[[str], str]
    following: Mapping[str, tuple[str, ...]]
    holds: Callable[[str, Mapping[str, object]], bool]

    @property
    def folder(self) -> Path:
        """Where the run keeps its logs and what failed steps left."""
        return self.home / "runs" / self.run


@dataclass(frozen=True)
class Tools:
    """What runs steps and keeps what they made."""

    cache: Cache
    store: Store
    runner: Runner


@dataclass(frozen=True)
class Call:
    """A step that is about to run: its name in the run, the function, what it is given, and the steps that it waited on."""

    name: str
    task: Task
    component: Component
    program: Program
    inputs: Values
    after: frozenset[str]


@dataclass
class Record:
    """What is known of a run so far."""

    steps: dict[str, Step] = field(default_factory=dict)
    outputs: dict[str, Values] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class _Attempt:
    """One try at a step; `seconds` without the time that its fork server took to load."""

    values: Values
    failure: Failure | None
    seconds: float = 0.0
    entry: Entry | None = None


class Steps:
    """Runs the steps of one run and records them."""

    def __init__(self, setting: Setting, tools: Tools) -> None:
        self.record = Record()
        self._setting = setting
        self._tools = tools
        self._slots = asyncio.Semaphore(setting.slots)
        self._began = time.monotonic()
        self._attempts = 0
        self._token = secrets.token_hex(4)          # of a run that was killed and is taken up again, a process may still write

    async def run(self, call: Call) -> Outcome:
        """Runs a step, or takes it from the cache."""
        key = self._tools.cache.key(call.component, call.program, call.inputs)
        known = self._tools.cache.get(key)
        if known and call.task.cached and self._setting.holds(call.task.name, known.values.parameters):
            return self._ended(call, known.values, self._step(call, "done", cached=True, log=self._setting.home / known.log))
        if call.task.cached:
            self._load_ahead(call)
        async with self._slots:
            self._setting.progress.began(call.name)
            attempt = await self._tried(call)
        timing = (time.monotonic() - self._began - attempt.seconds, attempt.seconds)
        if attempt.entry is None:
            assert attempt.failure is not None
            return self.failed(call.name, attempt.failure, call.after, attempt.values, timing)
        try:
            self._tools.cache.put(key, attempt.entry)
        except OSError as error:
            return self.failed(call.name, self._failure(call, error), call.after, attempt.values, timing)
        unchanged = known is not None and known.content() == attempt.entry.content()
        return self._ended(call, attempt.values, self._step(call, "done", cached=unchanged, log=self._log(call), timing=timing))

    def failed(
        self,
        name: str,
        failure: Failure,
        after: frozenset[str],
        values: Values = Values(),                      # noqa: B008 -- it is frozen and empty
        timing: tuple[float, float] = (0.0, 0.0),
    ) -> Outcome:
        """Records a step that failed, and what it left behind."""
        state: StepState = "refused" if failure.exit_code == GateFailed.exit_code else "failed"
        self.record.failures.append(failure)
        self.record.outputs[name] = values
        log = Path(failure.log) if failure.log else None
        self._told(Step(name, state, timing[1], cached=False, log=log, after=tuple(sorted(after)), started=timing[0]))
        return Outcome("failed", values, failure, frozenset({name}))

    def skipped(self, name: str, after: frozenset[str]) -> None:
        """Records a step that did not run."""
        self._told(Step(name, "skipped", 0.0, cached=False, log=None, after=tuple(sorted(after)), started=time.monotonic() - self._began))

    def _ended(self, call: Call, values: Values, step: Step) -> Outcome:
        self.record.outputs[call.name] = values
        self._told(step)
        return Outcome("done", values, None, frozenset({call.name}))

    def _load_ahead(self, call: Call) -> None:
        """Starts the servers of what waits for this step: its result is new, so they most likely have to run, too."""
        phase = self._setting.phase_of(call.program.source)
        self._tools.runner.start(phase)
        self._tools.runner.load_ahead(self._setting.following.get(phase, ()))

    def _told(self, step: Step) -> None:
        self.record.steps[step.name] = step
        self._setting.progress.ended(step)

    def _step(self, call: Call, state: StepState, *, cached: bool, log: Path, timing: tuple[float, float] | None = None) -> Step:
        started, seconds = timing or (time.monotonic() - self._began, 0.0)
        return Step(call.name, state, seconds, cached, log if log.exists() else None, tuple(sorted(call.after)), started)

    def _failure(self, call: Call, error: JourneyError | OSError) -> Failure:
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        return Failure(call.name, kind, str(error), error.exit_code if isinstance(error, JourneyError) else 1, str(self._log(call)))

    def _log(self, call: Call) -> Path:
        return self._setting.folder / "log" / f"{call.name}.log"

    async def _tried(self, call: Call) -> _Attempt:
        """As many attempts as the pipeline allows; a gate that says no is not asked again."""
        pause = call.task.backoff_seconds
        for left in range(call.task.retries, -1, -1):
            try:
                attempt = await self._attempt(call)
            except (JourneyError, OSError) as error:        # a disk that is full is no reason to drop the other steps' results
                return _Attempt(Values(), self._failure(call, error))
            if attempt.failure is None or attempt.failure.exit_code == GateFailed.exit_code or not left:
                break
            await asyncio.sleep(pause)
            pause *= call.task.backoff_factor
        return attempt

    async def _attempt(self, call: Call) -> _Attempt:
        """One try of the step's; where what ran it was taken away from outside, that was none."""
        self._log(call).touch()
        for left in range(_LOSSES, -1, -1):
            job, workspace = self._job(call)
            try:
                report = await self._tools.runner.run(job)
            except RunnerLost as lost:
                return _Attempt(Values(), Failure(call.name, "", str(lost), 1, str(job.log)))
            if not (report.lost and left):
                break
            shutil.rmtree(workspace, ignore_errors=True)        # never taken up again: its process may not have ended everywhere
            self._setting.progress.said(f"{call.name}: {report.reason()} Trying it again")
        if report.status == 0:
            return self._published(call, workspace, report.seconds)
        why = told(job.error) or Told("", report.reason(), 1)
        return _Attempt(self._kept(call, workspace), Failure(call.name, why.kind, why.message, why.exit_code, str(job.log)), report.seconds)

    def _job(self, call: Call) -> tuple[Job, Path]:
        """The next attempt, and the new folder that it writes to."""
        self._attempts += 1
        workspace = self._tools.store.workspace(f"{self._setting.run}-{self._token}-{self._attempts}")
        job = Job(
            step=call.name,
            task=call.task.name,
            phase=self._setting.phase_of(call.program.source),
            program=call.program,
            input=executor_input(call.component, call.inputs, workspace),
            environment={**self._setting.environment, **call.program.environment},
            log=self._log(call),
            error=workspace.with_suffix(".error"),
        )
        return job, workspace

    def _published(self, call: Call, workspace: Path, seconds: float) -> _Attempt:
        values = said(call.component, workspace)
        folder = self._tools.store.publish(call.task.name, workspace)
        values = moved(values, workspace, folder.path)
        log = str(self._log(call).relative_to(self._setting.home))
        return _Attempt(values, None, seconds, Entry(values, folder, self._setting.run, log, seconds))

    def _kept(self, call: Call, workspace: Path) -> Values:
        """What a failed step wrote, moved beside the run's logs for whoever looks into it."""
        target = self._setting.folder / "failed" / call.name
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        values = left_behind(call.component, workspace)
        workspace.rename(target)
        return moved(values, workspace, target)

