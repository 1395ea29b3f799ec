"""Tables of raw rows, and frames as arrays."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from journey.artifacts import LABEL, SPLIT, TIME, FrameSchema, Input
from journey.errors import RequestError
from journey.model import scoring_tables
from journey.model.scoring import Scorer
from journey.model.scoring_tables import Refused, frame_arrays, rows_of_frame, rows_of_table, score_rows

SCHEMA = FrameSchema(
    task="binary",
    classes=(False, True),
    inputs=(Input(name="amount", type="float", origin="spine"), Input(name="channel", type="category", origin="spine")),
)


def frame(channels: list[str | None]) -> pa.Table:
    count = len(channels)
    return pa.table(
        {
            TIME: pa.array([datetime(2026, 3, 1, tzinfo=UTC), *[None] * (count - 1)], pa.timestamp("us", "UTC")),
            SPLIT: ["train"] * count,
            LABEL: pa.array([1] * count, pa.int64()),
            "amount": pa.array([None, *range(1, count)], pa.float64()),
            "channel": channels,
        }
    )


def test_a_frame_becomes_arrays_with_a_word_for_missing() -> None:
    arrays = frame_arrays(frame(["online", None]), SCHEMA)
    np.testing.assert_array_equal(arrays.numbers, [[np.nan], [1.0]])
    assert arrays.categories.tolist() == [["online"], ["__missing__"]]
    assert arrays.labels.dtype == np.int64
    assert arrays.split.tolist() == ["train", "train"]
    assert arrays.times.tolist() == [datetime(2026, 3, 1), None]


def test_a_frame_that_holds_the_reserved_word_is_refused() -> None:
    with pytest.raises(RequestError, match="column 'channel': expected text other than the reserved word"):
        frame_arrays(frame(["__missing__"]), SCHEMA)


def test_a_frame_without_inputs_of_a_kind_has_an_empty_array() -> None:
    arrays = frame_arrays(frame(["online"]), SCHEMA.model_copy(update={"inputs": SCHEMA.inputs[:1]}))
    assert arrays.categories.shape == (1, 0)


def test_raw_values_become_what_json_knows() -> None:
    table = pa.table({"when": [datetime(2026, 3, 1, 12, 0, 0, 5)], "day": [date(2026, 3, 1)], "price": [Decimal("1.5")], "n": [3]})
    expected = [{"when": "2026-03-01T12:00:00.000005", "day": "2026-03-01", "price": 1.5, "n": 3}]
    assert rows_of_table(table) == expected
    assert rows_of_frame(table.to_pandas()) == expected


def test_every_way_in_which_pandas_says_missing_is_missing() -> None:
    gone = pd.DataFrame({"a": [np.nan], "b": [None], "c": [pd.NaT], "d": pd.array([pd.NA], dtype="Int64")})
    assert rows_of_frame(gone) == [{"a": None, "b": None, "c": None, "d": None}]


def test_a_row_that_breaks_a_rule_is_refused_alone_in_whatever_chunk(workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_tables, "CHUNK_ROWS", 2)
    scorer = Scorer(workshop.bundle())
    rows = [{"card_id": "c", "amount": amount} for amount in (1, "lots", 3, 4, "many")]
    scored = score_rows(scorer, rows, lambda values: {"payments_30d": 2})
    assert [refused.row for refused in scored.refused] == [1, 4]
    assert scored.refused[0] == Refused(1, scored.refused[0].why)
    assert "column 'amount'" in scored.refused[0].why
    assert np.isnan(scored.predictions[[1, 4]]).all()
    np.testing.assert_array_equal(scored.predictions[3], scorer.predict(scorer.inputs([rows[3]], [{"payments_30d": 2}]))[0])


def test_a_table_without_rows_gives_none(workshop) -> None:
    assert score_rows(Scorer(workshop.bundle()), []).predictions.shape == (0, 2)
