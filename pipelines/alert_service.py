"""The retrain service's HTTP side.

POST /api/v1/retrain    Alertmanager's webhook JSON; 202 once each request in it is stored or declined, with why
GET  /health            200 while requests are taken and carried out, and while there is no project yet
GET  /metrics           requests by what became of them
"""

import json
import logging
import signal
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import Counter

from components.operations.retrain import Asked, Decision
from journey.errors import JourneyError, RequestError, Unavailable
from pipelines.alerts import MOST_DIGITS, take
from pipelines.probed import metrics_page, process_registry
from pipelines.retraining import Retrainer

PATH = "/api/v1/retrain"
MOST_BYTES = 1_000_000             # a webhook of thousands of alerts is smaller
REQUESTS = "journey_retraining_requests_total"       # decision: stored, declined

log = logging.getLogger("journey.trigger")


class Service(ThreadingHTTPServer):
    """The HTTP side; one alert is decided at a time, so that a decision sees what the one before has stored."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.stop, self.wake = threading.Event(), threading.Event()
        self.broken = self.replaced = False
        self.registry = process_registry()
        self._counted = Counter(REQUESTS, "Requests for a retraining: stored, declined.", ["decision"], registry=self.registry)
        self._retrainer: Retrainer | None = None
        self._worker: threading.Thread | None = None
        self._turn = threading.Lock()

    @property
    def healthy(self) -> bool:
        """Whether requests are carried out, or can't come yet."""
        return self._worker is None or self._worker.is_alive()

    def begin(self, retrainer: Retrainer) -> None:
        """Takes requests from now on, and carries them out."""
        self._worker = threading.Thread(target=self._work, args=(retrainer,), name="retrainer", daemon=True)
        self._worker.start()
        self._retrainer = retrainer

    def take(self, body: bytes) -> list[dict[str, object]]:
        """Stores what a webhook asks for and wakes who carries it out.

        Raises:
            RequestError: the body isn't Alertmanager's webhook JSON, or is about another model.
            Unavailable: there is no project yet whose model could be trained.
        """
        retrainer = self._retrainer
        if retrainer is None:
            raise Unavailable("expected a published project, found none yet. Run its pipeline on this cluster, then send the alert again.")
        with self._turn:
            taken = take(body, partial(_ask, retrainer))
        for one in taken:
            self._counted.labels("stored" if one["stored"] else "declined").inc()
        self.wake.set()
        return taken

    def replace(self) -> None:
        """Ends the service, so that it starts anew with another project."""
        self.replaced = True
        self.shutdown()

    def fail(self) -> None:
        """Ends the service after what was logged: its supervisor starts it again."""
        self.broken = True
        self.shutdown()

    def _work(self, retrainer: Retrainer) -> None:
        try:
            retrainer.work(self.stop, self.wake)
        except Exception:
            log.exception("carrying out retrainings broke; the service ends, and its supervisor starts it again")
            self.fail()


def _ask(retrainer: Retrainer, asked: Asked) -> Decision:
    if asked.model != retrainer.model:
        raise RequestError("alerts.labels.model", f"'{retrainer.model}', the model of this trigger", repr(asked.model))
    return retrainer.ask(asked)


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        told = self.headers.get("content-length", "")
        size = int(told) if told.isdecimal() and len(told) < MOST_DIGITS else None
        if self.path != PATH or size is None or size > MOST_BYTES:
            self.close_connection = True          # what it holds isn't read, so nothing can follow
            status = 404 if self.path != PATH else 411 if not told else 413
            self._answer(status, {"error": f"expected POST {PATH} with a content-length of at most {MOST_BYTES} bytes"})
            return
        try:
            self._answer(202, {"requests": self.server.take(self.rfile.read(size))})
        except RequestError as error:
            self._answer(400, {"error": str(error)})
        except JourneyError as error:
            self._answer(503, {"error": str(error)})

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._send(200, *metrics_page(self.server.registry))
        elif self.path == "/health":
            self._answer(200 if self.server.healthy else 503, {"healthy": self.server.healthy})
        else:
            self._answer(404, {"error": f"expected POST {PATH}, GET /health or GET /metrics"})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002  # the base class's name
        log.debug(format, *values)


def serve(service: Service) -> int:
    """Serves until SIGTERM or SIGINT; a retraining that is under way is taken up at the next start.

    Returns:
        The exit code: 1 where the service could not go on.
    """
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: threading.Thread(target=service.shutdown, daemon=True).start())
    service.serve_forever(poll_interval=0.1)
    service.stop.set()
    service.wake.set()
    service.server_close()
    return int(service.broken)


def listening(host: str, port: int) -> Service:
    """The service on its port.

    Raises:
        Unavailable: the port is taken, or the address isn't this machine's.
    """
    try:
        return Service((host, port))
    except OSError as error:
        raise Unavailable(f"{host}:{port}: expected a free port, found: {error.strerror}. Give another one with --port.") from error
