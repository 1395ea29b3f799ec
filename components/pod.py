"""What all pods of the platform have in common: who they run as, what they are told, and where the home is. Pure parts of manifests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from components.image import PROJECT_FOLDER

Json = Mapping[str, object]

USER = 65532                            # nobody's user: the images are made for it, and it owns the home's files
HOME = "/journey/home"
KEYS = "/journey/keys"
INSIDE = "JOURNEY_POD"                  # set in every pod of ours: who reads it is where the records are
IMAGE = "JOURNEY_IMAGE"                 # names, in executors and operators, the image that they run: the project's, by digest
ACTOR = "JOURNEY_ACTOR"                 # names, in operators, who asked for what they do, for the audit log
JOB = "JOURNEY_JOB"                     # names, in executors and operators, the Job whose pod it is
SETTINGS = "journey-settings"           # a ConfigMap of variables for all pods, such as JOURNEY_CLOCK; there need be none
URLS = "journey-urls"                   # the Secret with the URLs of ledger, registry and online store
HOME_CLAIM = "journey-home"
REGISTRY = "journey-registry"           # the Secret with logins to image registries: nodes pull with it, pods push; there need be none
REGISTRY_KEY = ".dockerconfigjson"      # its one key, as Kubernetes wants it
LOGINS = "DOCKER_AUTH_CONFIG"           # the variable that holds them in a pod: what Docker's config.json would
TRUSTED_KEYS = "journey-trusted-keys"   # a ConfigMap with the public keys that bundles are verified with
EXECUTOR: Final = "executor"            # components, as the label names them; `journey-<component>` is the service account
OPERATOR: Final = "operator"


@dataclass(frozen=True)
class Part:
    """A volume and where a container sees it."""

    volume: Json
    mount: Json


def labels(model: str, component: str, **more: str) -> dict[str, str]:
    """The labels of an object that the platform makes.

    Args:
        model: the project's name.
        component: what it is: executor, operator, step, server.
        more: journey/NAME > value, such as `run`, `step`, `version`.
    """
    return {
        "app.kubernetes.io/name": model,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "journey",
        "app.kubernetes.io/managed-by": "journey",
        "journey/model": model,
        **{f"journey/{name}": value for name, value in more.items()},
    }


def pod_security() -> dict[str, object]:
    """A pod's security context: nobody is root, and volumes are the group's."""
    identity = {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"}
    return {"runAsNonRoot": True, **identity, "seccompProfile": {"type": "RuntimeDefault"}}


def container_security() -> dict[str, object]:
    """A container's security context: no privileges, and nothing written but to volumes."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def variables(target: str, **more: str) -> list[dict[str, object]]:
    """The variables that every container is given.

    Args:
        target: the target's name in project.yaml.
        more: NAME > value, beside them.
    """
    common = {"JOURNEY_HOME": HOME, "JOURNEY_PROJECT": PROJECT_FOLDER, "JOURNEY_TARGET": target, INSIDE: "1", "HOME": "/tmp"}  # noqa: S108  # the pod's own volume
    return [{"name": name, "value": value} for name, value in {**common, **more}.items()]


def secret_variable(name: str, secret: str = URLS, *, key: str = "", optional: bool = False) -> dict[str, object]:
    """A variable whose value a Secret's key gives, by default the one of that name."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key or name, "optional": optional}}}


def registry_logins() -> dict[str, object]:
    """The variable that logs a pod in to image registries, where there is anything to log in with."""
    return secret_variable(LOGINS, REGISTRY, key=REGISTRY_KEY, optional=True)


def literal(word: str) -> str:
    """A word of a command, or a variable's value, as it reaches the process: in it Kubernetes replaces `$(NAME)`, and reads `$$` as `$`."""
    return word.replace("$", "$$")


def field_variable(name: str, path: str) -> dict[str, object]:
    """A variable whose value is a field of the pod, such as `metadata.uid`."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def settings() -> list[dict[str, object]]:
    """`envFrom` of every container."""
    return [{"configMapRef": {"name": SETTINGS, "optional": True}}]


def home(*, read_only: bool = False) -> Part:
    """$JOURNEY_HOME, on the claim that all pods of a project share."""
    return Part({"name": "home", "persistentVolumeClaim": {"claimName": HOME_CLAIM}}, _mount("home", HOME, read_only=read_only))


def scratch() -> Part:
    """The pod's own temporary files: the one other place that can be written to."""
    return Part({"name": "tmp", "emptyDir": {}}, _mount("tmp", "/tmp"))  # noqa: S108  # the pod's own volume


def trusted_keys() -> Part:
    """The public keys that bundles are verified with; the container's JOURNEY_KEYS names the folder."""
    return Part({"name": "keys", "configMap": {"name": TRUSTED_KEYS}}, _mount("keys", KEYS, read_only=True))


def _mount(name: str, path: str, *, read_only: bool = False) -> dict[str, object]:
    return {"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})}
