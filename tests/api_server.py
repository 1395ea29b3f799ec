"""A Kubernetes API server whose answers are written down beforehand: what is remote, with real HTTP between."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from components.connections.api_server import ApiServer
from components.connections.cluster import Cluster

BROKEN = "broken"       # the connection ends in the middle of the answer


@dataclass(frozen=True)
class Answer:
    """One answer: JSON, or text that may end early."""

    status: int = 200
    body: object = None
    end: str = ""


@dataclass
class Credentials:
    """As `kubernetes.client.Configuration`."""

    host: str
    token: str = "Bearer first"
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_ssl: bool = True
    tls_server_name: str | None = None

    def get_api_key_with_prefix(self, identifier: str) -> str | None:
        return self.token if identifier == "authorization" else None


@dataclass
class WrittenServer:
    """What is answered, and what was asked.

    Attributes:
        answers: `METHOD /path` (without the query) > the answers one after another; the last one stays.
        asked: the requests' lines, in order.
        bodies, tokens: of the requests, in the same order.
    """

    cluster: Cluster
    credentials: Credentials
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[Mapping[str, object]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def answer(self, request: str, *answers: Answer) -> None:
        """Writes down what a request is answered."""
        self.answers[request] = list(answers)

    def next(self, request: str) -> Answer:
        """The next answer to a request."""
        answers = self.answers.get(request, [Answer(404, {"message": f"{request} is not written down"})])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def refused(status: int, message: str) -> Answer:
    """A refusal as Kubernetes writes it."""
    return Answer(status, {"kind": "Status", "message": message, "code": status})


@contextmanager
def written_server(namespace: str = "payments") -> Iterator[WrittenServer]:
    """A server on loopback, and a namespace of it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    credentials = Credentials(f"http://127.0.0.1:{server.server_port}")
    cluster = Cluster(ApiServer(credentials, "KUBECONFIG's current context"), namespace)
    written = WrittenServer(cluster, credentials)
    server.RequestHandlerClass = _handler(written)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield written
    finally:
        cluster.close()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(written: WrittenServer) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            written.asked.append(f"{self.command} {self.path}")
            written.bodies.append(json.loads(body) if body else {})
            written.tokens.append(self.headers.get("Authorization", ""))
            answer = written.next(f"{self.command} {self.path.partition('?')[0]}")
            if answer.status == 0:                      # the connection is cut before an answer
                self.close_connection = True
                return
            content = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content) + (10 if answer.end == BROKEN else 0)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815  http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            """Says nothing."""

    return Handler
