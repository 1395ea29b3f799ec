"""A run that is killed leaves nothing behind that a later run could mistake for a result, and no process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from google.protobuf import json_format
from kfp import dsl

component = dsl.component(base_image="journey-steps", install_kfp_package=False)
SCRIPT = """
import json, sys
from pathlib import Path
from pipelines.engines.local.engine import Request, execute
from pipelines.engines.local.graph import read
from pipelines.engines.local.lock import held

home, spec = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
with held(home, sys.argv[3], wait=False):
    ended = execute(read(spec, {}), Request(run=sys.argv[3], home=home, root=Path.cwd(), parameters={"flag": sys.argv[4]}))
print(json.dumps({name: step.cached for name, step in ended.record.steps.items()}))
"""

# a fork server whose child gets as far as to lead a group of its own only when the server has ended
LATE = """
import os, socket, sys, time
from pathlib import Path
from pipelines.engines.local.forkserver import Server

server, lead = os.getpid(), os.setsid

def late():
    Path(sys.argv[2]).write_text(str(os.getpid()))
    while os.getppid() == server:
        time.sleep(0.01)
    lead()

os.setsid = late
Server(socket.socket(fileno=int(sys.argv[1]))).serve()
"""


@component
def first(out: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    Path(out.path).write_text("first")


@component
def second(given: dsl.Input[dsl.Dataset], flag: str, out: dsl.Output[dsl.Dataset]):
    """Writes half, starts a process of its own, and waits to be killed; the second time it only writes."""
    import os
    import subprocess
    import time
    from pathlib import Path

    Path(out.path).mkdir()
    (Path(out.path) / "half").write_text("half")
    if not Path(flag).exists():
        grandchild = subprocess.Popen(["sleep", "600"])
        Path(flag).write_text(f"{os.getpid()} {grandchild.pid}")
        time.sleep(600)
    (Path(out.path) / "whole").write_text("whole")


@component
def third(given: dsl.Input[dsl.Dataset]) -> str:
    from pathlib import Path

    return ",".join(sorted(path.name for path in Path(given.path).iterdir()))


@dsl.pipeline(name="killed")
def killed(flag: str):
    third(given=second(given=first().outputs["out"], flag=flag).outputs["out"])


@pytest.fixture
def command(home, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json_format.MessageToJson(killed.pipeline_spec))
    return lambda run: [sys.executable, "-c", SCRIPT, str(home), str(spec), run, str(tmp_path / "flag")]


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_no_process_and_the_next_one_goes_on_where_it_stopped(command, home, tmp_path, how):
    flag = tmp_path / "flag"
    process = subprocess.Popen(command("one"), stderr=subprocess.DEVNULL)
    try:
        numbers = wait_for(lambda: flag.exists() and flag.read_text())
        process.send_signal(how)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    for number in map(int, numbers.split()):
        wait_for(lambda number=number: not alive(number))
    assert len(list((home / "cache" / "steps").glob("*.json"))) == 1, "only the first step has an entry"
    done = subprocess.run(command("two"), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"first": True, "second": False, "third": False}
    assert not list((home / "artifacts" / ".unfinished").glob("*")), "the half-written artifact is gone"


def test_a_second_run_says_who_holds_the_home(command, tmp_path):
    flag = tmp_path / "flag"
    process = subprocess.Popen(command("one"), stderr=subprocess.DEVNULL)
    try:
        wait_for(flag.exists)
        refused = subprocess.run(command("two"), capture_output=True, text=True, check=False)
        assert f"expected no other run here, found run one of process {process.pid}" in refused.stderr
    finally:
        process.kill()
        process.wait()


def test_a_step_outlives_nothing_when_its_fork_server_is_killed(command, home, tmp_path):
    flag = tmp_path / "flag"
    process = subprocess.Popen(command("one"), stdout=subprocess.DEVNULL)
    try:
        child = int(wait_for(lambda: flag.exists() and flag.read_text()).split()[0])
        server = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(server, signal.SIGKILL)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not alive(child))
    assert process.returncode == 0, "the run ended by itself, with a failed step"


def test_a_step_that_gets_its_turn_only_after_the_run_was_killed_does_not_begin(tmp_path):
    begun, ran = tmp_path / "begun", tmp_path / "ran"
    source = f"from pathlib import Path; Path({str(ran)!r}).touch()"
    files = {name: str(tmp_path / name) for name in ("log", "error")}
    job = {"id": 1, "environment": {}, "source": source, "function": "none", "input": {}, **files}
    near, far = socket.socketpair()
    with near, far, subprocess.Popen([sys.executable, "-c", LATE, str(far.fileno()), str(begun)], pass_fds=[far.fileno()]) as server:
        far.close()
        near.sendall(json.dumps(job).encode() + b"\n")
        try:
            child = int(wait_for(lambda: begun.exists() and begun.read_text()))
            near.close()
            assert server.wait(60) == 0
        finally:
            server.kill()
    wait_for(lambda: not alive(child))
    assert not ran.exists()
