"""How text becomes a number, a date or a time: the same regular expressions for Python and for RE2, full match only."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

INTEGER = r"[+-]?[0-9]{1,18}(?:\.0*)?"
FLOAT = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
DATE = r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}"
_TO_THE_MINUTE = DATE + r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = r":[0-5][0-9](?:\.[0-9]{1,9})?"
_OFFSET = r"(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
TIMESTAMP = rf"{_TO_THE_MINUTE}(?:{_SECONDS}{_OFFSET}?)?)?"
"""A date, or a date and a time to the minute or finer; digits past microseconds are cut. An offset needs seconds before it."""
TIMESTAMP_WITH_OFFSET = rf"{_TO_THE_MINUTE}{_SECONDS}{_OFFSET})"

INTEGER_LIMIT = 10**18
"""Integers lie strictly between minus this and this: whatever text can say in 18 digits."""
FIRST_SECOND = -30_610_224_000
"""1000-01-01T00:00:00Z, the first moment that text can say, as a Unix time."""
END_SECOND = 32_503_680_000
"""3000-01-01T00:00:00Z, just after the last one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_integer = re.compile(INTEGER).fullmatch
_float = re.compile(FLOAT).fullmatch
_date = re.compile(DATE).fullmatch
_timestamp = re.compile(TIMESTAMP).fullmatch


def integer_of(text: str) -> int | None:
    """The integer that the text says (`7`, `+7`, `7.0`), None if it says none."""
    if _integer(text) is None:
        return None
    return int(text.partition(".")[0])


def float_of(text: str) -> float | None:
    """The number that the text says, infinite where it is too large for a double, None if it says none."""
    return float(text) if _float(text) is not None else None


def date_of(text: str) -> date | None:
    """The date that the text says as YYYY-MM-DD, None if it says none."""
    if _date(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def moment_of(text: str, zone: ZoneInfo | None) -> datetime | None:
    """The moment, in UTC, that the text says; without an offset it is a local time of `zone` (None: UTC). None if it says none.

    A local time that comes twice (clocks set back) is the later one, one that is skipped is counted on from before the gap:
    what DuckDB's timezone() does.
    """
    if _timestamp(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        if zone is None:
            return moment.replace(tzinfo=UTC)
        moment = _placed(moment, zone)
    return moment.astimezone(UTC)


def moment_of_seconds(seconds: float) -> datetime | None:
    """The moment, in UTC, of a Unix time in seconds (to the microsecond, ties to even); None outside the years 1000 to 2999."""
    if not FIRST_SECOND <= seconds < END_SECOND:
        return None
    return _EPOCH + timedelta(microseconds=round(seconds * 1e6))


def _placed(local: datetime, zone: ZoneInfo) -> datetime:
    first, second = local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)
    comes_twice = first.utcoffset() > second.utcoffset()  # type: ignore[operator]  # a ZoneInfo always has an offset
    return second if comes_twice else first
