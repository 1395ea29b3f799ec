"""The trigger's trainer on this machine."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from journey.clock import clock_of
from journey.errors import Unavailable
from journey.records.ledger import Ledger
from pipelines import trainer as module
from pipelines.trainer import LocalTrainer
from tests.pipelines.remote.test_events import RUN

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_it_runs_on_the_target_whose_ledger_it_reads(tmp_path, monkeypatch):
    def submit(project, target, options):
        asked.append((project, target, options.home, dict(options.parameters), options.until, options.wait))
        return replace(RUN, state="failed", error="the bank is away")

    asked: list[tuple] = []
    monkeypatch.setattr(module, "submit", submit)
    ledger = Ledger.connect(f"sqlite:///{tmp_path}/ledger.db")
    trainer = LocalTrainer(tmp_path / "payments", tmp_path, "payments", "shared", ledger, clock_of({}))
    with pytest.raises(Unavailable, match="the bank is away"):
        trainer.fresh_rows(NOON)
    assert asked == [(tmp_path / "payments", "shared", tmp_path, {"onset": NOON.isoformat()}, "curate-data", True)]
    ledger.close()
