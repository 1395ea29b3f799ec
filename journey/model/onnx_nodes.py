"""Each transformer and model of ours in ONNX: the same arithmetic in the same precision as its Python form.

Trees, and what a project brings of its own, go through skl2onnx (five seconds to import, so it is imported when needed).
"""

import warnings
from collections.abc import Callable

import numpy as np
import onnx
from sklearn.base import BaseEstimator, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from journey.model.onnx_graph import OPSETS, Graph
from journey.model.transformers import CastFloat, Impute, OneHot, Scale, TargetOrder, ToDouble, Winsorize

ML = "ai.onnx.ml"
DOUBLE, FLOAT = onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT


def transformed(graph: Graph, transformer: BaseEstimator, source: str) -> str:
    """Adds a fitted transformer; gives its output's name.

    Raises:
        KeyError: it isn't one of ours.
    """
    if isinstance(transformer, Pipeline):
        for _, step in transformer.steps:
            source = transformed(graph, step, source)
        return source
    return _TRANSFORMERS[type(transformer)](graph, transformer, source)


def predicted(graph: Graph, model: BaseEstimator, source: str) -> str:
    """Adds a fitted model; gives the name of its output: [n, classes], or [n, 1] for regression.

    Args:
        graph: what is added to.
        model: fitted.
        source: encoded columns, double for linear models, else float.
    """
    convert = _MODELS.get(type(model))
    return convert(graph, model, source) if convert else _by_skl2onnx(graph, model, source)


def _same(graph: Graph, transformer: ToDouble, source: str) -> str:
    return source


def _cast(graph: Graph, transformer: CastFloat, source: str) -> str:
    # Beyond a float this gives infinity where Python gives the largest float: the same for every comparison that trees make.
    return graph.add("Cast", [source], to=FLOAT)


def _impute(graph: Graph, transformer: Impute, source: str) -> str:
    return graph.add("Where", [graph.add("IsNaN", [source]), graph.constant(transformer.medians_[None, :]), source])


def _winsorize(graph: Graph, transformer: Winsorize, source: str) -> str:
    lows, highs = graph.constant(transformer.lows_[None, :]), graph.constant(transformer.highs_[None, :])
    raised = graph.add("Where", [graph.add("Less", [source, lows]), lows, source])
    return graph.add("Where", [graph.add("Greater", [raised, highs]), highs, raised])


def _scale(graph: Graph, transformer: Scale, source: str) -> str:
    centred = graph.add("Sub", [source, graph.constant(transformer.means_[None, :])])
    return graph.add("Div", [centred, graph.constant(transformer.scales_[None, :])])


def _one_hot(graph: Graph, transformer: OneHot, source: str) -> str:
    """Each category is repeated beside each of its values and compared: three nodes, however many categories."""
    repeated = np.repeat(np.arange(len(transformer.values_)), [len(values) for values in transformer.values_])
    values = np.array([value for column in transformer.values_ for value in column.tolist()], dtype=object)
    beside = graph.add("Gather", [source, graph.constant(repeated.astype(np.int64))], axis=1)
    return graph.add("Cast", [graph.add("Equal", [beside, graph.constant(values[None, :])])], to=DOUBLE)


def _target_order(graph: Graph, transformer: TargetOrder, source: str) -> str:
    """One look-up for all categories: each value is made its own by the number of its column before it."""
    columns = len(transformer.values_)
    marks = np.array([f"{index}=" for index in range(columns)], dtype=object)
    keys = [f"{index}={value}" for index, values in enumerate(transformer.values_) for value in values.tolist()]
    ranks = [float(rank) for values in transformer.values_ for rank in range(len(values))]
    marked = graph.add("StringConcat", [graph.constant(marks[None, :]), source])
    unknown = -1.0
    # A key is always there, so that the look-up has a type even where every value was rare.
    ordered = graph.add(
        "LabelEncoder", [marked], domain=ML, keys_strings=[*keys, ""], values_floats=[*ranks, unknown], default_float=unknown
    )
    others = graph.constant(transformer.others_.astype(np.float32)[None, :])
    is_unknown = graph.add("Equal", [ordered, graph.constant(np.array([[unknown]], dtype=np.float32))])
    return graph.add("Cast", [graph.add("Where", [is_unknown, others, ordered])], to=DOUBLE)


def _linear(graph: Graph, coefficients: np.ndarray, intercept: np.ndarray, source: str) -> str:
    weights = np.atleast_2d(coefficients).T.astype(np.float64)
    product = graph.add("MatMul", [source, graph.constant(weights)])
    return graph.add("Add", [product, graph.constant(np.atleast_2d(intercept).astype(np.float64))])


def _logistic(graph: Graph, model: LogisticRegression, source: str) -> str:
    decision = _linear(graph, model.coef_, model.intercept_, source)
    if len(model.classes_) > 2:
        return graph.add("Softmax", [decision], axis=1)
    positive = graph.add("Sigmoid", [decision])
    negative = graph.add("Sub", [graph.constant(np.array([[1.0]])), positive])
    return graph.add("Concat", [negative, positive], axis=1)


def _ridge(graph: Graph, model: Ridge, source: str) -> str:
    return _linear(graph, model.coef_, model.intercept_, source)


def _dummy(graph: Graph, model: DummyClassifier | DummyRegressor, source: str) -> str:
    always = model.class_prior_ if is_classifier(model) else model.constant_.ravel()
    row = graph.constant(np.atleast_2d(always).astype(np.float64))
    rows = graph.add("Shape", [source], start=0, end=1)
    shape = graph.add("Concat", [rows, graph.constant(np.array([np.size(always)], dtype=np.int64))], axis=0)
    return graph.add("Expand", [row, shape])


def _by_skl2onnx(graph: Graph, model: BaseEstimator, source: str) -> str:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    options = {id(model): {"zipmap": False}} if is_classifier(model) else None
    encoded = FloatTensorType([None, model.n_features_in_])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)      # skl2onnx 1.20 hands protobuf booleans for integers
        converted = convert_sklearn(model, initial_types=[("encoded", encoded)], target_opset=OPSETS, options=options)
    output = converted.graph.output[1 if is_classifier(model) else 0]
    result = graph.include(converted.graph, source, output.name)
    if len(output.type.tensor_type.shape.dim) == 2:
        return result
    return graph.add("Reshape", [result, graph.constant(np.array([-1, 1], dtype=np.int64))])


_TRANSFORMERS: dict[type, Callable[[Graph, BaseEstimator, str], str]] = {
    ToDouble: _same,
    CastFloat: _cast,
    Impute: _impute,
    Winsorize: _winsorize,
    Scale: _scale,
    OneHot: _one_hot,
    TargetOrder: _target_order,
}
_MODELS: dict[type, Callable[[Graph, BaseEstimator, str], str]] = {
    LogisticRegression: _logistic,
    Ridge: _ridge,
    DummyClassifier: _dummy,
    DummyRegressor: _dummy,
}
