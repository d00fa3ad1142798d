"""Constant folding: ONNX's evaluator computes once what depends only on constants and shapes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import FormatError
from .operator import Operator
from .partial import partial_result
from .reading import as_dtype, with_shapes
from .values import Values

FREE_BYTES, MAX_EXPANSION = 64 << 20, 8
"""The results may take this many bytes together, besides so many times the length of the file."""
MAX_ROUNDS = 4
"""How often shapes are inferred anew from what has been folded."""
NOT_LONGER = {
    "Cast", "Compress", "Constant", "Concat", "Flatten", "Gather", "GatherElements", "GatherND", "Identity",
    "NonZero", "Reshape", "Shape", "Size", "Slice", "Split", "Squeeze", "Transpose", "Unique", "Unsqueeze",
}  # fmt: skip
"""Operators whose results are hardly longer than their inputs."""
FOLDED = NOT_LONGER | {
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Ceil", "Clip", "ConstantOfShape", "Cos", "CumSum", "DequantizeLinear",
    "Div", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Floor", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "Log", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "Not", "OneHot", "Or", "Pad", "Pow", "Range", "Reciprocal",
    "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "Round", "Sigmoid", "Sign", "Sin", "Sqrt", "Sub", "Sum", "Tanh", "Tile", "Trilu", "Where", "Xor",
}  # fmt: skip
"""Operators that take time for their inputs and outputs alone. Others stay nodes of the graph."""


class Folding:
    """A model with shapes, in which the nodes that have a constant result are initializers.

    Attributes
    ----------
    model : ModelProto
    trained : dict of str to str
        The initializers that may become parameters, each with the name of the weight in the file
        from which it is computed.
    """

    def __init__(self, model: Any, name: str) -> None:
        self.name = name
        self._kept: set[str] = set()
        self._run(model)
        while shared := self._shared_weights():
            self._kept |= shared
            self._run(model)

    def _run(self, model: Any) -> None:
        """Fold again, except for results computed from the weights that are kept."""
        self.model = with_shapes(model, self.name)
        self.trained = {each.name: each.name for each in model.graph.initializer}
        self._weights = {name: frozenset([name]) for name in self.trained}
        self._budget = FREE_BYTES + MAX_EXPANSION * int(model.ByteSize())
        for _ in range(MAX_ROUNDS):
            if not self._fold():
                break
            self.model = with_shapes(self.model, self.name)

    def _shared_weights(self) -> set[str]:
        """Return the weights whose parts are in several arrays, so that these must stay nodes.

        They are in several if the arrays that the nodes take are longer than the weight. An array
        computed from several weights counts for each by its length.
        """
        sizes = {each.name: math.prod(each.dims) for each in self.model.graph.initializer}
        taken: dict[str, Fraction] = {}
        computed: set[str] = set()
        for name in (name for node in self.model.graph.node for name in node.input):
            weights = self._weights.get(name, frozenset())
            total = sum(sizes[weight] for weight in weights)
            for weight in weights if total else ():
                taken[weight] = taken.get(weight, Fraction()) + Fraction(sizes[name] * sizes[weight], total)
                computed |= {weight} if name != weight else set()
        return {weight for weight in computed - self._kept if taken[weight] > sizes[weight]}

    def _fold(self) -> bool:
        """Fold what can be folded, and return whether anything was."""
        from onnx import numpy_helper

        graph = self.model.graph
        values = Values(graph, self.trained)
        outputs = {each.name for each in graph.output}
        rest, folded = [], []
        for node in graph.node:
            op = Operator.of(node, self.model, values)
            if op is None:
                rest.append(node)
                continue
            weights = [value for value in op.values if value is not None and value.is_trained]
            of = frozenset().union(*(self._weights[value.name] for value in weights))
            is_kept = op.op_type not in ("Shape", "Size") and of & self._kept
            results = None if is_kept else self._results(op, node, outputs)
            if results is None:
                rest.append(node)
                continue
            for name, array in zip(node.output, results, strict=False):
                if name:
                    values[name].set_array(array, bool(weights))
                    folded.append(numpy_helper.from_array(array, name))
                    if weights:
                        self.trained[name], self._weights[name] = self.trained[weights[0].name], of
        if folded:
            kept = [type(node).FromString(node.SerializeToString()) for node in rest]
            del graph.node[:]
            graph.node.extend(kept)
            graph.initializer.extend(folded)
        return bool(folded)

    def _results(self, op: Operator, node: Any, outputs: set[str]) -> tuple[Array, ...] | None:
        """Return the outputs of a node if they are constant, or None."""
        partial = partial_result(op)
        op.note_partial(partial)
        if partial is not None and all(isinstance(n, int) for n in partial.flat):
            return None if outputs & {*node.output} else (partial.astype(op.output_dtype() or np.int64),)
        if op.op_type == "CastLike" and op.is_constant(0):
            dtype = op.output_dtype()
            return None if dtype is None else (op.constant(0).astype(dtype),)
        if op.domain not in ("", "ai.onnx") or op.op_type not in FOLDED or not op.is_all_constant:
            return None
        return self._evaluate(op, node)

    def _evaluate(self, op: Operator, node: Any) -> tuple[Array, ...] | None:
        from onnx.reference import ReferenceEvaluator

        if op.op_type == "Constant" and op.is_unknown_constant:
            return None
        single = self._single(op, node)
        size = _size(op, single)
        if size is None:
            return None
        self._budget -= size
        if self._budget < 0:
            raise FormatError(f"{op.op_type} at {op.label} makes a constant of {size} bytes", where=self.name)
        try:
            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(single).run(None, {})
        except Exception as error:  # whatever the evaluator raises: the node cannot be computed
            raise FormatError(f"{op.op_type} at {op.label} cannot be computed: {error}", where=self.name) from None
        arrays = tuple(np.asarray(each) for each in results)
        return arrays if all(each.dtype.kind in "fiub" for each in arrays) else None

    def _single(self, op: Operator, node: Any) -> Any:
        """Return a model of only this node, with its inputs as initializers."""
        from onnx import helper, numpy_helper

        arrays = {value.name: value.array for value in op.values if value is not None and value.array is not None}
        tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = helper.make_graph([node], "node", [], outputs, tensors)
        return helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)


def _size(op: Operator, single: Any) -> int | None:
    """Return the maximum number of bytes of the results, or None if unknown."""
    from onnx import shape_inference

    if op.op_type in NOT_LONGER:
        return 8 * sum(value.array.size for value in op.values if value is not None and value.array is not None)
    try:
        inferred = shape_inference.infer_shapes(single, data_prop=True)
    except Exception:  # an invalid node, which the checker names
        return None
    total = 0
    for info in inferred.graph.output:
        tensor = info.type.tensor_type
        dims = tensor.shape.dim
        dtype = as_dtype(tensor.elem_type)
        if dtype is None or not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in dims):
            return None
        total += dtype.itemsize * math.prod(dim.dim_value for dim in dims)
    return total
