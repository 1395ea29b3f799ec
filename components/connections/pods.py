"""Pods, and Jobs, as the cluster tells of them, and a pod's own reason for not starting, not running or having ended badly."""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from components.connections.cluster import Cluster, Json

_SIGNALLED = 128            # a container that a signal ended has the exit code 128 + signal
_FROM_OUTSIDE = (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)      # others, like SIGSEGV, are a process's own doing
_PULL_FAILED = "Failed to pull image"
_SETUP_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
_NOISE = "rpc error: code = Unknown desc = "

_PATIENCE_SECONDS = {
    "InvalidImageName": 0,                # no time makes a name right
    "ErrImageNeverPull": 0,
    "ErrImagePull": 60,                   # a registry that has just started: two more tries of the kubelet, after 10 and 20 s
    "ImagePullBackOff": 60,
    "CreateContainerConfigError": 30,     # a Secret or ConfigMap may be on its way: whoever applies them together does so in seconds
    "CreateContainerError": 30,
    "CrashLoopBackOff": 60,               # three restarts: a service that it needs may have started after it
    "Unschedulable": 300,                 # room comes when other pods end, or with a new node, which takes minutes
    "FailedMount": 60,                    # as a Secret; and a volume may still be let go of by another node
}
_OTHER_PATIENCE_SECONDS = 120             # a guess: a reason that we don't know is let be for as long as a kubelet's slowest back-off step
_START_SECONDS = 600                      # for all together: an image of 2 GB at 4 MB/s
_EVENTS_SECONDS = 5                       # between looks at the events of a pod that is said to be starting
_ADVICE = {
    "InvalidImageName": "Mend the image's name.",
    "ErrImageNeverPull": "Load the image onto the node, or allow that it is pulled.",
    "ErrImagePull": "See that the image was pushed, and that nodes reach its registry under this name.",
    "ImagePullBackOff": "See that the image was pushed, and that nodes reach its registry under this name.",
    "CreateContainerConfigError": "Make the Secret or ConfigMap that it names (make cluster-secrets), or mend its security context.",
    "CrashLoopBackOff": "Its log says why: kubectl logs --previous.",
    "Unschedulable": "Ask for less (resources of the target in project.yaml), make the claim that it names, or give the cluster more room.",
    "FailedMount": "Make the Secret, ConfigMap or claim that it names (kubectl apply -k, make cluster-secrets).",
    "DeadlineExceeded": "Give it more time, or less to do.",
}


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class Terminated(_Part):
    """How a container ended."""

    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""

    @property
    def killed_by(self) -> int:
        """The signal that ended it; 0 where none did."""
        return self.signal or (self.exit_code - _SIGNALLED if 0 < self.exit_code - _SIGNALLED <= signal.NSIG else 0)


class Reason(_Part):
    """A word of Kubernetes, and its sentence: of a container that waits, or of a condition."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class ContainerState(_Part):
    """One of three; all None before the kubelet has seen the pod."""

    waiting: Reason | None = None
    running: Json | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Part):
    """A container as the kubelet tells of it."""

    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    restart_count: int = 0
    ready: bool = False


class PodStatus(_Part):
    """A pod as the kubelet and the scheduler tell of it."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: tuple[Reason, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Limits(_Part):
    """What a container may use."""

    limits: dict[str, str] = Field(default_factory=dict)


class Container(_Part):
    """A container as it was asked for."""

    name: str
    image: str = ""
    resources: Limits = Limits()


class PodSpec(_Part):
    """A pod as it was asked for."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()


class Metadata(_Part):
    """What an object is called."""

    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None


class _Object(_Part):
    metadata: Metadata

    @classmethod
    def read(cls, found: Json) -> Self:
        """The object that the API server told of."""
        return cls.model_validate(found)


class Pod(_Object):
    """A pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return f"pod {self.metadata.namespace}/{self.metadata.name}"

    @property
    def started(self) -> bool:
        """Whether its containers run, or ran."""
        return any(container.state.running or container.state.terminated for container in self.status.container_statuses)

    @property
    def terminated(self) -> Terminated | None:
        """How its first container ended."""
        return next((container.state.terminated for container in self.status.container_statuses if container.state.terminated), None)

    @property
    def ended(self) -> bool:
        """Whether it will never run again."""
        return self.status.phase in ("Succeeded", "Failed")


class JobStatus(_Part):
    """A Job as its controller tells of it."""

    succeeded: int = 0
    conditions: tuple[Reason, ...] = ()


class Job(_Object):
    """A Job, which makes pods until one of them ends well."""

    status: JobStatus = JobStatus()

    @property
    def failure(self) -> str:
        """Why Kubernetes gave it up; "" where it didn't."""
        failed = (one for one in self.status.conditions if one.type == "Failed" and one.status == "True")
        return next((f"{one.reason or 'Failed'}: {one.message}" for one in failed), "")

    @property
    def over(self) -> bool:
        """Whether it has come to its end, good or bad."""
        return bool(self.status.succeeded or self.failure)


@dataclass(frozen=True)
class Trouble:
    """Why a pod doesn't run, or how it ended badly.

    Attributes:
        reason: Kubernetes' own word.
        text: what was expected, what was found, where, and what to do.
        patience_seconds: how long it may last before it is taken for good; 0: it won't get better.
        lost: the pod was taken away from outside; another one may well do its work.
    """

    reason: str
    text: str
    patience_seconds: float = 0.0
    lost: bool = False


