"""A small HTTP port for probes and for Prometheus: GET /health and GET /metrics."""

import json
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from journey.errors import Unavailable

log = logging.getLogger("journey.probes")

State = Callable[[], dict[str, object]]


class Probed(ThreadingHTTPServer):
    """Answers probes on threads of its own, from when it is made until `close`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], state: State, registry: CollectorRegistry) -> None:
        """Takes the port.

        Args:
            address: host and port; port 0 takes a free one.
            state: what /health says beside being there.
            registry: what /metrics says.

        Raises:
            Unavailable: the port is taken, or the address isn't this machine's.
        """
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise Unavailable(f"{where}: expected a free port, found: {error.strerror}. Give another one with --port.") from error
        self.state, self.registry = state, registry
        threading.Thread(target=self.serve_forever, name="probes", daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self.shutdown()
        self.server_close()


def process_registry() -> CollectorRegistry:
    """A registry that holds the process's own CPU, memory and start."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def metrics_page(registry: CollectorRegistry) -> tuple[str, bytes]:
    """The page that Prometheus scrapes: its content type, and its text."""
    return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)


class _Handler(BaseHTTPRequestHandler):
    server: Probed
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, "application/json", json.dumps({"healthy": True, **self.server.state()}).encode())
        elif self.path == "/metrics":
            self._answer(200, *metrics_page(self.server.registry))
        else:
            self._answer(404, "text/plain", b"expected /health or /metrics\n")

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002  the base class's name
        log.debug(format, *values)
