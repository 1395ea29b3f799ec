"""What a registry of images says, what it has damaged, and when it is away."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from components.connections.image_registry import ImageRegistry
from components.oci import DOCKER_MANIFEST, OCI_INDEX, Descriptor
from components.release.containerize import Addition, Named, containerize
from journey.errors import Unavailable, Untrusted
from tests.image_registry_server import RegistryServer, push_base, running_registry

BASE = Named("journey-serving", "0.1.0")
FILES = Addition("/opt/x", {"a": b"1"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def registry(server: RegistryServer) -> Iterator[ImageRegistry]:
    with ImageRegistry.at(server.address, {}) as opened:
        yield opened


class Behind(httpx.BaseTransport):
    """A way to the registry under a prefix, as the API server's service proxy is; the registry's own address is out of reach."""

    def __init__(self, prefix: str, without_mounts: bool = False) -> None:
        self.prefix = prefix
        self.without_mounts = without_mounts
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path.startswith(f"{self.prefix}/v2/"), f"{request.url} is out of reach"
        path = request.url.raw_path.removeprefix(self.prefix.encode())
        if self.without_mounts and b"mount=" in path:
            path = path.partition(b"?")[0]
        request.url = request.url.copy_with(raw_path=path)
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.parametrize(
    ("address", "scheme"),
    [
        ("localhost:5000", "http"),
        ("127.0.0.1:5000", "http"),
        ("registry.payments.svc:5000", "http"),
        ("registry.payments.svc.cluster.local", "http"),
        ("registry.example:5000", "https"),
        ("localhost.example", "https"),
        ("svc.example", "https"),
    ],
)
def test_only_this_machine_and_the_clusters_services_are_spoken_to_in_the_clear(address: str, scheme: str) -> None:
    with ImageRegistry.at(address, {}) as registry:
        assert registry.api == f"{scheme}://{address}/v2/"


def test_behind_a_prefix_uploads_go_on_there_whatever_address_the_registry_names(server: RegistryServer, registry: ImageRegistry) -> None:
    push_base(registry)
    prefix = "/api/v1/namespaces/payments/services/registry:5000/proxy"
    client = httpx.Client(transport=Behind(prefix), timeout=60)
    with ImageRegistry("proxied", f"http://{server.address}{prefix}", client) as behind:
        digest = containerize(behind, BASE, Named("behind", "v1"), FILES)
    assert registry.has_image("behind", "v1", digest)


def test_a_registry_that_does_not_mount_gets_the_bases_blobs_copied(server: RegistryServer, registry: ImageRegistry) -> None:
    base = push_base(registry)
    client = httpx.Client(transport=Behind("", without_mounts=True), timeout=60)
    with ImageRegistry("unmounted", f"http://{server.address}", client) as copying:
        containerize(copying, BASE, Named("copied", "v1"), FILES)
    assert registry.has_blob("copied", base.manifest.layers[0])


def test_of_an_index_this_machines_image_is_taken_and_one_without_it_says_what_there_is(registry: ImageRegistry, monkeypatch) -> None:
    base = push_base(registry, "several")
    entry = {"mediaType": DOCKER_MANIFEST, "digest": base.digest, "size": len(base.manifest.content())}
    platforms = {"manifests": [entry | {"platform": {"os": "linux", "architecture": "amd64"}}], "schemaVersion": 2, "mediaType": OCI_INDEX}
    url = f"{registry.api}several/manifests/all"
    assert httpx.put(url, content=json.dumps(platforms), headers={"Content-Type": OCI_INDEX}, timeout=60).status_code == 201
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert registry.image("several", "all") == base
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(Unavailable, match="expected an image for linux/arm64, found linux/amd64"):
        registry.image("several", "all")


def test_a_blob_that_was_cut_short_in_the_registry_is_refused(server: RegistryServer, registry: ImageRegistry) -> None:
    config = push_base(registry, "short", word="short").manifest.config
    path = server.file(config.digest)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(Untrusted, match=rf"expected {config.size} bytes of {config.digest}, found {config.size - 10} bytes of sha256:"):
        containerize(registry, Named("short", "0.1.0"), Named("from-short", "v1"), FILES)


def test_a_layer_that_was_cut_short_in_the_registry_is_found(server: RegistryServer, registry: ImageRegistry) -> None:
    target = Named("from-cut", "v1")
    layer = push_base(registry, "cut", word="cut").manifest.layers[0]
    containerize(registry, Named("cut", "0.1.0"), target, FILES)
    path = server.file(layer.digest)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Untrusted, match=rf"expected {layer.size} bytes, found {layer.size - 1} bytes"):
        containerize(registry, Named("cut", "0.1.0"), target, FILES)


def test_a_blob_that_was_changed_in_the_registry_is_refused(server: RegistryServer, registry: ImageRegistry) -> None:
    config = push_base(registry, "changed", word="changed").manifest.config
    path = server.file(config.digest)
    path.write_bytes(path.read_bytes().replace(b"/serve", b"/other"))
    with pytest.raises(Untrusted, match=r"found .* bytes of sha256"):
        registry.blob("changed", config)


def test_a_manifest_that_was_changed_in_the_registry_is_refused(server: RegistryServer, registry: ImageRegistry) -> None:
    digest = push_base(registry, "forged", word="forged").digest
    path = server.file(digest)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(Untrusted, match=rf"manifest {digest}: expected {digest}, found sha256:"):
        registry.image("forged", digest)


def test_a_blob_that_is_gone_is_told_with_what_to_do(server: RegistryServer, registry: ImageRegistry) -> None:
    config = push_base(registry, "gone", word="gone").manifest.config
    server.file(config.digest).unlink()
    with pytest.raises(Unavailable, match=r"expected it in the registry, found nothing\. It was deleted there: push its image again"):
        registry.blob("gone", config)


def test_a_registry_whose_disk_is_full_is_told_as_that(tmp_path: Path) -> None:
    with running_registry(tmp_path, room="256k") as small, ImageRegistry.at(small.address, {}) as registry:
        push_base(registry)
        with pytest.raises(Unavailable, match=r"found 500 .* Its disk is full: delete images there"):
            containerize(registry, BASE, Named("too-much", "v1"), Addition("/opt/x", {"weights": bytes(1 << 20)}))


def test_a_registry_that_is_down_and_one_that_goes_down_are_told(tmp_path: Path) -> None:
    with running_registry(tmp_path) as server, ImageRegistry.at(server.address, {}) as registry:
        push_base(registry)
        server.stop()
        for _ in range(2):      # the first time over the connection that was open
            with pytest.raises(Unavailable, match=rf"registry {server.address}: expected it to answer, found: .* Is it running"):
                registry.image("journey-serving", "0.1.0")


def test_a_registry_that_names_no_place_for_its_tokens_is_told(tmp_path: Path) -> None:
    settings = "auth: {silly: {realm: here, service: this}}"
    with (
        running_registry(tmp_path, settings=settings) as server,
        ImageRegistry.at(server.address, {}) as registry,
        pytest.raises(Untrusted, match="expected tokens to be given over https, found 'here'"),
    ):
        push_base(registry)


class Page(BaseHTTPRequestHandler):
    """Something that isn't a registry: it answers everything with a page."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>a page</h1>")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("status", [200, 404])
