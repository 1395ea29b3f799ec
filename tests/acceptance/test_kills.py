"""A run that is killed at any moment is finished by the next one: no step twice, one version."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from journey.records.ledger import Ledger

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


def test_three_kills_repeat_no_finished_step_and_leave_one_version(journey, census: Path, tmp_path: Path) -> None:
    home, moments = tmp_path / "home", random.Random(5)
    finished: set[str] = set()
    for _ in range(3):
        process = _started(census, home)
        time.sleep(moments.uniform(6, 25))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        finished |= _entries(home)

    last = journey("run", "-p", census, "--home", home, "--json").json

    assert last["state"] == "done"
    assert finished <= _entries(home)
    cached = sum(step["cached"] for step in last["steps"])
    assert cached >= len(finished) - 1                  # ingest looks anew each time, and says so
    with Ledger.connect(f"sqlite:///{home / 'ledger.db'}") as ledger:
        assert len(ledger.versions(last["model"])) == 1


def _started(project: Path, home: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(os.sys.executable).with_name("journey")), "run", "-p", str(project), "--home", str(home), "--json"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def _entries(home: Path) -> set[str]:
    """The finished steps that the cache knows."""
    return {path.name for path in (home / "cache").glob("*")}
