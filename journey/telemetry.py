"""Libraries that would call home, told not to; they look when they are imported."""

import os

OFF = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "FEAST_USAGE": "False",
    "DO_NOT_TRACK": "true",
}


def switch_off() -> None:
    """Tells the libraries that this process, and every process that it starts, may import from now on."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
