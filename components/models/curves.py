"""Curves of a candidate's predictions: what a single number hides."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from journey.sections import Task

CURVES = "curves.parquet"
MOST_POINTS = 200      # of a curve: more can't be seen
BINS = 10              # of a calibration curve, each with as many rows
Labels = NDArray[np.int64] | NDArray[np.float64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Points by curve, and for classes how often each (row) was taken for each (column).

    Attributes:
        lines: roc, precision_recall, calibration, or for regression predicted (mean prediction > mean label), each [points, 2].
        confusion: shape [classes, classes], empty for regression.
    """

    lines: Mapping[str, Floats]
    confusion: NDArray[np.int64]


def curves_of(task: Task, labels: Labels, predictions: Floats) -> Curves:
    """The curves that a task has."""
    if task == "regression":
        return Curves({"predicted": _by_bins(predictions[:, 0], labels.astype(np.float64))}, np.empty((0, 0), dtype=np.int64))
    classes = np.arange(predictions.shape[1])
    confusion = confusion_matrix(labels, predictions.argmax(axis=1), labels=classes).astype(np.int64)
    if task == "multiclass":
        top = predictions.max(axis=1)
        return Curves({"calibration": _by_bins(top, (predictions.argmax(axis=1) == labels).astype(np.float64))}, confusion)
    return Curves(_binary(labels, predictions[:, 1]), confusion)


def write_curves(curves: Mapping[str, Curves], directory: Path) -> None:
    """Writes curves.parquet: candidate, curve, x, y; a confusion's row and column are x and y of `confusion`, its count `rows`."""
    columns: dict[str, list[object]] = {"candidate": [], "curve": [], "x": [], "y": [], "rows": []}
    for candidate, each in curves.items():
        for name, points in each.lines.items():
            for x, y in points.tolist():
                _append(columns, (candidate, name, x, y, None))
        for (actual, predicted), count in np.ndenumerate(each.confusion):
            _append(columns, (candidate, "confusion", float(actual), float(predicted), int(count)))
    types = {"candidate": pa.string(), "curve": pa.string(), "x": pa.float64(), "y": pa.float64(), "rows": pa.int64()}
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array(values, types[name]) for name, values in columns.items()}), directory / CURVES)


def _append(columns: dict[str, list[object]], row: tuple[object, ...]) -> None:
    for values, value in zip(columns.values(), row, strict=True):
        values.append(value)


def _binary(labels: Labels, scores: Floats) -> dict[str, Floats]:
    if len(np.unique(labels)) < 2:
        return {"calibration": _by_bins(scores, labels.astype(np.float64))}
    false_positive, true_positive, _ = roc_curve(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores)
    return {
        "roc": _thinned(np.column_stack([false_positive, true_positive])),
        "precision_recall": _thinned(np.column_stack([recall, precision])),
        "calibration": _by_bins(scores, labels.astype(np.float64)),
    }


def _by_bins(predicted: Floats, actual: Floats) -> Floats:
    """Mean prediction and mean truth in bins of equally many rows."""
    order = np.argsort(predicted, kind="stable")
    bins = [rows for rows in np.array_split(order, BINS) if len(rows)]
    return np.array([[predicted[rows].mean(), actual[rows].mean()] for rows in bins])


def _thinned(points: Floats) -> Floats:
    if len(points) <= MOST_POINTS:
        return points
    kept: Floats = points[np.unique(np.linspace(0, len(points) - 1, MOST_POINTS).astype(np.int64))]
    return kept
