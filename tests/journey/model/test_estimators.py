"""Candidates as Pipelines, their canonical bytes, and their ONNX form."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.semi_supervised import LabelSpreading

from journey.artifacts import CandidateSpec, FrameSchema, Input
from journey.declarations import Candidate
from journey.errors import ProjectError, Untrusted
from journey.model.estimators import KINDS, build, dumps, encoding_of, loads
from journey.model.fitting import Rows, Training
from journey.model.inputs import MISSING, matrix
from journey.model.onnx import NotExportable, to_onnx
from journey.sections import Task

ROWS = 400
TASKS: dict[Task, int] = {"binary": 2, "multiclass": 3, "regression": 0}
EACH = [(task, name) for task in TASKS for name, kind in KINDS.items() if task in kind.make]


@dataclass(frozen=True)
class Case:
    schema: FrameSchema
    training: Training
    numbers: NDArray[np.float64]
    categories: NDArray[np.object_]


def case(task: Task, numbers: int = 3, categories: int = 2) -> Case:
    """Rows with NaN, a missing category, rare values, and to predict also a value never seen and one far outside."""
    rng = np.random.default_rng(1)
    table = rng.normal(size=(ROWS, numbers)) * np.array([1.0, 1e4, 1e-3])[:numbers]
    table[rng.random(table.shape) < 0.05] = np.nan
    values = ["a", "bé", MISSING, *(f"rare {i}" for i in range(50))]
    words = rng.choice(np.array(values, object), p=[0.4, 0.2, 0.2] + [0.004] * 50, size=(ROWS, categories))
    signal = rng.normal(size=ROWS)
    if numbers:
        signal += 2 * np.nan_to_num(table[:, 0])
    if categories:
        signal += words[:, 0] == "a"
    labels = {"binary": signal > 0.5, "multiclass": np.digitize(signal, [0.0, 1.0]), "regression": 100 + 10 * signal}[task]
    names = [("float", f"n{i}") for i in range(numbers)] + [("category", f"c{i}") for i in range(categories)]
    inputs = tuple(Input(name=name, type=kind, origin="spine") for kind, name in names)
    schema = FrameSchema(task=task, classes=tuple(range(TASKS[task])), inputs=inputs)
    training = Training(matrix(table, words), labels.astype(np.float64 if task == "regression" else np.int64))
    if numbers:
        table, words = table.copy(), words.copy()
        table[:50] = np.nan
        table[50, 0], table[51, 0] = 1e300, -1e300
    words[:20] = "never seen"
    return Case(schema, training, table, words)


def spec(name: str, **parameters: object) -> CandidateSpec:
    return CandidateSpec(name=name, estimator=name, parameters=parameters)


def by_onnx(content: bytes, numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[np.float64]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feeds = {"numbers": numbers, "categories": categories}
    return session.run(None, {tensor.name: feeds[tensor.name] for tensor in session.get_inputs()})[0]


def assert_equal_predictions(content: bytes, pipeline: object, case: Case) -> None:
    expected = Rows(matrix(case.numbers, case.categories)).predict(pipeline, len(case.schema.classes))
    found = by_onnx(content, case.numbers, case.categories)
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= 1e-6 * np.abs(expected).max() + 1e-5 * np.abs(expected)).all()


@pytest.mark.parametrize(("task", "name"), EACH)
def test_onnx_predicts_what_the_pipeline_predicts(task: Task, name: str) -> None:
    rows = case(task)
    pipeline = rows.training.fit(build(spec(name), rows.schema, seed=7), encoding_of(name))
    assert_equal_predictions(to_onnx(pipeline, rows.schema), pipeline, rows)


@pytest.mark.parametrize(("numbers", "categories"), [(2, 0), (0, 2)])
@pytest.mark.parametrize("name", ["dummy", "logistic", "hist_gradient_boosting"])
def test_a_table_of_one_kind_has_one_input(name: str, numbers: int, categories: int) -> None:
    rows = case("binary", numbers, categories)
    pipeline = rows.training.fit(build(spec(name), rows.schema, seed=7), encoding_of(name))
    content = to_onnx(pipeline, rows.schema)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert [tensor.name for tensor in session.get_inputs()] == ["numbers" if numbers else "categories"]
    assert_equal_predictions(content, pipeline, rows)


@pytest.mark.parametrize(("task", "output"), [("binary", "probability"), ("regression", "prediction")])
def test_inputs_and_outputs_are_named_and_typed_as_the_server_expects(task: Task, output: str) -> None:
    rows = case(task)
    pipeline = rows.training.fit(build(spec("dummy"), rows.schema, seed=7), "linear")
    session = onnxruntime.InferenceSession(to_onnx(pipeline, rows.schema), providers=["CPUExecutionProvider"])
    inputs = [(tensor.name, tensor.type) for tensor in session.get_inputs()]
    assert inputs == [("numbers", "tensor(double)"), ("categories", "tensor(string)")]
    assert [(tensor.name, tensor.type) for tensor in session.get_outputs()] == [(output, "tensor(double)")]


def test_a_pipeline_fitted_alone_is_one_fitted_on_a_shared_encoding() -> None:
    rows = case("binary")
    for name in ("logistic", "hist_gradient_boosting", "random_forest"):
        rows.training.fit(build(spec("dummy"), rows.schema, seed=7), "linear")
        shared = rows.training.fit(build(spec(name), rows.schema, seed=7), encoding_of(name))
        fresh = Training(rows.training.table, rows.training.labels)
        alone = build(spec(name), rows.schema, seed=7)
        again = fresh.fit(alone, encoding_of(name))
        assert dumps(shared) == dumps(again)


def test_what_was_written_is_read_again() -> None:
    rows = case("multiclass")
    pipeline = rows.training.fit(build(spec("random_forest", n_estimators=5), rows.schema, seed=7), "forest")
    content = dumps(pipeline)
    read = loads(content)
    np.testing.assert_array_equal(read.predict_proba(rows.training.table), pipeline.predict_proba(rows.training.table))
    assert dumps(read) == content


PRINT_DIGESTS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("case", {path!r})
module = importlib.util.module_from_spec(spec)
sys.modules["case"] = module
spec.loader.exec_module(module)
print(module.digests())
"""


