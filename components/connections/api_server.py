"""A Kubernetes API server: who we are to it, requests with bounded waits, and its refusals as errors that say what to do."""

import json
import os
import re
import ssl
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import httpx

from journey.errors import Conflict, JourneyError, ProjectError, Unavailable

Json = Mapping[str, object]
"""A Kubernetes object."""

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)     # an answer takes milliseconds; a busy control plane of one node, seconds
_FIRST_PATIENCE_SECONDS = 3.0                   # an address that never answered is most likely wrong: told soon
_PATIENCE_SECONDS = 90.0                        # one that did answer comes back: as long as a control plane takes to start anew
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 5.0
_CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=20)      # each step that runs holds one, for its log
_HEADERS = {"Accept": "application/json", "User-Agent": "journey"}
_PASSING = frozenset({429, 500, 502, 503, 504})
_NOT_ALLOWED = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"')
_QUOTA = re.compile(r"(exceeded quota: .*|failed quota: .*)", re.DOTALL)


class Forbidden(Unavailable):
    """The cluster doesn't let us: a right has to be granted, or a policy met."""


class QuotaExceeded(Unavailable):
    """The namespace's quota has no room left for it now."""


class Absent(Unavailable):
    """What was asked for isn't there."""


class Credentials(Protocol):
    """What `kubernetes.client.Configuration` is to us."""

    host: str
    ssl_ca_cert: str | None
    cert_file: str | None
    key_file: str | None
    verify_ssl: bool
    tls_server_name: str | None

    def get_api_key_with_prefix(self, identifier: str) -> str | None:
        """The value of a header; a token that expires is read anew."""
        ...


@dataclass
class ApiServer:
    """A Kubernetes API server, as one account.

    Attributes:
        origin: where its address comes from, for messages: `KUBECONFIG …`, or the pod's service account.
        known: whether the address is right for sure: it has answered, or Kubernetes itself gave it to this pod.
    """

    credentials: Credentials
    origin: str
    known: bool = False

    def __post_init__(self) -> None:
        self._tls = _tls(self.credentials, self.origin)
        self._client = self.client(_TIMEOUT)

    @classmethod
    def found(cls) -> Self:
        """The server of the pod that this process runs in, else the one of KUBECONFIG's current context.

        Raises:
            Unavailable: there is no configuration, or it can't be read.
        """
        from kubernetes import config  # costs 1.5 s; none of the steps needs it
        from kubernetes.client import Configuration

        credentials = Configuration()
        try:
            if _SERVICE_ACCOUNT.is_file():
                config.load_incluster_config(client_configuration=credentials)
                return cls(credentials, "the pod's service account", known=True)
            # said here, because the library looks at the environment when it is imported, and never again
            config.load_kube_config(config_file=os.environ.get("KUBECONFIG") or None, client_configuration=credentials)
        except Exception as error:      # the client raises whatever a file of another form makes it stumble over
            advice = "Export KUBECONFIG, and see that `kubectl get namespaces` answers."
            found = " ".join(str(error).split()).rstrip(".")
            raise Unavailable(f"Kubernetes: expected a configuration with a current context, found: {found}. {advice}") from error
        return cls(credentials, "KUBECONFIG's current context")

    @property
    def url(self) -> str:
        """The server's address."""
        return self.credentials.host.rstrip("/")

    def client(self, timeout: httpx.Timeout) -> httpx.Client:
        """A client of one's own with this account's credentials; whoever asks for it closes it."""
        return httpx.Client(verify=self._tls, auth=_Account(self.credentials), timeout=timeout, limits=_CONNECTIONS)

    def ask(self, method: str, path: str, *, what: str, body: Json | None = None, content_type: str = "application/json") -> Json:
        """One request, asked again for a while where the server is away or busy.

        Args:
            method: HTTP's.
            path: below the server's address, with its query.
            what: what is being done, for messages, such as `create Pod payments/x`.
            body: sent as JSON.
            content_type: how the body is to be understood.

        Raises:
            Unavailable: the server doesn't answer. Forbidden, QuotaExceeded, Absent: it refuses.
            Conflict: the object is there already, or was changed meanwhile.
            ProjectError: the server finds the object wrong.
        """
        headers = {"Content-Type": content_type, **_HEADERS}
        content = json.dumps(body) if body is not None else None
        doubtful = False                    # whether an earlier try may have made the object without our seeing the answer
        for pause in self._pauses():
            try:
                answer = self._client.request(method, self.url + path, content=content, headers=headers)
            except httpx.TransportError as error:
                if pause is None:
                    raise self.unreachable(what, error) from error
                doubtful = doubtful or not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            else:
                self.known = True
                if method == "POST" and answer.status_code == 409 and doubtful:
                    return body or {}
                if pause is None or answer.status_code not in _PASSING:
                    return self._read(answer, what)
                doubtful = doubtful or answer.status_code != httpx.codes.TOO_MANY_REQUESTS      # who is told to wait has made nothing
            time.sleep(pause)
        raise AssertionError("the last pause is None")

    @contextmanager
    def stream(self, path: str, *, what: str, silence_seconds: float) -> Iterator[httpx.Response]:
        """An answer that comes bit by bit.

        Raises:
            Unavailable, Forbidden, Absent, ProjectError: as `ask`.
            httpx.TransportError: the connection broke while it was read, or was silent for so long.
        """
        timeout = httpx.Timeout(30.0, connect=5.0, read=silence_seconds)
        request = self._client.build_request("GET", self.url + path, headers=_HEADERS, timeout=timeout)
        answer = self._client.send(request, stream=True)
        try:
            self.known = True
            if answer.is_error:
                answer.read()
                self._read(answer, what)
            yield answer
        finally:
            answer.close()

    def unreachable(self, what: str, error: Exception) -> Unavailable:
        """The server doesn't answer, in words."""
        advice = "See that the cluster runs and that `kubectl get namespaces` answers."
        return Unavailable(f"{what}: expected an answer from {self.url} ({self.origin}), found {error or type(error).__name__}. {advice}")

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _pauses(self) -> Iterator[float | None]:
        """How long to wait after each failure; None: no more."""
        began, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
        while time.monotonic() + pause - began < (_PATIENCE_SECONDS if self.known else _FIRST_PATIENCE_SECONDS):
            yield pause
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        yield None

    def _read(self, answer: httpx.Response, what: str) -> Json:
        try:
            found = answer.json()
        except ValueError:
            found = {"message": answer.text.strip()[:500]}
        if answer.is_error:
            raise refusal(answer.status_code, str(found.get("message", "")), what, self)
        assert isinstance(found, dict), f"{what}: Kubernetes answers with objects, found {type(found).__name__}"
        return found


