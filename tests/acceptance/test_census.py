"""The census project from its raw file to a registered version, cold, cached, and after a small change."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture
def home(census_run) -> Path:
    return census_run.home


@pytest.fixture
def cold(census_run) -> dict:
    return census_run.said


def test_a_cold_run_reaches_the_expected_quality(cold: dict) -> None:
    assert cold["state"] == "done"
    assert cold["metrics"]["test"]["roc_auc"] >= 0.915
    assert not any(step["cached"] for step in cold["steps"])


def test_repeated_rows_and_question_marks_are_counted(census_run) -> None:
    table = json.loads((census_run.artifact("curate-data", "curated") / "quality.json").read_text())["tables"]["census"]
    assert table["duplicates"] == 24
    assert sum(column["null_tokens"].get("?", 0) for column in table["columns"].values()) == 4262


def test_a_second_run_finds_everything_done(cold: dict, journey, census: Path, home: Path) -> None:
    again = journey("run", "-p", census, "--home", home, "--json").json
    assert all(step["cached"] for step in again["steps"])
    assert (again["version"], again["bundle_digest"]) == (cold["version"], cold["bundle_digest"])


def test_another_gate_runs_only_the_steps_that_read_it(cold: dict, journey, census: Path, home: Path) -> None:
    file = census / "project.yaml"
    before = file.read_text()
    after = re.sub(r"(roc_auc: *\{ *min: *)[0-9.]+", r"\g<1>0.881", before)
    assert after != before
    file.write_text(after)
    try:
        changed = journey("run", "-p", census, "--home", home, "--json").json
    finally:
        file.write_text(before)
    ran = {step["name"].partition(".")[0] for step in changed["steps"] if not step["cached"]}
    assert ran == {"validate-model", "choose-model"}
    assert changed["version"] == cold["version"]


def test_another_home_and_one_worker_give_the_same_bundle(cold: dict, journey, census: Path, tmp_path: Path) -> None:
    alone = journey("run", "-p", census, "--home", tmp_path / "other", "--workers", "1", "--json").json
    assert alone["bundle_digest"] == cold["bundle_digest"]


def test_each_candidate_is_a_run_of_mlflow(cold: dict, home: Path) -> None:
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as database:
        names = {name for (name,) in database.execute("select name from runs")}
    assert {"dummy", "logistic", "hist_gradient_boosting", "random_forest"} <= {re.split(r"[ (\[]", name)[0] for name in names}
