"""Makes a model's Deployment follow the ledger, waits until it does, and says why it doesn't."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from components.connections.cluster import Cluster, Json
from components.connections.pods import Pod, explained, trouble
from components.release.deploy import PROGRESS_SECONDS, DeployRequest, deployment_of, selector_of, service_of
from components.release.rollout import POD_HASH, Rollout
from journey.errors import Conflict, DataError, JourneyError, ProjectError, Unavailable
from journey.records.ledger import Ledger
from journey.targets import Target

POLL_SECONDS = 0.5
REFUSED_SECONDS = 60.0      # how long a quota may have no room for the new pod: others may end
ATTEMPTS = 5                # promotions that come one after the other while the one before is deployed
LAST_LINES = 5              # of the log of a pod that runs and doesn't become ready
_REFUSAL = ("", "ReplicaFailure")       # of no pod: that none could be made


@dataclass(frozen=True)
class Deployed:
    """A version that answers: all pods are ready, and none of another version is left."""

    model: str
    version: int
    image: str
    replicas: int


@dataclass(frozen=True)
class Standing:
    """How a model's Deployment stands.

    Attributes:
        version: that it is to serve; None: it isn't ours.
        answering: the versions whose pods are ready.
        ready, desired: its pods, of whatever version: that answer, that are wanted.
        done: whether the version alone answers.
        trouble: why it doesn't get there, pod by pod.
    """

    version: int | None
    answering: tuple[int, ...]
    ready: int
    desired: int
    done: bool
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True)
class Served:
    """What a project says of its server: the model's name, the target's name and what project.yaml says of it, feedback, latency."""

    model: str
    target: str
    place: Target
    feedback: bool
    latency_ms: float


def follow_with_deployment(cluster: Cluster, ledger: Ledger, served: Served) -> Deployed | None:
    """Serves the version that the ledger says is champion; None where none was promoted yet.

    Where somebody promotes another one meanwhile, that one is served in the end, whoever deploys it.

    Raises:
        Unavailable: the champion isn't served, why, who answers in its place, and how to go back.
        Conflict: others change the Deployment again and again.
    """
    overtaken: Conflict | None = None
    for _ in range(ATTEMPTS):
        promotion = ledger.current(served.model)
        if promotion is None:
            return None
        try:
            deployed = deploy(cluster, _request(ledger, served, promotion.version))
        except Conflict as error:
            overtaken = error
            continue
        except (DataError, ProjectError, Unavailable) as error:
            raise _unserved(cluster, served, promotion.version, error) from error
        newest = ledger.current(served.model)
        if newest is not None and newest.seq == promotion.seq:
            return deployed
    raise overtaken or Conflict(f"model '{served.model}': expected one promotion at a time, found {ATTEMPTS} while it was deployed.")


def deploy(cluster: Cluster, request: DeployRequest, patience_seconds: float = PROGRESS_SECONDS) -> Deployed:
    """Serves a version, and returns once it alone answers. What is so already is left as it is.

    Args:
        cluster: where.
        request: which version, and how.
        patience_seconds: for each pod of the rollout; one that can't get there ends it sooner.

    Raises:
        Conflict: another version was deployed meanwhile.
        ProjectError: an object of the model's name is there, and isn't its server.
        Unavailable: the new pods don't become ready, with their own reason; or the cluster doesn't answer.
    """
    _refuse_others(cluster, request.model)
    cluster.apply(service_of(request))
    cluster.apply(deployment_of(request))
    watched = _Watched(cluster, request)
    while not (rollout := watched.rollout()).done:
        if watched.stood_still(rollout) > patience_seconds:
            raise Unavailable(f"{watched.title}, after {patience_seconds:g} s: {watched.unready(rollout)}")
        watched.require_hope(rollout)
        time.sleep(POLL_SECONDS)
    return Deployed(request.model, request.version, request.image, rollout.spec.replicas)


def standing(cluster: Cluster, model: str) -> Standing | None:
    """How a model's Deployment stands now; None where there is none.

    Raises:
        Unavailable, Forbidden: the cluster doesn't answer, or won't.
    """
    found = cluster.get("Deployment", model)
    if found is None:
        return None
    rollout = Rollout.model_validate(found)
    pods = [] if rollout.done else _newest_pods(cluster, model, rollout)
    reasons = [reason.text for pod in _living(pods) if (reason := explained(cluster, pod)) is not None]
    if rollout.refused:
        reasons.append(rollout.refused)
    if not reasons:
        reasons += _replaced(pods)
    status, answering = rollout.status, _answering(cluster, model)
    return Standing(rollout.version, answering, status.ready_replicas, rollout.spec.replicas, rollout.done, tuple(reasons))


class _Watched:
    """A rollout that is waited for; knows for how long it has stood still, and each pod has been in trouble."""

    def __init__(self, cluster: Cluster, request: DeployRequest) -> None:
        self.title = f"rollout of version {request.version} of {cluster.namespace}/{request.model}"
        self._cluster = cluster
        self._request = request
        self._since: dict[tuple[str, str], float] = {}
        self._most, self._moved = 0, time.monotonic()

    def rollout(self) -> Rollout:
        """The Deployment now.

        Raises:
            Conflict: it was deleted, or serves another version by now.
        """
        found = self._cluster.get("Deployment", self._request.model)
        rollout = Rollout.model_validate(found) if found else None
        if rollout is None or rollout.version != self._request.version:
            there = f"version {rollout.version}" if rollout else "no Deployment"
            raise Conflict(f"{self.title}: expected nobody to change it meanwhile, found {there}. See `journey status`, and decide anew.")
        return rollout

    def stood_still(self, rollout: Rollout) -> float:
        """For how many seconds neither a new pod has come nor one has become ready."""
        if rollout.seen and rollout.progress > self._most:
            self._most, self._moved = rollout.progress, time.monotonic()
        return time.monotonic() - self._moved

    def require_hope(self, rollout: Rollout) -> None:
        """Ends the wait where it can't end well.

        Raises:
            Unavailable: with the pod's own reason.
        """
        if not rollout.refused:             # there was room again: the next refusal has a time of its own
            self._since.pop(_REFUSAL, None)
        for name, reason, text, patience in self._troubles(rollout):
            since = self._since.setdefault((name, reason), time.monotonic())
            if time.monotonic() - since > patience:
                raise Unavailable(f"{self.title}: {text}")

    def unready(self, rollout: Rollout) -> str:
        """Why there are too few ready pods, after all the time that there was."""
        for _, _, text, _ in self._troubles(rollout):
            return text
        pods = _newest_pods(self._cluster, self._request.model, rollout)
        living = map(Pod.read, _living(pods))
        silent = next((pod for pod in living if pod.started and not all(one.ready for one in pod.status.container_statuses)), None)
        if silent is None:
            status = rollout.status
            few = f"expected {rollout.spec.replicas} ready pods, found {status.available_replicas}, {status.updated_replicas} of them new."
            return " ".join([few, *_replaced(pods)])
        silence = f"{silent.title}: expected it to answer /health/status, found that it doesn't."
        try:
            last = " / ".join(self._cluster.log(silent.metadata.name).splitlines()[-LAST_LINES:])
        except JourneyError as error:       # why it was looked for is worth more than the log
            return f"{silence} Its log can't be read: {error}"
        return f"{silence} Its log ends with: {last or 'nothing'}"

    def _troubles(self, rollout: Rollout) -> list[tuple[str, str, str, float]]:
        """Of the new pods: name, reason, text, for how many seconds it may last."""
        if not rollout.seen:
            return []
        found = [(*_REFUSAL, f"expected a new pod, found {rollout.refused}", REFUSED_SECONDS)] if rollout.refused else []
        for pod in _living(_newest_pods(self._cluster, self._request.model, rollout)):
            reason = explained(self._cluster, pod)
            if reason is not None:
                found.append((Pod.read(pod).metadata.name, reason.reason, reason.text, reason.patience_seconds))
        return found


def _unserved(cluster: Cluster, served: Served, version: int, error: JourneyError) -> Unavailable:
    """The ledger says one thing and the pods another: what came of it, and both ways out."""
    try:
        answering = " and ".join(f"version {number}" for number in _answering(cluster, served.model))
        meanwhile = f"Meanwhile {answering} goes on answering." if answering else "Nothing answers."
    except Unavailable:
        meanwhile = "Who answers meanwhile can't be told, either."
    return Unavailable(
        f"version {version} of {served.model} is champion in the ledger, and isn't served: {error} {meanwhile} "
        f"`journey rollback --target {served.target}` goes back; `journey promote {version} --target {served.target}` tries again."
    )


def image_of(ledger: Ledger, model: str, version: int, target: str) -> str:
    """The image that serves a version.

    Raises:
        DataError: there is none.
    """
    image = ledger.image(model, version)
    if image is None:
        raise DataError(
            f"version {version} of {model}: expected an image that serves it, found none in the ledger. `journey run --target {target}` "
            "makes it, unless the model has no ONNX form, which is all that the server's image runs: `journey logs` of containerize-model "
            "says so."
        )
    return image


def _request(ledger: Ledger, served: Served, version: int) -> DeployRequest:
    image = image_of(ledger, served.model, version, served.target)
    return DeployRequest(served.model, version, image, served.target, served.place, served.feedback, served.latency_ms)


def _refuse_others(cluster: Cluster, model: str) -> None:
    """Two owners of one object would undo each other's work."""
    ours = selector_of(model).items()
    for kind, found in (("Deployment", cluster.get("Deployment", model)), ("Service", cluster.get("Service", model))):
        if found is not None and not ours <= Rollout.model_validate(found).metadata.labels.items():
            raise ProjectError(
                f"{kind} {cluster.namespace}/{model}: expected none or the server of model '{model}', found one that isn't. "
                "Give the project another name, or the target another namespace."
            )


