"""The process of a run's Job: what it tells, and what its exit code means to Kubernetes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import executor
from journey.errors import GateFailed
from pipelines.engines.local.lock import Busy
from pipelines.remote.events import Parts, event_of
from tests.pipelines.remote.test_events import RUN, STEP

WORDS = ["-p", "/opt/journey/project", "--target", "kind", "--run", "a", "--called", "my payments", "--parameter", "onset=a=b"]
ROOT = Path(__file__).resolve().parents[2]


def ended(home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list]:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        code = executor.main([*WORDS, "--home", str(home)])
    finally:
        signal.signal(signal.SIGTERM, handler)
    return code, [event for event in map(event_of, capsys.readouterr().out.splitlines()) if event]


def test_a_run_that_a_gate_refused_is_told_of_and_the_process_did_its_work(tmp_path, monkeypatch, capsys):
    def run(project, target, options):
        assert (target, options.run, dict(options.parameters)) == ("kind", "a", {"onset": "a=b"})
        options.progress.ended(STEP)
        return RUN.__class__(**{**vars(RUN), "home": tmp_path})

    monkeypatch.setattr("pipelines.submit.submit", run)
    code, events = ended(tmp_path, capsys)
    assert code == 0, "another exit code would have Kubernetes run it again"
    assert [event.kind for event in events][:2] == ["ended", "result"]
    report = Parts()
    for event in events[2:]:
        report.add(event)
    assert "journey run -p &#39;my payments&#39; --target kind" in report.content
    assert (tmp_path / "runs" / "a" / "result.json").is_file()


@pytest.mark.parametrize("error", [Busy("found run b"), GateFailed("no"), ZeroDivisionError("what")])
def test_why_there_was_no_run_is_told(tmp_path, monkeypatch, capsys, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("pipelines.submit.submit", refuse)
    code, events = ended(tmp_path, capsys)
    assert code == 0
    assert [event.kind for event in events] == ["error"]
    assert str(error) in events[0].fields["text"]


SLOW = """
import sys, time
import pipelines.submit
from app import executor

def wait(*_, **__):
    print("begun", flush=True)
    time.sleep(600)

pipelines.submit.submit = wait
sys.exit(executor.main(sys.argv[1:]))
"""


def taken_away(home: Path, code: str, once: str) -> tuple[int, str]:
    """How a process ends that is told to once it says something, and what it says after that."""
    process = subprocess.Popen([sys.executable, "-c", code, *WORDS, "--home", str(home)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout.readline() == f"{once}\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out


def test_a_pod_that_is_taken_away_says_nothing_of_a_result(tmp_path):
    assert taken_away(tmp_path, SLOW, "begun") == (executor.INTERRUPTED, "")


LOADS = """
import sys, time
from app import executor

class Finder:
    def find_spec(self, name, *_):
        if name == "pipelines.submit":
            print("loads", flush=True)
            try:
                time.sleep(600)
            except BaseException:       # as libraries have it
                pass

sys.meta_path.insert(0, Finder())
sys.exit(executor.main(sys.argv[1:]))
"""


def test_a_pod_that_is_taken_away_while_it_loads_ends_at_once(tmp_path):
    assert taken_away(tmp_path, LOADS, "loads") == (executor.INTERRUPTED, "")


def test_a_command_in_a_pod_is_told_apart_from_its_errors(tmp_path):
    (tmp_path / "project.yaml").write_text("format: 1\n")
    words = [sys.executable, "-m", "app.relayed", "check", "--json", "-p", str(tmp_path)]
    answer = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert answer.returncode == 1
    told = [event_of(line) for line in answer.stdout.splitlines()]
    assert {event and event.kind for event in told} == {"out"}
    assert json.loads("".join(event.fields["text"] for event in told))["problems"]


@pytest.mark.parametrize(("command", "again"), [("rollback", "isn't begun again"), ("status", "expected a project without mistakes")])
def test_a_command_that_changes_something_is_begun_by_one_pod_of_its_job(tmp_path, command, again):
    (tmp_path / "project.yaml").write_text("format: 2\n")
    environment = {**os.environ, "JOURNEY_HOME": str(tmp_path), "JOURNEY_JOB": f"{command}-1a2b"}
    words = [sys.executable, "-m", "app.relayed", command, "-p", str(tmp_path)]
    first, second = (subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment, check=False) for _ in range(2))
    assert "begun" not in first.stderr
    assert again in second.stderr
    assert second.returncode == 1
