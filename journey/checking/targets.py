"""The places that a project runs in: what each needs, what it has no use for, and that no password is written down."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from posixpath import normpath

from journey.checking.problems import Finding, KeyPath, nearest
from journey.checking.python_files import FEATURES, Code
from journey.sections import Project, SqlSource
from journey.step_names import EVERY_STEP, SERVER, STEPS
from journey.targets import Target

_URLS = ("ledger", "registry", "online", "images", "push")
_FOR_PODS = ("namespace", "data", "resources")
_OURS = ("/journey", "/opt/journey", "/tmp")  # noqa: S108  where our images and pods have things of their own
_SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")
_TAKEN = (                      # by Services and workloads of manifests/
    "postgres", "redis", "mlflow", "registry", "prometheus", "trigger", "refresh",
    "server", "metrics-server", "metrics-trigger", "metrics-refresh",
)  # fmt: skip
_LOGIN = re.compile(r"(?:^(?!\w+(?:\+\w+)?://)|//)[^:/@]*:(?!\d+/)(?P<password>[^@]*)@")     # it may hold a /; a port before a path is none
_IN_QUERY = re.compile(r"[?&](?:password|passwd|secret|token)=(?P<password>[^&]+)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def target_findings(project: Project, code: Code) -> Iterator[Finding]:
    """What doesn't fit together in the targets, and passwords in any URL of the file, each with its path of keys."""
    for name, source in project.sources.items():
        if isinstance(source, SqlSource):
            yield from _written_down(("sources", name, "sql"), source.sql)
    if any(target.serving == "deployment" for target in project.targets.values()):
        yield from _service_name(project)
    for name, target in project.targets.items():
        path = ("targets", name)
        for key in _URLS:
            yield from _written_down((*path, key), getattr(target, key))
        yield from _needs(path, target, code)
        yield from _no_use(path, target)
        yield from _resources(path, target)
        yield from _volume(path, target)


def _service_name(project: Project) -> Iterator[Finding]:
    """The server's Deployment and Service are called like the project."""
    if project.name in _TAKEN:
        yield ("name",), f"expected another name with serving: deployment, found '{project.name}', which is one of {', '.join(_TAKEN)}"
    if project.name.endswith("-"):
        yield ("name",), f"expected a letter or digit last with serving: deployment (Kubernetes asks for it), found '{project.name}'"


def _written_down(path: KeyPath, url: str | None) -> Iterator[Finding]:
    """A password in a URL; it isn't told, because whoever reads the finding may not be whom it was meant for."""
    if url is None:
        return
    if any(_VARIABLE.sub("", found["password"]) for pattern in (_LOGIN, _IN_QUERY) for found in pattern.finditer(url)):
        yield path, (
            "expected ${NAME} in place of the password, found one written down: it would be in version control, and in every compiled "
            "pipeline. Take it out, change it where it is used, and put the URL into an environment variable or a Kubernetes Secret"
        )


def _needs(path: KeyPath, target: Target, code: Code) -> Iterator[Finding]:
    if target.engine != "job":
        return
    for key, why in (
        ("namespace", "the namespace that the pods run in"),
        ("ledger", "the ledger's database, which pods on several nodes share"),
        ("registry", "MLflow's server"),
        ("images", "the image registry that nodes pull from"),
    ):
        if getattr(target, key) is None:
            yield path, f"expected {key}: ({why}), found none; engine: job needs it"
    views = code.decorated(FEATURES, "feature_view")
    if views and target.online is None:
        yield path, f"expected online: (Redis, which the server reads '{views[0].name}' of {FEATURES} from), found none"


def _no_use(path: KeyPath, target: Target) -> Iterator[Finding]:
    if target.engine == "local":
        for key in _FOR_PODS:
            if getattr(target, key):
                yield (*path, key), "is for engine: job, found engine: local, whose steps aren't pods"
        if target.serving == "deployment":
            yield (*path, "serving"), "expected engine: job with serving: deployment, found engine: local"
    if target.push is not None and target.images is None:
        yield (*path, "push"), "expected images: beside push:, found none: without the registry's name for nodes no image is made"


def _resources(path: KeyPath, target: Target) -> Iterator[Finding]:
    known = (*STEPS, EVERY_STEP, SERVER)
    for step, resources in target.resources.items():
        where = (*path, "resources", step)
        if step not in known:
            yield where, f"expected a step, '{EVERY_STEP}' for all others or '{SERVER}', found '{step}'.{nearest(step, known)}"
        if resources.cpu is None and resources.memory is None:
            yield where, "expected cpu or memory, found neither"


def _volume(path: KeyPath, target: Target) -> Iterator[Finding]:
    if target.data is None:
        return
    mount = PurePosixPath(normpath(target.data.path))
    within = any(mount.is_relative_to(taken) for taken in (*_OURS, *_SYSTEM))
    if within or any(PurePosixPath(ours).is_relative_to(mount) for ours in _OURS):
        yield (*path, "data", "path"), f"expected a folder of its own, such as /data, found {mount}, where our images have files"
