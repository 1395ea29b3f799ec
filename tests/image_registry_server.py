"""A real registry of images on loopback, Debian's docker-registry, with small images to start from."""

import gzip
import io
import secrets
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from components.connections.image_registry import ImageRegistry
from components.oci import DOCKER_MANIFEST, OCI_MANIFEST, Descriptor, Image, Manifest
from tests.ports import PORTS, free_port

READY_SECONDS = 60.0
MARK = "X-Started-As"        # a header of all that it answers: which of the registries on this machine it is
CONFIG_TYPE = {OCI_MANIFEST: "application/vnd.oci.image.config.v1+json", DOCKER_MANIFEST: "application/vnd.docker.container.image.v1+json"}
LAYER_TYPE = {
    OCI_MANIFEST: "application/vnd.oci.image.layer.v1.tar+gzip",
    DOCKER_MANIFEST: "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


@dataclass
class RegistryServer:
    """A running docker-registry and the folder that it keeps its images in."""

    address: str
    store: Path
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def file(self, digest: str) -> Path:
        """Where the registry keeps a blob."""
        return self.store / "docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data"


@contextmanager
def running_registry(folder: Path, *, settings: str = "", room: str = "") -> Iterator[RegistryServer]:
    """A docker-registry that keeps its images in a folder, stopped in the end whatever happens.

    Args:
        folder: for its configuration and its images.
        settings: more lines of its configuration.
        room: the size of a disk of its own, such as `1m`; needs root.
    """
    binary = shutil.which("docker-registry")
    if binary is None:
        pytest.skip("no docker-registry on this machine: Debian's package docker-registry has it")
    store = folder / "store"
    store.mkdir(parents=True)
    written = folder / "config.yml"
    command = [binary, "serve", str(written)]
    if room:
        command = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size={room} none "$0" && exec "$@"', str(store), *command]
    for port in (free_port() for _ in range(PORTS)):
        address = f"127.0.0.1:{port}"
        mark = secrets.token_hex(8)
        log, disk = "log: {level: error, accesslog: {disabled: true}}", f"storage: {{filesystem: {{rootdirectory: {store}}}}}"
        written.write_text(f"version: 0.1\n{log}\n{disk}\nhttp: {{addr: '{address}', headers: {{{MARK}: [{mark}]}}}}\n{settings}")
        with (folder / "log").open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            if _answers(address, mark, process, folder / "log", room):
                yield RegistryServer(address, store, process)
                return
        finally:
            process.kill()
            process.wait()
    raise AssertionError(f"docker-registry found {PORTS} ports taken, one after the other")


def push_base(registry: ImageRegistry, repository: str = "journey-serving", form: str = DOCKER_MANIFEST, word: str = "base") -> Image:
    """Pushes a small image as `docker push` would: one gzipped layer with one file, tagged 0.1.0."""
    layer, diff_id = _layer(word)
    configuration = (
        f'{{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05Z","docker_version":"20.10",'
        f'"config":{{"User":"65532:65532","Entrypoint":["/serve"],"Cmd":["--help"],"Labels":{{"of":"base"}}}},'
        f'"rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}},"history":[{{"created":"2026-01-02T03:04:05Z","created_by":"COPY"}}]}}'
    ).encode()
    config, content = Descriptor.of(CONFIG_TYPE[form], configuration), Descriptor.of(LAYER_TYPE[form], layer)
    registry.put_blob(repository, config, configuration)
    registry.put_blob(repository, content, layer)
    registry.put_image(repository, "0.1.0", Manifest(schema_version=2, media_type=form, config=config, layers=(content,)))
    image = registry.image(repository, "0.1.0")
    assert image is not None
    return image


def _layer(word: str) -> tuple[bytes, str]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("base.txt")
        entry.size = len(word)
        tar.addfile(entry, io.BytesIO(word.encode()))
    diff_id = Descriptor.of("", packed.getvalue()).digest
    return gzip.compress(packed.getvalue(), mtime=0), diff_id


def _answers(address: str, mark: str, process: "subprocess.Popen[bytes]", log: Path, room: str) -> bool:
    """Waits until the registry answers; False where another process had the port."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            if "address already in use" in log.read_text():
                return False
            if room:
                pytest.skip(f"no disk of its own can be made for a registry here: {log.read_text()[-200:]}")
            raise AssertionError(f"docker-registry ended: {log.read_text()[-2000:]}")
        try:
            if httpx.get(f"http://{address}/v2/", trust_env=False).headers.get(MARK) == mark:       # and isn't who had the port before
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"docker-registry doesn't answer: {log.read_text()[-2000:]}")
