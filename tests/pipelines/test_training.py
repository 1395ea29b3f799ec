"""The whole training pipeline on a small project: the same bundle wherever it runs, whatever happens on the way."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from journey.project import load_project
from journey.records.ledger import Ledger
from pipelines.compile import kfp_yaml
from pipelines.sections import sections_of
from pipelines.submit import Run, RunOptions, submit

JOURNEY = Path(sys.executable).with_name("journey")
STEPS = {
    *("ingest-data", "validate-data", "clean-data", "standardize-data", "curate-data", "extract-features", "select-features"),
    *("identify-candidates", "check-code", "train-model", "validate-model", "evaluate-models", "tune-models", "choose-model"),
    *("package-model", "register-model"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own, scaffolded, with two candidates and a small search."""
    folder = tmp_path_factory.mktemp("projects") / "small"
    subprocess.run([JOURNEY, "init", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def first(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The project's first run, in a home of its own."""
    return submit(project, options=RunOptions(home=tmp_path_factory.mktemp("first"), workers=2))


def again(run: Run, **options: object) -> Run:
    return submit(run.project, options=RunOptions(home=run.home, **options))


def test_the_compiled_file_has_a_task_for_each_step_in_the_image(project):
    spec = next(yaml.safe_load_all(kfp_yaml(project, "registry.example/steps@sha256:0")))
    executors = spec["deploymentSpec"]["executors"]
    assert {name.removeprefix("exec-") for name in executors} == STEPS
    assert {executor["container"]["image"] for executor in executors.values()} == {"registry.example/steps@sha256:0"}


def test_no_secret_of_a_source_gets_into_the_compiled_file(project, monkeypatch, tmp_path):
    text = (project / "project.yaml").read_text().replace("data/subscribers.csv", '"${SUBSCRIBERS}"')
    (tmp_path / "project.yaml").write_text(text)
    monkeypatch.setenv("SUBSCRIBERS", "sqlite:///user:word@host")
    compiled = kfp_yaml(tmp_path, "steps")
    assert "${SUBSCRIBERS}" in compiled
    assert "user:word" not in compiled


def test_a_change_to_one_section_changes_only_the_constants_that_hold_it(project, tmp_path):
    (tmp_path / "project.yaml").write_text((project / "project.yaml").read_text().replace("min: 0.6", "min: 0.61"))
    before, after = (sections_of(load_project(folder), folder, "") for folder in (project, tmp_path))
    changed = {name for name in vars(before) if getattr(before, name) != getattr(after, name)} - {"code"}
    assert changed == {"gates"}


@pytest.mark.acceptance
def test_a_run_registers_a_version_and_the_next_one_finds_nothing_to_do(first):
    assert (first.state, first.version, first.exit_code) == ("done", 1, 0), first.error
    assert first.metrics["test"]["roc_auc"] > 0.6
    assert {step.name.partition(".")[0] for step in first.steps} == STEPS
    second = again(first)
    assert [step.name for step in second.steps if not step.cached] == []
    assert (second.version, second.bundle_digest) == (1, first.bundle_digest)


@pytest.mark.acceptance
def test_a_moved_gate_runs_only_what_reads_it_and_a_strict_one_refuses(first):
    path = first.project / "project.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("min: 0.6", "min: 0.61"))
        moved = again(first)
        ran = {step.name.partition(".")[0] for step in moved.steps if not step.cached}
        assert ran <= {"validate-model", "choose-model", "evaluate-models", "register-model"}
        assert "choose-model" in ran
        assert (moved.version, moved.bundle_digest) == (1, first.bundle_digest)
        path.write_text(text.replace("min: 0.6", "min: 0.99"))
        refused = again(first)
        assert (refused.state, refused.exit_code, refused.version) == ("refused", 3, None)
        assert "0.99" in str(refused.error)
    finally:
        path.write_text(text)


@pytest.mark.acceptance
def test_one_worker_makes_the_same_bundle(first, tmp_path):
    alone = submit(first.project, options=RunOptions(home=copied_keys(first, tmp_path / "alone"), workers=1))
    assert alone.bundle_digest == first.bundle_digest


@pytest.mark.acceptance
def test_kfp_local_makes_the_same_bundle(first, tmp_path):
    home = copied_keys(first, tmp_path / "home")
    script = tmp_path / "kfp_local.py"
    script.write_text(KFP_LOCAL)
    environment = {**os.environ, "JOURNEY_PROJECT": str(first.project), "JOURNEY_HOME": str(home)}
    command = [sys.executable, script, first.project, home]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    manifests = list((tmp_path / "outputs").rglob("manifest.json"))
    assert [sha256(path.read_bytes()).hexdigest() for path in manifests] == [first.bundle_digest]


KFP_LOCAL = """
import sys
from pathlib import Path

from kfp import local

from journey.model.keys import SigningKey
from journey.project import load_project
from pipelines.sections import sections_of
from pipelines.training import training

project, home = Path(sys.argv[1]), Path(sys.argv[2])
local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root="outputs")
training(sections_of(load_project(project), project, SigningKey.load_or_create(home / "keys").id))()
"""


@pytest.mark.acceptance
def test_killed_at_random_moments_it_completes_and_registers_once(first, tmp_path):
    home = tmp_path / "killed"
    moments = random.Random(7)
    for _ in range(3):
        command = [JOURNEY, "run", "-p", first.project, "--home", home]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(moments.uniform(5, 15))
        process.send_signal(signal.SIGKILL)
        process.wait()
    entries = {path.name: path.stat().st_mtime_ns for path in (home / "cache" / "steps").glob("*.json")}
    done = submit(first.project, options=RunOptions(home=home))
    assert done.state == "done", done.error
    kept = {path.name: path.stat().st_mtime_ns for path in (home / "cache" / "steps").glob("*.json")}
    rewritten = [name for name, changed in entries.items() if kept[name] != changed]
    assert len(rewritten) <= 1, "only ingest looks again"
    ledger = Ledger.connect(f"sqlite:///{home}/ledger.db")
    try:
        assert len(ledger.versions("small")) == 1
    finally:
        ledger.close()


def copied_keys(run: Run, home: Path) -> Path:
    """A fresh home with the first one's signing key, so that the two runs are given the same arguments."""
    home.mkdir()
    shutil.copytree(run.home / "keys", home / "keys")
    return home
