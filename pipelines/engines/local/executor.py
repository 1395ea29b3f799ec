"""Runs a graph: each task as soon as what it waits on has ended, a failed one stopping only those that need it."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from journey.errors import JourneyError, ProjectError
from pipelines.engines.local.conditions import holds
from pipelines.engines.local.graph import Component, Dag, Graph, Import, Task
from pipelines.engines.local.labels import prefix_of, suffixes
from pipelines.engines.local.steps import Call, Record, Setting, Steps, Tools
from pipelines.engines.local.store import Artifact, digest_of
from pipelines.engines.local.values import Failure, Missing, Outcome, Scope, Values, as_tuple, collected, inputs_of, outputs_of


@dataclass(frozen=True)
class _Place:
    """Where in a run a graph runs.

    Attributes:
        prefix, suffix: what its steps' names begin and end with, because it is nested or one round of a loop.
        after: the steps that come before everything in it.
    """

    prefix: str = ""
    suffix: str = ""
    after: frozenset[str] = frozenset()

    def named(self, task: Task) -> str:
        """What a task's step is called here."""
        return f"{self.prefix}{task.name}{self.suffix}"


class Executor:
    """Runs one graph once."""

    def __init__(self, graph: Graph, setting: Setting, tools: Tools) -> None:
        self._graph = graph
        self._steps = Steps(setting, tools)
        self._names = {
            "{{$.pipeline_job_name}}": graph.name,
            "{{$.pipeline_job_resource_name}}": setting.run,
            "{{$.pipeline_job_uuid}}": setting.run,
            "{{$.pipeline_root}}": str(setting.home / "artifacts"),
        }

    @property
    def record(self) -> Record:
        """What is known of the run so far."""
        return self._steps.record

    async def run(self, parameters: Mapping[str, object]) -> Outcome:
        """Runs everything that can run.

        Raises:
            ProjectError: a parameter of the pipeline is unknown, or one that it needs is missing.
        """
        inputs = self._graph.root.inputs
        unknown = sorted(parameters.keys() - inputs.keys())
        missing = sorted(name for name, spec in inputs.items() if name not in parameters and not spec.optional)
        if unknown or missing:
            raise ProjectError(f"pipeline {self._graph.name}: expected the parameters {sorted(inputs)}, found {sorted(parameters)}")
        defaults = {name: spec.default for name, spec in inputs.items() if spec.default is not None}
        return await self._dag(self._graph.root, Values({**defaults, **parameters}), _Place())

    async def _dag(self, component: Component, given: Values, place: _Place) -> Outcome:
        dag = component.body
        assert isinstance(dag, Dag)
        ended: dict[str, Outcome] = {}
        scope = Scope(given, ended, self._names)
        waits: dict[str, asyncio.Task[None]] = {}

        async def when_ready(task: Task) -> None:
            for name in task.after & dag.tasks.keys():
                await waits[name]
            ended[task.name] = await self._task(task, scope, place)

        for task in dag.tasks.values():
            waits[task.name] = asyncio.create_task(when_ready(task))
        try:
            await asyncio.gather(*waits.values())
        finally:
            for wait in waits.values():
                wait.cancel()
        waited_on = frozenset[str]().union(*(task.after for task in dag.tasks.values()))
        last = [outcome for name, outcome in ended.items() if name not in waited_on]
        return _together(ended.values(), outputs_of(dag, ended), last)

    async def _task(self, task: Task, scope: Scope, place: _Place) -> Outcome:
        before = [scope.ended[name] for name in task.after if name in scope.ended]
        place = replace(place, after=_steps(before) or place.after)
        component = self._graph.components[task.component]
        if any(outcome.state != "done" for outcome in before) and not task.whatever_happened:
            return self._skipped(task, place)
        try:
            inputs = inputs_of(task, component, scope)
            if task.condition is not None and not holds(task.condition, inputs.parameters):
                return self._skipped(task, place)
            run = self._component if task.loop is None else self._loop
            return await run(task, component, inputs, place)
        except Missing:
            return self._skipped(task, place)
        except JourneyError as error:
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            name = place.named(task)
            return self._steps.failed(name, Failure(name, kind, str(error), error.exit_code, ""), place.after)

    async def _loop(self, task: Task, component: Component, inputs: Values, place: _Place) -> Outcome:
        loop = task.loop
        assert loop is not None
        if loop.over == "artifact":
            artifacts = as_tuple(inputs.artifacts[str(loop.items)])
            rounds = [Values(inputs.parameters, {**inputs.artifacts, loop.item: item}) for item in artifacts]
            names = suffixes(range(len(artifacts)))
        else:
            items = inputs.parameters[loop.items] if isinstance(loop.items, str) else loop.items
            if not isinstance(items, list | tuple):
                raise ProjectError(f"loop '{task.title}': expected a list of items, found {items!r}")
            rounds = [Values({**inputs.parameters, loop.item: item}, inputs.artifacts) for item in items]
            names = suffixes(items)
        limit = asyncio.Semaphore(loop.limit or len(rounds) or 1)

        async def one(values: Values, name: str) -> Outcome:
            async with limit:
                return await self._component(task, component, values, replace(place, suffix=place.suffix + name))

        outcomes = await asyncio.gather(*(one(values, name) for values, name in zip(rounds, names, strict=True)))
        return _together(outcomes, collected([outcome.values for outcome in outcomes], component), outcomes)

    async def _component(self, task: Task, component: Component, inputs: Values, place: _Place) -> Outcome:
        body = component.body
        if isinstance(body, Dag):
            return await self._dag(component, inputs, replace(place, prefix=place.prefix + prefix_of(task.name)))
        if isinstance(body, Import):
            return _imported(body, component, inputs)
        return await self._steps.run(Call(place.named(task), task, component, body, inputs, place.after))

    def _skipped(self, task: Task, place: _Place) -> Outcome:
        """Records every step that a task would have run."""
        body = self._graph.components[task.component].body
        if isinstance(body, Dag):
            inside = replace(place, prefix=place.prefix + prefix_of(task.name))
            for inner in body.tasks.values():
                self._skipped(inner, inside)
        elif not isinstance(body, Import):
            self._steps.skipped(place.named(task), place.after)
        return Outcome("skipped", steps=place.after)


def _together(outcomes: Iterable[Outcome], values: Values, last: Iterable[Outcome]) -> Outcome:
    """Many tasks as one: failed where one of them failed."""
    failure = next((outcome.failure for outcome in outcomes if outcome.failure), None)
    return Outcome("failed" if failure else "done", values, failure, _steps(last))


def _steps(outcomes: Iterable[Outcome]) -> frozenset[str]:
    return frozenset[str]().union(*(outcome.steps for outcome in outcomes))


def _imported(body: Import, component: Component, inputs: Values) -> Outcome:
    uri = body.uri or str(inputs.parameters["uri"])
    path = Path(uri.removeprefix("file://"))
    if not path.exists():
        raise ProjectError(f"importer: expected a file or folder of this machine, found {uri}")
    name = next(iter(component.output_artifacts))
    return Outcome("done", Values({}, {name: Artifact(name, body.schema, body.version, str(path), body.metadata, digest_of(path))}))