def trouble(pod: Json, events: Sequence[Json] = ()) -> Trouble | None:
    """The pod's own reason for not starting, not running or having ended badly; None where all is well.

    Args:
        pod: as the API server tells of it.
        events: those of this pod. They alone know why a volume can't be mounted.
    """
    found = Pod.read(pod)
    if found.ended or found.status.reason:
        return _ended(found)
    return _unscheduled(found) or _waiting(found, [_Event.model_validate(event) for event in events])


def explained(cluster: Cluster, pod: Json) -> Trouble | None:
    """As `trouble`, with the pod's events looked up. Costs a request.

    Raises:
        Unavailable, Forbidden: the events can't be read.
    """
    return trouble(pod, cluster.list("Event", fields=f"involvedObject.uid={Pod.read(pod).metadata.uid}"))


class Patience:
    """How long one pod that doesn't start is waited for: each reason as long as it may pass, and not for ever whatever it is."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._began = time.monotonic()
        self._looked = self._began
        self._since: dict[str, float] = {}

    def exhausted(self, pod: Json) -> Trouble | None:
        """The reason to wait no longer; None while there is hope. Ask it as often as you look at the pod.

        Raises:
            Unavailable, Forbidden: the pod's events can't be read.
        """
        now = time.monotonic()
        found = trouble(pod)
        if found is None and now - self._looked > _EVENTS_SECONDS:
            self._looked = now
            found = explained(self._cluster, pod)
        if found and now - self._since.setdefault(found.reason, now) >= found.patience_seconds:
            return explained(self._cluster, pod) or found
        if now - self._began > _START_SECONDS:
            waited = f"pod {self._cluster.namespace}/{Pod.read(pod).metadata.name}: expected it to start within {_START_SECONDS} s, found"
            return found or Trouble("NotStarted", f"{waited} it still starting. See kubectl describe pod.")
        return None


class _Event(_Part):
    reason: str = ""
    message: str = ""
    type: str = ""
    last_timestamp: str | None = None


def _ended(pod: Pod) -> Trouble | None:
    """Of a pod that is over, or that its node or the control plane says something of."""
    bad = [(status.name, ended) for status in pod.status.container_statuses if (ended := status.state.terminated) and ended.exit_code]
    killed = {name for name, ended in bad if ended.reason == "OOMKilled"}
    if killed:
        return _out_of_memory(pod, next(container for container in pod.spec.containers if container.name in killed))
    if pod.status.reason:               # Evicted, NodeLost, Preempting, OutOfcpu, NodeShutdown …: whatever the containers did came of it
        lost = pod.status.reason != "DeadlineExceeded"
        return Trouble(pod.status.reason, _text(pod, "it to end by itself", pod.status.reason, pod.status.message), lost=lost)
    if not bad:
        return None
    ended = bad[0][1]
    if ended.killed_by:
        lost = ended.killed_by in _FROM_OUTSIDE
        return Trouble("Killed", _text(pod, "it to end by itself", f"killed by {_signal(ended.killed_by)}", ended.message), lost=lost)
    reason = ended.reason or "Error"
    return Trouble(reason, _text(pod, "exit code 0", reason, _told(ended)))


def _out_of_memory(pod: Pod, container: Container) -> Trouble:
    limit = container.resources.limits.get("memory")
    expected = f"at most {limit} of memory, which is its limit" if limit else "no more memory than its node has"
    advice = "Raise the limit: resources of the target in project.yaml." if limit else "Give it a limit, or a larger node."
    return Trouble("OOMKilled", f"{pod.title}: expected {expected}, found more: OOMKilled. {advice}")


def _unscheduled(pod: Pod) -> Trouble | None:
    condition = next((item for item in pod.status.conditions if item.type == "PodScheduled" and item.status == "False"), None)
    if condition is None:
        return None
    patience = _PATIENCE_SECONDS["FailedMount" if "not found" in condition.message else "Unschedulable"]
    return Trouble("Unschedulable", _text(pod, "a node that takes it", condition.reason, condition.message), patience)


def _waiting(pod: Pod, events: Sequence[_Event]) -> Trouble | None:
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    container = next((status for status in statuses if status.state.waiting), None)
    waiting = container.state.waiting if container else None
    if container is None or waiting is None or waiting.reason == "PodInitializing":
        return None
    reason, message = waiting.reason, waiting.message
    if reason == "CrashLoopBackOff" and container.last_state.terminated:
        message = f"{container.restart_count} restarts, the last ended with {_told(container.last_state.terminated)}"
    elif reason == "ContainerCreating":
        event = max(events, key=lambda event: event.last_timestamp or "", default=None)
        if event is None or event.reason not in _SETUP_EVENTS:      # none, or it has passed, and something newer goes on
            return None
        reason, message = "FailedMount", event.message
    elif reason == "ImagePullBackOff":                              # the event has the error, this only its image
        message = next((event.message for event in reversed(events) if event.message.startswith(_PULL_FAILED)), message)
    return Trouble(reason, _text(pod, "it to start", reason, message), _PATIENCE_SECONDS.get(reason, _OTHER_PATIENCE_SECONDS))


def _text(pod: Pod, expected: str, reason: str, message: str) -> str:
    found = f"{reason}: {message.replace(_NOISE, '').strip()}" if message else reason
    advice = _ADVICE.get(reason, "")
    return f"{pod.title}: expected {expected}, found {found.rstrip('.')}.{' ' if advice else ''}{advice}"


def _told(ended: Terminated) -> str:
    """How it ended, and the last line of what the runtime, or by FallbackToLogsOnError the log, says of it."""
    *_, last = ["", *filter(None, map(str.strip, ended.message.splitlines()))]
    return f"exit code {ended.exit_code}{': ' if last else ''}{last}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
