"""A file of raw rows in, the same rows with predictions out: chunk by chunk, through the one scoring that the server uses."""

import csv
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from journey.errors import DataError, Unavailable
from journey.model.bundle import BundleSignature
from journey.model.scoring import Scorer
from journey.model.scoring_tables import CHUNK_ROWS, LookUp, rows_of_table, score_rows
from journey.values.columns import Value

PREDICTION, ERROR = "prediction", "error"


@dataclass(frozen=True)
class Layout:
    """How a CSV file without Parquet's own description is laid out: delimiter, and names where it has no header line."""

    delimiter: str = ","
    header: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Chunk:
    """Some rows as text or as Parquet had them, and what is wrong with the form of some, by row of the chunk."""

    table: pa.Table
    broken: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Predicted:
    """How many rows were read, how many of them have an error instead of a prediction, and the first error."""

    rows: int
    refused: int
    example: str


class Sink(Protocol):
    """Where scored tables go."""

    def __call__(self, table: pa.Table) -> None:
        """Writes one table."""


def predict_file(scorer: Scorer, look_up: LookUp, source: Path, target: Path, layout: Layout = Layout()) -> Predicted:
    """Scores a file; the result appears under its name only when it is whole.

    Columns that are added: `prediction` (the likeliest class, or the value), for a classification `probability_<class>`, and `error`, which
    says why a row has no prediction.

    Raises:
        DataError: the file isn't there, is no CSV or Parquet, lacks a column that the model needs or has one that nobody declared.
        ProjectError: a request feature raised.
        Unavailable: the result can't be written.
    """
    names, chunks = _read(source, layout)
    _refuse_columns(source, names, scorer.signature)
    rows, errors = 0, []
    with _written(target) as write:
        for chunk in chunks:
            scored, wrong = _scored(scorer, look_up, chunk, rows)
            write(scored)
            rows += len(scored)
            errors += wrong
    return Predicted(rows, len(errors), errors[0] if errors else "")


def added_columns(signature: BundleSignature) -> tuple[str, ...]:
    """The names of the columns that a prediction adds."""
    return (PREDICTION, *(f"probability_{_text(value)}" for value in signature.classes), ERROR)


def _refuse_columns(source: Path, names: Sequence[str], signature: BundleSignature) -> None:
    needed = [column.name for column in signature.request]
    missing = [name for name in needed if name not in names]
    if missing:
        raise DataError(f"{source}: expected the columns {', '.join(needed)}, found no {', '.join(missing)} among {', '.join(names)}")
    unknown = [name for name in names if name not in {*needed, *signature.ignored}]
    if unknown:
        declared = ", ".join([*needed, *signature.ignored])
        raise DataError(f"{source}: expected only declared columns ({declared}), found also {', '.join(unknown)}. Take them out.")
    taken = [name for name in added_columns(signature) if name in names]
    if taken:
        raise DataError(f"{source}: expected no column of the name of one that is added, found {', '.join(taken)}. Rename it.")


def _scored(scorer: Scorer, look_up: LookUp, chunk: Chunk, before: int) -> tuple[pa.Table, list[str]]:
    whole = [row for row in range(len(chunk.table)) if row not in chunk.broken]
    rows = rows_of_table(chunk.table)
    scored = score_rows(scorer, [rows[row] for row in whole], look_up)
    errors: list[str | None] = [None] * len(rows)
    for row, why in [*chunk.broken.items(), *((whole[refused.row], refused.why) for refused in scored.refused)]:
        errors[row] = why
    predictions = np.full((len(rows), scored.predictions.shape[1]), np.nan)
    predictions[whole] = scored.predictions
    table, added = chunk.table, [*_columns(scorer, predictions, errors), pa.array(errors, pa.string())]
    for name, values in zip(added_columns(scorer.signature), added, strict=True):
        table = table.append_column(name, values)
    return table, [f"row {before + row + 1}: {why}" for row, why in enumerate(errors) if why is not None]


