"""The stage: a copy of the payments project, a bank that drifts from a moment on, a clock on which a day is twenty seconds."""

import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

from app.stage import DAY_SECONDS, BankWorld, generator_of, set_stage
from journey.clock import clock_of
from journey.project import load_project


def test_the_stage_is_a_project_of_its_own_whose_history_ends_when_the_traffic_begins(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    assert load_project(stage.project).name == "payments"
    clock = stage.clock_from(1000.0)
    assert clock.at(1000.0) == stage.end_of_history
    assert clock.at(1000.0 + DAY_SECONDS) == stage.end_of_history + timedelta(days=1)
    environment = stage.environment(clock)
    assert clock_of(environment) == clock
    assert environment["BANK_URL"] == f"sqlite:///{stage.bank}"


def test_payments_drift_from_the_moment_on_and_not_before(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    world = BankWorld(generator_of(stage.project), stage.bank, seed=7)
    with contextlib.closing(world):
        assert world.found(1, 500) == 500
        steady = BankWorld(generator_of(stage.project), tmp_path / "other.db", seed=7)
        with contextlib.closing(steady):
            steady.found(1, 500)
            moments = [world.start + timedelta(minutes=index) for index in range(100)]
            world.drift_from = moments[50]
            drifting, calm = world.happen(moments[:50]), steady.happen(moments[:50])
            assert [happening.row for happening in drifting] == [happening.row for happening in calm]
            drifting, calm = world.happen(moments[50:]), steady.happen(moments[50:])
            assert [happening.row for happening in drifting] != [happening.row for happening in calm]


def test_payments_and_due_disputes_are_in_the_books(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    world = BankWorld(generator_of(stage.project), stage.bank, seed=7)
    with contextlib.closing(world):
        world.found(1, 500)
        happenings = world.happen([world.start + timedelta(minutes=index) for index in range(60)])
        world.enter(happenings, happenings[-1].moment)
        with contextlib.closing(sqlite3.connect(stage.bank)) as books:
            assert books.execute("SELECT count(*) FROM payments").fetchone() == (560,)
            newest = books.execute("SELECT max(opened_at) FROM disputes").fetchone()[0]
        assert newest <= f"{happenings[-1].moment:%Y-%m-%d %H:%M:%S.%f}"
