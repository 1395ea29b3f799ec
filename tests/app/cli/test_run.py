"""How `journey run` ends when somebody ends it, and what a terminal is left with."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.engines.local import progress
from pipelines.runs import Step

SLOW = """
import asyncio, sys
from pipelines import submit

async def wait():
    print("begun", flush=True)
    await asyncio.sleep(600)

submit.submit = lambda *_, **__: asyncio.run(wait())
from app.cli.main import main
main(["run"])
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_in_one_line(ending):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(ending)
        _, told = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert told == "journey: interrupted. Finished steps are kept: the next run goes on from there.\n"


def test_a_terminal_keeps_its_cursor_until_a_step_runs(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    screen = progress.Screen()
    assert terminal.getvalue() == "", "a project with a mistake is refused before anything runs"
    screen.began("clean-data")
    screen.ended(Step("clean-data", "done", 0.1, cached=False, log=None))
    screen.close()
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1
