"""promote, status and the others, carried into a cluster."""

import io
from pathlib import Path

import pytest

from app.cli.main import main
from components.connections.cluster import Cluster
from components.pod import INSIDE
from journey.errors import Unavailable
from pipelines.remote import command, errand, follow
from pipelines.remote.events import RelayedOutput
from tests.income import on_a_cluster
from tests.pipelines.remote.fake_cluster import NOW, FakeCluster, pod
from tests.pipelines.remote.test_run import IMAGE


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(INSIDE, raising=False)
    monkeypatch.setenv("JOURNEY_ACTOR", "ada")
    monkeypatch.setattr(follow, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(errand, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(command, "project_image", lambda *_: IMAGE)
    (tmp_path / "project.yaml").write_text(on_a_cluster("payments"))
    return tmp_path


class Operators(FakeCluster):
    """A cluster whose operators write this and end like that."""

    def __init__(self, out: str, err: list[str], exit_code: int) -> None:
        super().__init__()
        self.made: list[dict] = []
        stream = io.StringIO()
        RelayedOutput(stream).write(out)
        log = [*err, *stream.getvalue().splitlines(), pod("a", terminated={"exitCode": exit_code})]
        self.script = [pod("a", log=log, running=NOW)]

    def create(self, manifest):
        self.made.append(manifest)
        return super().create(manifest)


def typed(monkeypatch, cluster: FakeCluster, *words: object) -> int:
    monkeypatch.setattr(Cluster, "connect", lambda _: cluster)
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def words_of(cluster: Operators) -> list[str]:
    return cluster.made[0]["spec"]["template"]["spec"]["containers"][0]["command"][3:]


AT = ["-p", "/opt/journey/project", "--home", "/journey/home", "--target", "kind"]
CARRIED = {
    "promote": (
        ["promote", "2", "--reason", '-x "$(id)"', "--replaces", "1", "--json"],
        ["promote", "2", '--reason=-x "$$(id)"', "--replaces=1", "--json"],
    ),
    "the newest": (["promote"], ["promote", "--reason=asked for"]),
    "rollback": (["rollback", "--reason", "why"], ["rollback", "--reason=why"]),
    "retire": (["retire", "1"], ["retire", "1", "--reason=asked for"]),
    "status": (["status", "--json"], ["status", "--json"]),
    "audit": (["audit"], ["audit"]),
    "logs": (["logs", "last", "train-model.logistic"], ["logs", "last", "train-model.logistic"]),
}


@pytest.mark.parametrize(("words", "expected"), CARRIED.values(), ids=CARRIED)
def test_a_command_is_carried_there_with_all_that_was_typed(project, monkeypatch, words, expected):
    cluster = Operators("", [], 0)
    assert typed(monkeypatch, cluster, *words, "-p", project, "--target", "kind") == 0
    assert words_of(cluster) == [*expected, *AT]
    env = cluster.made[0]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "JOURNEY_ACTOR", "value": "ada"} in env, "the audit log names who typed it, not the pod's user"
    assert not (project / ".journey").exists()


@pytest.mark.parametrize("code", [0, 1, 3])
def test_what_it_writes_and_how_it_ends_is_ours(project, monkeypatch, capfd, code):
    cluster = Operators('{"model": "ä"}\nno newline', ["a warning"], code)
    assert typed(monkeypatch, cluster, "status", "-p", project, "--target", "kind") == code
    out, err = capfd.readouterr()
    assert out == '{"model": "ä"}\nno newline'
    assert err == "a warning\n"
    assert list(cluster.jobs) == [], "all that it said was passed on"


def test_a_target_that_is_not_there_is_told_before_anything_is_made(project, monkeypatch, capsys):
    cluster = Operators("", [], 0)
    assert typed(monkeypatch, cluster, "status", "-p", project, "--target", "kin") == 1
    assert "expected one of kind, local, found 'kin'" in capsys.readouterr().err
    assert cluster.made == []


def test_a_cluster_that_is_away_once_a_command_has_ended_changes_nothing_of_how_it_ended(project, monkeypatch, capsys):
    def away(*_: object, **__: object) -> None:
        raise Unavailable("delete Job: expected an answer, found none")

    cluster = Operators("income version 2 is champion\n", [], 0)
    monkeypatch.setattr(cluster, "delete", away)
    assert typed(monkeypatch, cluster, "promote", "2", "-p", project, "--target", "kind") == 0
    assert capsys.readouterr().out == "income version 2 is champion\n"
