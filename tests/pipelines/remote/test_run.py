"""A run in a cluster as `submit` tells of it: the same Run, the same errors, kept in the laptop's home."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from components.connections.cluster import Cluster
from components.pod import INSIDE
from journey.errors import DataError, ProjectError
from pipelines.engines.local.lock import Busy
from pipelines.remote import errand, follow, run
from pipelines.remote.events import EventWriter
from pipelines.remote.follow import NeverStarted
from pipelines.runs import Silence, Step
from pipelines.submit import RunOptions, submit
from tests.income import on_a_cluster
from tests.pipelines.remote.fake_cluster import BROKEN, NOW, FakeCluster, pod
from tests.pipelines.remote.test_events import RUN

IMAGE = "localhost:5000/income-steps@sha256:" + "1" * 64
DONE = Step("ingest-data", "done", 1.0, cached=False, log=None)


class Heard(Silence):
    """Progress that is looked at."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def began(self, step: str) -> None:
        self.told.append(f"began {step}")

    def ended(self, step: Step) -> None:
        self.told.append(f"ended {step.name}")

    def said(self, line: str) -> None:
        self.told.append(line)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(INSIDE, raising=False)
    monkeypatch.delenv("JOURNEY_HOME", raising=False)
    monkeypatch.setattr(follow, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(errand, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(run, "project_image", lambda *_: IMAGE)
    (tmp_path / "project.yaml").write_text(on_a_cluster("payments"))
    return tmp_path


def there(monkeypatch: pytest.MonkeyPatch, cluster: FakeCluster) -> FakeCluster:
    monkeypatch.setattr(Cluster, "connect", lambda _: cluster)
    return cluster


def events(*calls) -> list[str]:
    stream = io.StringIO()
    for call in calls:
        call(EventWriter(stream))
    return stream.getvalue().splitlines()


def told(*calls) -> FakeCluster:
    """A cluster in which the executor's pod tells this and ends."""
    return FakeCluster(pod("a", log=[*events(*calls), pod("a", terminated={"exitCode": 0})], running=NOW))


def test_a_run_there_is_the_run_that_it_would_have_been_here(project, monkeypatch):
    cluster = there(monkeypatch, told(
        lambda w: w.began("ingest-data"), lambda w: w.said("a warning"), lambda w: w.ended(DONE),
        lambda w: w.result(replace(RUN, id="a", model="income")), lambda w: w.report("<h1>income</h1>"),
    ))  # fmt: skip
    heard = Heard()
    ended = submit(project, target="kind", options=RunOptions(run="a", progress=heard, until="curate-data", parameters={"onset": "$(X) y"}))
    assert (ended.state, ended.exit_code, ended.project, ended.home) == ("refused", 3, project, project / ".journey")
    assert ended.steps == RUN.steps
    folder = project / ".journey" / "runs" / "a"
    assert ended.report == folder / "report.html"
    assert ended.report.read_text() == "<h1>income</h1>"
    assert json.loads((folder / "result.json").read_text()) == ended.json()
    assert heard.told[-3:] == ["began ingest-data", "a warning", "ended ingest-data"]
    assert any(IMAGE in line for line in heard.told)
    assert (folder / "log" / "run.log").read_text().splitlines()[-2] == "a warning"
    command = cluster.jobs["run-a"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[-4:] == ["--parameter", "onset=$$(X) y", "--until", "curate-data"]
    assert not (project / ".journey" / "ledger.db").exists(), "the cluster's records are the cluster's"


@pytest.mark.parametrize("raised", [Busy("/journey/home: found run b"), DataError("column 'age'"), ProjectError("no such step")])
def test_what_the_run_raised_there_is_raised_here(project, monkeypatch, raised):
    there(monkeypatch, told(lambda w: w.error(raised)))
    with pytest.raises(type(raised), match=str(raised)[:12]):
        submit(project, target="kind", options=RunOptions(run="a"))


def test_a_step_is_told_of_once_though_its_executor_was_lost(project, monkeypatch):
    lost = [*events(lambda w: w.ended(DONE)), pod("a", terminated={"exitCode": 137})]
    told_again = events(lambda w: w.ended(replace(DONE, cached=True)), lambda w: w.result(RUN), lambda w: w.report(""))
    again = [*told_again, pod("b", terminated={"exitCode": 0})]
    there(monkeypatch, FakeCluster(pod("a", log=lost, running=NOW), pod("b", born=9, log=again, running=NOW)))
    heard = Heard()
    assert submit(project, target="kind", options=RunOptions(run="a", progress=heard)).exit_code == 3
    assert heard.told.count("ended ingest-data") == 1


def test_an_executor_that_ends_without_a_word_is_told_of(project, monkeypatch):
    there(monkeypatch, told(lambda w: w.result(RUN)))
    with pytest.raises(DataError, match=r"found neither whole.*journey status --target kind"):
        submit(project, target="kind", options=RunOptions(run="a"))


def test_a_second_run_of_the_project_is_refused_and_one_that_has_ended_is_in_nobodys_way(project, monkeypatch):
    cluster = there(monkeypatch, told(lambda w: w.result(RUN), lambda w: w.report("")))
    cluster.jobs["run-first"] = {"metadata": {"name": "run-first", "creationTimestamp": "2026-03-01T12:00:00Z"}, "status": {"active": 1}}
    with pytest.raises(Busy, match=r"found Job run-first\. Wait for it \(--wait\), or end it: kubectl -n payments delete job run-first"):
        submit(project, target="kind", options=RunOptions(run="a"))
    assert "run-a" not in cluster.jobs
    ended = {"metadata": {"name": "x", "labels": {"job-name": "run-first"}}, "status": {"phase": "Succeeded"}}
    cluster.pods["x"] = ended
    assert errand.going_on(cluster, "income") == [], "Kubernetes has yet to note at the Job that its process has ended"
    del cluster.pods["x"]
    cluster.jobs["run-first"]["status"] = {"succeeded": 1}
    assert submit(project, target="kind", options=RunOptions(run="a")).state == "refused"
    assert "run-first" not in cluster.jobs, "it ended long ago: it is swept away"


def test_ctrl_c_ends_the_job_with_its_pods_before_anybody_is_told(project, monkeypatch):
    cluster = there(monkeypatch, FakeCluster(pod("a", log=["1", KeyboardInterrupt()], running=NOW)))
    heard = Heard()
    with pytest.raises(KeyboardInterrupt):
        submit(project, target="kind", options=RunOptions(run="a", progress=heard))
    assert cluster.deleted == ["Job/run-a Foreground"]
    assert heard.told[-1] == "Job payments/run-a is taken away"


def test_ctrl_c_while_the_job_is_made_leaves_none(project, monkeypatch):
    cluster = there(monkeypatch, FakeCluster())
    create = cluster.create

    def interrupted(manifest):
        create(manifest)
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        submit(project, target="kind", options=RunOptions(run="a"))
    assert cluster.jobs == {}


def test_a_job_that_could_not_be_taken_away_is_told_of(project, monkeypatch):
    cluster = there(monkeypatch, FakeCluster(pod("a", log=[KeyboardInterrupt()], running=NOW)))

    def away(*_, **__):
        raise BROKEN

    monkeypatch.setattr(cluster, "delete", away)
    heard = Heard()
    with pytest.raises(KeyboardInterrupt):
        submit(project, target="kind", options=RunOptions(run="a", progress=heard))
    assert heard.told[-1].startswith("Job payments/run-a may be there still: ")
    assert heard.told[-1].endswith("End it with kubectl -n payments delete job run-a")


def test_a_job_that_never_started_is_taken_away_and_one_out_of_reach_goes_on(project, monkeypatch):
    waiting = pod("a", waiting={"reason": "InvalidImageName", "message": "what?"})
    cluster = there(monkeypatch, FakeCluster(waiting))
    with pytest.raises(NeverStarted, match="InvalidImageName"):
        submit(project, target="kind", options=RunOptions(run="a"))
    assert cluster.deleted == ["Job/run-a Foreground"]
    monkeypatch.setattr(follow, "_ROUNDS", 1)
    cluster = there(monkeypatch, FakeCluster(pod("a", log=[BROKEN], running=NOW)))
    with pytest.raises(type(BROKEN)):
        submit(project, target="kind", options=RunOptions(run="a"))
    assert cluster.deleted == []


def test_a_run_that_is_under_way_is_taken_up_and_one_that_ended_is_begun_again(project, monkeypatch):
    cluster = there(monkeypatch, told(lambda w: w.result(RUN), lambda w: w.report("")))
    cluster.jobs["run-a"] = {"metadata": {"name": "run-a", "creationTimestamp": "2026-03-01T12:00:00Z"}, "status": {"active": 1}}
    heard = Heard()
    submit(project, target="kind", options=RunOptions(run="a", progress=heard))
    assert "Job payments/run-a is under way already: it is followed" in heard.told
    assert cluster.deleted == []


def test_an_id_that_is_no_name_in_kubernetes_is_refused(project, monkeypatch):
    there(monkeypatch, FakeCluster())
    with pytest.raises(ProjectError, match="found 'My Run'"):
        submit(project, target="kind", options=RunOptions(run="My Run"))
