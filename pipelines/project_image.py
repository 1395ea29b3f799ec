"""The image that a project's steps run in: the platform's steps and the project's files, made through the registry."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from components.connections.cluster import Cluster
from components.connections.image_registry import ImageRegistry
from components.image import STEP_IMAGE, VERSION
from components.oci import digest_of
from components.pod import INSIDE
from components.release.additions import project_addition
from components.release.containerize import Named, containerize
from components.release.layer import layer_of
from journey.errors import ProjectError
from journey.places import resolved
from journey.targets import Target

_SERVICE = re.compile(r"^(?P<service>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(\.cluster\.local)?:(?P<port>[0-9]+)$")


def project_image(directory: Path, name: str, target: Target, cluster: Cluster) -> str:
    """Makes the image of a project's steps, where the registry hasn't got it.

    Args:
        directory: the project's folder.
        name: the project's.
        target: where the registry is.
        cluster: the way to a registry that is a service of it.

    Returns:
        the reference for nodes, by digest: the same for the same files on the same base.

    Raises:
        ProjectError: the target names no registry, or a variable that isn't set, or the folder holds too much.
        Unavailable: the registry doesn't answer, refuses or is full, or hasn't got the platform's image.
    """
    if target.images is None:
        raise ProjectError("targets: expected images:, the image registry that nodes pull from, found none. Name it in project.yaml.")
    addition = project_addition(name, directory)
    content = digest_of(layer_of(addition.folder, addition.files)).removeprefix("sha256:")
    repository = f"{name}-steps"
    nodes = resolved(target.images, os.environ)
    with registry_of(resolved(target.push or nodes, os.environ), cluster, os.environ) as registry:
        # the tag says version and content: a registry that cleans up what has no tag keeps what an older run still names
        digest = containerize(registry, Named(STEP_IMAGE, VERSION), Named(repository, f"{VERSION}-{content[:12]}"), addition)
    return f"{nodes}/{repository}@{digest}"


def registry_of(address: str, cluster: Cluster, environment: Mapping[str, str]) -> ImageRegistry:
    """The registry at an address; a service of the cluster is reached through the API server from outside of it.

    Args:
        address: `host:port`; `SERVICE.NAMESPACE.svc:PORT` is a service.
        cluster: with the account that may use the service's proxy.
        environment: of this process: tells whether it runs inside, and where logins are.
    """
    service = _SERVICE.match(address)
    if service is None or environment.get(INSIDE) or service["namespace"] != cluster.namespace:
        return ImageRegistry.at(address, environment)
    url, client = cluster.proxy(service["service"], int(service["port"]))
    return ImageRegistry(f"{address} through {cluster.server.url}", url, client)
