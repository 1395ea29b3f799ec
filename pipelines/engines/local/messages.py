"""What KFP's executor is told before a step, and what it says after one."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from journey.errors import ProjectError
from pipelines.engines.local.graph import Component, Slot
from pipelines.engines.local.store import Artifact, digest_of
from pipelines.engines.local.values import Artifacts, Values, as_tuple, coerced

_OUTPUT_FILE = "executor_output.json"
_LIMIT = 128 * 1024         # bytes: on a cluster the input is one argument of a process


def executor_input(component: Component, inputs: Values, workspace: Path) -> dict[str, object]:
    """The message that KFP calls ExecutorInput, as `kfp.local` writes it too.

    Raises:
        ProjectError: it is larger than a cluster takes.
    """
    message: dict[str, object] = {
        "inputs": {
            "parameterValues": _in_order(dict(inputs.parameters)),
            "artifacts": {name: {"artifacts": [_given(item) for item in as_tuple(value)]} for name, value in inputs.artifacts.items()},
        },
        "outputs": {
            "parameters": {name: {"outputFile": str(workspace / name)} for name in component.outputs},
            "artifacts": {name: {"artifacts": [_wanted(name, slot, workspace)]} for name, slot in component.output_artifacts.items()},
            "outputFile": str(workspace / _OUTPUT_FILE),
        },
    }
    size = len(json.dumps(message).encode())
    if size > _LIMIT:
        raise ProjectError(f"expected arguments and artifact metadata of at most {_LIMIT} bytes, found {size}: put the content into a file")
    return message


def _in_order(value: object) -> object:
    """JSON with sorted keys, at every depth: protobuf tells them in an order of its own, which what a step writes may follow."""
    return json.loads(json.dumps(value, sort_keys=True))


def said(component: Component, workspace: Path) -> Values:
    """What a step that ended well has given; its artifacts still lie in the workspace.

    Raises:
        ProjectError: an output is not of its declared type.
    """
    written: dict[str, Any] = json.loads((workspace / _OUTPUT_FILE).read_bytes())
    parameters: dict[str, object] = {}
    for name, spec in component.outputs.items():
        file = workspace / name
        if name in written.get("parameterValues", {}):
            parameters[name] = coerced(written["parameterValues"][name], spec.type, name)
        elif file.is_file():
            parameters[name] = coerced(file.read_text(encoding="utf-8"), spec.type, name)
        file.unlink(missing_ok=True)
    (workspace / _OUTPUT_FILE).unlink()
    artifacts = {name: _artifact(name, slot, written, workspace) for name, slot in component.output_artifacts.items()}
    return Values(parameters, artifacts)


def left_behind(component: Component, workspace: Path) -> Values:
    """The artifacts that a step wrote before it failed."""
    there = {name: slot for name, slot in component.output_artifacts.items() if (workspace / name).exists()}
    return Values({}, {name: Artifact(name, slot.schema, slot.version, str(workspace / name), {}, "") for name, slot in there.items()})


def moved(values: Values, origin: Path, target: Path) -> Values:
    """The same values after their folder was moved."""
    return Values(values.parameters, {name: _moved(value, str(origin), str(target)) for name, value in values.artifacts.items()})


def _moved(value: Artifacts, origin: str, target: str) -> Artifacts:
    items = tuple(replace(item, uri=_rebased(item.uri, origin, target)) for item in as_tuple(value))
    return items if isinstance(value, tuple) else items[0]


def _rebased(uri: str, origin: str, target: str) -> str:
    return target + uri.removeprefix(origin) if uri.startswith(origin) else uri


def _artifact(name: str, slot: Slot, written: Mapping[str, Any], workspace: Path) -> Artifact:
    told = written.get("artifacts", {}).get(name, {}).get("artifacts", [{}])[0]
    uri = told.get("uri") or str(workspace / name)
    return Artifact(told.get("name") or name, slot.schema, slot.version, uri, told.get("metadata", {}), digest_of(Path(uri)))


def _given(artifact: Artifact) -> dict[str, object]:
    kind = _type(artifact.schema, artifact.version)
    return {"name": artifact.name, "type": kind, "uri": artifact.uri, "metadata": dict(artifact.metadata)}


def _wanted(name: str, slot: Slot, workspace: Path) -> dict[str, object]:
    return {"name": name, "type": _type(slot.schema, slot.version), "uri": str(workspace / name), "metadata": {}}


def _type(schema: str, version: str) -> dict[str, str]:
    return {"schemaTitle": schema, "schemaVersion": version}
