"""Logging in to a registry: what Docker left, what a pod is given, and what the registry asks for."""

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from components.connections.image_registry import ImageRegistry
from components.connections.registry_login import Login, RegistryAuth, login_of
from components.release.containerize import Addition, Named, containerize
from journey.errors import ProjectError, Unavailable, Untrusted
from tests.http_server import http_server
from tests.image_registry_server import push_base, running_registry

BASE, TARGET = Named("journey-serving", "0.1.0"), Named("taxis", "v1")
FILES = Addition("/opt/x", {"a": b"1"})
LOGIN = Login("ada", "s3cret:word")
# of "s3cret:word", by bcrypt; a registry takes no other form
HTPASSWD = "ada:$2y$05$abcdefghijklmnopqrstuu2JDQLR7mbHhdpill4/jMLDoVbsBhlUi\n"


def logged_in(*addresses: str, login: Login = LOGIN) -> dict[str, str]:
    """A pod's environment."""
    return {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {address: {"auth": login.encoded} for address in addresses}})}


@pytest.mark.parametrize("room", ["", "/acme/models"], ids=["", "in a room of its own"])
def test_a_registry_that_asks_for_a_password_gets_the_images_and_nobody_elses(tmp_path: Path, room: str) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    with running_registry(tmp_path / "its", settings=f"auth: {{htpasswd: {{realm: here, path: {tmp_path}/htpasswd}}}}") as server:
        address = f"{server.address}{room}"
        with ImageRegistry.at(address, logged_in(server.address)) as registry:
            push_base(registry)
            digest = containerize(registry, BASE, TARGET, FILES)
            assert registry.has_image("taxis", "v1", digest)
        catalog = httpx.get(f"http://{server.address}/v2/_catalog", auth=(LOGIN.user, LOGIN.password), timeout=60)
        named = catalog.json()["repositories"]
        assert named == [f"{room[1:]}/{name}".removeprefix("/") for name in ("journey-serving", "taxis")]
        for wrong in ({}, logged_in("other.example"), logged_in(server.address, login=Login("ada", "guessed"))):
            with (
                ImageRegistry.at(address, wrong) as registry,
                pytest.raises(Unavailable, match=r"found 401 .*UNAUTHORIZED.* Log in with `docker login`"),
            ):
                registry.image("taxis", "v1")


class Tokens:
    """Gives tokens as registries' own services do: to who knows the password, for what is asked."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.asked: list[list[str]] = []
        self.valid_seconds = 300.0
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
        now = datetime.now(UTC)
        unsigned = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key()).serial_number(1)
        dated = unsigned.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        self._certificate = dated.sign(self._key, hashes.SHA256())
        self.certificate = folder / "tokens.pem"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def settings(self) -> str:
        return f"auth: {{token: {{realm: '{self.url}', service: here, issuer: tokens, rootcertbundle: {self.certificate}}}}}"

    def token(self, scopes: list[str]) -> str:
        self.asked.append(scopes)
        access = [dict(zip(("type", "name"), scope.split(":"), strict=False), actions=scope.split(":")[2].split(",")) for scope in scopes]
        now = int(time.time())
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        times = {"iat": now, "nbf": now - 5, "exp": int(now + self.valid_seconds)}
        claims = {"iss": "tokens", "sub": "ada", "aud": "here", "jti": str(len(self.asked)), "access": access, **times}
        said = f"{_packed(header)}.{_packed(claims)}"
        return f"{said}.{_text(self._key.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _packed(value: dict[str, object]) -> str:
    return _text(json.dumps(value).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Tokens]:
    class Giver(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == LOGIN.basic
            asked = parse_qs(urlsplit(self.path).query)
            body = {"token": given.token(asked.get("scope", [])), "expires_in": given.valid_seconds} if known else {"details": "who?"}
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments: object) -> None:
            pass

    with http_server(Giver) as url:
        given = Tokens(tmp_path, f"{url}/token")
        yield given


def test_a_registry_that_asks_for_tokens_gets_one_a_repository_and_purpose(tmp_path: Path, tokens: Tokens) -> None:
    with (
        running_registry(tmp_path / "its", settings=tokens.settings) as server,
        ImageRegistry.at(server.address, logged_in(server.address)) as registry,
    ):
        push_base(registry)
        digest = containerize(registry, BASE, TARGET, FILES)
        assert registry.has_image("taxis", "v1", digest)
        asked = len(tokens.asked)
        assert any(len(scopes) == 2 for scopes in tokens.asked), "a mounted layer is read from one repository and written to another"
        containerize(registry, BASE, TARGET, Addition("/opt/x", {"a": b"2"}))
        assert len(tokens.asked) == asked, "a token that holds is not asked for again"


def test_a_token_that_holds_no_longer_is_asked_for_anew(tmp_path: Path, tokens: Tokens) -> None:
    tokens.valid_seconds = 1e-6     # and 60 s of leeway, which the registry grants
    with (
        running_registry(tmp_path / "its", settings=tokens.settings) as server,
        ImageRegistry.at(server.address, logged_in(server.address)) as registry,
    ):
        push_base(registry)
        before = len(tokens.asked)
        assert registry.image("journey-serving", "0.1.0") is not None
        assert len(tokens.asked) == before + 1


class Unmounting(httpx.HTTPTransport):
    """A way to a registry that mounts no blob of another repository."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if b"mount=" in request.url.query:
            request.url = request.url.copy_with(query=None)
        return super().handle_request(request)


