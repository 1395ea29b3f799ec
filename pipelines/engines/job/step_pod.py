"""One attempt at a step in a pod, from the pod's making to its end; every wait in it is bounded."""

import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from components.connections.cluster import Cluster, Json, QuotaExceeded
from components.connections.pods import Patience, Pod, Trouble, trouble
from journey.errors import Conflict, JourneyError, Unavailable
from pipelines.engines.job.log_copy import LogCopy
from pipelines.engines.job.manifest import Placing, pod_of
from pipelines.engines.job.tracebacks import raised
from pipelines.engines.runner import Job, Report, Told

LOOK_SECONDS = 0.3              # between looks at a pod: short beside the 2 s that one takes to start
_QUOTA_SECONDS = 300.0          # room comes when other pods end: as long as for a pod that no node has room for
_QUOTA_PAUSE_SECONDS = 3.0
_DELETED = "expected it to end by itself, found it deleted."
_LATE_SECONDS = 2.0             # until a log is whole, beside which an exception is worth waiting for
_LATE_LOOKS = 5                 # by it a gate that said no is told from a step that failed, and is not tried again
_NO_MEMORY = re.compile(r"MemoryError|OutOfMemory|Out of Memory")       # Python's and NumPy's class, DuckDB's class and words
_GOING_SECONDS = 60.0           # a pod that was told to go is gone by then, or its node is


class Stopped(Exception):
    """The run ended before the pod did."""


@dataclass(frozen=True)
class _End:
    """How a pod ended: `pod` is None where it is gone."""

    pod: Pod | None
    trouble: Trouble | None


class StepPod:
    """One attempt's pod."""

    def __init__(self, cluster: Cluster, placing: Placing, job: Job, stop: threading.Event) -> None:
        """Prepares; nothing is made.

        Args:
            cluster: where the pod runs.
            placing: whose it is.
            job: what it does.
            stop: set when the run has ended.
        """
        self._cluster = cluster
        self._placing = placing
        self._job = job
        self._stop = stop

    def run(self) -> Report:
        """Runs the pod to its end, keeps its log, and takes it away.

        Raises:
            Stopped: the run has ended.
            ProjectError, Forbidden, QuotaExceeded, Unavailable: the pod can't be made, or the cluster doesn't answer.
        """
        began = time.monotonic()
        name = self._made(pod_of(self._job, self._placing))
        try:
            log = LogCopy(self._cluster, name, self._job.log)
            end = self._ended(name, log)
            return self._report(end, log, time.monotonic() - began)
        finally:
            with suppress(JourneyError):        # how the step ended is known; `let_go` takes away what is left
                self._cluster.delete("Pod", name)

    def _made(self, manifest: Json) -> str:
        """Makes the pod; where the quota has no room, as soon as it has."""
        ends = time.monotonic() + _QUOTA_SECONDS
        while True:
            try:
                return self._cluster.create(manifest)
            except Conflict:                    # its name is its own: it was made by a try whose answer was lost
                metadata = manifest["metadata"]
                assert isinstance(metadata, dict)
                return str(metadata["name"])
            except QuotaExceeded:
                if time.monotonic() > ends:
                    raise
            if self._stop.wait(_QUOTA_PAUSE_SECONDS):
                raise Stopped

    def _ended(self, name: str, log: LogCopy) -> _End:
        patience = Patience(self._cluster)
        going_since: float | None = None
        while not self._stop.wait(LOOK_SECONDS):
            found = self._cluster.get("Pod", name)
            if found is None:
                return _End(None, Trouble("Deleted", f"pod {self._cluster.namespace}/{name}: {_DELETED}", lost=True))
            pod = Pod.read(found)
            if pod.started:
                log.follow()
            if pod.ended or _over(pod):
                return _End(pod, trouble(found))
            if pod.metadata.deletion_timestamp:
                going_since = going_since or time.monotonic()
                if time.monotonic() - going_since > _GOING_SECONDS:
                    self._cluster.delete("Pod", name, grace_seconds=0)
            elif not pod.started and (given_up := patience.exhausted(found)):
                return _End(pod, given_up)
        raise Stopped

    def _report(self, end: _End, log: LogCopy, seconds: float) -> Report:
        said = log.whole()
        ended = end.pod.terminated if end.pod else None
        if end.trouble is None and end.pod and end.pod.status.phase == "Succeeded":
            return Report(0, seconds)
        status = ended.exit_code if ended and ended.exit_code else 1
        why = end.trouble
        if why and why.reason == "OOMKilled":
            return Report(status, seconds, why=self._out_of_memory(why))
        if end.pod and end.pod.metadata.deletion_timestamp:         # whatever its process made of being told to go
            return Report(status, seconds, why=f"{end.pod.title}: {_DELETED}", lost=True)
        if why and (why.lost or not ended or ended.killed_by):
            return Report(status, seconds, why=why.text, lost=why.lost)
        exception = (raised(said) or self._told_late(log)) if not ended or ended.exit_code == 1 else None
        if exception:
            self._advised(exception).write(self._job.error)
        return Report(status, seconds, why=why.text if why and why.reason != "Error" else "")

    def _told_late(self, log: LogCopy) -> Told | None:
        """A busy node says that a container has ended before it has all that the container wrote."""
        for _ in range(_LATE_LOOKS):
            if self._stop.wait(_LATE_SECONDS):
                break
            if exception := raised(log.whole()):
                return exception
        return None

    def _advised(self, exception: Told) -> Told:
        """A library that heeds the limit itself ends the step before the kernel does."""
        if not self._limit or not _NO_MEMORY.search(f"{exception.kind} {exception.message}"):
            return exception
        return replace(exception, message=f"{exception.message.rstrip('.')}. The step's limit is {self._limit}. {self._raise_it}")

    def _out_of_memory(self, why: Trouble) -> str:
        if not self._limit:
            return why.text
        return f"expected at most {self._limit} of memory, which is its limit, found more: OOMKilled. {self._raise_it}"

    @property
    def _limit(self) -> str | None:
        return self._job.program.container.resources.limits.get("memory")

    @property
    def _raise_it(self) -> str:
        return f"Raise targets.{self._placing.target}.resources.{self._job.task}.memory in project.yaml."


def swept(cluster: Cluster, placing: Placing) -> None:
    """Takes away the pods of a run's steps that an executor which was killed left, and waits until none of them does anything.

    Raises:
        JourneyError: the cluster doesn't answer, or refuses; a pod stays, whatever it is told.
    """
    began = time.monotonic()
    while left := [pod for pod in map(Pod.read, cluster.list("Pod", placing.selector)) if not _over(pod)]:
        if time.monotonic() - began > 2 * _GOING_SECONDS:
            what = f"{left[0].title}: expected it to go before run '{placing.run}' goes on, found it there still"
            raise Unavailable(f"{what}. See kubectl describe pod; a finalizer may hold it.")
        grace = None if time.monotonic() - began < _GOING_SECONDS else 0
        for pod in left:
            cluster.delete("Pod", pod.metadata.name, grace)
        time.sleep(LOOK_SECONDS)


def let_go(cluster: Cluster, placing: Placing) -> None:
    """Takes away the pods of a run's steps at its end, without waiting. Where the cluster doesn't answer they go with their owner."""
    try:
        for pod in cluster.list("Pod", placing.selector):
            cluster.delete("Pod", Pod.read(pod).metadata.name)
    except JourneyError:
        return


def _over(pod: Pod) -> bool:
    """Whether a pod that was told to go does nothing any more: until a node has put it away altogether, a minute may pass."""
    return pod.metadata.deletion_timestamp is not None and (pod.terminated is not None or not pod.started)
