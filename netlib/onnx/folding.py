"""Nodes whose inputs are all constant: ONNX's own evaluator computes them once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array
from .operator import Operator
from .reading import as_dtype

MAX_ELEMENTS = 1 << 24
"""The most elements of a result that the file does not hold itself."""
BOUNDED = {
    "Compress", "NonZero", "Unique", "Gather", "GatherElements", "GatherND", "Slice", "Split", "Transpose",
    "Cast", "CastLike", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Concat", "Constant",
}  # fmt: skip
"""Operators whose results are not longer than their inputs together."""
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout"}


def fold(op: Operator, node: Any, model: Any) -> tuple[Array, ...] | None:
    """Return the outputs of a node whose inputs are constant, or None if it must stay a node."""
    from onnx.reference import ReferenceEvaluator

    if op.op_type in RANDOM:
        return None
    single = _single(op, node, model)
    if not _is_bounded(op, single):
        op.refuse(f"its constant result is not known to have at most {MAX_ELEMENTS} elements")
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(single).run(None, {})
    except Exception as error:
        op.refuse(f"cannot be computed: {type(error).__name__}: {error}")
    if not all(isinstance(each, np.ndarray | np.generic) and np.asarray(each).dtype.kind in "fiub" for each in results):
        op.refuse("its constant result is no array of numbers")
    return tuple(np.asarray(each) for each in results)


def _single(op: Operator, node: Any, model: Any) -> Any:
    """Return a model of this node alone, with its inputs as initializers."""
    from onnx import helper, numpy_helper

    arrays = {name: array for name, array in zip(node.input, op.inputs, strict=True) if name}
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "node", [], outputs, tensors)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _is_bounded(op: Operator, single: Any) -> bool:
    """Return whether the outputs are small, or no longer than the inputs."""
    from onnx import shape_inference

    if op.op_type in BOUNDED:
        return True
    try:
        inferred = shape_inference.infer_shapes(single, data_prop=True)
    except Exception:
        return False
    for info in inferred.graph.output:
        tensor = info.type.tensor_type
        dims = tensor.shape.dim
        if as_dtype(tensor.elem_type) is None or not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in dims):
            return False
        if math.prod(dim.dim_value for dim in dims) > MAX_ELEMENTS:
            return False
    return True
