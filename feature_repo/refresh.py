"""When looked-up features are refreshed, and what of the past a refresh has seen.

Refresh moments are the multiples of `refresh` since 1970. The store that is switched in at moment M is built ahead of M, from rows
before the *cut* M - refresh/4; so a row at time t sees what was known before the cut of the newest refresh moment at or before t.
Training looks views up in exactly that way.
"""

from datetime import datetime, timedelta

import ibis
import ibis.expr.datatypes as dt

from journey.clock import EPOCH

# A quarter of a refresh is left for building ahead: long enough on a busy machine, short enough that features stay fresh.
LEAD = 4
MICROSECOND = timedelta(microseconds=1)


def moment_at(time: datetime, refresh: timedelta) -> datetime:
    """The newest refresh moment at or before a time, UTC."""
    return EPOCH + (time - EPOCH) // refresh * refresh


def next_moment(time: datetime, refresh: timedelta) -> datetime:
    """The first refresh moment after a time, UTC."""
    return moment_at(time, refresh) + refresh


def lead(refresh: timedelta) -> timedelta:
    """How long before its moment a refresh is cut."""
    return refresh // LEAD


def cut(time: datetime, refresh: timedelta) -> datetime:
    """Rows before this time (exclusive) are what a lookup at `time` can know, UTC."""
    return moment_at(time, refresh) - lead(refresh)


def cut_column(time: ibis.expr.types.TimestampValue, refresh: timedelta) -> ibis.expr.types.TimestampValue:
    """`cut` of every value of a column of times in UTC, as an Ibis expression for DuckDB."""
    step = refresh // MICROSECOND
    since_epoch = _epoch_us(time)
    # DuckDB's % takes the sign of the dividend: the second one makes times before 1970 round down too
    into = (since_epoch % step + step) % step
    return _make_timestamptz(since_epoch - into - lead(refresh) // MICROSECOND)


@ibis.udf.scalar.builtin(name="epoch_us")  # type: ignore[untyped-decorator]  # Ibis has no types
def _epoch_us(time: dt.Timestamp(timezone="UTC")) -> dt.int64:  # type: ignore[valid-type]  # Ibis wants values, not types
    """Microseconds since 1970."""


@ibis.udf.scalar.builtin(name="make_timestamptz")  # type: ignore[untyped-decorator]  # Ibis has no types
def _make_timestamptz(microseconds: dt.int64) -> dt.Timestamp(timezone="UTC"):  # type: ignore[valid-type]  # Ibis wants values
    """The time that many microseconds after 1970."""
