"""Which requests for a retraining are followed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from components.operations.retrain import Asked, Policy, Standing, decide, is_enough, request_key
from journey.records.entries import Retraining, RetrainingState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = Policy(cooldown=6 * HOUR, per_day=2, fresh_rows=500)
ASKED = Asked("payments", 1, "drift", NOON - HOUR)
CALM = Standing(champion=1, past=(), ended={})


def past(hours_ago: float, state: RetrainingState = "kept", trigger: str = "drift") -> Retraining:
    return Retraining(key=f"k{hours_ago}", model="payments", version=1, trigger=trigger, received=NOON - hours_ago * HOUR, state=state)


def test_a_drifting_champion_is_retrained() -> None:
    assert decide(ASKED, CALM, POLICY, NOON).accepted


def test_a_version_that_is_not_champion_is_not() -> None:
    decision = decide(ASKED, replace(CALM, champion=2), POLICY, NOON)
    assert not decision.accepted
    assert decision.reason == "version 1 is not the champion, version 2 is"
    assert not decide(ASKED, replace(CALM, champion=None), POLICY, NOON).accepted


@pytest.mark.parametrize("state", ["received", "waiting", "running"])
def test_one_is_in_flight_at_a_time(state: RetrainingState) -> None:
    decision = decide(ASKED, replace(CALM, past=(past(100, state),)), POLICY, NOON)
    assert not decision.accepted
    assert f"in flight ({state})" in decision.reason


def test_the_cool_down_counts_from_the_end_of_the_last_of_its_kind() -> None:
    earlier = past(20)
    assert decide(ASKED, replace(CALM, past=(earlier,)), POLICY, NOON).accepted
    ended = replace(CALM, past=(earlier,), ended={earlier.key: NOON - 5 * HOUR})
    decision = decide(ASKED, ended, POLICY, NOON)
    assert not decision.accepted
    assert decision.reason == "cool-down until 2026-03-01T13:00:00+00:00"
    assert decide(ASKED, ended, POLICY, NOON + HOUR).accepted
    assert decide(replace(ASKED, trigger="quality"), ended, POLICY, NOON).accepted


def test_a_day_has_a_budget() -> None:
    busy = replace(CALM, past=(past(23), past(8)))
    decision = decide(ASKED, busy, POLICY, NOON)
    assert not decision.accepted
    assert "2 retrainings in the last 24 hours" in decision.reason
    assert decide(ASKED, busy, POLICY, NOON + HOUR).accepted


def test_the_same_request_has_one_key_whatever_its_onset_until_the_epoch_is_over() -> None:
    start = NOON.replace(hour=6)
    keys = {request_key(replace(ASKED, onset=start + n * HOUR), POLICY.cooldown, start + n * HOUR) for n in range(6)}
    assert len(keys) == 1
    assert request_key(ASKED, POLICY.cooldown, start + 6 * HOUR) not in keys
    for other in (replace(ASKED, version=2), replace(ASKED, model="x"), replace(ASKED, trigger="quality")):
        assert request_key(other, POLICY.cooldown, start) not in keys


def test_enough_is_what_the_project_says() -> None:
    assert is_enough(500, POLICY)
    assert not is_enough(499, POLICY)