class _Account(httpx.Auth):
    """Puts the account's current token on each request, and the name that the server's certificate is for where the address isn't it."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._credentials.get_api_key_with_prefix("authorization")
        if token:
            request.headers["Authorization"] = token
        if self._credentials.tls_server_name:
            request.extensions["sni_hostname"] = self._credentials.tls_server_name
        yield request


def refusal(status: int, message: str, what: str, server: ApiServer) -> JourneyError:
    """What the server refused, by what the reader can do about it."""
    if status == 401:
        advice = f"The credentials of {server.origin} have expired or are wrong: renew them."
        return Unavailable(f"{what}: expected {server.url} to know us, found 401 {message}. {advice}")
    if status == 403:
        return _forbidden(message, what)
    if status in (404, 410):
        return Absent(f"{what}: expected it to be there, found: {message}")
    if status == 409:
        return Conflict(f"{what}: expected nobody else to have been first, found: {message}")
    if status == 400 and "waiting to start" in message:
        return Absent(f"{what}: expected a container that has started, found: {message}. Wait until it runs.")
    if status in (400, 422):
        return ProjectError(f"{what}: expected an object that Kubernetes takes, found: {message}")
    return Unavailable(f"{what}: expected {server.url} to answer, found {status} {message}")


def _forbidden(message: str, what: str) -> Unavailable:
    if quota := _QUOTA.search(message):
        advice = "Wait until other pods have ended, ask for less under targets in project.yaml, or have the quota raised."
        return QuotaExceeded(f"{what}: expected room in the namespace's quota, found: {quota[1]}. {advice}")
    if found := _NOT_ALLOWED.search(message):
        account = found["user"].removeprefix("system:serviceaccount:").replace(":", "/")
        group = f' of API group "{found["group"]}"' if found["group"] else ""
        advice = f"Grant it by a Role with verb {found['verb']} on {found['resource']}{group}, bound to {account}."
        right = f"{found['verb']} {found['resource']}{group}"
        return Forbidden(f"{what}: expected {account} to have the right to {right}, found none. {advice}")
    return Forbidden(f"{what}: expected the cluster's policies to let it in, found: {message}")


def _tls(credentials: Credentials, origin: str) -> ssl.SSLContext:
    """Trusts whom the configuration trusts.

    Raises:
        Unavailable: a file of it can't be read.
    """
    try:
        context = ssl.create_default_context(cafile=credentials.ssl_ca_cert)
        if credentials.cert_file:
            context.load_cert_chain(credentials.cert_file, credentials.key_file)
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"{origin}: expected certificates that can be read, found: {error}. Mend the configuration.") from error
    if not credentials.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