def _columns(scorer: Scorer, predictions: np.ndarray, errors: Sequence[str | None]) -> list[pa.Array]:
    refused = np.array([why is not None for why in errors], dtype=bool)
    numbers = [pa.array(predictions[:, place], pa.float64(), mask=refused) for place in range(predictions.shape[1])]
    classes = scorer.signature.classes
    if not classes:
        return numbers
    best = np.argmax(np.nan_to_num(predictions, nan=-1.0), axis=1)
    return [pa.array([None if wrong else _text(classes[place]) for place, wrong in zip(best, refused, strict=True)], pa.string()), *numbers]


def _read(source: Path, layout: Layout) -> tuple[tuple[str, ...], Iterator[Chunk]]:
    if not source.is_file():
        raise DataError(f"{source}: expected a file of rows, found none")
    if source.suffix.lower() in (".parquet", ".pq"):
        try:
            file = pq.ParquetFile(source)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{source}: expected a Parquet file, found something else: {error}") from error
        return tuple(file.schema_arrow.names), _parquet_chunks(source, file)
    return _csv_names(source, layout), _csv_chunks(source, layout)


def _parquet_chunks(source: Path, file: pq.ParquetFile) -> Iterator[Chunk]:
    try:
        for batch in file.iter_batches(CHUNK_ROWS):
            yield Chunk(pa.Table.from_batches([batch]))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source}: expected a Parquet file that is whole, found a damaged one: {error}") from error
    yield Chunk(file.schema_arrow.empty_table())      # so that a file without rows gives one too


def _csv_names(source: Path, layout: Layout) -> tuple[str, ...]:
    with _csv_rows(source, layout.delimiter) as rows:
        first = next(rows, None)
    if first is None:
        raise DataError(f"{source}: expected rows, found an empty file")
    names = layout.header or tuple(name.strip() for name in first)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{source}: expected each column once, found '{twice}' twice")
    return names


def _csv_chunks(source: Path, layout: Layout) -> Iterator[Chunk]:
    names = _csv_names(source, layout)
    schema = pa.schema([(name, pa.string()) for name in names])
    with _csv_rows(source, layout.delimiter) as rows:
        if layout.header is None:
            next(rows)
        filled = (row for row in rows if row)      # the csv module gives an empty line as an empty list
        while some := list(islice(filled, CHUNK_ROWS)):
            broken = {place: f"expected {len(names)} cells, found {len(row)}" for place, row in enumerate(some) if len(row) != len(names)}
            cells = [(row + [""] * len(names))[: len(names)] for row in some]
            columns = [pa.array(column, pa.string()) for column in zip(*cells, strict=True)]
            yield Chunk(pa.Table.from_arrays(columns, schema=schema), broken)
    yield Chunk(schema.empty_table())      # so that a file without rows gives one too


@contextmanager
def _csv_rows(source: Path, delimiter: str) -> Iterator[Iterator[list[str]]]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            yield csv.reader(file, delimiter=delimiter)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{source}: expected CSV in UTF-8, found something else: {error}") from error


@contextmanager
def _written(target: Path) -> Iterator[Sink]:
    """Gives a function that writes tables; the file gets its name when all went well, else nothing is left of it."""
    if target.is_dir():
        raise Unavailable(f"{target}: expected a file to write to, found a folder. Name a file in it.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(descriptor)
        try:
            with (_parquet_sink if target.suffix.lower() in (".parquet", ".pq") else _csv_sink)(Path(partial)) as write:
                yield write
            Path(partial).chmod(0o644)
            Path(partial).replace(target)
        finally:
            with suppress(FileNotFoundError):
                Path(partial).unlink()
    except OSError as error:
        raise Unavailable(f"{target}: expected a place that can be written to, found: {error}. Free it, or name another.") from error


@contextmanager
def _parquet_sink(path: Path) -> Iterator[Sink]:
    writers: list[pq.ParquetWriter] = []

    def write(table: pa.Table) -> None:
        if not writers:
            writers.append(pq.ParquetWriter(path, table.schema))
        writers[0].write_table(table)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


@contextmanager
def _csv_sink(path: Path) -> Iterator[Sink]:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        named: list[bool] = []

        def write(table: pa.Table) -> None:
            if not named:
                rows.writerow(table.column_names)
                named.append(True)
            rows.writerows(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))

        yield write


def _text(value: Value) -> str:
    """A class as text, as JSON writes it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


