"""The process that keeps the online features fresh, on a clock that runs a thousand times faster."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey.clock import Clock

START = datetime(2026, 1, 8, tzinfo=UTC)
PROJECT = """
name: bank
sources: {payments: {files: payments.csv}}
tables:
  payments:
    columns: {card: {type: string}, at: {type: timestamp}, amount: {type: float}, fraud: {type: boolean}}
spine: payments
time: at
entities: {card: card}
predict: {label: fraud, task: binary, positive: true, metric: roc_auc}
split: {by: time}
features: {refresh: 1h}
"""
FEATURES = """
import ibis
from journey import feature_view

@feature_view(entity="card", time="at")
def history(payments: ibis.Table) -> ibis.Table:
    return payments.select("card", "at", last=payments.amount)
"""


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "project.yaml").write_text(PROJECT)
    (tmp_path / "features.py").write_text(FEATURES)
    lines = [f"c{n % 3},{(START - timedelta(hours=n)).isoformat()},{n}.5,true" for n in range(30)]
    (tmp_path / "payments.csv").write_text("\n".join(["card,at,amount,fraud", *lines]))
    return tmp_path


def command(project: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.refresher", "-p", str(project), "--home", str(project / "home"), *more]


def test_refreshes_follow_each_other_and_one_that_fails_is_told_and_counted(project):
    clock = Clock(START, time.time(), 1200.0)         # a refresh every 3 s, a quarter of it ahead
    environment = os.environ | {"JOURNEY_CLOCK": clock.text()}
    with subprocess.Popen(command(project), env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = json.loads(process.stdout.readline()), json.loads(process.stdout.readline())
        (project / "payments.csv").unlink()
        third = json.loads(process.stdout.readline())
        while "error" not in third:
            third = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert (first["rows"], first["late"]) == ({"history": 3}, False)
    assert datetime.fromisoformat(second["moment"]) > datetime.fromisoformat(first["moment"])
    assert datetime.fromisoformat(second["moment"]) - datetime.fromisoformat(second["cut"]) == timedelta(minutes=15)
    assert "payments.csv" in third["error"]
    counts = json.loads((project / "home/feast/refreshes.json").read_text())
    assert counts["done"] >= 2
    assert counts["failed"] >= 1
    assert (project / "home/feast/online.db").is_file()
    assert not list((project / "home/feast").glob("next-*"))


def test_once_makes_a_store_and_a_wrong_project_is_told(project):
    done = subprocess.run(command(project, "--once"), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["rows"] == {"history": 3}
    (project / "features.py").write_text("import nothing_of_that_name\n")
    failed = subprocess.run(command(project, "--once"), capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "features.py, line 1" in failed.stderr
    assert "Traceback" not in failed.stderr
