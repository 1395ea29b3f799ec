"""Real processes under supervision: killed, ended, left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import serving.listening
from app import supervisor
from app.supervisor import Service, Supervisor

SLEEP = (sys.executable, "-c", "import time; time.sleep(300)")      # longer than any wait here: none of them ends by itself
ROOT = Path(__file__).resolve().parents[2]


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@contextmanager
def running(folder: Path, *services: Service, told: Callable[[str], None] = lambda _: None) -> Iterator[Callable[[], dict[str, object]]]:
    stop = threading.Event()
    kept = Supervisor(services, folder, os.environ | {"PYTHONPATH": str(ROOT)}, told)
    thread = threading.Thread(target=kept.run, args=(stop,))
    thread.start()
    try:
        until((folder / "status.json").exists)
        yield lambda: json.loads((folder / "status.json").read_text())
    finally:
        stop.set()
        thread.join(120)


def pid(status: dict[str, object], place: int = 0) -> int:
    processes = status["processes"]
    assert isinstance(processes, list)
    return int(processes[place]["pid"])


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_killed_process_is_started_again_and_all_end_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    with running(tmp_path, Service("one", SLEEP), Service("two", SLEEP)) as status:
        first, second = pid(status()), pid(status(), 1)
        os.kill(first, signal.SIGKILL)
        until(lambda: pid(status()) != first and bool(status()["processes"][0]["running"]))  # type: ignore[index]
        assert status()["processes"][0]["restarts"] == 1  # type: ignore[index]
        assert pid(status(), 1) == second
        again = pid(status())
    assert status()["state"] == "ended"
    assert not alive(again)
    assert not alive(second)


def test_the_first_pause_is_as_short_as_it_says_and_each_after_it_twice_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.15)
    told: list[str] = []
    with running(tmp_path, Service("brief", (sys.executable, "-c", "")), told=told.append):
        until(lambda: len(told) >= 4)
    assert [re.findall(r"again in (\S+) s", line) for line in told[:4]] == [["0.05"], ["0.1"], ["0.15"], ["0.15"]]


def test_a_service_waits_for_the_file_that_it_needs_and_those_after_it_wait_too(tmp_path: Path) -> None:
    needed = tmp_path / "store"
    with running(tmp_path, Service("one", SLEEP), Service("two", SLEEP, needs=needed), Service("three", SLEEP)) as status:
        time.sleep(0.5)
        assert [process["name"] for process in status()["processes"]] == ["one"]  # type: ignore[attr-defined]
        needed.touch()
        until(lambda: len(status()["processes"]) == 3)  # type: ignore[arg-type]


def test_what_a_process_says_is_in_its_log(tmp_path: Path) -> None:
    with running(tmp_path, Service("talker", (sys.executable, "-c", "print('hello', flush=True); import time; time.sleep(300)"))):
        until(lambda: (tmp_path / "talker.log").read_bytes() == b"hello\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, threading; from pathlib import Path; from app.supervisor import Service, Supervisor\n"
        "Supervisor([Service('one', (sys.executable, '-c', 'import time; time.sleep(300)'))], Path(sys.argv[1]), os.environ)"
        ".run(threading.Event())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        until((tmp_path / "status.json").exists)
        child = pid(json.loads((tmp_path / "status.json").read_text()))
        time.sleep(0.3)
        assert alive(child)
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not alive(child))


def test_a_server_is_given_the_time_to_leave_and_to_answer_what_is_in_flight() -> None:
    assert supervisor.GRACE_SECONDS >= serving.listening.LEAVE_SECONDS + serving.listening.DRAIN_SECONDS + 5
