"""When a refresh is cut: the same in Python and in Ibis."""

from datetime import UTC, datetime, timedelta

import ibis
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.refresh import cut, cut_column, moment_at, next_moment
from journey.tables import open_backend

HOUR = timedelta(hours=1)
TIMES = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
REFRESHES = st.sampled_from([timedelta(seconds=1), timedelta(minutes=7), HOUR, 12 * HOUR, timedelta(days=1), timedelta(days=7)])


def test_refreshes_are_at_multiples_since_1970_and_cut_a_quarter_earlier():
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert moment_at(noon, 12 * HOUR) == noon
    assert moment_at(noon - timedelta(microseconds=1), 12 * HOUR) == noon - 12 * HOUR
    assert next_moment(noon, 12 * HOUR) == noon + 12 * HOUR
    assert cut(noon + 5 * HOUR, 12 * HOUR) == noon - 3 * HOUR
    assert cut(datetime(1969, 12, 31, 23, tzinfo=UTC), 12 * HOUR) == datetime(1969, 12, 31, 9, tzinfo=UTC)


@given(TIMES, REFRESHES)
def test_a_cut_is_before_its_time_and_less_than_one_and_a_quarter_refreshes_old(time, refresh):
    assert refresh / 4 <= time - cut(time, refresh) < refresh * 1.25


@settings(max_examples=20, deadline=None)
@given(st.lists(TIMES, min_size=1, max_size=50), REFRESHES)
def test_a_column_of_times_is_cut_as_each_time_is(times, refresh):
    with open_backend() as backend:
        table = ibis.memtable({"time": times}, schema={"time": "timestamp('UTC', 6)"})
        column = backend.to_pyarrow(table.select(cut=cut_column(table.time, refresh))).column("cut").to_pylist()
    assert column == [cut(time, refresh) for time in times]
