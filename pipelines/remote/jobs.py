"""The Jobs that carry a command into the cluster, as manifests: the executor of a run, and the operator of one command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from components.pod import (
    EXECUTOR,
    IMAGE,
    JOB,
    KEYS,
    OPERATOR,
    container_security,
    field_variable,
    home,
    labels,
    literal,
    pod_security,
    registry_logins,
    scratch,
    secret_variable,
    settings,
    trusted_keys,
    variables,
)
from journey.places import named_in
from journey.targets import Target

Json = Mapping[str, object]

STARTS_AGAIN = 3                        # an executor that its node lost goes on from where it was; four losses in one run are no accident
KEPT_SECONDS = 24 * 3600                # a Job that has ended can be looked at for a day
_GRACE_SECONDS = 30                     # to take away the step pods, and to note that the run ended
_MODULES = {EXECUTOR: "app.executor", OPERATOR: "app.relayed"}
# measured: 130 MiB for an executor, whose steps have pods of their own, 230 MiB for who speaks to MLflow; the rest is for their page cache
_RESOURCES: Json = {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}}


@dataclass(frozen=True)
class Command:
    """A `journey` command that is to run in the cluster.

    Attributes:
        name: of the Job.
        component: EXECUTOR: a run, started again where it is lost; OPERATOR: anything else, done once.
        words: the process's arguments, which get there as they are, past any shell: of an operator what would be typed after `journey`.
        image: the project's, by digest.
        model: the project's name.
        target, place: the target's name, and what project.yaml says of it.
        variables: for the container, beside those of every pod.
        labels: journey/NAME > value, beside the common ones.
    """

    name: str
    component: Literal["executor", "operator"]
    words: tuple[str, ...]
    image: str
    model: str
    target: str
    place: Target
    variables: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def urls(self) -> tuple[str, ...]:
        """The variables that it is given from the Secret of URLs: the ledger's; a run asks for images, too, who promotes tells MLflow."""
        others = (self.place.registry,) if self.component == OPERATOR else (self.place.images, self.place.push)
        return named_in(self.place.ledger, *others)


def job_of(command: Command) -> Json:
    """The Job of a command.

    An executor whose process is lost is started again under the same run id, and goes on; it ends with 0 whatever became of the run, so
    that only a lost one is started again: the run's result is in its log. An operator's exit code is its command's.
    """
    marked = labels(command.model, command.component, **command.labels)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": command.name, "labels": marked},
        "spec": {
            "backoffLimit": STARTS_AGAIN if command.component == EXECUTOR else 0,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": marked}, "spec": _pod(command)},
        },
    }


def _pod(command: Command) -> Json:
    parts = (home(), scratch(), trusted_keys())
    return {
        "serviceAccountName": f"journey-{command.component}",
        "automountServiceAccountToken": True,   # the accounts themselves say no, for all who need none
        "restartPolicy": "Never",
        "enableServiceLinks": False,            # Services called mlflow or redis would set variables that their clients read
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": pod_security(),
        "containers": [
            {
                "name": command.component,
                "image": command.image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["python", "-m", _MODULES[command.component], *map(literal, command.words)],
                "env": _variables(command),
                "envFrom": settings(),
                "resources": _RESOURCES,
                "securityContext": container_security(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [part.mount for part in parts],
            }
        ],
        "volumes": [part.volume for part in parts],
    }


def _variables(command: Command) -> list[dict[str, object]]:
    given = {name: literal(value) for name, value in command.variables.items()}
    own = {"JOURNEY_KEYS": KEYS, IMAGE: command.image, JOB: command.name, **given}
    who = [field_variable("JOURNEY_POD_NAME", "metadata.name"), field_variable("JOURNEY_POD_UID", "metadata.uid")]
    secret = [secret_variable(name) for name in command.urls]
    if command.component == EXECUTOR:       # it asks the registry whether a version's image is still there
        secret.append(registry_logins())
    return [*variables(command.target, **own), *who, *secret]
