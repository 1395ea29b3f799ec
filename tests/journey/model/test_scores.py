"""Metrics agree with scikit-learn's, on all rows and on weighted ones; intervals hold what they should."""

import numpy as np
import pytest
import sklearn.metrics as reference
from numpy.typing import NDArray

from journey.artifacts import Metric
from journey.errors import ProjectError
from journey.model.scores import MEASURES, bootstrap, metrics_of, paired_bootstrap, require, score, sign
from journey.sections import Task

Floats = NDArray[np.float64]
RNG = np.random.default_rng(3)
WEIGHTS = RNG.integers(0, 4, size=200).astype(float)
EACH: list[tuple[Task, str]] = [(task, name) for task in ("binary", "multiclass", "regression") for name in metrics_of(task)]


def predictions(task: Task, rows: int = 200) -> tuple[Floats, Floats]:
    """Labels, and predictions that are fairly good and hold ties."""
    rng = np.random.default_rng(5)
    if task == "regression":
        y = 1e6 + rng.normal(size=rows)
        return y, (y + rng.normal(size=rows))[:, None]
    classes = 2 if task == "binary" else 4
    y = rng.integers(0, classes, size=rows)
    raw = np.round(rng.random((rows, classes)) + 0.8 * np.eye(classes)[y], 1) + 0.1
    return y, raw / raw.sum(axis=1, keepdims=True)


def expected(name: str, y: Floats, p: Floats, weights: Floats) -> float:
    if name in {"r2", "mae"}:
        return {"r2": reference.r2_score, "mae": reference.mean_absolute_error}[name](y, p[:, 0], sample_weight=weights)
    if name == "rmse":
        return reference.root_mean_squared_error(y, p[:, 0], sample_weight=weights)
    chosen = p.argmax(axis=1)
    hot = np.eye(p.shape[1])[y]
    if name == "roc_auc":
        return reference.roc_auc_score(hot, p, average="macro", sample_weight=weights)
    if name == "average_precision":
        return reference.average_precision_score(*((y, p[:, 1]) if p.shape[1] == 2 else (hot, p)), sample_weight=weights)
    if name == "log_loss":
        return reference.log_loss(y, p, sample_weight=weights)
    if name == "brier":
        return reference.brier_score_loss(y, p[:, 1], sample_weight=weights)
    if name == "f1_macro":
        return reference.f1_score(y, chosen, average="macro", sample_weight=weights)
    functions = {"accuracy": reference.accuracy_score, "balanced_accuracy": reference.balanced_accuracy_score, "f1": reference.f1_score}
    return functions[name](y, chosen, sample_weight=weights)


@pytest.mark.parametrize(("task", "name"), EACH)
def test_a_metric_is_scikit_learns_also_with_weights(task: Task, name: str) -> None:
    y, p = predictions(task)
    assert score(name, y, p) == pytest.approx(expected(name, y, p, np.ones(len(y))), rel=1e-9)
    assert MEASURES[name].prepare(y, p)(WEIGHTS[None, :])[0] == pytest.approx(expected(name, y, p, WEIGHTS), rel=1e-9)


@pytest.mark.parametrize(("task", "name"), EACH)
def test_better_predictions_have_the_better_score(task: Task, name: str) -> None:
    y, p = predictions(task)
    perfect = y[:, None] if task == "regression" else np.eye(p.shape[1])[y]
    assert sign(name) * score(name, y, perfect) > sign(name) * score(name, y, p)


def test_an_interval_holds_its_value_and_repeats_with_its_seed() -> None:
    y, p = predictions("binary")
    first, again, other = (bootstrap(["roc_auc", "log_loss"], y, p, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert all(metric.low < metric.value < metric.high for metric in first)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    y, p = predictions("binary", 2000)
    (accuracy,) = bootstrap(["accuracy"], y, p, seed=1)
    half = 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / len(y))
    assert (accuracy.high - accuracy.low) / 2 == pytest.approx(half, rel=0.1)


@pytest.mark.parametrize("name", ["roc_auc", "log_loss"])
def test_a_paired_difference_is_above_zero_where_we_are_better(name: str) -> None:
    y, p = predictions("binary", 1000)
    worse = np.full_like(p, 0.5)
    over = paired_bootstrap(name, y, p, worse, seed=1)
    assert 0 < over.low < over.value < over.high
    against = paired_bootstrap(name, y, worse, p, seed=1)
    assert (against.value, against.low, against.high) == pytest.approx((-over.value, -over.high, -over.low))
    assert paired_bootstrap(name, y, p, p, seed=1) == Metric(name=name, value=0.0, low=0.0, high=0.0)


def test_a_class_that_a_resample_missed_makes_no_hole_in_the_interval() -> None:
    y = np.array([1] + [0] * 30)
    p = np.column_stack([1 - np.linspace(0, 1, 31)[::-1], np.linspace(0, 1, 31)[::-1]])
    (area,) = bootstrap(["roc_auc"], y, p, seed=1)
    assert (area.value, area.low, area.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_a_class_without_rows_is_left_out_of_the_average(name: str) -> None:
    y, p = predictions("multiclass")
    there = y != 3
    of_class = {"roc_auc": reference.roc_auc_score, "average_precision": reference.average_precision_score}[name]
    others = [of_class(y[there] == index, p[there, index]) for index in range(3)]
    assert score(name, y[there], p[there]) == pytest.approx(np.mean(others))


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(ProjectError, match="expected one for regression \\(r2, rmse, mae\\), found 'roc_auc'"):
        require("roc_auc", "regression")
