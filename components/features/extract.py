"""Extract features: the training frame, each row with what was known at its time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.features.lookback import declared, looked_up
from components.features.spine import Origins, derived_inputs, spine_inputs
from feature_repo.views import ViewTable, write_views
from journey.artifacts import GROUP, LABEL, ROW, SPLIT, TIME, Derived, FrameSchema, Input
from journey.clock import EPOCH, duration
from journey.declarations import FeatureView, load_declarations
from journey.errors import DataError
from journey.project import ExtractPlan, Table
from journey.request_features import FILE as REQUEST_FEATURES
from journey.request_features import RequestFunction, RowValue, load_request_features

FRAME = "frame.parquet"
SCHEMA = "frame.json"


@dataclass(frozen=True)
class ProjectCode:
    """What the project's own Python adds to the spine's columns."""

    views: tuple[FeatureView, ...] = ()
    functions: tuple[RequestFunction, ...] = ()

    @classmethod
    def load(cls, project: Path) -> "ProjectCode":
        """Loads features.py and request_features.py of a project's folder.

        Raises:
            ProjectError: one of them is wrong.
        """
        return cls(load_declarations(project).views, load_request_features(project / REQUEST_FEATURES))


@dataclass(frozen=True)
class Frame:
    """The training frame: `table` holds ROW, TIME, SPLIT, LABEL (GROUP where rows are grouped) and the inputs of `schema`.

    The inputs are in the schema's order, the rows in that of TIME and ROW.
    """

    table: pa.Table
    schema: FrameSchema

    def write(self, directory: Path) -> None:
        """Writes frame.parquet and frame.json; the same rows give the same bytes."""
        directory.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.table, directory / FRAME, compression="zstd")
        self.schema.write(directory / SCHEMA)

    @classmethod
    def read(cls, directory: Path) -> "Frame":
        """Reads what `write` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        schema = FrameSchema.read(directory / SCHEMA)
        try:
            return cls(pq.read_table(directory / FRAME), schema)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{FRAME}: expected a Parquet file beside {SCHEMA}, found none that can be read: {error}") from error


@dataclass(frozen=True)
class CuratedTables:
    """What curate left: typed tables on one connection, and the label's classes."""

    tables: Mapping[str, ibis.Table]
    classes: tuple[str | int | float | bool, ...]


def extract(plan: ExtractPlan, contracts: Mapping[str, Table], curated: CuratedTables, code: ProjectCode, scratch: Path) -> Frame:
    """Puts the spine's columns, request features and looked-up features of every split row side by side.

    Args:
        plan: the project's section.
        contracts: of every table.
        curated: all rows of every table; of the spine, those with a split make the frame, all feed the views.
        code: views and request functions.
        scratch: a folder for the views' files.

    Raises:
        ProjectError: the project's own Python is wrong, or two inputs share a name.
        DataError: no row has a split.
    """
    contract = contracts[plan.spine.table]
    plain = declared(curated.tables, {name: list(table.columns) for name, table in contracts.items()})
    views = write_views(code.views, plain, plan.entities, scratch) if code.views else ()
    lookups = tuple(view.lookup for view in views)
    origins = Origins(tuple(contract.columns), spine_inputs(plan, contract), derived_inputs(code.functions, plan, contract), lookups)
    inputs = origins.inputs()
    spine = _split_rows(curated.tables[plan.spine.table], plan.spine.table)
    values = _values(spine, views, origins, code, duration(plan.features.refresh))
    table = pa.table(
        {
            **{name: spine.column(name) for name in (ROW, TIME, SPLIT, LABEL, GROUP) if name in spine.column_names},
            **{each.name: _model_value(values[each.name], each) for each in inputs},
        }
    )
    schema = FrameSchema(
        task=plan.predict.task, classes=curated.classes, inputs=inputs, derived=origins.derived, lookups=origins.lookups
    )
    return Frame(table, schema)


def _split_rows(spine: ibis.Table, name: str) -> pa.Table:
    rows = spine.filter(spine[SPLIT].notnull()).order_by([TIME, ROW]).to_pyarrow().combine_chunks()
    if rows.num_rows == 0:
        raise DataError(f"table '{name}': expected rows to train on, found none with a split; look at left_out in curated.json")
    return rows


def _values(
    spine: pa.Table, views: tuple[ViewTable, ...], origins: Origins, code: ProjectCode, refresh: timedelta
) -> dict[str, pa.Array | pa.ChunkedArray]:
    values = {each.name: spine.column(each.name) for each in origins.spine}
    columns = {name: _row_values(spine.column(name)) for each in origins.derived for name in each.arguments}
    for function, each in zip(code.functions, origins.derived, strict=True):
        values[each.name] = _array(function.over([columns[name] for name in each.arguments]), each)
    return values | (looked_up(spine, views, refresh) if views else {})


def _array(values: list[RowValue], feature: Derived) -> pa.Array:
    kind = {"float": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "category": pa.string()}[feature.type]
    return pa.array(values, kind)


def _row_values(column: pa.ChunkedArray) -> list[RowValue]:
    """A column as the values that the server would have: times are datetimes in UTC."""
    if not pa.types.is_timestamp(column.type):
        return column.to_pylist()  # type: ignore[no-any-return]  # PyArrow has no types
    since_epoch = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist()
    return [None if value is None else EPOCH + timedelta(microseconds=value) for value in since_epoch]


def _model_value(values: pa.Array | pa.ChunkedArray, each: Input) -> pa.Array | pa.ChunkedArray:
    """Numbers, integers and booleans as doubles, NaN missing; categories as text."""
    if each.type == "category":
        return values.cast(pa.string())
    numbers = pc.cast(values, pa.float64(), safe=False)          # beyond 2**53 an integer is the nearest double, online too
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
