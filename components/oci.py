"""What an image is, as the OCI image specification and Docker's schema 2 write it: manifests, configurations, descriptors of blobs.

https://github.com/opencontainers/image-spec: both formats have the same fields and differ in media types alone. What isn't named here is
kept as it was read.
"""

import hashlib
import json
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_INDEX)

TAR_LAYER = {OCI_MANIFEST: "application/vnd.oci.image.layer.v1.tar", DOCKER_MANIFEST: "application/vnd.docker.image.rootfs.diff.tar"}
"""The media type of a layer that is an uncompressed tar, by its manifest's."""


class Document(BaseModel):
    """A part of an image's JSON: unknown keys are kept, values never change."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    def content(self) -> bytes:
        """The same bytes for the same values: sorted keys, no white space."""
        return json.dumps(self.model_dump(by_alias=True, exclude_unset=True), sort_keys=True, separators=(",", ":")).encode()


class Platform(Document):
    """What a manifest of an index is for."""

    os: str
    architecture: str


class Descriptor(Document):
    """A blob or a manifest by its content: digest (`sha256:` and hex) and size in bytes."""

    media_type: str = Field(alias="mediaType")
    digest: str
    size: int
    platform: Platform | None = None

    @classmethod
    def of(cls, media_type: str, content: bytes) -> "Descriptor":
        """The descriptor of these bytes."""
        return cls(media_type=media_type, digest=digest_of(content), size=len(content))


class Index(Document):
    """One image for several platforms."""

    manifests: tuple[Descriptor, ...]


class Manifest(Document):
    """An image: its configuration and its layers, the lowest first."""

    schema_version: int = Field(2, alias="schemaVersion")
    media_type: str = Field(alias="mediaType")
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True)
class Image:
    """A manifest as a registry has it; `digest` is over its bytes there, `sha256:` and hex."""

    manifest: Manifest
    digest: str


class Execution(Document):
    """How a container of the image is started."""

    labels: dict[str, str] | None = Field(None, alias="Labels")
    command: list[str] | None = Field(None, alias="Cmd")


class RootFilesystem(Document):
    """The digests of the uncompressed layers, the lowest first."""

    type: str
    diff_ids: tuple[str, ...]


class Change(Document):
    """A line of what `docker history` shows."""

    created: str | None = None
    created_by: str | None = None


class Configuration(Document):
    """An image's configuration; `created` is an RFC 3339 time."""

    os: str
    architecture: str
    created: str | None = None
    config: Execution = Execution()
    rootfs: RootFilesystem
    history: tuple[Change, ...] = ()


def digest_of(content: bytes) -> str:
    """`sha256:` and the hex digest of the bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
