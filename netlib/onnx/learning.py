"""Operators of ``ai.onnx.ml``, used in scikit-learn pipelines, defined by ONNX's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FormatError

DOMAIN = "ai.onnx.ml"


def define(model: Any, name: str) -> Any:
    """Return the model with the operators in `DEFINITIONS` replaced by their definitions."""
    from onnx import ModelProto, helper

    if all(node.domain != DOMAIN for node in model.graph.node):
        return model
    result = ModelProto()
    result.CopyFrom(model)
    if all(each.domain not in ("", "ai.onnx") for each in model.opset_import):
        result.opset_import.append(helper.make_opsetid("", 13))
    del result.graph.node[:]
    vectors = {each.name for each in model.graph.initializer if len(each.dims) == 1}
    for node in model.graph.node:
        is_defined = node.domain == DOMAIN and node.op_type in DEFINITIONS
        result.graph.node.extend(_nodes(node, vectors, model, name) if is_defined else [node])
    return result


def _nodes(node: Any, vectors: set[str], model: Any, name: str) -> list[Any]:
    version = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=13)
    if version < 13:
        hint = "Export it with target_opset=13 or more."
        raise FormatError(f"has {node.op_type} among operators of version {version}, expected 13 or more", where=name, hint=hint)
    body = Body(node, version)
    DEFINITIONS[node.op_type](body, vectors)
    return body.nodes


class Body:
    """The nodes that replace one node, created one after the other."""

    def __init__(self, node: Any, version: int) -> None:
        from onnx import helper

        self.inputs, self.version = list(node.input), version
        self.attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        self.nodes: list[Any] = []
        self._output, self._name = node.output[0], node.name

    def add(self, op_type: str, *inputs: str, is_last: bool = False, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        from onnx import helper

        output = self._output if is_last else f"{self._output}/{op_type}_{len(self.nodes)}"
        name = self._name if is_last else f"{self._name}/{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], name=name, **attributes))
        return output

    def constant(self, value: Any, dtype: Any) -> str:
        """Add a constant."""
        from onnx import numpy_helper

        return self.add("Constant", value=numpy_helper.from_array(np.array(value, dtype)))

    def as_float(self) -> str:
        """Add a cast of the first input to float32."""
        return self.add("Cast", self.inputs[0], to=1)


def scaler(body: Body, vectors: set[str]) -> None:
    """Define Scaler: ``(x - offset) scale``."""
    offset, scale = (body.constant(body.attributes[each], np.float32) for each in ("offset", "scale"))
    body.add("Mul", body.add("Sub", body.as_float(), offset), scale, is_last=True)


def normalizer(body: Body, vectors: set[str]) -> None:
    """Define Normalizer: rows divided by their norm, except rows of zeros."""
    x = body.as_float()
    norm = body.attributes.get("norm", b"MAX")
    size, reduce = (body.add("Abs", x), "ReduceMax") if norm == b"MAX" else (x, "ReduceL1" if norm == b"L1" else "ReduceL2")
    total = body.add(reduce, size, axes=[1]) if body.version < 18 else body.add(reduce, size, body.constant([1], np.int64))
    body.add("Div", x, body.add("Max", total, body.constant(np.finfo(np.float32).tiny, np.float32)), is_last=True)


def binarizer(body: Body, vectors: set[str]) -> None:
    """Define Binarizer: 1 above the threshold, 0 elsewhere."""
    x = body.as_float()
    above = body.add("Greater", x, body.constant(body.attributes.get("threshold", 0.0), np.float32))
    body.add("Cast", above, to=1, is_last=True)


def array_feature_extractor(body: Body, vectors: set[str]) -> None:
    """Define ArrayFeatureExtractor: columns by their numbers, such as the labels of classes."""
    x, numbers = body.inputs
    if x in vectors:
        x = body.add("Unsqueeze", x, body.constant([0], np.int64))
    flat = body.add("Reshape", numbers, body.constant([-1], np.int64))
    body.add("Gather", x, flat, axis=-1, is_last=True)


DEFINITIONS: dict[str, Callable[[Body, set[str]], None]] = {
    "Scaler": scaler,
    "Normalizer": normalizer,
    "Binarizer": binarizer,
    "ArrayFeatureExtractor": array_feature_extractor,
}
