"""A frame's rows as models take them, by split."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from journey.artifacts import GROUP, SPLIT, FrameSchema
from journey.errors import DataError
from journey.model.inputs import matrix
from journey.model.scoring_tables import frame_arrays

FRAME, SCHEMA = "frame.parquet", "frame.json"
SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Part:
    """Some rows of a frame.

    Attributes:
        table: shape [n, k], what a Pipeline takes.
        labels: shape [n], class indices or values.
        times: shape [n], datetime64[us], NaT where the project has no time.
        groups: shape [n], the number of each row's group, in the order of the groups' names; a group a row where there are none.
    """

    table: NDArray[np.object_]
    labels: NDArray[np.int64] | NDArray[np.float64]
    times: NDArray[np.datetime64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, rows: NDArray[np.int64]) -> "Part":
        """The rows of these numbers."""
        return Part(self.table[rows], self.labels[rows], self.times[rows], self.groups[rows])

    def span(self) -> tuple[str | None, str | None]:
        """First and last event time, ISO with zone; None where the project has no time."""
        known = self.times[~np.isnat(self.times)]
        return (_iso(known.min()), _iso(known.max())) if len(known) else (None, None)


@dataclass(frozen=True)
class FrameRows:
    """A frame, read.

    Attributes:
        schema: frame.json.
        table: frame.parquet, whole.
    """

    schema: FrameSchema
    table: pa.Table

    @classmethod
    def read(cls, directory: Path) -> "FrameRows":
        """Reads `frame.parquet` and `frame.json`.

        Raises:
            DataError: they are not there.
        """
        schema = FrameSchema.read(directory / SCHEMA)
        try:
            return cls(schema, pq.read_table(directory / FRAME))
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{directory / FRAME}: expected the frame's rows as Parquet, found none that can be read: {error}") from error

    def part(self, *splits: SplitName) -> Part:
        """The rows of these splits, in the frame's order.

        Raises:
            DataError: there are none, or a category holds the reserved word.
        """
        table = self.only(*splits)
        arrays = frame_arrays(table, self.schema)
        if not len(arrays.labels):
            raise DataError(f"frame: expected rows of split {' and '.join(splits)}, found none. Give more rows, or change `split`.")
        return Part(matrix(arrays.numbers, arrays.categories), arrays.labels, arrays.times, _groups(table))

    def only(self, *splits: SplitName) -> pa.Table:
        """The table's rows of these splits."""
        return self.table.filter(pc.is_in(self.table[SPLIT], pa.array(splits)))

    @property
    def classes(self) -> int:
        """How many classes the label has; 0 for regression."""
        return len(self.schema.classes)


def _groups(table: pa.Table) -> NDArray[np.int64]:
    if GROUP not in table.column_names:
        return np.arange(len(table))
    return np.unique(table[GROUP].to_numpy(), return_inverse=True)[1].astype(np.int64)


def _iso(moment: np.datetime64) -> str:
    found = moment.astype("datetime64[us]").item()
    assert isinstance(found, datetime)
    return found.replace(tzinfo=UTC).isoformat()
