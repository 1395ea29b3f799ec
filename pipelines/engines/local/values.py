"""What a task is given: values from the pipeline's inputs, other tasks and constants, as the types that it declares."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from journey.errors import ProjectError
from pipelines.engines.local.graph import Component, Constant, Dag, FinalStatus, FromInput, FromTask, Source, Task
from pipelines.engines.local.store import Artifact

State = Literal["done", "failed", "skipped"]
Artifacts = Artifact | tuple[Artifact, ...]
_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
_STATES = {"done": "SUCCEEDED", "failed": "FAILED", "skipped": "SKIPPED"}


@dataclass(frozen=True)
class Values:
    """Parameters and artifacts by name."""

    parameters: Mapping[str, object] = field(default_factory=dict)
    artifacts: Mapping[str, Artifacts] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Why a step failed: the exception's class, its text, and the exit code that it asks for."""

    step: str
    kind: str
    message: str
    exit_code: int
    log: str

    def text(self) -> str:
        """One message for people: the step, what happened, and its log."""
        kind = "" if self.kind.startswith("journey.") else self.kind.removeprefix("builtins.")
        found = f"{kind}: {self.message}" if kind else self.message
        return f"step {self.step} failed: {found}" + (f"\nlog: {self.log}" if self.log else "")


@dataclass(frozen=True)
class Outcome:
    """How a task ended, what it gave, and the steps that whatever follows comes after."""

    state: State
    values: Values = Values()
    failure: Failure | None = None
    steps: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """One run of a component's graph: what it was given, and how its tasks ended so far.

    Attributes:
        names: KFP's placeholders, such as `{{$.pipeline_job_name}}`, and their values here.
    """

    given: Values
    ended: Mapping[str, Outcome]
    names: Mapping[str, str]


class Missing(Exception):
    """An input comes from something that did not run or gave nothing."""


def inputs_of(task: Task, component: Component, scope: Scope) -> Values:
    """The values for a task.

    Raises:
        Missing: a value that the task needs was not made, and the task is not one that runs whatever happened.
        ProjectError: a value is not of the declared type.
    """
    parameters: dict[str, object] = {name: spec.default for name, spec in component.inputs.items() if spec.default is not None}
    constants: dict[str, object] = {}
    for name, source in task.parameters.items():
        try:
            if isinstance(source, Constant):
                constants[name] = source.value
            else:
                parameters[name] = _parameter(source, scope)
        except Missing:
            if not (task.whatever_happened or _optional_input(source, scope)):
                raise
    parameters |= {name: _filled(value, parameters, scope.names) for name, value in constants.items()}
    declared = component.inputs.items()
    typed = {name: coerced(value, spec.type, name) for name, spec in declared if (value := parameters.get(name)) is not None}
    return Values(parameters | typed, _artifacts(task, scope))


def outputs_of(dag: Dag, ended: Mapping[str, Outcome]) -> Values:
    """What a graph gives: of each output the first task that has it."""
    parameters: dict[str, object] = {}
    artifacts: dict[str, Artifacts] = {}
    for name, selectors in dag.parameters.items():
        for selector in selectors:
            if selector.output in ended[selector.task].values.parameters:
                parameters[name] = ended[selector.task].values.parameters[selector.output]
                break
    for name, selectors in dag.artifacts.items():
        for selector in selectors:
            if selector.output in ended[selector.task].values.artifacts:
                artifacts[name] = ended[selector.task].values.artifacts[selector.output]
                break
    return Values(parameters, artifacts)


def collected(runs: list[Values], component: Component) -> Values:
    """The outputs of a loop: of each parameter a list with an item a run, of each artifact one flat list."""
    parameters: dict[str, object] = {
        name: [run.parameters[name] for run in runs if name in run.parameters] for name in component.outputs
    }
    artifacts: dict[str, Artifacts] = {
        name: tuple(item for run in runs for item in as_tuple(run.artifacts.get(name, ()))) for name in component.output_artifacts
    }
    return Values(parameters, artifacts)


def as_tuple(artifacts: Artifacts) -> tuple[Artifact, ...]:
    """One artifact as a tuple of one; a list as it is."""
    return artifacts if isinstance(artifacts, tuple) else (artifacts,)


def coerced(value: object, kind: str, name: str) -> object:
    """A value as KFP's parameter type `kind`.

    Raises:
        ProjectError: the value can't be read as that type.
    """
    try:
        match kind:
            case "NUMBER_INTEGER":
                return int(value)           # type: ignore[call-overload]  # anything else lands in the except
            case "NUMBER_DOUBLE":
                return float(value)         # type: ignore[arg-type]  # the same
            case "BOOLEAN":
                return value.lower() == "true" if isinstance(value, str) else bool(value)
            case "STRING":
                return value if isinstance(value, str) else json.dumps(value)
            case "STRUCT" | "LIST":
                return json.loads(value) if isinstance(value, str) else value
            case _:
                return value
    except (TypeError, ValueError) as error:
        raise ProjectError(f"pipeline parameter '{name}': expected {kind.lower().replace('_', ' ')}, found {value!r}") from error


def _parameter(source: Source, scope: Scope) -> object:
    if isinstance(source, FinalStatus):
        return _final_status(source.task, scope)
    assert isinstance(source, FromInput | FromTask)
    found = scope.given if isinstance(source, FromInput) else scope.ended[source.task].values
    name = source.name if isinstance(source, FromInput) else source.output
    if name not in found.parameters:
        raise Missing(name)
    value = found.parameters[name]
    return _picked(value, source.key) if source.key is not None else value


def _picked(value: object, key: str) -> object:
    chosen = json.loads(value) if isinstance(value, str) else value
    if not isinstance(chosen, Mapping) or key not in chosen:
        raise ProjectError(f"pipeline loop: expected items with the key '{key}', found {value!r}")
    return chosen[key]


def _final_status(task: str, scope: Scope) -> dict[str, object]:
    ended = scope.ended[task]
    error = {"code": ended.failure.exit_code, "message": ended.failure.message} if ended.failure else {}
    job = scope.names["{{$.pipeline_job_resource_name}}"]
    return {"state": _STATES[ended.state], "pipelineJobResourceName": job, "pipelineTaskName": task, "error": error}


def _artifacts(task: Task, scope: Scope) -> dict[str, Artifacts]:
    artifacts: dict[str, Artifacts] = {}
    for name, source in task.artifacts.items():
        assert isinstance(source, FromInput | FromTask)
        found = scope.given if isinstance(source, FromInput) else scope.ended[source.task].values
        origin = source.name if isinstance(source, FromInput) else source.output
        if origin in found.artifacts:
            artifacts[name] = found.artifacts[origin]
        elif not (task.whatever_happened or isinstance(source, FromInput)):
            raise Missing(origin)
    return artifacts


def _optional_input(source: Source, scope: Scope) -> bool:
    return isinstance(source, FromInput) and source.name not in scope.given.parameters


def _filled(value: object, parameters: Mapping[str, object], names: Mapping[str, str]) -> object:
    """The constant with its placeholders replaced, at every depth."""
    if isinstance(value, str) and "{{$" in value:
        filled = _PLACEHOLDER.sub(lambda match: _text(parameters.get(match[1], "")), value)
        for placeholder, name in names.items():
            filled = filled.replace(placeholder, name)
        return filled
    if isinstance(value, Mapping):
        return {key: _filled(inner, parameters, names) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, parameters, names) for inner in value]
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
