"""The training path for a few raw rows: column rules in their table form, request features mapped over the rows."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from journey.clock import EPOCH
from journey.model.bundle import BundleSignature
from journey.model.scoring import Arrays, Values
from journey.model.scoring_tables import input_arrays
from journey.request_features import RequestFunction, RowValue
from journey.tables import open_backend, read_table
from journey.values.columns import consequence
from journey.values.tables import repaired, standardized

_ORDER = "journey_order"


@dataclass(frozen=True)
class TablePath:
    """What training would have made of raw rows: model inputs [n], and which rows it would have refused [n]."""

    inputs: Arrays
    refused: NDArray[np.bool_]


def table_path(
    rows: pa.Table, signature: BundleSignature, functions: Mapping[str, RequestFunction], looked_up: Sequence[Values]
) -> TablePath:
    """Sends raw rows the way of tables.

    Args:
        rows: raw rows with at least the request's columns.
        signature: of the model.
        functions: the project's request features by name.
        looked_up: of each row, the values that belong to it.

    Raises:
        ProjectError: a request feature raises.
    """
    typed, refused = _ruled(rows, signature)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {column.name: typed[column.name] for column in signature.request}
    kept = ~refused
    for derived in signature.derived:
        values = iter(functions[derived.function].over([_row_values(columns[name].filter(pa.array(kept))) for name in derived.arguments]))
        columns[derived.name] = pa.array([next(values) if keep else None for keep in kept])
    for lookup in signature.lookups:
        for feature in lookup.features:
            columns[feature.name] = pa.array([found.get(feature.name, feature.default) for found in looked_up])
    inputs = {item.name: _typed(columns[item.name], item.type) for item in signature.inputs}
    return TablePath(input_arrays(pa.table(inputs), signature.inputs), refused)


def _ruled(rows: pa.Table, signature: BundleSignature) -> tuple[pa.Table, NDArray[np.bool_]]:
    """The request's columns after their rules, and the rows that would have gone to quarantine or stopped the run."""
    with tempfile.TemporaryDirectory(prefix="journey-parity-") as scratch, open_backend() as backend:
        path = Path(scratch, "rows.parquet")
        pq.write_table(rows.select([column.name for column in signature.request]), path)
        raw = read_table(backend, path, row=_ORDER)
        mended = raw.select(_ORDER, **{column.name: repaired(column.rule, raw[column.name]) for column in signature.request})
        outcomes = {column.name: standardized(column.rule, mended[column.name]) for column in signature.request}
        away = ibis.literal(False)
        for column in signature.request:
            breach = outcomes[column.name].breach
            kinds = [kind for kind in ("parse", "required", "range", "values", "pattern") if _refuses(consequence(column.rule, kind))]
            away = away | (breach.isin(kinds).fill_null(False) if kinds else ibis.literal(False))
        values = {name: outcome.value for name, outcome in outcomes.items()}
        typed = mended.select(_ORDER, **values, **{f"{_ORDER}_away": away}).order_by(_ORDER).to_pyarrow()
    return typed, np.asarray(typed[f"{_ORDER}_away"].to_numpy(zero_copy_only=False), dtype=bool)


def _refuses(breach: str) -> bool:
    return breach in ("quarantine", "fail")


def _row_values(column: pa.Array | pa.ChunkedArray) -> list[RowValue]:
    """Values as request features take them: moments are datetimes in UTC."""
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    since_epoch = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist()
    return [None if value is None else EPOCH + timedelta(microseconds=value) for value in since_epoch]


def _typed(column: pa.Array | pa.ChunkedArray, kind: str) -> pa.Array | pa.ChunkedArray:
    if pa.types.is_null(column.type):
        return column.cast(pa.string() if kind == "category" else pa.float64())
    return column.cast(pa.string()) if kind == "category" else column.cast(pa.float64(), safe=False)
