"""A run inside the cluster: its steps are pods of their own, and its project is published for the processes that stand beside it."""

import os
from dataclasses import dataclass

from components.pod import IMAGE
from journey.errors import ProjectError
from pipelines.asked import Asked
from pipelines.engines.runner import Runner
from pipelines.published import publish, published


@dataclass(frozen=True)
class Inside:
    """What a run in a pod has beside a run on a laptop.

    Attributes:
        image: that the steps run in.
        runner: makes a pod of each step.
    """

    image: str
    runner: Runner


def inside(asked: Asked) -> Inside | None:
    """Publishes the project of a whole run and gives what its steps run as; None where the target's steps are processes.

    Raises:
        ProjectError: this pod wasn't told which image it runs.
        DataError: a newer Journey published a project here.
        Unavailable: the home can't be written to, or the cluster isn't to be reached.
    """
    if asked.place.engine != "job":
        return None
    from components.connections.cluster import Cluster  # with what follows half a second that a run on a laptop needn't pay
    from pipelines.engines.job.manifest import Placing, owner_of
    from pipelines.engines.job.pods import Pods

    image = os.environ.get(IMAGE)
    if not image:
        raise ProjectError(f"{IMAGE}: expected the image of the project in this pod's environment, found none. `journey run` names it.")
    if _is_for_all(asked):
        publish(asked.home, asked.directory, image, asked.target)
    cluster = Cluster.connect(asked.place.namespace or asked.project.name)
    return Inside(image, Pods(cluster, Placing(asked.run, asked.project.name, asked.target, owner_of(os.environ))))


def _is_for_all(asked: Asked) -> bool:
    """Whether refresh and trigger are to take this run's project from now on.

    Who runs a few steps tries something out; and a retraining has the project that was published when it was asked for, which may have
    waited here while somebody ran a newer one.
    """
    whole = asked.options.until is None and not asked.options.parameters.get("onset")
    return whole or published(asked.home) is None
