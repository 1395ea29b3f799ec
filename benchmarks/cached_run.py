"""How long `journey run` takes when nothing has changed: the whole command, from the shell to its last line."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
TIMES = 5


def measured(csv: Path, home: Path) -> dict[str, float]:
    """Median seconds of a run of census of which every step is cached.

    Args:
        csv: census' raw file.
        home: where census was run before; runs it first where it was not.
    """
    _run(csv, home)
    seconds = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        steps = _run(csv, home)
        seconds.append(time.perf_counter() - begun)
        assert all(step["cached"] for step in steps), "expected every step cached, found one that ran"
    return {"cached_run_s": round(median(seconds), 2)}


def _run(csv: Path, home: Path) -> list[dict[str, object]]:
    journey = Path(sys.executable).with_name("journey")
    command = [str(journey), "run", "-p", str(ROOT / "examples" / "census"), "--home", str(home), "--json"]
    environment = {**os.environ, "CENSUS_CSV": str(csv)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    steps: list[dict[str, object]] = json.loads(done.stdout)["steps"]
    return steps
