"""Windows over counters that start anew, join late and leave."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.scrape import ModelVersion, Scrape, Series
from monitoring.windows import Windows

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
FIRST, SECOND = ModelVersion("m", "1"), ModelVersion("m", "2")
BINS = ("00", "nan")


def said(*counts: int, started: float = 1.0, which: ModelVersion = FIRST) -> Scrape:
    return Scrape(started, {which: {Series("x", name): count for name, count in zip(BINS, counts, strict=True)}}, {}, frozenset())


def rows(windows: Windows, since: datetime, which: ModelVersion = FIRST) -> list[int]:
    return windows.over(which, "x", BINS, since).tolist()


def test_a_window_holds_what_was_added_in_it() -> None:
    windows = Windows(HOUR)
    for minute, count in ((0, 0), (10, 5), (20, 9), (30, 20)):
        windows.add({"a": said(count, 2 * count)}, NOON + minute * MINUTE)
    assert rows(windows, NOON + 10 * MINUTE) == [15, 30]
    assert rows(windows, NOON + 19 * MINUTE) == [15, 30]
    assert rows(windows, NOON - HOUR) == [20, 40]


def test_a_target_seen_for_the_first_time_brings_no_past() -> None:
    windows = Windows(HOUR)
    windows.add({"a": said(1000, 10)}, NOON)
    windows.add({"a": said(1003, 10)}, NOON + MINUTE)
    assert rows(windows, NOON - HOUR) == [3, 0]
    assert windows.since(FIRST) == NOON


def test_a_restarted_server_counts_from_zero_even_where_it_is_already_ahead() -> None:
    windows = Windows(HOUR)
    windows.add({"a": said(0, 0)}, NOON)
    windows.add({"a": said(4, 0)}, NOON + MINUTE)
    windows.add({"a": said(6, 1, started=2.0)}, NOON + 2 * MINUTE)
    assert rows(windows, NOON) == [10, 1]


def test_a_counter_that_fell_without_a_restart_being_told_counts_from_zero() -> None:
    windows = Windows(HOUR)
    windows.add({"a": said(10, 0)}, NOON)
    windows.add({"a": said(3, 0)}, NOON + MINUTE)
    assert rows(windows, NOON) == [3, 0]


def test_a_version_that_appears_on_a_known_server_is_counted_from_its_first_row() -> None:
    windows = Windows(HOUR)
    windows.add({"a": said(5, 0)}, NOON)
    both = Scrape(1.0, said(6, 0).counts | said(7, 1, which=SECOND).counts, {}, frozenset())
    windows.add({"a": both}, NOON + MINUTE)
    assert rows(windows, NOON, SECOND) == [7, 1]
    assert windows.since(SECOND) == NOON


def test_targets_add_up_and_one_that_is_away_takes_nothing_with_it() -> None:
    windows = Windows(HOUR)
    windows.add({"a": said(0, 0), "b": said(0, 0)}, NOON)
    windows.add({"a": said(5, 0), "b": said(7, 0)}, NOON + MINUTE)
    windows.add({"a": said(6, 0)}, NOON + 2 * MINUTE)
    windows.add({"a": said(6, 0), "b": said(9, 0)}, NOON + 3 * MINUTE)
    assert rows(windows, NOON) == [15, 0]


def test_a_version_that_no_server_holds_any_more_is_forgotten() -> None:
    windows = Windows(HOUR)
    windows.add({"a": said(0, 0)}, NOON)
    windows.add({"a": said(5, 0)}, NOON + MINUTE)
    windows.add({"a": said(1, 0, which=SECOND)}, NOON + 2 * MINUTE)
    assert rows(windows, NOON) == [0, 0]
    assert windows.since(FIRST) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=40), st.integers(0, 40))
def test_whatever_the_restarts_the_window_holds_every_row_after_its_start(steps: list[tuple[int, bool]], back: int) -> None:
    windows, count, started = Windows(60 * MINUTE), 0, 1.0
    windows.add({"a": said(0, 0)}, NOON)
    added = [0]
    for minute, (more, restart) in enumerate(steps, start=1):
        count, started = (0, started + 1) if restart else (count, started)
        count += more
        added.append(more)
        windows.add({"a": said(count, 0, started=started)}, NOON + minute * MINUTE)
    last = len(steps)
    first = max(0, last - back)
    assert rows(windows, NOON + first * MINUTE)[0] == int(np.sum(added[first + 1 :]))
