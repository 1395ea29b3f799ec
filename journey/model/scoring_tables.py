"""Tables of rows for models: raw rows through the Scorer in chunks, and frames as arrays for training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from journey.artifacts import LABEL, SPLIT, TIME, FrameSchema, Input
from journey.errors import RequestError
from journey.model.inputs import worded
from journey.model.scoring import Arrays, Row, Scorer, Values

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 10_000
"""Rows scored at a time: enough to forget the cost of a call, little enough to hold as Python values (a guess, 20 MB or so)."""

LookUp = Callable[[Values], Values]
"""From a row's values after their rules to its looked-up features, such as `OnlineStore.read` at some moment."""


@dataclass(frozen=True)
class FrameArrays(Arrays):
    """A frame's rows as a model takes them.

    Attributes:
        labels: [n] int64 class index, or float64 for regression.
        split: [n] of str.
        times: [n] datetime64[us], NaT where the project has no time.
    """

    labels: NDArray[np.int64] | NDArray[np.float64]
    split: NDArray[np.object_]
    times: NDArray[np.datetime64]


def frame_arrays(table: pa.Table, schema: FrameSchema) -> FrameArrays:
    """A frame (or some rows of it) as arrays, in the order of the table's rows.

    Raises:
        RequestError: a category of the frame holds the reserved word for missing.
    """
    inputs = input_arrays(table, schema.inputs)
    label_type = np.float64 if schema.task == "regression" else np.int64
    return FrameArrays(
        numbers=inputs.numbers,
        categories=inputs.categories,
        labels=table[LABEL].to_numpy().astype(label_type),
        split=np.asarray(table[SPLIT].to_numpy(), dtype=object),
        times=_times(table[TIME]),
    )


def input_arrays(table: pa.Table, inputs: Sequence[Input]) -> Arrays:
    """The columns of a table that are model inputs, as arrays.

    Raises:
        RequestError: a category holds the reserved word for missing.
    """
    numbers = [_numbers(table[item.name]) for item in inputs if item.type != "category"]
    categories = [_words(item.name, table[item.name]) for item in inputs if item.type == "category"]
    return Arrays(
        numbers=np.column_stack(numbers) if numbers else np.empty((len(table), 0)),
        categories=np.column_stack(categories) if categories else np.empty((len(table), 0), dtype=object),
    )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")).to_numpy(), dtype=np.float64)


def _words(name: str, column: pa.ChunkedArray) -> NDArray[np.object_]:
    return np.array([worded(name, value) for value in column.cast(pa.string()).to_pylist()], dtype=object)


def _times(column: pa.ChunkedArray) -> NDArray[np.datetime64]:
    return np.asarray(column.cast(pa.timestamp("us")).to_numpy(), dtype="datetime64[us]")


@dataclass(frozen=True)
class Refused:
    """A row (counted from 0) that a rule refused, and why."""

    row: int
    why: str


@dataclass(frozen=True)
class Scored:
    """Predictions [n, classes] or [n, 1], NaN in refused rows."""

    predictions: NDArray[np.float64]
    refused: tuple[Refused, ...]


def nothing_looked_up(values: Values) -> Values:
    """The look-up of those who have no online store: every view's row is absent."""
    return {}


def score_rows(scorer: Scorer, rows: Sequence[Row], look_up: LookUp = nothing_looked_up) -> Scored:
    """Scores raw rows; one that breaks a rule is refused alone.

    Raises:
        ProjectError: a request feature raised.
    """
    width = scorer.signature.outputs[0].shape[1]
    predictions = np.full((len(rows), width), np.nan)
    refused: list[Refused] = []
    for start in range(0, len(rows), CHUNK_ROWS):
        numbers: list[int] = []
        inputs: list[Arrays] = []
        for number, row in enumerate(rows[start : start + CHUNK_ROWS], start):
            try:
                values = scorer.values(row)
                inputs.append(scorer.arrays([values], [look_up(values)]))
                numbers.append(number)
            except RequestError as error:
                refused.append(Refused(number, str(error)))
        if numbers:
            predictions[numbers] = scorer.predict(joined(inputs))
    return Scored(predictions, tuple(refused))


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Rows of several arrays as one."""
    return Arrays(np.concatenate([part.numbers for part in parts]), np.concatenate([part.categories for part in parts]))


def rows_of_table(table: pa.Table) -> list[dict[str, object]]:
    """An Arrow table of raw values as rows of what JSON knows."""
    columns = {name: [_json_value(value) for value in table[name].to_pylist()] for name in table.column_names}
    return _rows(columns, len(table))


def rows_of_frame(frame: "pd.DataFrame") -> list[dict[str, object]]:
    """A DataFrame of raw values as rows of what JSON knows: NaN, NaT and NA are missing, moments become ISO text."""
    missing = frame.isna()
    columns = {
        str(name): [None if gone else _json_value(value) for value, gone in zip(frame[name].tolist(), missing[name], strict=True)]
        for name in frame.columns
    }
    return _rows(columns, len(frame))


def _rows(columns: dict[str, list[object]], count: int) -> list[dict[str, object]]:
    if not columns:
        return [{} for _ in range(count)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _json_value(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
