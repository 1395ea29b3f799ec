"""The pod of one attempt at a step, as a manifest: what the compiled pipeline asks for, within what all our pods have in common."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from components import one_stream
from components.pod import Part, container_security, home, labels, literal, pod_security, scratch, settings, variables
from journey.errors import ProjectError
from pipelines.engines.container import Resources, Variable, Volume
from pipelines.engines.job.placeholders import filled
from pipelines.engines.runner import Job, one_thread

Json = Mapping[str, object]

STEP = "step"                           # the component, as the label names it; `journey-step` is the service account
CONTAINER = "step"
_GRACE_SECONDS = 1                      # a step has nothing to put away: nobody sees its folder unless it ends well
_LONGEST_NAME = 63                      # of a host, which a pod's name becomes, and of a label's value
_LONGEST_RUN = 24                       # characters of a run's id in a pod's name: all of one that we make
_KEYS = {"secret": "secretKeyRef", "config map": "configMapKeyRef"}


@dataclass(frozen=True)
class Placing:
    """Whose pods they are.

    Attributes:
        run: the run's id.
        model: the project's name.
        target: the target's name in project.yaml.
        owner: the pod that makes them, with which they go; None where no pod does.
    """

    run: str
    model: str
    target: str
    owner: Json | None = None

    @property
    def selector(self) -> str:
        """The labels by which the pods of the run's steps are found."""
        return f"journey/run={_label(self.run)},app.kubernetes.io/component={STEP}"


def owner_of(environment: Mapping[str, str]) -> Json | None:
    """The pod that this process runs in, as an owner; None outside of one.

    Args:
        environment: JOURNEY_POD_NAME and JOURNEY_POD_UID, which the pod's manifest takes from its metadata.
    """
    name, uid = environment.get("JOURNEY_POD_NAME"), environment.get("JOURNEY_POD_UID")
    return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid} if name and uid else None


def pod_of(job: Job, placing: Placing) -> Json:
    """The pod of one attempt; its name is its own.

    Raises:
        ProjectError: the pipeline asks for something of Kubernetes that isn't supported, or names no image.
    """
    container = job.program.container
    if container.unsupported:
        advice = "Take it out, or run this pipeline on Kubeflow Pipelines: journey compile --to kfp."
        raise ProjectError(f"step '{job.task}': expected nothing of {', '.join(container.unsupported)}, found it asked for. {advice}")
    if not container.image:
        raise ProjectError(f"step '{job.task}': expected an image in the compiled pipeline, found none")
    owners = {"ownerReferences": [dict(placing.owner)]} if placing.owner else {}
    marked = labels(placing.model, STEP, run=_label(placing.run), step=_label(job.task))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _name(placing.run, job.step), "labels": marked, "annotations": {"journey/step": job.step}, **owners},
        "spec": _spec(job, placing),
    }


def _spec(job: Job, placing: Placing) -> Json:
    container = job.program.container
    parts = [home(), scratch(), *(_part(number, volume) for number, volume in enumerate(container.volumes))]
    deadline = {"activeDeadlineSeconds": container.deadline_seconds} if container.deadline_seconds else {}
    return {
        "serviceAccountName": f"journey-{STEP}",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,            # Services called mlflow or redis would set variables that their clients read
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": pod_security(),
        "containers": [
            {
                "name": CONTAINER,
                "image": container.image,
                "imagePullPolicy": "IfNotPresent",
                "command": [*map(literal, filled(container.command, job.input))],
                "args": [*map(literal, filled(container.arguments, job.input))],
                "env": [*_variables(job, placing), *map(_held, job.program.variables)],
                "envFrom": settings(),
                "resources": _resources(container.resources),
                "securityContext": container_security(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [part.mount for part in parts],
            }
        ],
        "volumes": [part.volume for part in parts],
        **({"nodeSelector": dict(container.node_selector)} if container.node_selector else {}),
        **deadline,
    }


def _variables(job: Job, placing: Placing) -> list[dict[str, object]]:
    """Literal ones. Unbuffered and one stream: what a step printed stands in its log before its traceback, not behind it."""
    own = {"PYTHONUNBUFFERED": "1", one_stream.VARIABLE: "1", **one_thread(), **job.environment}
    return variables(placing.target, **{name: literal(value) for name, value in own.items()})


def _held(variable: Variable) -> dict[str, object]:
    reference = {"name": variable.holder_name, "key": variable.key, "optional": variable.optional}
    return {"name": variable.name, "valueFrom": {_KEYS[variable.holder]: reference}}


def _part(number: int, volume: Volume) -> Part:
    """A volume of the pipeline's. Read-only: a step's results are its outputs, which lie in the home."""
    name = f"volume-{number}"
    sources: dict[str, dict[str, object]] = {
        "secret": {"secret": {"secretName": volume.name, "optional": volume.optional}},
        "config map": {"configMap": {"name": volume.name, "optional": volume.optional}},
        "claim": {"persistentVolumeClaim": {"claimName": volume.name, "readOnly": True}},
    }
    sub_path = {"subPath": volume.sub_path} if volume.sub_path else {}
    return Part({"name": name, **sources[volume.kind]}, {"name": name, "mountPath": volume.path, "readOnly": True, **sub_path})


def _resources(resources: Resources) -> dict[str, object]:
    told = {"requests": dict(resources.requests), "limits": dict(resources.limits)}
    return {name: values for name, values in told.items() if values}


def _name(run: str, step: str) -> str:
    token = secrets.token_hex(3)
    room = _LONGEST_NAME - len(token) - 1
    plain = re.sub(r"[^a-z0-9]+", "-", f"{run[:_LONGEST_RUN]}-{step}".lower())
    return f"{plain[:room].strip('-')}-{token}"


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:_LONGEST_NAME].strip("-_.")
