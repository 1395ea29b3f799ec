"""Real servers over tiny models on free ports, always stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
import pytest

from tests.serving.tiny import Home, made_home, probability, write_tiny_store

ROOT = Path(__file__).resolve().parents[2]
# The server, told to end, leaves for so long before it does: a test that asks it meanwhile need not be fast.
PATIENT = "import sys, serving.__main__ as it, serving.listening as its; its.QUIET_SECONDS = its.LEAVE_SECONDS = {}; sys.exit(it.main())"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = made_home(tmp_path / "home")
    yield made
    made.ledger.close()


@dataclass
class Server:
    """A running `python -m serving`."""

    process: subprocess.Popen[str]
    ready: dict[str, object]
    errors: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ready['port']}"

    def text(self) -> str:
        return self.errors.read_text()

    @cached_property
    def client(self) -> httpx.Client:
        return self.new_client()

    def new_client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def post(self, body: object, path: str = "/api/v1.0/predictions") -> httpx.Response:
        return self.client.post(path, json=body)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def stop(self) -> int:
        if "client" in self.__dict__:
            self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()


Serve = Callable[..., Server]


@contextmanager
def starting(home: Home) -> Iterator[Serve]:
    """Gives a function that starts servers over a home; all are stopped in the end."""
    started: list[Server] = []

    def start(*options: str, python: str = sys.executable, quiet_seconds: float | None = None, **environment: str) -> Server:
        errors = home.path / f"server-{len(started)}.log"
        program = ("-m", "serving") if quiet_seconds is None else ("-c", PATIENT.format(quiet_seconds))
        follows = () if "--bundle" in options else ("--home", str(home.path), "--model", "tiny")
        inherited = {name: value for name, value in os.environ.items() if name not in ("JOURNEY_CLOCK", "JOURNEY_KEYS")}
        with errors.open("w") as log:
            process = subprocess.Popen(
                [python, *program, *follows, *options],
                stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        server = Server(process, json.loads(line) if line else {}, errors)
        started.append(server)
        return server

    try:
        yield start
    finally:
        for server in started:
            server.stop()
            assert server.process.stdout is not None
            server.process.stdout.close()


@pytest.fixture
def serve(home: Home) -> Iterator[Serve]:
    """Starts servers over `home`: serve("--feedback")."""
    with starting(home) as start:
        yield start


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two versions, the first promoted, for tests that only ask."""
    home = made_home(tmp_path_factory.mktemp("standing") / "home")
    home.promote(home.register())
    home.register()
    with starting(home) as start:
        yield start("--most-rows", "50", "--most-bytes", "20000")
    home.ledger.close()


@pytest.fixture(scope="session")
def tiny() -> Callable[..., float]:
    """The tiny model's own arithmetic: tiny(amount, channel, weight) is the probability of True."""
    return probability


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Waits until something holds: eventually(lambda: …, seconds=60)."""

    def wait(holds: Callable[[], bool], seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, "it didn't come true in time"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def write_store() -> Callable[..., None]:
    """Writes an online store: write_store(path, {"c1": 2.0}, at)."""
    return write_tiny_store
