"""Containerize: files as one more layer of an image that a registry has, without a Docker engine; the same digest each time.

The digest is made of the base image, the files, the labels and the command, and of nothing else: no time, no host, no user. A new base
gives a new digest, as it must: what runs is another thing then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from components.oci import TAR_LAYER, Change, Configuration, Descriptor, Image, Manifest, digest_of
from components.release.layer import layer_of
from journey.errors import Unavailable, Untrusted

BASE_DIGEST = "org.opencontainers.image.base.digest"


class Registry(Protocol):
    """What is asked of a registry of images; components.connections.image_registry speaks to a real one."""

    name: str

    def image(self, repository: str, reference: str) -> Image | None:
        """The image of a tag or digest; None where there is none."""
        ...

    def blob(self, repository: str, descriptor: Descriptor) -> bytes:
        """A blob, checked against its digest."""
        ...

    def has_blob(self, repository: str, descriptor: Descriptor) -> bool:
        """Whether the repository has the blob."""
        ...

    def has_image(self, repository: str, reference: str, digest: str) -> bool:
        """Whether the tag or digest names the image with this digest."""
        ...

    def take(self, repository: str, descriptor: Descriptor, source: str) -> None:
        """Makes a blob of the repository `source` one of `repository`."""
        ...

    def put_blob(self, repository: str, descriptor: Descriptor, content: bytes) -> None:
        """Uploads a blob."""
        ...

    def put_image(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Uploads a manifest under a tag or digest."""
        ...


@dataclass(frozen=True)
class Named:
    """An image by name: `repository:tag`, in a registry said elsewhere."""

    repository: str
    tag: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True)
class Addition:
    """What an image has more than its base.

    Attributes:
        folder: where in the image the files lie, absolute.
        files: content by path within the folder.
        labels: besides the base's.
        command: what the entrypoint gets; None: the base's.
    """

    folder: str
    files: Mapping[str, bytes]
    labels: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Extended:
    """An image that stands on a base's layers, with the two blobs that the base hasn't got."""

    manifest: Manifest
    blobs: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The image's: what a reference by digest names."""
        return digest_of(self.manifest.content())


def containerize(registry: Registry, base: Named, target: Named, addition: Addition) -> str:
    """Makes the image `target` out of `base` and an addition; what the registry has already isn't sent again.

    Args:
        registry: has the base, and gets the image.
        base: what it stands on.
        target: its name; the tag is moved to it.
        addition: what it has more.

    Returns:
        the image's digest, `sha256:` and hex.

    Raises:
        Unavailable: the base isn't there, or the registry doesn't answer, refuses or is full.
        Untrusted: the registry gave something that its digest doesn't fit.
    """
    found = registry.image(base.repository, base.tag)
    if found is None:
        raise Unavailable(
            f"registry {registry.name}: expected the base image {base}, found no image of that name. "
            "Push it with `make images push-images REGISTRY=…`."
        )
    configuration = Configuration.model_validate_json(registry.blob(base.repository, found.manifest.config))
    extended = extend(found, configuration, addition)
    for descriptor in (extended.manifest.config, *extended.manifest.layers):
        if registry.has_blob(target.repository, descriptor):
            continue
        if descriptor.digest in extended.blobs:
            registry.put_blob(target.repository, descriptor, extended.blobs[descriptor.digest])
        else:
            registry.take(target.repository, descriptor, base.repository)
    if not registry.has_image(target.repository, target.tag, extended.digest):
        registry.put_image(target.repository, target.tag, extended.manifest)
    if not registry.has_image(target.repository, extended.digest, extended.digest):
        found_there = "found something else under that name. Try again."
        raise Untrusted(f"registry {registry.name}: expected {target} to be {extended.digest} after the push, {found_there}")
    return extended.digest


def extend(base: Image, configuration: Configuration, addition: Addition) -> Extended:
    """The base's manifest and configuration with one layer more; pure.

    Args:
        base: a manifest, in OCI's or Docker's form; the image is of the same form.
        configuration: the base's.
        addition: what the image has more.
    """
    layer = layer_of(addition.folder, addition.files)
    described = Descriptor.of(TAR_LAYER[base.manifest.media_type], layer)
    execution = configuration.config
    labels = {**(execution.labels or {}), BASE_DIGEST: base.digest, **addition.labels}
    command = list(addition.command) if addition.command is not None else execution.command
    rootfs = configuration.rootfs
    content = configuration.model_copy(
        update={
            "config": execution.model_copy(update={"labels": labels, "command": command}),
            "rootfs": rootfs.model_copy(update={"diff_ids": (*rootfs.diff_ids, described.digest)}),
            # the base's time: a time of its own would change the digest
            "history": (*configuration.history, Change(created=configuration.created, created_by=f"COPY {addition.folder}")),
        }
    ).content()
    config = Descriptor.of(base.manifest.config.media_type, content)
    manifest = base.manifest.model_copy(update={"config": config, "layers": (*base.manifest.layers, described)})
    return Extended(manifest, {config.digest: content, described.digest: layer})