def test_what_is_not_a_registry_is_told_as_that(status: int) -> None:
    handler = type("Handler", (Page,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            address = f"127.0.0.1:{other.server_port}"
            with ImageRegistry.at(address, {}) as registry, pytest.raises(Unavailable, match="Is the address right"):
                registry.image("journey-serving", "0.1.0")
        finally:
            other.shutdown()
            thread.join()


def test_what_the_service_proxy_of_kubernetes_says_is_told_in_its_words() -> None:
    status = {"kind": "Status", "status": "Failure", "message": 'services "registry" not found', "code": 404}
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(404, json=status)))
    told = r'expected it to grant GET /proxy/v2/x/manifests/t, found 404 services "registry" not found\. Is'
    with ImageRegistry("proxied", "https://cluster/proxy", client) as registry, pytest.raises(Unavailable, match=told):
        registry.image("x", "t")


@pytest.mark.parametrize(
    ("location", "asked", "known"),
    [
        ("/v2/x/blobs/uploads/1", "https://cluster/proxy/v2/x/blobs/uploads/1", True),
        ("/other-uploads/1", "https://cluster/other-uploads/1", True),
        ("https://store.example/1?signed=yes", "https://store.example/1?signed=yes", False),
    ],
    ids=["its own", "relative", "elsewhere"],
)
def test_an_upload_goes_where_the_registry_says_and_credentials_go_to_nobody_else(location: str, asked: str, known: bool) -> None:
    puts = []

    def answer(request: httpx.Request) -> httpx.Response:
        puts.extend([request] if request.method == "PUT" else [])
        return httpx.Response(202, headers={"Location": location})

    client = httpx.Client(transport=httpx.MockTransport(answer), auth=("us", "word"))
    with ImageRegistry("proxied", "https://cluster/proxy", client) as registry:
        registry.put_blob("x", Descriptor.of("", b"1"), b"1")
    [put] = puts
    assert str(put.url).startswith(asked)
    assert ("Authorization" in put.headers) is known


def test_a_blob_whose_size_nobody_tells_is_there() -> None:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    with ImageRegistry("proxied", "https://cluster/proxy", client) as registry:
        assert registry.has_blob("x", Descriptor.of("", b"1"))


def test_a_blob_under_another_size_than_its_descriptor_says_is_not_taken_for_it(registry: ImageRegistry) -> None:
    config = push_base(registry, "sized", word="sized").manifest.config
    wrong = Descriptor(media_type=config.media_type, digest=config.digest, size=config.size + 1)
    with pytest.raises(Untrusted, match=f"expected {config.size + 1} bytes, found {config.size} bytes"):
        registry.has_blob("sized", wrong)
