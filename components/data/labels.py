"""The label of each row of the spine: a column of it, or what a @label function makes of the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

import ibis
from ibis.common.exceptions import IbisError

from journey.artifacts import ROW
from journey.declarations import Label
from journey.errors import DataError, ProjectError
from journey.sections import CuratePlan, Predict, Table
from journey.tables import computed
from journey.user_code import told
from journey.values.rules import written

KNOWN_AT = "known_at"
VALUE = "value"
Class = str | int | float | bool


@dataclass(frozen=True)
class Tables:
    """What labels are made of.

    Attributes:
        tables: all standardized tables by name, of one backend.
        labels: the functions that features.py declares as labels.
    """

    tables: Mapping[str, ibis.Table]
    labels: Sequence[Label]


def labelled(plan: CuratePlan, contract: Table, source: Tables, watermark: datetime | None) -> ibis.Table:
    """The label of each row of the spine as it was known at the watermark.

    Args:
        plan: names the label and the spine.
        contract: the spine's.
        source: the tables and the declared label functions.
        watermark: a label that became known after it isn't read; None reads all.

    Returns:
        ROW and `value`, null where there is no label yet.

    Raises:
        ProjectError: there is no such label, or its function raises or returns something else.
    """
    spine, name = source.tables[plan.spine.table], plan.predict.label
    if name in contract.columns:
        return spine.select(ROW, **{VALUE: spine[name]})
    declared = {label.name: label for label in source.labels}
    if name not in declared:
        near = get_close_matches(name, [*declared, *contract.columns], n=1, cutoff=0)
        nearest = f"; the nearest is '{near[0]}'" if near else ""
        raise ProjectError(
            f"predict.label: expected a column of '{plan.spine.table}' or a @label function of features.py, found '{name}'{nearest}"
        )
    if contract.key is None:
        raise ProjectError(f"tables.{plan.spine.table}.key: expected the column that a label's rows are matched by, found none; name it")
    return _computed(declared[name], contract.key, source.tables, spine, watermark)


def _computed(
    label: Label, key: str, tables: Mapping[str, ibis.Table], spine: ibis.Table, watermark: datetime | None
) -> ibis.Table:
    rows = label.compute({name: table.drop(ROW) for name, table in tables.items()})
    missing = [column for column in (key, label.name) if column not in rows.columns]
    if missing:
        raise ProjectError(
            f"{label.compute.place}: expected a table with the columns {key}, {label.name} and {KNOWN_AT}, found {', '.join(rows.columns)}"
        )
    with told(label.compute.path, label.compute.name):
        known = ibis.literal(True)
        if KNOWN_AT in rows.columns and watermark is not None:
            known = rows[KNOWN_AT].cast("timestamp('UTC')") <= ibis.literal(watermark)
        keyed = rows.filter(known & rows[key].notnull())
        read = computed(keyed.select(label_key=keyed[key], **{VALUE: _known(keyed[label.name])}), spine.get_backend())
    _refuse_repeated(label, key, read)
    try:
        keys = spine.select(ROW, spine_key=spine[key])
        joined = keys.left_join(read, keys.spine_key == read.label_key)
    except (IbisError, TypeError) as error:
        found = f"{rows[key].type()}, where the spine has {spine[key].type()}"
        raise ProjectError(f"{label.compute.place}: expected {key} as in the spine, found it as {found}; leave its type alone") from error
    return joined.select(ROW, VALUE)


def _known(value: ibis.Value) -> ibis.Value:
    """The label, missing where it is no number: what a division by zero gives is nothing to learn."""
    if not value.type().is_floating():
        return value
    return (value.isnan() | value.isinf()).ifelse(ibis.null(value.type()), value)


def _refuse_repeated(label: Label, key: str, read: ibis.Table) -> None:
    repeated = read.group_by("label_key").having(lambda rows: rows.count() > 1).aggregate()
    count = int(repeated.count().to_pyarrow().as_py())
    if count:
        raise ProjectError(f"{label.compute.place}: expected one row per {key}, found {count:,} keys with several; aggregate them")


def classes_of(predict: Predict, found: Sequence[Class]) -> tuple[Class, ...]:
    """The classes in the order of their indices; binary: (negative, positive).

    Args:
        predict: task and positive class.
        found: the different labels of the rows that count.

    Raises:
        DataError: a binary label has more than two values, or never the positive one.
    """
    ordered = sorted(found, key=lambda value: (str(type(value)), value))
    if predict.task == "multiclass":
        return tuple(ordered)
    listed = ", ".join(str(written(value)) for value in ordered[:5]) + (" …" if len(ordered) > 5 else "")
    if len(ordered) > 2:
        raise DataError(f"label '{predict.label}': expected two classes, found {len(ordered)}: {listed}; say predict.task: multiclass")
    if predict.positive is None:
        return tuple(ordered)
    positive = [value for value in ordered if written(value) == written(predict.positive)]
    if ordered and not positive:
        raise DataError(
            f"label '{predict.label}': expected the positive class {written(predict.positive)!s} among its values, found {listed}; "
            "change predict.positive, or mend the source"
        )
    return (*(value for value in ordered if value not in positive), *positive)
