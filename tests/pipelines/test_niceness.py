"""Giving way, as Linux really weighs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.niceness import AUTOGROUP

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel doesn't weigh sessions")


def weighed(code: str, *, leads: bool) -> list[str]:
    """What a process prints that leads a session of its own, or one that another process leads."""
    started = [sys.executable, "-c", f"from pipelines.niceness import *; {code}"]
    command = started if leads else ["sh", "-c", '"$@"; true', "sh", *started]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, start_new_session=True).stdout.split()


def nicer(by: int) -> str:
    """What a process is that gives way so much more than this one, which may give way itself."""
    return str(min(19, os.nice(0) + by))


def test_a_session_gives_way_as_its_leader_does() -> None:
    told = weighed("give_way(7); print(os.nice(0), AUTOGROUP.read_text().split()[-1])", leads=True)
    assert told == [nicer(7), nicer(7)]


def test_somebody_elses_session_stays_as_it_is() -> None:
    told = weighed("give_way(7); print(os.nice(0), AUTOGROUP.read_text().split()[-1])", leads=False)
    assert told == [nicer(7), "0"]


def test_who_does_not_give_way_asks_for_nothing() -> None:
    told = weighed("give_way(0); print(os.nice(0), AUTOGROUP.read_text().split()[-1])", leads=True)
    assert told == [nicer(0), nicer(0)]
