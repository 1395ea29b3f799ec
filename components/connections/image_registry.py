"""A registry of images, spoken to through its HTTP API: no Docker engine, no privileges.

https://github.com/opencontainers/distribution-spec. What is downloaded is checked against its digest here, what is uploaded there.
"""

import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar

import httpx

from components.connections.registry_answers import NOT_A_REGISTRY, Answers
from components.connections.registry_login import RegistryAuth, login_of
from components.oci import INDEXES, MANIFESTS, Descriptor, Document, Image, Index, Manifest, digest_of
from journey.errors import Unavailable, Untrusted

SECONDS = httpx.Timeout(60.0, connect=10.0)      # a registry that writes 100 MB to a slow disk may be silent for long, but not for a minute
_PLAIN = re.compile(r"^(localhost|127\.[0-9.]+|\[::1\]|[^/]+\.svc(\.cluster\.local)?)(:[0-9]+)?$")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ACCEPTED = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
_Kind = TypeVar("_Kind", bound=Document)


class ImageRegistry:
    """One registry; a context manager that closes its connections."""

    def __init__(self, name: str, url: str, client: httpx.Client, room: str = "") -> None:
        """Speaks to the registry through a client, which is closed with it.

        Args:
            name: what messages call it: its address, such as `registry.payments.svc:5000`.
            url: where its API is, without `/v2`; may have a path, as the service proxy of Kubernetes has.
            client: with the credentials that `url` needs.
            room: what all repositories' names begin with, as `acme` in `registry.example/acme`.
        """
        self.name = name
        self._room = f"{room}/" if room else ""
        self.api = f"{url.rstrip('/')}/v2/"
        self._answers = Answers(name, client, self.api)

    @classmethod
    def at(cls, address: str, environment: Mapping[str, str]) -> Self:
        """The registry at `host[:port][/room]`: over http on this machine and inside the cluster (`*.svc`), else over https.

        Args:
            address: of the registry, and what the names of all repositories there begin with.
            environment: says where logins are, as `registry_login.login_of` has it.

        Raises:
            ProjectError: what is there about logins can't be read.
        """
        host, _, room = address.rstrip("/").partition("/")
        near = _PLAIN.match(host) is not None
        login = RegistryAuth(host, login_of(host, environment))
        client = httpx.Client(timeout=SECONDS, trust_env=not near, auth=login)      # a proxy of the environment is for what is far
        return cls(address, f"{'http' if near else 'https'}://{host}", client, room)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._answers.close()

    def image(self, repository: str, reference: str) -> Image | None:
        """The image of a tag or digest; of an index, the one for Linux on this machine's architecture. None: there is none.

        Raises:
            Unavailable: the registry doesn't answer, refuses, or is none; the index has nothing for this architecture.
            Untrusted: what it gave isn't what the digest says.
        """
        response = self._answers.of("GET", self._manifest(repository, reference), _ACCEPTED)
        if response is None:
            return None
        what, digest = f"{self.name}/{repository}, manifest {reference}", digest_of(response.content)
        promised = reference if reference.startswith("sha256:") else response.headers.get("Docker-Content-Digest", digest)
        _require(what, promised, digest)
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
        if media_type in INDEXES:
            return self.image(repository, _here(what, _read(Index, response.content, media_type, what)).digest)
        manifest = _read(Manifest, response.content, media_type, what)
        if manifest.media_type not in MANIFESTS:
            raise Unavailable(f"{what}: expected {' or '.join(MANIFESTS)}, found {manifest.media_type}. Push it with a newer Docker.")
        return Image(manifest, digest)

    def blob(self, repository: str, descriptor: Descriptor) -> bytes:
        """A blob's bytes, such as an image's configuration.

        Raises:
            Unavailable: it isn't there, or the registry doesn't answer.
            Untrusted: what came isn't what the digest says.
        """
        return b"".join(self._download(repository, descriptor))

    def has_blob(self, repository: str, descriptor: Descriptor) -> bool:
        """Whether the repository has the blob.

        Raises:
            Untrusted: it has one of another size under this digest.
        """
        response = self._answers.of("HEAD", self._blob(repository, descriptor))
        if response is None:
            return False
        size = response.headers.get("Content-Length", descriptor.size)      # a proxy in between may leave it out
        _require(self._told(repository, descriptor), f"{descriptor.size} bytes", f"{size} bytes")
        return True

    def has_image(self, repository: str, reference: str, digest: str) -> bool:
        """Whether the tag or digest names the image with this digest."""
        response = self._answers.of("HEAD", self._manifest(repository, reference), _ACCEPTED)
        return response is not None and response.headers.get("Docker-Content-Digest", reference) == digest

    def take(self, repository: str, descriptor: Descriptor, source: str) -> None:
        """Makes a blob of the repository `source` one of `repository`: mounted, or, where the registry doesn't mount, copied through here.

        Raises:
            Unavailable: `source` hasn't got it, or the registry doesn't answer, refuses or is full.
            Untrusted: what came isn't what the digest says.
        """
        begun = self._answers.of("POST", f"{self._uploads(repository)}?mount={descriptor.digest}&from={self._room}{source}")
        if begun is None or begun.status_code != httpx.codes.CREATED:
            self._upload(repository, descriptor, self._download(source, descriptor), begun)

    def put_blob(self, repository: str, descriptor: Descriptor, content: bytes) -> None:
        """Uploads a blob in one piece.

        Raises:
            Unavailable: the registry doesn't answer, refuses or is full.
        """
        self._upload(repository, descriptor, content, self._answers.of("POST", self._uploads(repository)))

    def put_image(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Uploads a manifest under a tag or its digest; its blobs must be there.

        Raises:
            Unavailable: the registry doesn't answer, refuses or is full.
        """
        content = manifest.content()
        self._answers.upload(self._manifest(repository, reference), manifest.media_type, content, len(content))

    def _upload(self, repository: str, descriptor: Descriptor, content: bytes | Iterator[bytes], begun: httpx.Response | None) -> None:
        location = begun.headers.get("Location", "") if begun is not None else ""
        if not location:
            raise Unavailable(f"registry {self.name}: expected a Location to upload to {repository}, found none. {NOT_A_REGISTRY}")
        url = f"{self._reachable(location, repository)}{'&' if '?' in location else '?'}digest={descriptor.digest}"
        self._answers.upload(url, "application/octet-stream", content, descriptor.size)

    def _reachable(self, location: str, repository: str) -> str:
        """Where an upload goes on, as it can be reached from here: a registry behind a proxy names itself, which may be out of reach."""
        _, own, rest = location.partition(f"/v2/{self._room}{repository}/blobs/uploads/")
        return self._uploads(repository) + rest if own else str(httpx.URL(self.api).join(location))

    def _download(self, repository: str, descriptor: Descriptor) -> Iterator[bytes]:
        what, content, size = self._told(repository, descriptor), hashlib.sha256(), 0
        for piece in self._answers.pieces(self._blob(repository, descriptor), what):
            content.update(piece)
            size += len(piece)
            yield piece
        _require(what, f"{descriptor.size} bytes of {descriptor.digest}", f"{size} bytes of sha256:{content.hexdigest()}")

    def _uploads(self, repository: str) -> str:
        return f"{self.api}{self._room}{repository}/blobs/uploads/"

    def _blob(self, repository: str, descriptor: Descriptor) -> str:
        return f"{self.api}{self._room}{repository}/blobs/{descriptor.digest}"

    def _manifest(self, repository: str, reference: str) -> str:
        return f"{self.api}{self._room}{repository}/manifests/{reference}"

    def _told(self, repository: str, descriptor: Descriptor) -> str:
        return f"{self.name}/{repository}, {descriptor.media_type}"


def _require(what: str, expected: str, found: str) -> None:
    if found != expected:
        raise Untrusted(f"{what}: expected {expected}, found {found}. Try again; if that doesn't help, delete it there and push it again.")


def _read(kind: type[_Kind], content: bytes, media_type: str, what: str) -> _Kind:
    try:
        found = json.loads(content)
        return kind.model_validate({"mediaType": media_type, **found})      # an OCI manifest need not say what it is
    except (ValueError, TypeError) as error:
        raise Unavailable(f"{what}: expected a manifest, found {content[:80]!r} of type '{media_type}'. {NOT_A_REGISTRY}") from error


def _here(what: str, index: Index) -> Descriptor:
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    for descriptor in index.manifests:
        if descriptor.platform and (descriptor.platform.os, descriptor.platform.architecture) == ("linux", architecture):
            return descriptor
    there = ", ".join(f"{item.platform.os}/{item.platform.architecture}" for item in index.manifests if item.platform) or "none"
    raise Unavailable(f"{what}: expected an image for linux/{architecture}, found {there}. Build and push it for this architecture.")
