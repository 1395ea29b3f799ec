"""The parity gate: what the server will answer is what training saw, on rows that the model has not seen.

Raw held-out rows, the same with each column missing, and with each category never seen, go the server's way and the way of tables.
Inputs must be equal to the bit; predictions within 1e-6 of the largest plus 1e-5 of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.release.table_form import TablePath, table_path
from journey.errors import DataError, ProjectError, RequestError
from journey.model.bundle import BundleSignature
from journey.model.scoring import Arrays, Scorer, Values
from journey.model.scoring_tables import joined, rows_of_table
from journey.request_features import RequestFunction
from journey.values.messages import shown

HELD_OUT_ROWS = 1_000          # what the design promises
VARIED_ROWS = 25               # of them, with each column missing and each category unseen: enough for rare paths (a guess)
UNSEEN_TEXT = "never seen before"
UNSEEN_NUMBER = 987_654_321

ABSOLUTE = 1e-6                # times the largest |y|: a value near zero is no more exact than its terms
RELATIVE = 1e-5


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows as the source gave them, with what training made of them.

    Attributes:
        raw: [n] raw values of the spine's declared columns.
        inputs: [n] the model's inputs, from the frame.
        looked_up: [n] the features of views that belong to each row.
    """

    raw: pa.Table
    inputs: Arrays
    looked_up: Sequence[Values]


@dataclass(frozen=True)
class _Variant:
    """Rows that were changed in one place; `what` says where."""

    what: str
    raw: pa.Table
    looked_up: Sequence[Values]


def variants(held_out: HeldOut, signature: BundleSignature) -> list[_Variant]:
    """Some held-out rows with each column missing, and with each category never seen before."""
    some = held_out.raw.slice(0, VARIED_ROWS)
    looked_up = held_out.looked_up[:VARIED_ROWS]
    found = []
    for column in signature.request:
        kind = some.schema.field(column.name).type
        found.append(_Variant(f"column '{column.name}' missing", _with(some, column.name, None), looked_up))
        unseen = _unseen(kind)
        if column.rule.type == "category" and unseen is not None:
            new = _with(some, column.name, unseen)
            found.append(_Variant(f"column '{column.name}' holding a category never seen before", new, looked_up))
    return found


def agreed_inputs(scorer: Scorer, held_out: HeldOut, functions: Mapping[str, RequestFunction]) -> Arrays:
    """The inputs of all rows that both ways accept, after both ways gave the same.

    Args:
        scorer: the server's way.
        held_out: rows and what training made of them.
        functions: request features by name.

    Returns:
        The inputs of the held-out rows, then those of the varied ones.

    Raises:
        DataError: the two ways differ; column, raw value and both results are named.
        ProjectError: a request feature raises for a row with a missing or unseen value.
    """
    unchanged = _Variant("unchanged", held_out.raw, held_out.looked_up)
    expected = TablePath(held_out.inputs, np.zeros(len(held_out.raw), dtype=bool))
    agreed = [_agreed(scorer, unchanged, expected)]
    for variant in variants(held_out, scorer.signature):
        try:
            agreed.append(_agreed(scorer, variant, table_path(variant.raw, scorer.signature, functions, variant.looked_up)))
        except ProjectError as error:
            raise ProjectError(f"rows with {variant.what}: {error}") from error
    return joined([arrays for arrays in agreed if len(arrays.numbers)])


def close(expected: NDArray[np.float64], found: NDArray[np.float64]) -> bool:
    """Whether predictions [n, k] agree: within 1e-6 of the largest plus 1e-5 of each."""
    limit = ABSOLUTE * np.abs(expected).max(initial=0.0) + RELATIVE * np.abs(expected)
    return bool((np.abs(expected - found) <= limit).all())


def _agreed(scorer: Scorer, variant: _Variant, expected: TablePath) -> Arrays:
    """The server's inputs of the rows that both ways accept; raises at the first difference."""
    rows = rows_of_table(variant.raw)
    accepted: list[Arrays] = []
    kept: list[int] = []
    for number, (row, found) in enumerate(zip(rows, variant.looked_up, strict=True)):
        try:
            inputs = scorer.inputs([row], [found])
        except RequestError as error:
            if not expected.refused[number]:
                raise DataError(
                    f"parity of rows with {variant.what}: expected the server to accept what training accepts, "
                    f"found that it refuses a held-out row: {error}"
                ) from error
            continue
        if expected.refused[number]:
            raise DataError(
                f"parity of rows with {variant.what}: expected the server to refuse what training refuses, found that it accepts "
                f"the row {_row_shown(scorer.signature, row)}"
            )
        accepted.append(inputs)
        kept.append(number)
    if not kept:
        return Arrays(np.empty((0, expected.inputs.numbers.shape[1])), np.empty((0, expected.inputs.categories.shape[1]), dtype=object))
    served = joined(accepted)
    trained = Arrays(expected.inputs.numbers[kept], expected.inputs.categories[kept])
    _refuse_difference(scorer.signature, [rows[number] for number in kept], trained, served)
    return served


def _refuse_difference(signature: BundleSignature, rows: Sequence[Mapping[str, object]], trained: Arrays, served: Arrays) -> None:
    numbers = (trained.numbers != served.numbers) & ~(np.isnan(trained.numbers) & np.isnan(served.numbers))
    differs = np.concatenate([numbers, trained.categories != served.categories], axis=1)
    if not differs.any():
        return
    row, place = (int(index) for index in np.argwhere(differs)[0])
    ordered = sorted(signature.inputs, key=lambda item: item.type == "category")
    name, width = ordered[place].name, trained.numbers.shape[1]
    ours, theirs = (
        arrays.numbers[row, place] if place < width else arrays.categories[row, place - width] for arrays in (trained, served)
    )
    raise DataError(
        f"parity of column '{name}': expected training and serving to make the same of the raw value "
        f"{_raw_shown(signature, name, rows[row])}, found {ours!r} in training and {theirs!r} in serving, "
        f"in {int(differs[:, place].sum())} of {len(rows)} rows. Nothing was packaged: a model must be served what it was taught."
    )


def _raw_shown(signature: BundleSignature, name: str, row: Mapping[str, object]) -> str:
    """The raw values that an input is made from; personal ones stay hidden."""
    arguments = next((item.arguments for item in signature.derived if item.name == name), (name,))
    return ", ".join(_one_shown(signature, argument, row) for argument in arguments)


def _row_shown(signature: BundleSignature, row: Mapping[str, object]) -> str:
    return ", ".join(f"{column.name}={_one_shown(signature, column.name, row)}" for column in signature.request)


def _one_shown(signature: BundleSignature, name: str, row: Mapping[str, object]) -> str:
    masked = any(column.name == name and column.rule.pii for column in signature.request)
    return shown(row.get(name), masked=masked)


def _with(rows: pa.Table, name: str, value: str | int | float | None) -> pa.Table:
    place = rows.schema.get_field_index(name)
    field = rows.schema.field(name)
    return rows.set_column(place, field, pa.array([value] * len(rows), field.type))


def _unseen(kind: pa.DataType) -> str | int | float | None:
    """A value of the raw column's type that no project has; None where the type has no such value."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return UNSEEN_TEXT
    if pa.types.is_integer(kind):
        return UNSEEN_NUMBER
    return UNSEEN_NUMBER + 0.5 if pa.types.is_floating(kind) else None