def _newest_pods(cluster: Cluster, model: str, rollout: Rollout) -> list[Json]:
    """The pods of the newest ReplicaSet, unless they are on their way out."""
    sets = (Rollout.model_validate(found) for found in cluster.list("ReplicaSet", _selector(model)))
    newest = next((found.pod_hash for found in sets if found.revision == rollout.revision), None)
    pods = cluster.list("Pod", f"{_selector(model)},{POD_HASH}={newest}") if newest else []
    return [pod for pod in pods if Pod.read(pod).metadata.deletion_timestamp is None]


def _living(pods: Sequence[Json]) -> list[Json]:
    """Those that a rollout waits for: what is over, as after an eviction, runs no more, and another takes its place."""
    return [pod for pod in pods if not Pod.read(pod).ended]


def _replaced(pods: Sequence[Json]) -> list[str]:
    """How the newest pod ended that another had to take the place of: long ago, or by now the reason, where nodes evict each one."""
    over = [pod for pod in pods if Pod.read(pod).ended]
    last = max(over, key=lambda pod: Pod.read(pod).metadata.creation_timestamp, default=None)
    why = trouble(last) if last else None
    return [f"The last one that was replaced: {why.text}"] if why else []


def _answering(cluster: Cluster, model: str) -> tuple[int, ...]:
    """The versions whose pods are ready."""
    pods = [Pod.read(pod) for pod in cluster.list("Pod", _selector(model))]
    ready = [pod for pod in pods if any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)]
    return tuple(sorted({int(pod.metadata.labels["journey/version"]) for pod in ready if pod.metadata.deletion_timestamp is None}))


def _selector(model: str) -> str:
    return ",".join(f"{name}={value}" for name, value in selector_of(model).items())
