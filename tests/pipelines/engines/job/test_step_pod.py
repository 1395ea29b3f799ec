"""Against an API server whose answers are written down; what a real cluster makes of it: tests/cluster/test_engine_job.py."""

import re
import threading
from collections.abc import Iterator

import pytest

from components.connections import pod_log
from journey.errors import ProjectError, Unavailable
from pipelines.engines.job import log_copy, manifest, step_pod
from pipelines.engines.job.manifest import Placing
from pipelines.engines.job.step_pod import StepPod, Stopped, let_go, swept
from pipelines.engines.runner import Report, Told, told
from tests.api_server import Answer, WrittenServer, refused, written_server
from tests.pipelines.engines.job.conftest import MakeJob

PODS = "/api/v1/namespaces/payments/pods"
POD = f"{PODS}/r1-train-logistic-t"
PLACING = Placing("r1", "payments", "kind")
AT = "2026-11-21T15:00:00.000000000Z"


def pod(phase: str, **state: object) -> Answer:
    """A pod of one container as the API server tells of it."""
    statuses = [{"name": "step", "state": state}] if state else []
    metadata = {"name": "r1-train-logistic-t", "namespace": "payments"}
    spec = {"containers": [{"name": "step", "resources": {"limits": {"memory": "1Gi"}}}]}
    return Answer(200, {"metadata": metadata, "spec": spec, "status": {"phase": phase, "containerStatuses": statuses}})


