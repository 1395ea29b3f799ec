"""A Job's log from its first line to its end: through pods that are replaced and connections that break, with bounded waits for a start."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from components.connections.cluster import Absent, Cluster, Forbidden, Json
from components.connections.pods import Job, Pod, Trouble, explained, trouble
from journey.errors import ProjectError, Unavailable

_Answer = TypeVar("_Answer")

PAUSE_SECONDS = 0.5
_START_SECONDS = 600.0      # until a pod runs: a node may have to pull an image of 2 GB
_NO_POD_SECONDS = 60.0      # until there is a pod: Kubernetes tries again after 10, 20 and 40 s where a quota had no room
_AGAIN_SECONDS = 240.0      # until a lost pod is replaced: Kubernetes waits 10, 20 and 40 s, and a minute for a node that is silent
_UNTOLD_SECONDS = 3.0       # a wait as long as every start of a pod is no news
_END_SECONDS = 60.0         # from the log's end until the kubelet has said how the container ended
_ROUNDS = 24                # of a minute or more each: for so long a connection may break again and again before the log counts as lost
_AWAY_SECONDS = 1800.0      # a laptop that is carried from one network to the next; meanwhile the Job goes on
_AWAY_PAUSE_SECONDS = 5.0   # beside the minute and a half for which the connection itself asks again
_SIGNALLED = 128            # exit codes from here on mean that the process was killed


class NeverStarted(Unavailable):
    """No pod of the Job came to run."""


class Lost(Unavailable):
    """The Job ended before its command did: somebody deleted it, or its pods were lost too often."""


@dataclass
class Follower:
    """Follows one Job.

    Attributes:
        cluster: where it is.
        job: its name.
        again: whether Kubernetes starts another pod in place of one that was lost.
        said: is told, a line each, what people wait for.
        exit_code: of the process that ended by itself; None before.
    """

    cluster: Cluster
    job: str
    again: bool
    said: Callable[[str], None]
    exit_code: int | None = field(default=None, init=False)
    _lost: str = field(default="", init=False)
    _known: set[str] = field(default_factory=set, init=False)

    def lines(self) -> Iterator[str]:
        """What the Job's process writes, line by line; where its pod is replaced, what the next one writes, from its beginning.

        Raises:
            NeverStarted: no pod came to run in time, with the pod's own reason.
            Lost: the Job was deleted, or gave up.
            Unavailable: the cluster doesn't answer.
        """
        while self.exit_code is None:
            pod = self._next()
            self._known.add(pod)
            yield from self._written(pod)
            self._conclude(pod)

    def _next(self) -> str:
        """The pod to follow, once its container has started."""
        wait = _Wait(self.said)
        while True:
            pod = self._newest()
            if pod is None:
                found = self._no_pod()
            elif Pod.read(pod).started or Pod.read(pod).ended:
                return self._taken_up(Pod.read(pod).metadata.name)
            else:
                found = self._asked(partial(explained, self.cluster, pod)) or Trouble("", f"{Pod.read(pod).title} starts", _START_SECONDS)
            if wait.is_over(found):
                raise NeverStarted(f"Job {self._title}: {found.text}")
            time.sleep(PAUSE_SECONDS)

    def _newest(self) -> Json | None:
        pods = self._asked(lambda: self.cluster.list("Pod", f"job-name={self.job}"))
        new = [pod for pod in pods if Pod.read(pod).metadata.name not in self._known]
        return max(new, key=lambda pod: Pod.read(pod).metadata.creation_timestamp, default=None)

    def _taken_up(self, pod: str) -> str:
        if self._lost:
            self.said(f"pod {pod} goes on in its place")
        return pod

    def _no_pod(self) -> Trouble:
        """What stands between the Job and its next pod.

        Raises:
            Lost: there will be none.
        """
        found = self._asked(lambda: self.cluster.get("Job", self.job))
        job = Job.read(found) if found else None
        if job is None or job.metadata.deletion_timestamp:
            raise Lost(f"Job {self._title}: expected it to be there until its end, found it deleted. {self._lost}".strip())
        if job.failure:
            raise Lost(f"Job {self._title}: expected it to end by itself, found {job.failure}. {self._lost}".strip())
        if job.over:
            raise Lost(f"Job {self._title}: expected its pod's log to the end, found both gone: it has ended. `journey status` tells how.")
        if refused := self._refused():
            return Trouble("FailedCreate", f"expected a pod to be made, found {refused}", _NO_POD_SECONDS)
        if self._lost:
            return Trouble("", "another pod takes its place", _AGAIN_SECONDS)
        return Trouble("", "a pod is made", _NO_POD_SECONDS)

    def _refused(self) -> str:
        """Why Kubernetes can't make the Job's pod, such as a quota: its events alone tell."""
        try:
            events = self._asked(lambda: self.cluster.list("Event", fields=f"involvedObject.name={self.job},reason=FailedCreate"))
        except Forbidden:
            return ""
        return str(events[-1].get("message", "")) if events else ""

    def _written(self, pod: str) -> Iterator[str]:
        """The lines of one pod, each once."""
        told = 0
        for rest in range(_ROUNDS, 0, -1):
            try:
                for number, line in enumerate(self.cluster.log_lines(pod), 1):
                    if number > told:
                        told = number
                        yield line
                return
            except Forbidden:
                raise
            except (Absent, ProjectError):      # the pod is gone, or its container: the log with it. How it ended is looked at next
                return
            except Unavailable as error:
                if self._newest() is not None:      # its node is silent, and another pod goes on in its place
                    return
                if rest == 1:
                    raise Unavailable(f"{error} {self._on_its_own}") from error
                self.said(f"the log of pod {pod} is silent; it is followed on")

    def _conclude(self, pod: str) -> None:
        """Takes over how a pod ended; a lost one is told of, and followed by the next.

        Raises:
            Lost: another pod would do no better.
            Unavailable: it hasn't ended.
        """
        found = self._at_rest(pod)
        code = _exit_code(found) if found else None
        if found is not None and code is None and not (Pod.read(found).ended or self._is_replaced(found)):
            raise Unavailable(f"pod {pod}: expected its log to the end, found it cut off while the pod runs. {self._on_its_own}")
        killed = code is None or code >= _SIGNALLED
        if code is not None and not (killed or (self.again and code)):
            self.exit_code = code
            return
        why = trouble(found) if found else None
        self._lost = why.text if why else f"pod {pod}: expected it to end by itself, found it deleted"
        if not self.again or (why is not None and why.reason == "OOMKilled"):
            raise Lost(f"Job {self._title}: {self._lost}")
        self.said(self._lost)

    def _is_replaced(self, pod: Json) -> bool:
        return Pod.read(pod).metadata.deletion_timestamp is not None or self._newest() is not None

    def _at_rest(self, pod: str) -> Json | None:
        """The pod once it has ended, its container or, where its node never started one, itself; None where it is gone."""
        ends = time.monotonic() + _END_SECONDS
        while (found := self._asked(lambda: self.cluster.get("Pod", pod))) is not None:
            ended = _exit_code(found) is not None or Pod.read(found).ended
            if ended or time.monotonic() > ends:
                break
            time.sleep(PAUSE_SECONDS)
        return found

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        """What the cluster answers; one that is out of reach is asked again for a while.

        Raises:
            Absent, Forbidden: at once.
            Unavailable: it stays out of reach.
        """
        ends, told = time.monotonic() + _AWAY_SECONDS, False
        while True:
            try:
                return ask()
            except (Absent, Forbidden):
                raise
            except Unavailable as error:
                if time.monotonic() > ends:
                    raise Unavailable(f"{error} {self._on_its_own}") from error
                if not told:
                    self.said(f"the cluster is out of reach, and is asked again. {self._on_its_own}")
                told = True
            time.sleep(_AWAY_PAUSE_SECONDS)

    @property
    def _title(self) -> str:
        return f"{self.cluster.namespace}/{self.job}"

    @property
    def _on_its_own(self) -> str:
        return f"Job {self._title} goes on by itself: see `journey status`."


class _Wait:
    """One wait: says what for, a line each, and knows when it has lasted too long."""

    def __init__(self, said: Callable[[str], None]) -> None:
        self._said = said
        self._reason: str | None = None
        self._told = True
        self._began = self._since = self._changed = time.monotonic()        # of the wait, of the trouble in it, and of its reason

    def is_over(self, found: Trouble) -> bool:
        """Whether this has stood in the way for longer than it may. Troubles that take turns, as pulls do, are one."""
        now = time.monotonic()
        if not found.reason:
            self._since = now
        reason = found.reason or found.text
        if reason != self._reason:
            self._reason, self._changed, self._told = reason, now, False
        if not self._told and now - self._changed >= _UNTOLD_SECONDS:
            self._told = True
            self._said(f"waiting: {found.text}")
        return now - (self._since if found.reason else self._began) > found.patience_seconds or now - self._began > _START_SECONDS


def _exit_code(pod: Json) -> int | None:
    """How the pod's process ended; None while it hasn't, or where nobody knows."""
    ended = Pod.read(pod).terminated
    return ended.exit_code if ended else None
