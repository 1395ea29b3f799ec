"""A real `mlflow server` on loopback for tests, the way the cluster runs it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from journey.records.mlflow_store import ensure_store
from tests.ports import free_port


@contextmanager
def running_mlflow(folder: Path, backend: str | None = None) -> Iterator[str]:
    """The server's URI, until the end of the block; its artifacts and, unless `backend` names a database, its records are in the folder."""
    if backend is None:
        ensure_store(folder / "mlflow.db")
        backend = f"sqlite:///{folder / 'mlflow.db'}"
    port = free_port()
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": backend,
        "MLFLOW_SERVE_ARTIFACTS": "true",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    uri = f"http://127.0.0.1:{port}"
    try:
        _wait(uri, process, folder / "server.log")
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)        # its workers too
        process.wait()


def _wait(uri: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(1200):
        assert process.poll() is None, log.read_text()
        with suppress(httpx.TransportError):
            if httpx.get(f"{uri}/health", timeout=30, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"MLflow's server doesn't answer: {log.read_text()}")
