"""An ONNX graph in the making, named so that the same steps always give the same bytes."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSETS = {"": 20, "ai.onnx.ml": 3}     # 20 is the first with StringConcat; 3 is what skl2onnx writes trees in
IR_VERSION = 10                        # goes with opset 20; onnxruntime refuses what is newer than itself


class Graph:
    """Nodes and constants, each with the name of what it gives."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[np.generic]) -> str:
        """Adds a constant; strings as an array of str."""
        name = f"constant_{len(self._constants)}"
        if value.dtype.kind in "UO":
            tensor = helper.make_tensor(name, onnx.TensorProto.STRING, value.shape, [text.encode() for text in value.ravel().tolist()])
        else:
            tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
        self._constants.append(tensor)
        return name

    def add(self, operator: str, inputs: Sequence[str], *, domain: str = "", **attributes: object) -> str:
        """Adds a node with one output.

        Returns:
            The output's name.
        """
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def include(self, graph: onnx.GraphProto, source: str, wanted: str) -> str:
        """Adds another graph whose one input is `source` here.

        Args:
            graph: as a converter made it.
            source: what it is given.
            wanted: which of its outputs.

        Returns:
            The name that the wanted output has here.
        """
        prefix = f"model_{len(self._nodes)}_"
        names = {"": "", graph.input[0].name: source}
        for constant in graph.initializer:
            names[constant.name] = prefix + constant.name
            copied = onnx.TensorProto()
            copied.CopyFrom(constant)
            copied.name = names[constant.name]
            self._constants.append(copied)
        for node in graph.node:
            names.update({output: prefix + output for output in node.output if output})
            copied_node = onnx.NodeProto()
            copied_node.CopyFrom(node)
            copied_node.name = f"{prefix}{node.name}"
            copied_node.input[:] = [names[name] for name in node.input]
            copied_node.output[:] = [names[name] for name in node.output]
            self._nodes.append(copied_node)
        return names[wanted]

    def model(self, inputs: Sequence[onnx.ValueInfoProto], result: str, output: onnx.ValueInfoProto) -> bytes:
        """The graph as a model with one output; what the output doesn't need is left out.

        Args:
            inputs: what the model takes.
            result: the name here of what the model gives.
            output: what the model's output is called, and its type.
        """
        nodes = [*self._nodes, helper.make_node("Cast", [result], [output.name], name="output", to=output.type.tensor_type.elem_type)]
        kept, needed = _needed(nodes, output.name)
        constants = [constant for constant in self._constants if constant.name in needed]
        graph = helper.make_graph(kept, "journey", list(inputs), [output], constants)
        used = sorted({node.domain for node in kept})
        opsets = [helper.make_opsetid(domain, OPSETS[domain]) for domain in used]
        model = helper.make_model(graph, producer_name="journey", opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def _needed(nodes: Sequence[onnx.NodeProto], output: str) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that the output comes from, in order, and the names of all that they read."""
    needed = {output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    return kept[::-1], needed
