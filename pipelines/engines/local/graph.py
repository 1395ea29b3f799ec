"""A compiled pipeline read into typed nodes: components, their tasks, and where each task's inputs come from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from journey.errors import ProjectError
from pipelines.engines.container import Container, Variable, container_of, variables_of
from pipelines.engines.local.conditions import Condition, parse

Json = Mapping[str, Any]      # a node of the IR: protobuf's JSON form


@dataclass(frozen=True)
class Parameter:
    """A declared parameter: KFP's type name, and its default."""

    type: str
    default: object = None
    optional: bool = False


@dataclass(frozen=True)
class Slot:
    """A declared artifact."""

    schema: str
    version: str
    many: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Constant:
    """A value in the IR; texts in it may hold placeholders."""

    value: object


@dataclass(frozen=True)
class FromInput:
    """An input of the enclosing component; `key` picks one value of a dict."""

    name: str
    key: str | None = None


@dataclass(frozen=True)
class FromTask:
    """An output of another task of the same component."""

    task: str
    output: str
    key: str | None = None


@dataclass(frozen=True)
class FinalStatus:
    """How another task ended, for a task that runs whatever happened."""

    task: str


Source = Constant | FromInput | FromTask | FinalStatus


@dataclass(frozen=True)
class Loop:
    """One run of the task for each item.

    Attributes:
        items: a literal list, or the name of the input that holds it.
        limit: how many at a time; 0 for as many as there are workers.
    """

    item: str
    items: tuple[object, ...] | str
    over: Literal["parameter", "artifact"]
    limit: int = 0


@dataclass(frozen=True)
class Task:
    """A node of a component's graph."""

    name: str
    title: str
    component: str
    after: frozenset[str]
    parameters: Mapping[str, Source]
    artifacts: Mapping[str, Source]
    cached: bool
    retries: int
    backoff_seconds: float
    backoff_factor: float
    condition: Condition | None
    whatever_happened: bool
    loop: Loop | None


@dataclass(frozen=True)
class Program:
    """A Python function as KFP ships it.

    Attributes:
        source, function: what runs here.
        environment: literal variables.
        variables: those that Secrets and ConfigMaps give on a cluster.
        container: what runs in a pod.
    """

    source: str
    function: str
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: tuple[Variable, ...] = ()
    container: Container = field(default_factory=Container)


@dataclass(frozen=True)
class Import:
    """An artifact that is there already."""

    uri: str | None           # None: the input parameter `uri`
    schema: str
    version: str
    metadata: Json


@dataclass(frozen=True)
class Dag:
    """Tasks, and from which of them each output comes: the first that has one."""

    tasks: Mapping[str, Task]
    parameters: Mapping[str, tuple[FromTask, ...]]
    artifacts: Mapping[str, tuple[FromTask, ...]]


@dataclass(frozen=True)
class Component:
    """What a task runs."""

    name: str
    inputs: Mapping[str, Parameter]
    input_artifacts: Mapping[str, Slot]
    outputs: Mapping[str, Parameter]
    output_artifacts: Mapping[str, Slot]
    body: Program | Import | Dag


@dataclass(frozen=True)
class Graph:
    """A pipeline."""

    name: str
    root: Component
    components: Mapping[str, Component]

    def programs(self) -> Iterator[Program]:
        """Every function that the pipeline can run."""
        bodies = (self.components[task.component].body for task in self.tasks(self.root))
        return (body for body in bodies if isinstance(body, Program))

    def tasks(self, component: Component) -> Iterator[Task]:
        """Every task of a component's graph and of the graphs in it."""
        if isinstance(component.body, Dag):
            for task in component.body.tasks.values():
                yield task
                yield from self.tasks(self.components[task.component])


def read(spec: Json, platform: Json) -> Graph:
    """Reads a compiled pipeline.

    Args:
        spec: PipelineSpec as JSON.
        platform: PlatformSpec as JSON; empty where the pipeline asks for nothing of Kubernetes.

    Raises:
        ProjectError: the pipeline holds something that can't run on this machine.
    """
    executors: Json = spec.get("deploymentSpec", {}).get("executors", {})
    kubernetes: Json = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    components = {name: _component(name, body, executors, kubernetes) for name, body in spec.get("components", {}).items()}
    return Graph(spec["pipelineInfo"]["name"], _component("root", spec["root"], executors, kubernetes), components)


def _component(name: str, body: Json, executors: Json, kubernetes: Json) -> Component:
    inputs, outputs = body.get("inputDefinitions", {}), body.get("outputDefinitions", {})
    label = body.get("executorLabel", "")
    return Component(
        name=name,
        inputs={key: _parameter(value) for key, value in inputs.get("parameters", {}).items()},
        input_artifacts={key: _slot(value) for key, value in inputs.get("artifacts", {}).items()},
        outputs={key: _parameter(value) for key, value in outputs.get("parameters", {}).items()},
        output_artifacts={key: _slot(value) for key, value in outputs.get("artifacts", {}).items()},
        body=_dag(body["dag"]) if "dag" in body else _executor(label, executors[label], kubernetes.get(label, {})),
    )