RUNNING = pod("Running", running={"startedAt": AT})
DONE = pod("Succeeded", terminated={"exitCode": 0, "reason": "Completed"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WrittenServer]:
    for module, name in ((step_pod, "LOOK_SECONDS"), (step_pod, "_QUOTA_PAUSE_SECONDS"), (pod_log, "_PAUSE_SECONDS")):
        monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(manifest.secrets, "token_hex", lambda _bytes: "t")
    with written_server() as found:
        found.answer(f"POST {PODS}", Answer(201, {"kind": "Pod", "metadata": {"name": "r1-train-logistic-t"}}))
        found.answer(f"GET {POD}/log", Answer(200, f"{AT} hello\n"))
        found.answer(f"DELETE {POD}", Answer(200, {}))
        found.answer("GET /api/v1/namespaces/payments/events", Answer(200, {"items": []}))
        yield found


def ran(server: WrittenServer, make_job: MakeJob) -> Report:
    return StepPod(server.cluster, PLACING, make_job(), threading.Event()).run()


def test_a_step_that_ends_well_leaves_its_log_and_no_pod(server: WrittenServer, make_job: MakeJob) -> None:
    server.answer(f"GET {POD}", pod("Pending"), RUNNING, DONE)

    assert ran(server, make_job).status == 0
    assert make_job().log.read_text() == "hello\n"
    assert [line for line in server.asked if not line.startswith("GET")][-1] == f"DELETE {POD}"        # who follows the log may ask later


def test_a_second_attempts_log_comes_after_the_firsts(server: WrittenServer, make_job: MakeJob) -> None:
    server.answer(f"GET {POD}", DONE)

    ran(server, make_job)
    ran(server, make_job)

    assert make_job().log.read_text() == "hello\nhello\n"


def test_a_log_of_megabytes_is_kept_whole_and_its_end_tells_the_exception(
    server: WrittenServer, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_copy, "_END_BYTES", 200)
    lines = [*("x" * 90 for _ in range(100)), "Traceback (most recent call last):", '  File "x", line 1', "OSError: disk full"]
    server.answer(f"GET {POD}/log", Answer(200, "".join(f"{AT} {line}\n" for line in lines)))
    server.answer(f"GET {POD}", pod("Failed", terminated={"exitCode": 1, "reason": "Error"}))

    ran(server, make_job)

    assert make_job().log.read_text().splitlines() == lines
    assert told(make_job().error) == Told("builtins.OSError", "disk full", 1)
    assert [path.name for path in make_job().log.parent.glob("*.whole")] == []


def test_a_step_that_ended_well_did_so_though_its_pod_cannot_be_taken_away(server: WrittenServer, make_job: MakeJob) -> None:
    server.answer(f"GET {POD}", DONE)
    server.answer(f"DELETE {POD}", refused(403, "no"))

    assert ran(server, make_job).status == 0


def test_the_exception_of_a_step_is_told_from_its_log(server: WrittenServer, make_job: MakeJob) -> None:
    lines = ("Traceback (most recent call last):", '  File "x", line 1', "journey.errors.GateFailed: too weak")
    server.answer(f"GET {POD}/log", Answer(200, "".join(f"{AT} {line}\n" for line in lines)))
    server.answer(f"GET {POD}", pod("Failed", terminated={"exitCode": 1, "reason": "Error"}))

    report = ran(server, make_job)

    assert (report.status, report.lost) == (1, False)
    assert told(make_job().error) == Told("journey.errors.GateFailed", "too weak", 3)


def test_a_traceback_of_a_process_that_ended_otherwise_is_not_its_reason(server: WrittenServer, make_job: MakeJob) -> None:
    server.answer(f"GET {POD}/log", Answer(200, f"{AT} Traceback (most recent call last):\n{AT}   File x\n{AT} ValueError: handled\n"))
    server.answer(f"GET {POD}", pod("Failed", terminated={"exitCode": 7, "reason": "Error"}))

    report = ran(server, make_job)

    assert report.reason() == "ended with exit code 7 without an exception"
    assert told(make_job().error) is None


def test_too_little_memory_is_told_with_the_limit_and_its_key(server: WrittenServer, make_job: MakeJob) -> None:
    server.answer(f"GET {POD}", pod("Failed", terminated={"exitCode": 137, "reason": "OOMKilled"}))

    report = ran(server, make_job)

    assert not report.lost
    assert "at most 1Gi of memory" in report.reason()
    assert "targets.kind.resources.train.memory" in report.reason()


def test_a_library_that_has_no_memory_left_ends_with_the_key_to_raise(server: WrittenServer, make_job: MakeJob) -> None:
    lines = ["Traceback (most recent call last):", "_duckdb.OutOfMemoryException: Out of Memory Error: could not allocate block"]
    server.answer(f"GET {POD}/log", Answer(200, "".join(f"{AT} {line}\n" for line in lines)))
    server.answer(f"GET {POD}", pod("Failed", terminated={"exitCode": 1, "reason": "Error"}))

    ran(server, make_job)
    found = told(make_job().error)

    assert found is not None
    assert found.message.startswith("Out of Memory Error: could not allocate block. The step's limit is 1Gi.")
    assert "Raise targets.kind.resources.train.memory" in found.message


@pytest.mark.parametrize(
    "end",
    [
        refused(404, "not found"),
        pod("Failed", terminated={"exitCode": 137, "reason": "Error"}),
        Answer(200, {"metadata": {"name": "x"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "low on disk"}}),
    ],
)
def test_a_pod_that_was_taken_away_is_lost(server: WrittenServer, make_job: MakeJob, end: Answer) -> None:
    server.answer(f"GET {POD}", RUNNING, end)

    report = ran(server, make_job)

    assert report.lost
    assert report.status != 0


def test_an_exception_whose_traceback_comes_late_is_told_all_the_same(
    server: WrittenServer, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_pod, "_LATE_SECONDS", 0.01)
    monkeypatch.setattr(log_copy.LogCopy, "follow", lambda _: None)         # which would read the log, too, at a time of its own
    lines = ["hello", "Traceback (most recent call last):", '  File "x", line 1', "OSError: disk full"]
    whole = Answer(200, "".join(f"{AT} {line}\n" for line in lines))
    server.answer(f"GET {POD}/log", *[Answer(200, f"{AT} hello\n")] * 4, whole)
    server.answer(f"GET {POD}", pod("Failed", terminated={"exitCode": 1, "reason": "Error"}))

    ran(server, make_job)

    assert told(make_job().error) == Told("builtins.OSError", "disk full", 1)
    assert make_job().log.read_text().count("hello") == 1


def test_a_pod_that_fails_while_it_is_being_deleted_is_lost_whatever_its_exit_code(server: WrittenServer, make_job: MakeJob) -> None:
    going = pod("Failed", terminated={"exitCode": 1, "reason": "Error"})
    assert isinstance(going.body, dict)
    going.body["metadata"]["deletionTimestamp"] = AT
    server.answer(f"GET {POD}", RUNNING, going)

    assert ran(server, make_job).lost


def test_a_pod_that_cannot_start_ends_with_its_own_reason_and_is_taken_away(server: WrittenServer, make_job: MakeJob) -> None:
    waiting = {"reason": "InvalidImageName", "message": "repository name must be lowercase"}
    server.answer(f"GET {POD}", pod("Pending", waiting=waiting))
    server.answer(f"GET {POD}/log", refused(400, "container is waiting to start"))

    report = ran(server, make_job)

    assert "repository name must be lowercase" in report.reason()
    assert not report.lost
    assert server.asked[-1] == f"DELETE {POD}"


def test_a_full_quota_is_waited_for(server: WrittenServer, make_job: MakeJob) -> None:
    made = Answer(201, {"kind": "Pod", "metadata": {"name": "r1-train-logistic-t"}})
    server.answer(f"POST {PODS}", refused(403, "exceeded quota: small"), refused(403, "exceeded quota: small"), made)
    server.answer(f"GET {POD}", DONE)

    assert ran(server, make_job).status == 0


def test_a_pod_that_kubernetes_finds_wrong_is_an_error_at_once(server: WrittenServer, make_job: MakeJob) -> None:
    server.answer(f"POST {PODS}", refused(422, "spec.containers[0].resources: Invalid value"))

    with pytest.raises(ProjectError, match="resources: Invalid value"):
        ran(server, make_job)


def test_a_run_that_ends_takes_its_pod_away(server: WrittenServer, make_job: MakeJob) -> None:
    server.answer(f"GET {POD}", RUNNING)
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped):
        StepPod(server.cluster, PLACING, make_job(), stop).run()
    assert server.asked[-1] == f"DELETE {POD}"


