"""The process that keeps the online features fresh, on a clock that runs a thousand times faster."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import pytest

import pipelines.freshness
from components.operations.refresh import Refresher
from feature_repo.materialize import load_feast
from journey.clock import Clock
from pipelines.freshness import Freshness

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


def told(lines: Iterator[str]) -> dict:
    return json.loads(next(lines))


@pytest.fixture
def lines() -> Iterator[tuple[Iterator[str], TextIO]]:
    """Both ends of a pipe: what the refresher writes is read as it comes."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as ours, os.fdopen(writing, "w") as theirs:
        yield ours, theirs


def test_refreshes_follow_each_other_and_one_that_fails_is_told_and_counted(project, lines):
    load_feast()
    clock = Clock(START, time.time(), 3600.0)         # a refresh every second, a quarter of it ahead
    ours, theirs = lines
    stop, refresher = threading.Event(), Refresher.of(project, project / "home", {})
    freshness = Freshness(refresher, clock, stop, theirs)
    freshness.first()
    loop = threading.Thread(target=freshness.keep)
    loop.start()
    try:
        first, second = told(ours), told(ours)
        (project / "payments.csv").unlink()
        failed = next(line for line in map(json.loads, ours) if "error" in line)
    finally:
        stop.set()
        loop.join(60)
    assert (first["rows"], first["late"]) == ({"history": 3}, False)
    assert datetime.fromisoformat(second["moment"]) > datetime.fromisoformat(first["moment"])
    assert datetime.fromisoformat(second["moment"]) - datetime.fromisoformat(second["cut"]) == timedelta(minutes=15)
    assert "payments.csv" in failed["error"]
    counts = json.loads((project / "home/feast/refreshes.json").read_text())
    assert counts["done"] == freshness.done >= 2
    assert counts["failed"] == freshness.failed >= 1
    assert (project / "home/feast/online.db").is_file()
    assert not list((project / "home/feast").glob("next-*"))


def test_a_refresh_that_is_ready_only_after_its_moment_is_late_and_the_moments_it_missed_are_counted(project, lines):
    load_feast()
    clock = Clock(START, time.time(), 720_000.0)      # a refresh every 5 ms: none can be made in time
    ours, theirs = lines
    stop = threading.Event()
    freshness = Freshness(Refresher.of(project, project / "home", {}), clock, stop, theirs)
    freshness.first()
    loop = threading.Thread(target=freshness.keep)
    loop.start()
    try:
        assert [told(ours)["late"] for _ in range(3)] == [False, True, True]
    finally:
        stop.set()
        loop.join(60)
    assert freshness.late >= 2
    assert freshness.skipped >= 2


@pytest.mark.parametrize("minute", [20, 50], ids=["while nothing waits", "while the next refresh waits for its moment"])
def test_what_the_store_loses_is_noticed_and_made_anew(project, lines, monkeypatch, minute):
    load_feast()
    monkeypatch.setattr(pipelines.freshness, "LOOK_SECONDS", 0.05)
    clock = Clock(START + timedelta(minutes=minute), time.time(), 1.0)
    ours, theirs = lines
    stop = threading.Event()
    freshness = Freshness(Refresher.of(project, project / "home", {}), clock, stop, theirs)
    freshness.first()
    loop = threading.Thread(target=freshness.keep)
    loop.start()
    try:
        first = told(ours)
        while minute == 50 and not list((project / "home/feast").glob("next-*/feature_store.yaml")):
            time.sleep(0.01)
        (project / "home/feast/online.db").unlink()
        again = told(ours)
    finally:
        stop.set()
        loop.join(60)
    assert (again["moment"], again["rows"], again["late"]) == (first["moment"], {"history": 3}, False)
    assert (freshness.done, freshness.lost, freshness.failed, freshness.skipped) == (2, 1, 0, 0)
    assert (project / "home/feast/online.db").is_file()


def test_a_project_that_is_wrong_ends_the_process_with_one_message(project):
    (project / "features.py").write_text("import nothing_of_that_name\n")
    command = [sys.executable, "-m", "pipelines.refresher", "-p", str(project), "--home", str(project / "home")]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "features.py, line 1" in failed.stderr
    assert "Traceback" not in failed.stderr
