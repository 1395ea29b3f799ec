"""The Deployment that follows the ledger, where the target serves with one: after a promotion, and for who asks how things stand."""

from typing import TYPE_CHECKING

from app.cli.opened import Opened
from components.pod import INSIDE

if TYPE_CHECKING:
    from components.connections.cluster import Cluster
    from components.operations.deployment import Deployed, Standing


def require_image(records: Opened, version: int) -> None:
    """Before a promotion or a rollback: a Deployment could serve the version.

    Raises:
        DataError: it has no image.
    """
    if _has_deployment(records):
        from components.operations.deployment import image_of

        image_of(records.ledger, records.model, version, records.target)


def deployed_now(records: Opened) -> "Deployed | None":
    """Serves the champion and waits until it answers; None where the target has no Deployment, or no version was promoted.

    Raises:
        Unavailable: the champion isn't served: why, who answers in its place, and how to go back.
    """
    if not _has_deployment(records):
        return None
    from components.operations.deployment import Served, follow_with_deployment

    watched = records.project.monitoring
    served = Served(records.model, records.target, records.places.target, watched.feedback, watched.latency_ms)
    return follow_with_deployment(_cluster(records), records.ledger, served)


def server_standing(records: Opened) -> "Standing | None":
    """How the server's Deployment stands; None where the target has none, or no version was deployed yet.

    Raises:
        Unavailable: the cluster doesn't answer.
    """
    if not _has_deployment(records):
        return None
    from components.operations.deployment import standing

    return standing(_cluster(records), records.model)


def deployed_line(deployed: "Deployed") -> str:
    """What is said of a rollout that is done."""
    pods = "1 pod" if deployed.replicas == 1 else f"{deployed.replicas} pods"
    return f"{deployed.model} version {deployed.version} answers: {pods} of {deployed.image}"


def _has_deployment(records: Opened) -> bool:
    """Outside, a command on such a target is carried to where it has one: only there may it act on the cluster."""
    return records.places.target.serving == "deployment" and INSIDE in records.places.environment


def _cluster(records: Opened) -> "Cluster":
    from components.connections.cluster import Cluster

    namespace = records.places.target.namespace
    assert namespace is not None, "engine: job has a namespace, and serving: deployment has that engine"
    return Cluster.connect(namespace)
