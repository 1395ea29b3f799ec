"""Deploy: the Deployment and the Service that serve one registered version, as manifests.

Another version is another pod: it becomes ready before an old one is taken away, and that one answers on until nobody is sent to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from components.image import BUNDLE_FOLDER
from components.pod import (
    KEYS,
    container_security,
    labels,
    literal,
    pod_security,
    scratch,
    secret_variable,
    settings,
    trusted_keys,
    variables,
)
from journey.places import named_in
from journey.step_names import SERVER
from journey.targets import Resources, Target

Json = Mapping[str, object]

SERVICE_ACCOUNT = "journey-serving"
PORT = 9000
PROGRESS_SECONDS = 300                  # an image of 200 MB on a busy node takes a minute; a pod that isn't ready by then won't be
PAUSE_SECONDS = 5                       # until every node's proxy knows that a pod is leaving: new connections go elsewhere from then on
GRACE_SECONDS = 45                      # the pause, 5 s for clients to leave, 20 s for requests in flight, the rest for answers to be kept
_READY_SECONDS = 2                      # a pod's address is with every proxy before an old pod begins to leave
_START_TRIES = 120                      # one a second
# measured: 100 MiB with a model of 100 kB; no limit of CPU, because a start needs a whole one for a second
_DEFAULT = Resources(cpu="250m", memory="512Mi")


@dataclass(frozen=True)
class DeployRequest:
    """Which version is to be served, and how.

    Attributes:
        model: the project's name, and that of the Deployment and the Service.
        image: holds the version's bundle, by digest.
        target, place: the target's name, and what project.yaml says of it.
        feedback: whether answers and labels are kept in the ledger.
        latency_ms: the service level's.
    """

    model: str
    version: int
    image: str
    target: str
    place: Target
    feedback: bool
    latency_ms: float


def selector_of(model: str) -> dict[str, str]:
    """The labels by which a model's pods are found; the same for all versions, for as long as there is a Deployment."""
    return {"app.kubernetes.io/component": SERVER, "app.kubernetes.io/part-of": "journey", "journey/model": model}


def service_of(request: DeployRequest) -> Json:
    """The address that a model's clients know."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": request.model, "labels": labels(request.model, SERVER)},
        "spec": {
            "type": "ClusterIP",
            "selector": selector_of(request.model),
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": PORT}],
        },
    }


def deployment_of(request: DeployRequest) -> Json:
    """The Deployment. `replicas` isn't said: at first there is one, and then an autoscaler or `kubectl scale` has its way."""
    marked = labels(request.model, SERVER, version=str(request.version))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": request.model, "labels": marked},
        "spec": {
            "selector": {"matchLabels": selector_of(request.model)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "minReadySeconds": _READY_SECONDS,
            "progressDeadlineSeconds": PROGRESS_SECONDS,
            "revisionHistoryLimit": 3,
            "template": {"metadata": {"labels": marked, "annotations": _scraped()}, "spec": _pod(request)},
        },
    }


def _scraped() -> dict[str, str]:
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT), "prometheus.io/path": "/metrics"}


def _pod(request: DeployRequest) -> Json:
    parts = (scratch(), trusted_keys())
    return {
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,            # Services called redis or postgres would set variables that are nobody's settings
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": pod_security(),
        "containers": [
            {
                "name": SERVER,
                "image": request.image,
                "imagePullPolicy": "IfNotPresent",
                "args": [literal(word) for word in _arguments(request)],
                "env": [*variables(request.target, JOURNEY_KEYS=KEYS), *(secret_variable(name) for name in _secrets(request))],
                "envFrom": settings(),
                "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
                "resources": _resources(request.place),
                "securityContext": container_security(),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                # `sleep` is a binary of the image: a preStop hook without a shell
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(PAUSE_SECONDS)]}}},
                **_probes(),
                "volumeMounts": [part.mount for part in parts],
            }
        ],
        "volumes": [part.volume for part in parts],
    }


def _arguments(request: DeployRequest) -> list[str]:
    place = request.place
    given = ["--bundle", BUNDLE_FOLDER, "--model", request.model, "--version", str(request.version)]
    given += ["--latency-ms", f"{request.latency_ms:g}"]
    given += ["--online", place.online] if place.online else []
    return given + (["--feedback", "--ledger", place.ledger] if request.feedback and place.ledger else [])


def _secrets(request: DeployRequest) -> tuple[str, ...]:
    return named_in(request.place.online, request.place.ledger if request.feedback else None)


def _resources(place: Target) -> Json:
    asked = place.resources.get(SERVER, _DEFAULT)
    memory = asked.memory or _DEFAULT.memory
    return {"requests": {"cpu": asked.cpu or _DEFAULT.cpu, "memory": memory}, "limits": {"memory": memory}}


def _probes() -> Json:
    """A version that is ready answers at once; one that hangs is started anew after a minute, not while a request takes its time."""

    def asked(path: str, **timing: int) -> Json:
        return {"httpGet": {"path": path, "port": PORT}, "timeoutSeconds": 2, **timing}

    return {
        "startupProbe": asked("/health/status", periodSeconds=1, failureThreshold=_START_TRIES),
        "readinessProbe": asked("/health/status", periodSeconds=1, failureThreshold=3),
        "livenessProbe": asked("/health/ping", periodSeconds=10, failureThreshold=6),
    }
