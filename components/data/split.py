"""Which rows train, validate and test: by time over a moving window, or by a hash that keeps a row on its side for ever."""

from dataclasses import dataclass

import ibis
import numpy as np
from numpy.typing import NDArray

from journey.artifacts import ROW
from journey.sections import Split
from journey.values.columns import ColumnRule
from journey.values.tables import standardized

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
_DIGITS = 13                   # hexadecimal digits of a digest that decide: 52 bits, as many as a double's fraction holds exactly
_PRESENT, _BETWEEN = "\x1e", "\x1f"
_AS_TEXT = ColumnRule(type="string", null=())


@dataclass(frozen=True)
class Boundaries:
    """The first moments of the validation and of the test rows, in µs since 1970; None where there are no such rows."""

    validation: int | None
    test: int | None


def boundaries(times: NDArray[np.int64], split: Split) -> Boundaries:
    """The newest share of rows is for test, the share before it for validation; rows of one moment stay together.

    Args:
        times: [n] event times of the rows that count, in µs since 1970, ascending.
        split: its shares.
    """
    test_from = _from_end(times, split.test)
    validation_from = _from_end(times, split.test + split.validation)
    return Boundaries(validation_from, test_from)


def training_rows(times: NDArray[np.int64], split: Split, matures_us: int) -> int:
    """How many rows would be trained on, were the data split by time now.

    Args:
        times: [n] event times of the rows that count (mature, labelled, since the onset), in µs since 1970, ascending.
        split: its shares.
        matures_us: how long a label takes, in µs: that long before a boundary, rows are left out.
    """
    edges = boundaries(times, split)
    first = edges.test if edges.validation is None else edges.validation
    if first is None:
        return len(times)
    return int(min(np.searchsorted(times, first - matures_us, side="right"), np.searchsorted(times, first, side="left")))


def bucket(split: Split, digest: ibis.Value) -> ibis.Value:
    """Train, validation or test by a digest's place among all digests.

    Args:
        split: its shares.
        digest: text of hexadecimal digits.
    """
    leading = digest.substr(0, _DIGITS)
    test, validation = (f"{round(share * 16**_DIGITS):0{_DIGITS}x}" for share in (split.test, split.test + split.validation))
    return ibis.cases((leading < test, TEST), (leading < validation, VALIDATION), else_=TRAIN)


def digests(spine: ibis.Table, raw: ibis.Table, by: tuple[str, ...], columns: tuple[str, ...]) -> ibis.Table:
    """SHA-256 of what identifies each row: the first of some columns that isn't missing, else all raw values.

    Args:
        spine: standardized rows with ROW.
        raw: the raw rows with ROW.
        by: columns of the spine (the group, the key) in the order in which they are preferred.
        columns: the raw columns that stand in, in declared order.

    Returns:
        ROW and `digest`, hexadecimal digits.
    """
    parts = [_present(text_of(raw[column])) for column in columns]
    whole = raw.select(ROW, whole=ibis.literal(_BETWEEN).join(parts) if parts else ibis.literal(""))
    known = spine.select(ROW, known=ibis.coalesce(*(text_of(spine[column]) for column in by)) if by else ibis.null("string"))
    joined = known.inner_join(whole, ROW)
    return joined.select(ROW, digest=ibis.coalesce(joined.known, joined.whole).hexdigest("sha256"))


def text_of(column: ibis.Value) -> ibis.Value:
    """The one text of each value: 7 and 7.0 are `7`, whatever type a source gave them."""
    return standardized(_AS_TEXT, column).value if column.type().is_numeric() else column.cast("string")


def _present(text: ibis.Value) -> ibis.Value:
    """Tells a missing value from an empty text."""
    return ibis.ifelse(text.isnull(), ibis.literal(""), ibis.literal(_PRESENT) + text)


def _from_end(times: NDArray[np.int64], share: float) -> int | None:
    rows = int(np.floor(len(times) * share + 0.5))
    return int(times[len(times) - rows]) if rows else None
