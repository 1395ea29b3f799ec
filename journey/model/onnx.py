"""A fitted Pipeline as ONNX: what the server runs, in the same bytes whenever the Pipeline is the same."""

import onnx
from onnx import helper
from sklearn.pipeline import Pipeline

from journey.artifacts import FrameSchema
from journey.errors import JourneyError
from journey.model.onnx_graph import Graph
from journey.model.onnx_nodes import DOUBLE, predicted, transformed

NUMBERS, CATEGORIES = "numbers", "categories"
PROBABILITY, PREDICTION = "probability", "prediction"


class NotExportable(JourneyError):
    """The model has no faithful ONNX form; serving can run it with scikit-learn instead."""


def to_onnx(pipeline: Pipeline, schema: FrameSchema) -> bytes:
    """The Pipeline as ONNX.

    Its inputs are `numbers` double [None, d] and `categories` string [None, c], without the one that would be empty; its output is
    `probability` [None, classes] or, for regression, `prediction` [None, 1], both double.

    Args:
        pipeline: fitted, as `build` made it.
        schema: the inputs that it was fitted on.

    Raises:
        NotExportable: a part of it has no ONNX form. Whether predictions agree is for the caller to see.
    """
    graph = Graph()
    try:
        encoded = _encoded(graph, pipeline)
        result = predicted(graph, pipeline[-1], encoded)
        return graph.model(_inputs(schema), result, _output(schema))
    except Exception as error:                   # skl2onnx and onnx raise what comes to hand, bare RuntimeErrors and KeyErrors too
        what = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
        raise NotExportable(f"model {type(pipeline[-1]).__name__}: expected a form in ONNX, found none: {what}") from error


def _encoded(graph: Graph, pipeline: Pipeline) -> str:
    """Columns, then what follows them, up to the model."""
    kinds = [(name, transformer) for name, transformer, _ in pipeline[0].transformers_ if name in {NUMBERS, CATEGORIES}]
    branches = [transformed(graph, transformer, name) for name, transformer in kinds]
    encoded = branches[0] if len(branches) == 1 else graph.add("Concat", branches, axis=1)
    for _, step in pipeline.steps[1:-1]:
        encoded = transformed(graph, step, encoded)
    return encoded


def _inputs(schema: FrameSchema) -> list[onnx.ValueInfoProto]:
    categories = sum(item.type == "category" for item in schema.inputs)
    numbers = len(schema.inputs) - categories
    both = [
        helper.make_tensor_value_info(NUMBERS, DOUBLE, [None, numbers]),
        helper.make_tensor_value_info(CATEGORIES, onnx.TensorProto.STRING, [None, categories]),
    ]
    return [tensor for tensor, width in zip(both, (numbers, categories), strict=True) if width]


def _output(schema: FrameSchema) -> onnx.ValueInfoProto:
    name, width = (PREDICTION, 1) if schema.task == "regression" else (PROBABILITY, len(schema.classes))
    return helper.make_tensor_value_info(name, DOUBLE, [None, width])