def _parameter(body: Json) -> Parameter:
    return Parameter(body.get("parameterType", "STRING"), body.get("defaultValue"), body.get("isOptional", False))


def _slot(body: Json) -> Slot:
    kind = body.get("artifactType", {})
    many, optional = body.get("isArtifactList", False), body.get("isOptional", False)
    return Slot(kind.get("schemaTitle", ""), kind.get("schemaVersion", ""), many, optional)


def _executor(label: str, body: Json, kubernetes: Json) -> Program | Import:
    if "importer" in body:
        importer = body["importer"]
        kind = importer.get("typeSchema", {})
        uri = importer.get("artifactUri", {}).get("constant")
        return Import(uri, kind.get("schemaTitle", ""), kind.get("schemaVersion", ""), importer.get("metadata", {}))
    container = body["container"]
    arguments = container.get("args", [])
    if "--function_to_execute" not in arguments:
        raise ProjectError(
            f"component '{label.removeprefix('exec-')}': expected a Python function (@dsl.component), found a container of its own. "
            "Run this pipeline on Kubeflow Pipelines: journey compile --to kfp."
        )
    return Program(
        source=container["command"][-1],
        function=arguments[arguments.index("--function_to_execute") + 1],
        environment={item["name"]: item.get("value", "") for item in container.get("env", [])},
        variables=variables_of(kubernetes),
        container=container_of(container, kubernetes),
    )


def _dag(body: Json) -> Dag:
    outputs = body.get("outputs", {})
    return Dag(
        tasks={name: _task(name, task) for name, task in body.get("tasks", {}).items()},
        parameters={name: _selectors(output, "outputParameterKey") for name, output in outputs.get("parameters", {}).items()},
        artifacts={name: _selectors(output, "outputArtifactKey") for name, output in outputs.get("artifacts", {}).items()},
    )


def _selectors(output: Json, key: str) -> tuple[FromTask, ...]:
    one_of = output.get("valueFromOneof", {}).get("parameterSelectors")
    selectors = output.get("artifactSelectors") or one_of or [output["valueFromParameter"]]
    return tuple(FromTask(selector["producerSubtask"], selector[key]) for selector in selectors)


def _task(name: str, body: Json) -> Task:
    inputs, policy, retry = body.get("inputs", {}), body.get("triggerPolicy", {}), body.get("retryPolicy", {})
    parameters = {key: _source(value) for key, value in inputs.get("parameters", {}).items()}
    artifacts = {key: _source(value) for key, value in inputs.get("artifacts", {}).items()}
    producers = {source.task for source in (*parameters.values(), *artifacts.values()) if isinstance(source, FromTask | FinalStatus)}
    return Task(
        name=name,
        title=body.get("taskInfo", {}).get("name", name),
        component=body["componentRef"]["name"],
        after=frozenset(body.get("dependentTasks", [])) | producers,
        parameters=parameters,
        artifacts=artifacts,
        cached=body.get("cachingOptions", {}).get("enableCache", False),
        retries=retry.get("maxRetryCount", 0),
        backoff_seconds=float(retry.get("backoffDuration", "0s").removesuffix("s")),
        backoff_factor=float(retry.get("backoffFactor", 2.0)),
        condition=parse(policy["condition"]) if policy.get("condition") else None,
        whatever_happened=policy.get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED",
        loop=_loop(body),
    )


def _source(body: Json) -> Source:
    key = _key(body.get("parameterExpressionSelector", ""))
    if "runtimeValue" in body:
        return Constant(body["runtimeValue"].get("constant"))
    if "componentInputParameter" in body or "componentInputArtifact" in body:
        return FromInput(body.get("componentInputParameter") or body["componentInputArtifact"], key)
    if "taskFinalStatus" in body:
        return FinalStatus(body["taskFinalStatus"]["producerTask"])
    output = body.get("taskOutputParameter") or body["taskOutputArtifact"]
    return FromTask(output["producerTask"], output.get("outputParameterKey") or output["outputArtifactKey"], key)


def _key(selector: str) -> str | None:
    """The key in `parseJson(string_value)["key"]`, the one selector that KFP writes."""
    return selector.removeprefix('parseJson(string_value)["').removesuffix('"]') if selector else None


def _loop(body: Json) -> Loop | None:
    limit = body.get("iteratorPolicy", {}).get("parallelismLimit", 0)
    if "parameterIterator" in body:
        iterator = body["parameterIterator"]
        items = iterator["items"]
        listed = tuple(_literal(items["raw"])) if "raw" in items else items["inputParameter"]
        return Loop(iterator["itemInput"], listed, "parameter", limit)
    if "artifactIterator" in body:
        iterator = body["artifactIterator"]
        return Loop(iterator["itemInput"], iterator["items"]["inputArtifact"], "artifact", limit)
    return None


def _literal(text: str) -> list[object]:
    items = json.loads(text)
    assert isinstance(items, list), f"KFP writes the items of a loop as a JSON list, found {text}"
    return items