def test_a_layer_that_is_copied_piece_by_piece_has_its_token(tmp_path: Path, tokens: Tokens) -> None:
    """It can't be sent a second time: a token that has half of its time left has to do."""
    tokens.valid_seconds = 1e-6
    with running_registry(tmp_path / "its", settings=tokens.settings) as server:
        client = httpx.Client(transport=Unmounting(), auth=RegistryAuth(server.address, LOGIN), timeout=60)
        with ImageRegistry(server.address, f"http://{server.address}", client) as registry:
            push_base(registry)
            digest = containerize(registry, BASE, TARGET, FILES)
            assert registry.has_image("taxis", "v1", digest)


def test_who_gives_tokens_and_refuses_is_told(tmp_path: Path, tokens: Tokens) -> None:
    with running_registry(tmp_path / "its", settings=tokens.settings) as server:
        for environment, who in (({}, "as nobody"), (logged_in(server.address, login=Login("eve", "x")), "as eve")):
            with (
                ImageRegistry.at(server.address, environment) as registry,
                pytest.raises(Unavailable, match=rf"expected a token {who}.* from 127\.0\.0\.1, found 401 .*docker login"),
            ):
                registry.image("taxis", "v1")


def test_a_password_is_sent_to_no_place_in_the_clear() -> None:
    realm = {"WWW-Authenticate": 'Bearer realm="http://tokens.example/t",service="here",scope="repository:taxis:pull"'}
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(401, headers=realm)

    client = httpx.Client(transport=httpx.MockTransport(answer), auth=RegistryAuth("registry.example", LOGIN))
    with (
        ImageRegistry("registry.example", "https://registry.example", client) as registry,
        pytest.raises(Untrusted, match="over https, found 'http://tokens"),
    ):
        registry.image("taxis", "v1")
    assert [request.url.host for request in sent] == ["registry.example"]
    assert "Authorization" not in sent[0].headers


def test_a_store_that_the_registry_sends_on_to_is_told_no_password(tokens: Tokens) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.host == "registry.example":
            return httpx.Response(307, headers={"Location": "https://store.example/blob"})
        return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer realm="https://tokens.example/t"'})

    client = httpx.Client(transport=httpx.MockTransport(answer), auth=RegistryAuth("registry.example", LOGIN))
    with ImageRegistry("registry.example", "https://registry.example", client) as registry, pytest.raises(Unavailable, match="found 401"):
        registry.image("taxis", "v1")
    assert [request.url.host for request in seen] == ["registry.example", "store.example"]


def test_of_two_ways_in_the_token_is_taken(tokens: Tokens) -> None:
    ways = [("WWW-Authenticate", 'Basic realm="a, b"'), ("WWW-Authenticate", f'Bearer realm="{tokens.url}", service="here"')]
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "127.0.0.1":
            assert request.extensions["timeout"]["read"], "who gives tokens may hang, too"
            return httpx.get(request.url, headers=request.headers, timeout=60)
        seen.append(request.headers.get("Authorization", ""))
        return httpx.Response(404) if seen[-1] else httpx.Response(401, headers=ways)

    client = httpx.Client(transport=httpx.MockTransport(answer), auth=RegistryAuth("here", LOGIN))
    with ImageRegistry("here", "http://here", client) as registry:
        assert not registry.has_image("taxis", "v1", "sha256:0")
    assert [header.partition(" ")[0] for header in seen] == ["", "Bearer"]


