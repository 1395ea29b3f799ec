"""What a run leaves on record, however it ends."""

import json
import os
import shutil
from datetime import UTC, datetime
from importlib.metadata import version

import pytest

from app.scaffold.starter import make_starter
from journey.errors import Untrusted
from journey.model.keys import SigningKey
from journey.places import Places
from journey.project import load_project
from journey.records.entries import Registration, RunRecord
from journey.records.ledger import Ledger
from journey.targets import Target
from pipelines import compile as compiling
from pipelines import submit as module
from pipelines.compile import Compiled, compiled_training
from pipelines.engines.local.engine import Ended
from pipelines.engines.local.steps import Record
from pipelines.sections import sections_of
from pipelines.submit import RunOptions, submit


@pytest.fixture
def project(tmp_path):
    make_starter(tmp_path / "small")
    return tmp_path / "small"


def state_of(project, run: str) -> str:
    ledger = Ledger.connect(f"sqlite:///{project}/.journey/ledger.db")
    try:
        return next(record.state for record in ledger.runs() if record.id == run)
    finally:
        ledger.close()


@pytest.mark.parametrize(("where", "error"), [("_executed", KeyboardInterrupt()), ("keep", OSError("disk full"))])
def test_a_run_that_is_interrupted_is_no_running_one_and_lets_go_of_the_home(project, monkeypatch, where, error):
    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "_executed", lambda *_: Ended(Record(), None, 0.0, {}))
    with monkeypatch.context() as broken:
        broken.setattr(module, where, interrupted)
        with pytest.raises(type(error)):
            submit(project, options=RunOptions(run="one"))
    assert state_of(project, "one") == "failed"
    assert submit(project, options=RunOptions(run="two")).state == "done"


def test_a_run_that_was_killed_is_no_running_one_for_the_next(project, monkeypatch):
    monkeypatch.setattr(module, "_executed", lambda *_: Ended(Record(), None, 0.0, {}))
    submit(project, options=RunOptions(run="one"))
    ledger = Ledger.connect(f"sqlite:///{project}/.journey/ledger.db")
    ledger.start_run(RunRecord("killed", "small", "training", "local", datetime.now(UTC)))
    ledger.close()
    submit(project, options=RunOptions(run="two"))
    assert [state_of(project, run) for run in ("one", "killed", "two")] == ["done", "failed", "done"]


def test_a_run_elsewhere_that_shares_the_ledger_goes_on(project, monkeypatch):
    monkeypatch.setattr(module, "_executed", lambda *_: Ended(Record(), None, 0.0, {}))
    submit(project, options=RunOptions(run="one"))
    ledger = Ledger.connect(f"sqlite:///{project}/.journey/ledger.db")
    ledger.start_run(RunRecord("there", "small", "training", "kind", datetime.now(UTC)))
    ledger.start_run(RunRecord("other", "payments", "training", "local", datetime.now(UTC)))
    ledger.close()
    submit(project, options=RunOptions(run="two"))
    assert [state_of(project, run) for run in ("there", "other")] == ["running", "running"]


def test_a_run_is_on_record_where_its_target_says_and_nowhere_else(project, postgres, monkeypatch):
    monkeypatch.setattr(module, "_executed", lambda *_: Ended(Record(), None, 0.0, {}))
    monkeypatch.setenv("LEDGER_URL", postgres.database())
    path = project / "project.yaml"
    path.write_text(path.read_text() + "\ntargets: {local: {ledger: \"${LEDGER_URL}\"}}\n")
    submit(project, options=RunOptions(run="one"))
    ledger = Ledger.connect(os.environ["LEDGER_URL"])
    assert [(record.id, record.state) for record in ledger.runs("small")] == [("one", "done")]
    ledger.close()
    assert not (project / ".journey" / "ledger.db").exists()


def test_who_does_not_sign_knows_the_key_by_its_public_half_and_makes_none(tmp_path):
    signer = SigningKey.load_or_create(tmp_path / "whole")
    (tmp_path / "keys").mkdir()
    shutil.copy(tmp_path / "whole" / "signing.pub", tmp_path / "keys")
    places = Places(Target(engine="job"), tmp_path / "home", {"JOURNEY_KEYS": str(tmp_path / "keys")})
    assert module._signer(places) == signer.id
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["signing.pub"]
    (tmp_path / "keys" / "signing.pub").unlink()
    with pytest.raises(Untrusted, match=r"signing\.pub: expected an Ed25519 public key"):
        module._signer(places)


def test_a_run_has_its_result_before_the_ledger_says_that_it_ended(project, monkeypatch):
    ends = Ledger.end_run

    def looked(ledger: Ledger, run: str, *rest: object) -> None:
        assert json.loads((project / ".journey" / "runs" / run / "result.json").read_text())["state"] == "done"
        ends(ledger, run, *rest)

    monkeypatch.setattr(module, "_executed", lambda *_: Ended(Record(), None, 0.0, {}))
    monkeypatch.setattr(Ledger, "end_run", looked)
    submit(project, options=RunOptions(run="one"))
    assert state_of(project, "one") == "done"


def test_a_compiled_pipeline_that_was_cut_short_is_compiled_anew(project, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "compile_training", lambda _: Compiled({"root": {}}, {}))
    sections = sections_of(load_project(project), project, "")
    compiled_training(sections, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:9])
    assert compiled_training(sections, tmp_path / "cache").spec == {"root": {}}
    assert kept.read_bytes() == whole


def test_what_a_compiled_pipeline_is_made_of_decides_whether_it_is_taken_again(project, tmp_path, monkeypatch):
    times = iter(range(9))
    monkeypatch.setattr(compiling, "compile_training", lambda _: Compiled({"root": next(times)}, {}))
    sections = sections_of(load_project(project), project, "")
    for _ in range(2):
        assert compiled_training(sections, tmp_path / "cache").spec == {"root": 0}
    for name in ("kfp", "kfp-kubernetes"):
        monkeypatch.setattr(compiling, "version", lambda asked, name=name: "99" if asked == name else version(asked))
        assert compiled_training(sections, tmp_path / "cache").spec != {"root": 0}, name
    assert all((compiling.ROOT / source).is_file() for source in compiling._WIRING)


def test_a_registration_is_taken_from_the_cache_only_while_ledger_and_registry_have_it(project, monkeypatch, tmp_path):
    seen = []

    def looked(graph, request):
        seen.append(request.holds("register-model", {"version": 1, "digest": "aa"}))
        assert request.holds("clean-data", {}), "other steps do nothing but write artifacts"
        return Ended(Record(), None, 0.0, {})

    monkeypatch.setattr(compiling, "compile_training", lambda _: Compiled({"pipelineInfo": {"name": "x"}, "root": {"dag": {}}}, {}))
    monkeypatch.setattr(module, "execute", looked)
    submit(project)
    ledger = Ledger.connect(f"sqlite:///{project}/.journey/ledger.db")
    ledger.register_version(Registration("small", "aa", str(tmp_path / "kept"), "one", (None, None), datetime.now(UTC), "test"))
    ledger.close()
    submit(project)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "manifest.json").touch()
    submit(project)
    assert seen == [False, False, True]
