"""The retrain service: takes alerts, stores what they ask for before it answers, and carries it out.

    python -m pipelines.trigger -p PROJECT --port 8081
    POST /api/v1/retrain    Alertmanager's webhook JSON; 202 once each request in it is stored or declined, with why
    GET  /health            200 while requests are taken and carried out

An alert is a hint that comes twice, late or not at all; the ledger's key makes it one request. Beside that, the service lets the ledger
forget answers of which no label is expected any more.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pydantic import ValidationError

from components.operations.retrain import Asked, Decision, Policy
from journey.clock import EPOCH, clock_of, duration
from journey.errors import JourneyError, RequestError, Unavailable
from journey.places import Places
from journey.project import load_project
from journey.records.ledger import Ledger
from monitoring.alerts import Alert, Webhook
from monitoring.rules import TRIGGER_CLASS, rules_of
from pipelines.niceness import give_way
from pipelines.placement import target_of
from pipelines.retention import keep_forgetting
from pipelines.retraining import Retrainer

PATH = "/api/v1/retrain"
MOST_BYTES = 1_000_000             # a webhook of thousands of alerts is smaller
MOST_DIGITS = 10                   # of a number in a request: Python reads no longer ones than some thousand digits
NICENESS = 10                      # who answers requests and keeps features fresh comes first; training takes what is left

log = logging.getLogger("journey.trigger")

Ask = Callable[[Asked], Decision]


def asked_of(alert: Alert) -> Asked:
    """What an alert asks for.

    Without the annotation `onset` (an alert of plain Prometheus), the drift is taken to have begun when the evidence did: as long before
    `startsAt` as the rule makes evidence last.

    Raises:
        RequestError: a label is missing or no version's number.
    """
    for name in ("model", "version"):
        if name not in alert.labels:
            raise RequestError(f"alerts.labels.{name}", "a label", "none")
    version = alert.labels["version"]
    if not version.isdecimal() or len(version) >= MOST_DIGITS:
        raise RequestError("alerts.labels.version", "a version's number", repr(version[:40]))
    return Asked(alert.labels["model"], int(version), alert.labels.get("class", TRIGGER_CLASS), _onset(alert))


def _onset(alert: Alert) -> datetime:
    told = alert.annotations.get("onset")
    if told is None:
        return max(alert.starts_at, EPOCH) - rules_of(("1d",)).lasts
    try:
        onset = datetime.fromisoformat(told)
    except ValueError as error:
        raise RequestError("alerts.annotations.onset", "a moment in ISO 8601 with its zone", repr(told)) from error
    if onset.tzinfo is None:
        raise RequestError("alerts.annotations.onset", "a moment in ISO 8601 with its zone", repr(told))
    return onset


def take(body: bytes, ask: Ask) -> list[dict[str, object]]:
    """Asks for what a webhook's firing alerts ask for.

    Raises:
        RequestError: the body isn't Alertmanager's webhook JSON.
    """
    try:
        webhook = Webhook.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(".".join(map(str, first["loc"])) or "body", "Alertmanager's webhook JSON", first["msg"]) from error
    firing = [alert for alert in webhook.alerts if alert.status == "firing" and alert.labels.get("action", "retrain") == "retrain"]
    decisions = [ask(asked) for asked in [asked_of(alert) for alert in firing]]
    return [{"key": decision.key, "stored": decision.accepted, "reason": decision.reason} for decision in decisions]


class Service(ThreadingHTTPServer):
    """The HTTP side; one alert is decided at a time, so that a decision sees what the one before has stored."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], retrainer: Retrainer) -> None:
        super().__init__(address, _Handler)
        self.stop, self.wake = threading.Event(), threading.Event()
        self.broken = False
        self._retrainer, self._turn = retrainer, threading.Lock()
        self.worker = threading.Thread(target=self._work, name="retrainer", daemon=True)

    def take(self, body: bytes) -> list[dict[str, object]]:
        """Stores what a webhook asks for and wakes who carries it out."""
        with self._turn:
            taken = take(body, self._ask)
        self.wake.set()
        return taken

    def _work(self) -> None:
        try:
            self._retrainer.work(self.stop, self.wake)
        except Exception:
            log.exception("carrying out retrainings broke; the service ends, and its supervisor starts it again")
            self.broken = True
            self.shutdown()

    def _ask(self, asked: Asked) -> Decision:
        if asked.model != self._retrainer.model:
            raise RequestError("alerts.labels.model", f"'{self._retrainer.model}', the model of this trigger", repr(asked.model))
        return self._retrainer.ask(asked)


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
        healthy = self.path == "/health" and self.server.worker.is_alive()
        self._answer(200 if healthy else 503 if self.path == "/health" else 404, {"healthy": healthy})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
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
    service.worker.start()
    service.serve_forever(poll_interval=0.1)
    service.stop.set()
    service.wake.set()
    service.server_close()
    return int(service.broken)


def _listening(host: str, port: int, retrainer: Retrainer) -> Service:
    """The service on its port.

    Raises:
        Unavailable: the port is taken, or the address isn't this machine's.
    """
    try:
        return Service((host, port), retrainer)
    except OSError as error:
        raise Unavailable(f"{host}:{port}: expected a free port, found: {error.strerror}. Give another one with --port.") from error


def main() -> int:
    """Takes alerts and carries out the retrainings that they ask for, until SIGTERM or SIGINT."""
    from pipelines.trainer import LocalTrainer

    parser = argparse.ArgumentParser(prog="python -m pipelines.trigger", description=main.__doc__)
    parser.add_argument("-p", "--project", type=Path, default=Path())
    parser.add_argument("--home", type=Path, required=True, help="$JOURNEY_HOME")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    give_way(NICENESS)
    try:
        project = load_project(wanted.project)
        policy = Policy(duration(project.retraining.cooldown), project.retraining.per_day, project.retraining.fresh_rows)
        places = Places(target_of(project, "local"), wanted.home, os.environ)
        ledger, clock = Ledger.connect(places.ledger), clock_of(os.environ)
        trainer = LocalTrainer(wanted.project, wanted.home, project.name, ledger, clock)
        retrainer = Retrainer(ledger, project.name, policy, duration(project.features.refresh), clock, trainer)
        service = _listening(wanted.host, wanted.port, retrainer)
        old = (ledger, duration(project.predict.matures), clock, service.stop)
        threading.Thread(target=keep_forgetting, args=old, name="retention", daemon=True).start()
    except JourneyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps({"port": service.server_port, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    return serve(service)


if __name__ == "__main__":
    sys.exit(main())
