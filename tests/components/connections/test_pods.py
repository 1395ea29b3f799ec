"""Against pods that a real cluster told of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.connections import pods
from components.connections.pods import Patience, Pod, trouble
from tests.api_server import Answer, written_server

PODS: Mapping[str, dict[str, Any]] = json.loads((Path(__file__).parent / "recorded_pods.json").read_text())
EVENTS = "GET /api/v1/namespaces/payments/events"


@pytest.mark.parametrize(
    ("name", "reason", "told"),
    [
        ("oom", "OOMKilled", "expected at most 32Mi of memory, which is its limit"),
        ("pull", "ErrImagePull", "connection refused. See that the image was pushed"),
        ("name", "InvalidImageName", "repository name must be lowercase. Mend the image's name."),
        ("config", "CreateContainerConfigError", 'secret "nosecret" not found'),
        ("rootuser", "CreateContainerConfigError", "image will run as root"),
        ("large", "Unschedulable", "1 Insufficient memory. Ask for less"),
        ("claim", "Unschedulable", 'persistentvolumeclaim "noclaim" not found'),
        ("nocommand", "ContainerCannotRun", 'exec: "nosuch": executable file not found'),
        ("crash", "CrashLoopBackOff", "2 restarts, the last ended with exit code 3"),
        ("deadline", "DeadlineExceeded", "Give it more time"),
        ("evicted", "Evicted", 'Usage of EmptyDir volume "v" exceeds the limit "1Mi"'),
    ],
)
def test_the_pods_own_reason_is_told_with_what_to_do(name: str, reason: str, told: str) -> None:
    found = trouble(PODS[name])

    assert found is not None
    assert found.reason == reason
    assert found.text.startswith(f"pod payments/{name}: expected ")
    assert told in found.text


def test_only_a_pod_that_was_taken_away_is_lost() -> None:
    assert {name for name, pod in PODS.items() if (found := trouble(pod)) and found.lost} == {"evicted"}


def ended(code: int, **more: object) -> dict[str, Any]:
    container = {"name": "step", "state": {"terminated": {"exitCode": code, "reason": "Error", **more}}}
    status = {"phase": "Failed", "containerStatuses": [container]}
    return {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "step"}]}, "status": status}


@pytest.mark.parametrize(("code", "signal", "lost"), [(137, "SIGKILL", True), (143, "SIGTERM", True), (139, "SIGSEGV", False)])
def test_a_signal_from_outside_is_a_loss_and_a_crash_is_not(code: int, signal: str, lost: bool) -> None:
    found = trouble(ended(code))

    assert found is not None
    assert signal in found.text
    assert found.lost is lost


def test_an_exit_code_is_told_with_the_last_line_of_the_log() -> None:
    found = trouble(ended(255, message="Traceback …\nValueError: no\n"))

    assert found is not None
    assert found.text.endswith("exit code 255: ValueError: no.")


def test_a_pod_that_runs_or_ended_well_has_no_trouble() -> None:
    running = {"phase": "Running", "containerStatuses": [{"name": "step", "state": {"running": {"startedAt": "2026-11-21T15:00:00Z"}}}]}
    assert trouble({"metadata": {"name": "x"}, "status": running}) is None
    assert trouble({"metadata": {"name": "x"}, "status": {"phase": "Succeeded"}}) is None
    assert trouble({"metadata": {"name": "x"}}) is None


def test_a_volume_that_cannot_be_mounted_is_known_from_the_events_alone() -> None:
    mount = {"reason": "FailedMount", "message": 'secret "nosecret" not found', "lastTimestamp": "2026-11-21T15:00:02Z"}
    pulling = {"reason": "Pulling", "message": "Pulling image", "lastTimestamp": "2026-11-21T15:00:05Z"}

    assert trouble(PODS["volume"]) is None
    found = trouble(PODS["volume"], [mount])
    assert found is not None
    assert 'FailedMount: secret "nosecret" not found. Make the Secret' in found.text
    assert trouble(PODS["volume"], [mount, pulling]) is None


def test_a_reason_that_may_pass_is_waited_for_and_one_that_may_not_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(pods.time, "monotonic", lambda: now[0])
    backing_off = json.loads(json.dumps(PODS["pull"]).replace("ErrImagePull", "ImagePullBackOff"))
    with written_server() as server:
        server.answer(EVENTS, Answer(200, {"items": []}))
        assert Patience(server.cluster).exhausted(PODS["name"]) is not None
        patience = Patience(server.cluster)
        assert patience.exhausted(PODS["pull"]) is None
        now[0] += 30
        assert patience.exhausted(backing_off) is None          # the kubelet tells of the two in turns
        now[0] += 31
        assert patience.exhausted(PODS["pull"]) is not None


def test_a_pod_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(pods.time, "monotonic", lambda: now[0])
    with written_server() as server:
        server.answer(EVENTS, Answer(200, {"items": []}))
        patience = Patience(server.cluster)
        assert patience.exhausted(PODS["volume"]) is None
        now[0] += 601
        found = patience.exhausted(PODS["volume"])
    assert found is not None
    assert "expected it to start within 600 s" in found.text


def test_a_pod_is_read_with_what_it_lacks() -> None:
    pod = Pod.read({"metadata": {"name": "x", "namespace": "payments"}})

    assert (pod.title, pod.started, pod.ended, pod.terminated) == ("pod payments/x", False, False, None)