def digests() -> list[str]:
    """Of every candidate's two forms."""
    found = []
    each: tuple[tuple[Task, str], ...] = (
        ("binary", "logistic"), ("binary", "hist_gradient_boosting"), ("multiclass", "random_forest"), ("regression", "ridge"),
    )  # fmt: skip
    for task, name in each:
        rows = case(task)
        parameters = {"n_estimators": 5} if name == "random_forest" else {}
        pipeline = rows.training.fit(build(spec(name, **parameters), rows.schema, seed=7), encoding_of(name))
        found += [hashlib.sha256(content).hexdigest() for content in (dumps(pipeline), to_onnx(pipeline, rows.schema))]
    return found


def test_a_process_with_another_hash_seed_and_other_threads_gives_the_same_bytes() -> None:
    paths = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": paths}
    command = [sys.executable, "-c", PRINT_DIGESTS.format(path=str(Path(__file__)))]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert other.strip() == str(digests())


def test_numpys_padding_is_no_part_of_the_bytes() -> None:
    rows = case("binary")
    pipeline = rows.training.fit(build(spec("random_forest", n_estimators=2), rows.schema, seed=7), "forest")
    content = dumps(pipeline)
    tree = pipeline[-1].estimators_[0].tree_
    state = tree.__getstate__()
    assert state["nodes"].dtype.itemsize > sum(kind.itemsize for kind, *_ in state["nodes"].dtype.fields.values())
    nodes = state["nodes"].copy()
    raw = nodes.view(np.uint8).reshape(len(nodes), -1)
    raw[:, -7:] = 255
    state["nodes"] = nodes
    tree.__setstate__(state)
    assert dumps(pipeline) == content


def test_an_unknown_parameter_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(ProjectError, match=r"expected parameters of RandomForestClassifier, found 'max_dept'; did you mean 'max_depth'"):
        build(spec("random_forest", max_dept=3), case("binary").schema, seed=7)


def test_an_estimator_for_another_task_is_refused() -> None:
    with pytest.raises(ProjectError, match=r"expected the name of an estimator for regression, found 'logistic'"):
        build(spec("logistic"), case("regression").schema, seed=7)


def own(name: str, estimator: object) -> tuple[Candidate, ...]:
    return (Candidate(name, {}, "models.py", 1, lambda task, seed: estimator),)


def test_an_own_candidate_is_built_and_exported() -> None:
    rows = case("binary")
    stacked = StackingClassifier([("bayes", GaussianNB())], LogisticRegression(), cv=2)
    candidate = CandidateSpec(name="stacked", estimator="models.stacked")
    pipeline = rows.training.fit(build(candidate, rows.schema, 7, own("stacked", stacked)), "own")
    found = by_onnx(to_onnx(pipeline, rows.schema), rows.numbers[60:], rows.categories[60:])
    expected = pipeline.predict_proba(matrix(rows.numbers, rows.categories)[60:])
    np.testing.assert_allclose(found, expected, atol=0.01)          # how close it must be is the parity gate's affair


def test_a_model_without_an_onnx_form_says_so() -> None:
    rows = case("binary")
    neighbours = LabelSpreading(kernel="knn")
    pipeline = rows.training.fit(build(CandidateSpec(name="odd", estimator="models.odd"), rows.schema, 7, own("odd", neighbours)), "own")
    with pytest.raises(NotExportable, match="model LabelSpreading: expected a form in ONNX, found none"):
        to_onnx(pipeline, rows.schema)


class Homemade(LogisticRegression):
    """A type that no server knows."""


def test_a_type_that_no_server_knows_is_refused_before_anything_is_written() -> None:
    rows = case("binary")
    pipeline = rows.training.fit(build(CandidateSpec(name="own", estimator="models.own"), rows.schema, 7, own("own", Homemade())), "own")
    with pytest.raises(Untrusted, match="Homemade"):
        dumps(pipeline)


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(Untrusted, match="can't be loaded"):
        loads(b"not a zip")
