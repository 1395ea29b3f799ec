"""A command carried into the cluster: its Job is made, followed, and taken away where nobody waits for it any more."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from components.connections.cluster import Cluster
from components.connections.pods import Job, Pod
from components.pod import EXECUTOR, OPERATOR
from journey.errors import Conflict, JourneyError
from pipelines.remote.follow import PAUSE_SECONDS, Follower, Lost, NeverStarted
from pipelines.remote.jobs import KEPT_SECONDS, Command, job_of

_JOB = "job-name"               # the label that Kubernetes puts on a Job's pods
_GONE_SECONDS = 60.0            # until a deleted Job is gone: its pod has half of that to end in


@contextmanager
def under_way(cluster: Cluster, command: Command, said: Callable[[str], None]) -> Iterator[Follower]:
    """A command's Job, which is there and can be followed; one of the same name that still runs is taken up.

    A Job that nobody waits for any more (Ctrl-C) or that doesn't start is taken away; where the cluster is merely out of reach, it goes on.

    Args:
        cluster: where to.
        command: what.
        said: is told, a line each, what people wait for.

    Raises:
        Unavailable: the cluster doesn't answer, or doesn't let us.
    """
    try:
        _create(cluster, command, said)
        yield Follower(cluster, command.name, command.component == EXECUTOR, said)
    except (KeyboardInterrupt, NeverStarted, Lost):
        title = f"Job {cluster.namespace}/{command.name}"
        said(f"{title} is taken away")
        try:
            take_away(cluster, command.name)
        except JourneyError as error:
            said(f"{title} may be there still: {error} End it with kubectl -n {cluster.namespace} delete job {command.name}")
        raise


def take_away(cluster: Cluster, job: str) -> None:
    """Deletes a Job with its pods, and waits until they have ended: the home's lock is free then. Pods of steps follow within seconds."""
    cluster.delete("Job", job, propagation="Foreground")
    ends = time.monotonic() + _GONE_SECONDS
    while cluster.get("Job", job) is not None and time.monotonic() < ends:
        time.sleep(PAUSE_SECONDS)


def going_on(cluster: Cluster, model: str) -> list[str]:
    """The Jobs of a project's runs that are under way."""
    selector = f"app.kubernetes.io/component={EXECUTOR},journey/model={model}"
    unfinished = {job.metadata.name for job in map(Job.read, cluster.list("Job", selector)) if not job.over}
    if not unfinished:
        return []
    # whose pod has ended well has told what became of its run; Kubernetes notes it at the Job a moment later
    pods = map(Pod.read, cluster.list("Pod", selector))
    return sorted(unfinished - {pod.metadata.labels.get(_JOB, "") for pod in pods if pod.status.phase == "Succeeded"})


def sweep(cluster: Cluster) -> None:
    """Takes away what has ended a day ago: clusters before Kubernetes 1.21 don't do it by themselves."""
    selector = f"app.kubernetes.io/part-of=journey,app.kubernetes.io/component in ({EXECUTOR},{OPERATOR})"
    before = datetime.now(UTC) - timedelta(seconds=KEPT_SECONDS)
    for job in map(Job.read, cluster.list("Job", selector)):
        if job.over and datetime.fromisoformat(job.metadata.creation_timestamp) < before:
            cluster.delete("Job", job.metadata.name)


def _create(cluster: Cluster, command: Command, said: Callable[[str], None]) -> None:
    manifest = job_of(command)
    try:
        cluster.create(manifest)
    except Conflict:
        known = cluster.get("Job", command.name)
        if known is not None and not Job.read(known).over:
            said(f"Job {cluster.namespace}/{command.name} is under way already: it is followed")
            return
        take_away(cluster, command.name)
        cluster.create(manifest)
