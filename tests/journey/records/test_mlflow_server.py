"""Speaking to MLflow's server."""

import os
import subprocess
import sys

from journey.telemetry import OFF

FOLLOW = """
from pathlib import Path
from journey.errors import Unavailable
from journey.records.registry import Registry

try:
    Registry.at(Path(), "http://127.0.0.1:1").follow("income", {}, ())
except Unavailable:
    from mlflow.telemetry import get_telemetry_client
    print(get_telemetry_client())
"""


def test_mlflow_calls_nobody_else_whoever_speaks_to_its_server():
    environment = {name: value for name, value in os.environ.items() if name not in OFF and name not in ("CI", "PYTEST_CURRENT_TEST")}
    words = [sys.executable, "-W", "ignore", "-c", FOLLOW]
    done = subprocess.run(words, env={**environment, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None"]