def written(folder: Path, configuration: object) -> dict[str, str]:
    """The environment of a person whose Docker has this configuration."""
    (folder / ".docker").mkdir(exist_ok=True)
    (folder / ".docker/config.json").write_text(configuration if isinstance(configuration, str) else json.dumps(configuration))
    return {"HOME": str(folder)}


@pytest.mark.parametrize(
    ("auths", "known"),
    [
        ({"registry.example:5000": {"auth": LOGIN.encoded}}, True),
        ({"https://registry.example:5000/v1/": {"auth": LOGIN.encoded}}, True),
        ({"registry.example:5000": {"username": "ada", "password": "s3cret:word"}}, True),
        ({"registry.example:5000": {}}, False),
        ({"registry.example": {"auth": LOGIN.encoded}}, False),
        (None, False),
    ],
)
def test_what_docker_login_wrote_is_found(tmp_path: Path, auths: dict[str, object] | None, known: bool) -> None:
    found = login_of("registry.example:5000", written(tmp_path, {"auths": auths, "HttpHeaders": {}}))
    assert found == (LOGIN if known else None)


def test_nobody_has_logged_in_where_nothing_is_written(tmp_path: Path) -> None:
    assert login_of("registry.example", {"HOME": str(tmp_path)}) is None
    assert login_of("registry.example", {}) is None


def test_the_folder_that_docker_config_names_comes_before_the_home(tmp_path: Path) -> None:
    environment = written(tmp_path, {"auths": {"registry.example": {"auth": LOGIN.encoded}}})
    assert login_of("registry.example", environment | {"DOCKER_CONFIG": str(tmp_path)}) is None
    assert login_of("registry.example", {"DOCKER_CONFIG": str(tmp_path / ".docker")}) == LOGIN


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        ("{", "expected the JSON of Docker's config.json"),
        ([1], "expected the JSON of Docker's config.json"),
        ({"auths": {"registry.example": "s3cret"}}, "expected the JSON of Docker's config.json"),
        ({"auths": {"registry.example": {"auth": "s3cret"}}}, "user:password in base64"),
        ({"auths": {"registry.example": {"auth": base64.b64encode(b"s3cret").decode()}}}, "user:password in base64"),
        ({"auths": {"registry.example": {"identitytoken": "s3cret"}}}, "found an identity token"),
        ({"auths": {"registry.example": {}}, "credsStore": "nobody-has-it"}, "expected docker-credential-nobody-has-it"),
    ],
)
def test_what_cannot_be_used_is_told_without_a_secret(tmp_path: Path, configuration: object, told: str) -> None:
    with pytest.raises(ProjectError, match=told) as refused:
        login_of("registry.example", written(tmp_path, configuration))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("""asked=$(cat); printf '{"Username": "%s", "Secret": "s3cret"}' "$asked\"""", Login("registry.example", "s3cret")),
        ("echo 'credentials not found in native keychain'; exit 1", None),
    ],
    ids=["that has it", "that hasn't"],
)
def test_a_credential_helper_is_asked_for_its_registry(tmp_path: Path, monkeypatch, script: str, found: Login | None) -> None:
    helper = tmp_path / "docker-credential-chain"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for configuration in ({"credHelpers": {"registry.example": "chain"}}, {"auths": {"registry.example": {}}, "credsStore": "chain"}):
        assert login_of("registry.example", written(tmp_path, configuration)) == found


@pytest.mark.parametrize(
    ("says", "told"),
    [("s3cret", "to give a login, found JSONDecodeError"), ('{"Username": "<token>", "Secret": "s3cret"}', "found an identity token")],
)
def test_a_credential_helper_that_gives_nothing_of_use_is_told(tmp_path: Path, monkeypatch, says: str, told: str) -> None:
    helper = tmp_path / "docker-credential-chain"
    helper.write_text(f"#!/bin/sh\necho '{says}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ProjectError, match=f"expected docker-credential-chain .*{told}"):
        login_of("registry.example", written(tmp_path, {"credHelpers": {"registry.example": "chain"}}))


def test_a_login_shows_nothing_of_itself() -> None:
    assert "s3cret" not in f"{LOGIN!r} {LOGIN}"
