"""A real Postgres on loopback for tests: made in a second, gone with them."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.ports import free_port

PASSWORD = "planted-secret"
ACCOUNT = "nobody"            # Postgres refuses to be run by root


@dataclass
class Postgres:
    """A server's folder and port; each `database()` is a new, empty one."""

    folder: Path
    binaries: Path
    port: int
    _process: "subprocess.Popen[bytes] | None" = None
    _names: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"postgresql://journey:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def database(self) -> str:
        """The URL of a new database."""
        self._names.append(f"test_{len(self._names)}")
        self.execute("postgres", f"CREATE DATABASE {self._names[-1]}")
        return self.url(self._names[-1])

    def execute(self, name: str, statement: str) -> None:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB")
        places = ("-D", self.folder / "data", "-h", "127.0.0.1", "-p", self.port, "-k", self.folder / "sockets")
        settings = [part for setting in quick for part in ("-c", setting)]
        command = [*_as_other(), *map(str, (self.binaries / "postgres", *places)), *settings]
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, log.read_text()
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"Postgres doesn't answer: {log.read_text()}")

    def stop(self) -> None:
        """Ends it as a restart does: every connection is cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=120)
            self._process = None


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server that runs until the end of the block; skips the test where there is no Postgres."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("there is no Postgres here: install Debian's package postgresql")
    with tempfile.TemporaryDirectory(prefix="journey-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        for inner in ("data", "sockets"):
            (folder / inner).mkdir(mode=0o700)
            if os.geteuid() == 0:
                shutil.chown(folder / inner, ACCOUNT)
        _initialize(binaries, folder)
        server = Postgres(folder, binaries, free_port())
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _binaries() -> Path | None:
    found = [Path(path).parent for path in (shutil.which("initdb"),) if path]
    return next((folder for folder in (*found, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))), None)


def _as_other() -> list[str]:
    return ["setpriv", f"--reuid={ACCOUNT}", "--clear-groups"] if os.geteuid() == 0 else []


def _initialize(binaries: Path, folder: Path) -> None:
    (folder / "password").write_text(PASSWORD)
    password = f"--pwfile={folder / 'password'}"
    options = ("--no-sync", "-U", "journey", "-A", "scram-sha-256", password, "-E", "UTF8", "--locale=C")
    command = (binaries / "initdb", *options, folder / "data")
    done = subprocess.run([*_as_other(), *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
