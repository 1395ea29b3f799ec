"""What a pod needs to know of a step: its container and what Kubernetes gives it, read from the compiled pipeline."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Mapping[str, Any]      # a node of the IR: protobuf's JSON form
Holder = Literal["secret", "config map"]

_VOLUMES: tuple[tuple[str, Literal["secret", "config map", "claim"], str], ...] = (
    ("secretAsVolume", "secret", "secretName"),
    ("configMapAsVolume", "config map", "configMapName"),
    ("pvcMount", "claim", "pvcName"),
)
_READ = {"secretAsEnv", "configMapAsEnv", "imagePullPolicy", "nodeSelector", "activeDeadlineSeconds", *(kind for kind, *_ in _VOLUMES)}


@dataclass(frozen=True)
class Variable:
    """An environment variable that a key of a Secret or ConfigMap gives on a cluster, and this machine's environment here."""

    name: str
    holder: Holder
    holder_name: str
    key: str
    optional: bool

    @property
    def held_by(self) -> str:
        """What gives it on a cluster, for messages."""
        return f"{self.holder} '{self.holder_name}'"


@dataclass(frozen=True)
class Volume:
    """A Secret, a ConfigMap or a claim that a step sees as a folder."""

    kind: Literal["secret", "config map", "claim"]
    name: str
    path: str
    optional: bool = False
    sub_path: str = ""


@dataclass(frozen=True)
class Resources:
    """What a step asks for and may use, Kubernetes' quantities by resource."""

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Container:
    """A step's container.

    Attributes:
        command, arguments: with KFP's placeholders.
        deadline_seconds: how long it may run; None: no limit.
        unsupported: what else the pipeline asks of Kubernetes, by KFP's name for it.
    """

    image: str = ""
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    resources: Resources = Resources()
    volumes: tuple[Volume, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: int | None = None
    unsupported: tuple[str, ...] = ()


def container_of(container: Json, kubernetes: Json) -> Container:
    """Reads a step's container.

    Args:
        container: of the deployment spec.
        kubernetes: the step's part of the platform spec; empty where it asks for nothing.
    """
    deadline = kubernetes.get("activeDeadlineSeconds")
    return Container(
        image=container.get("image", ""),
        command=tuple(container.get("command", ())),
        arguments=tuple(container.get("args", ())),
        resources=_resources(container.get("resources", {})),
        volumes=tuple(_volumes(kubernetes)),
        node_selector=dict(kubernetes.get("nodeSelector", {}).get("labels", {})),
        deadline_seconds=int(deadline) if deadline else None,
        unsupported=tuple(sorted(kubernetes.keys() - _READ)),
    )


def variables_of(kubernetes: Json) -> tuple[Variable, ...]:
    """The variables that Secrets and ConfigMaps give a step."""
    return tuple(_variables(kubernetes))


def _variables(kubernetes: Json) -> Iterator[Variable]:
    holders: tuple[tuple[str, str, Holder, str], ...] = (
        ("secretAsEnv", "secretName", "secret", "secretKey"),
        ("configMapAsEnv", "configMapName", "config map", "configMapKey"),
    )
    for kind, name, holder, key in holders:
        for source in kubernetes.get(kind, []):
            optional = source.get("optional", False)
            for pair in source.get("keyToEnv", []):
                yield Variable(pair["envVar"], holder, _constant(source, name), pair.get(key, pair["envVar"]), optional)


def _volumes(kubernetes: Json) -> Iterator[Volume]:
    for key, kind, name in _VOLUMES:
        for source in kubernetes.get(key, []):
            yield Volume(kind, _constant(source, name), source["mountPath"], source.get("optional", False), source.get("subPath", ""))


def _resources(body: Json) -> Resources:
    accelerator = body.get("accelerator", {})
    kind = accelerator.get("resourceType") or accelerator.get("type")
    count = accelerator.get("resourceCount") or accelerator.get("count")
    requests = {"cpu": body.get("resourceCpuRequest"), "memory": body.get("resourceMemoryRequest")}
    limits = {"cpu": body.get("resourceCpuLimit"), "memory": body.get("resourceMemoryLimit"), **({kind: str(count)} if kind else {})}
    return Resources({name: value for name, value in requests.items() if value}, {name: value for name, value in limits.items() if value})


def _constant(source: Json, name: str) -> str:
    """The name of an object, in the old form or in the new one; of a claim, KFP's old form is `constant`."""
    constant = source.get(f"{name}Parameter", {}).get("runtimeValue", {}).get("constant")
    return str(constant or source.get(name) or source.get("constant", ""))