def test_what_a_killed_executor_left_does_nothing_any_more_before_the_next_begins(server: WrittenServer) -> None:
    def left(state: object, **metadata: object) -> Answer:
        status = {"phase": "Running", "containerStatuses": [{"name": "step", "state": state}]}
        return Answer(200, {"items": [{"metadata": {"name": "r1-train-logistic-t", **metadata}, "status": status}]})

    running, over = {"running": {"startedAt": AT}}, {"terminated": {"exitCode": 137}}
    server.answer(f"GET {PODS}", left(running), left(running, deletionTimestamp=AT), left(over, deletionTimestamp=AT))

    swept(server.cluster, PLACING)

    looked, deleted = f"GET {PODS}", f"DELETE {POD}"
    assert [re.sub(r"\?.*", "", line) for line in server.asked] == [looked, deleted, looked, deleted, looked]
    assert "journey%2Frun%3Dr1%2Capp.kubernetes.io%2Fcomponent%3Dstep" in server.asked[0]


def test_a_pod_that_stays_whatever_it_is_told_ends_the_wait(server: WrittenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_pod, "_GOING_SECONDS", 0.05)
    running = {"phase": "Running", "containerStatuses": [{"name": "step", "state": {"running": {"startedAt": AT}}}]}
    metadata = {"name": "r1-train-logistic-t", "namespace": "payments", "deletionTimestamp": AT}
    server.answer(f"GET {PODS}", Answer(200, {"items": [{"metadata": metadata, "status": running}]}))

    with pytest.raises(Unavailable, match="pod payments/r1-train-logistic-t: expected it to go before run 'r1' goes on"):
        swept(server.cluster, PLACING)


def test_a_cluster_that_is_away_at_the_end_hides_no_result(server: WrittenServer) -> None:
    server.answer(f"GET {PODS}", refused(403, "no"))

    let_go(server.cluster, PLACING)
