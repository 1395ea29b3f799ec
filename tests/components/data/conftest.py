from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import ibis
import pyarrow
import pyarrow.parquet
import pytest

from journey.artifacts import ROW, Snapshot, TableSnapshot
from journey.tables import open_backend, read_table

Raw = Callable[..., ibis.Table]
_PHYSICAL = {"string": "text", "int64": "int64", "double": "double", "bool": "boolean"}


@pytest.fixture
def backend() -> Iterator[ibis.BaseBackend]:
    with open_backend() as opened:
        yield opened


@pytest.fixture
def raw(backend: ibis.BaseBackend, tmp_path: Path) -> Raw:
    """Makes a table of columns, as a step finds it: Parquet, with ROW."""

    def make(**columns: Sequence[object]) -> ibis.Table:
        text = pyarrow.string()
        arrays = {name: pyarrow.array(values, text if all(each is None for each in values) else None) for name, values in columns.items()}
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        pyarrow.parquet.write_table(pyarrow.table(arrays), path)
        return read_table(backend, path, row=ROW)

    return make


@pytest.fixture
def snapshot_of() -> Callable[[Mapping[str, ibis.Table]], Snapshot]:
    def describe(tables: Mapping[str, ibis.Table]) -> Snapshot:
        seen = {}
        for name, table in tables.items():
            schema = table.drop(ROW).schema().to_pyarrow()
            columns = {field.name: _PHYSICAL[str(field.type)] for field in schema}
            seen[name] = TableSnapshot(rows=table.count().to_pyarrow().as_py(), columns=columns, digest="")
        return Snapshot(tables=seen)

    return describe
