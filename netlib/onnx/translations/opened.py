"""Layers that occur only in opened files (`netlib.onnx.LAYERS`), as ONNX's operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers.recurrent_layer import RecurrentLayer
from ..layers.cast import Cast
from ..layers.determinant import Determinant
from ..layers.dilated_average import DilatedAverage
from ..layers.discrete import Discrete
from ..layers.elementwise import Elementwise
from ..layers.gather import GatherElements, GatherND
from ..layers.given import Given
from ..layers.late import Late
from ..layers.modulo import Modulo
from ..layers.on_integers import OnIntegers
from ..layers.product import Product
from ..layers.reset_first_gru import ResetFirstGRU
from ..layers.rows import Compress, ReverseSequence
from ..layers.scatter import Scatter, ScatterElements, ScatterND
from ..layers.tile import Tile
from ..layers.top_k import TopK
from ..layers.triangle import Triangle
from ..writing import GraphBuilder, Value
from .activations import unchanged
from .images import avg_pool
from .recurrent import recurrent_stack
from .reductions import reduction
from .translation import Translation, as_operator


def discrete(layer: Discrete, graph: GraphBuilder, *inputs: Value) -> Any:
    """Return a comparison, a position, a shape or whole numbers."""
    options = dict(layer.options or {})
    if layer.function == "cast":
        return graph.cast(inputs[0], options["dtype"])
    if layer.function == "eye like":
        options["dtype"] = element_type(options.get("dtype", "float32"))
    if layer.function not in DISCRETE:
        return None
    operator, names = DISCRETE[layer.function]
    attributes = {names.get(key, key): int(value) if isinstance(value, bool) else value for key, value in options.items()}
    return graph.add(operator, *inputs, **attributes, **FIXED.get(layer.function, {}))


DISCRETE: dict[str, tuple[str, dict[str, str]]] = {
    "and": ("And", {}),
    "argmax": ("ArgMax", {"last": "select_last_index"}),
    "argmin": ("ArgMin", {"last": "select_last_index"}),
    "bitwise and": ("BitwiseAnd", {}),
    "bitwise not": ("BitwiseNot", {}),
    "bitwise or": ("BitwiseOr", {}),
    "bitwise xor": ("BitwiseXor", {}),
    "equal": ("Equal", {}),
    "eye like": ("EyeLike", {}),
    "fmod": ("Mod", {}),
    "full": ("ConstantOfShape", {}),
    "greater": ("Greater", {}),
    "greater or equal": ("GreaterOrEqual", {}),
    "hardmax": ("Hardmax", {}),
    "isinf": ("IsInf", {"negative": "detect_negative", "positive": "detect_positive"}),
    "isnan": ("IsNaN", {}),
    "left shift": ("BitShift", {}),
    "less": ("Less", {}),
    "less or equal": ("LessOrEqual", {}),
    "mod": ("Mod", {}),
    "nonzero": ("NonZero", {}),
    "not": ("Not", {}),
    "one hot": ("OneHot", {}),
    "or": ("Or", {}),
    "range": ("Range", {}),
    "right shift": ("BitShift", {}),
    "shape": ("Shape", {}),
    "size": ("Size", {}),
    "where": ("Where", {}),
    "xor": ("Xor", {}),
}
"""The operator of each function of `Discrete`, and what ONNX calls its options."""
FIXED: dict[str, dict[str, Any]] = {"fmod": {"fmod": 1}, "left shift": {"direction": "LEFT"}, "right shift": {"direction": "RIGHT"}}


def element_type(dtype: Any) -> int:
    """Return ONNX's number for a type."""
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def given(layer: Given, graph: GraphBuilder, x: Value, *inputs: Value) -> Any:
    """Translate a layer whose parameters are values; recurrent layers are not supported."""
    if issubclass(layer.kind, RecurrentLayer):
        return None
    n, kind = len(layer.names), layer.kind
    stand_in = kind(**layer.options, dtype=graph.dtype)  # type: ignore[call-arg]
    for name, value in zip(layer.names, inputs[:n], strict=True):
        setattr(stand_in, name, value)
    return graph.apply(stand_in, x, *inputs[n:])


def compress(layer: Compress, graph: GraphBuilder, x: Value, condition: Value) -> Any:
    """Return the parts of x where a condition holds."""
    return graph.add("Compress", x, graph.cast(condition, bool), axis=layer.axis)


def reverse_sequence(layer: ReverseSequence, graph: GraphBuilder, x: Value, lengths: Value) -> Any:
    """Return sequences with their first steps in reverse order."""
    options = {"time_axis": layer.time_axis, "batch_axis": layer.batch_axis}
    return graph.add("ReverseSequence", x, graph.cast(lengths, np.int64), **options)


def scatter(operator: str) -> Translation:
    """Return the translation of a layer that writes numbers into a copy of x, or adds them."""

    def translate(layer: Scatter, graph: GraphBuilder, x: Value, updates: Value, indices: Value) -> Any:
        options = {"axis": layer.axis} if isinstance(layer, ScatterElements) else {}
        return graph.add(operator, x, graph.cast(indices, np.int64), updates, reduction="add" if layer.add else None, **options)

    return translate


def reset_first_gru(layer: ResetFirstGRU, graph: GraphBuilder, *inputs: Value) -> Any:
    """Return gated recurrent units whose reset gate multiplies h."""
    return recurrent_stack("GRU", layer, graph, inputs)


def elementwise(layer: Elementwise, graph: GraphBuilder, x: Value) -> Any:
    """Return a function of each element, whose name ONNX writes with a capital."""
    return graph.add(layer.function.capitalize(), x)


def gather_nd(layer: GatherND, graph: GraphBuilder, x: Value, indices: Value) -> Any:
    """Return the parts that the vectors point at."""
    return graph.add("GatherND", x, graph.cast(indices, np.int64), batch_dims=layer.batch_dims)


def gather_elements(layer: GatherElements, graph: GraphBuilder, x: Value, indices: Value) -> Any:
    """Return one element for each index."""
    return graph.add("GatherElements", x, indices, axis=layer.axis)


def late(layer: Late, graph: GraphBuilder, x: Value, *numbers: Value) -> Any:
    """Return x rearranged according to the numbers, which other nodes may compute."""
    whole = [graph.cast(each, np.int64) for each in numbers]
    if layer.kind == "pad":
        whole.insert(1, None)  # type: ignore[arg-type]  # the number to pad with, which is 0
    operator, attributes = LATE[layer.kind]
    if layer.kind == "flatten":
        axis = graph.add("Reshape", whole[0], [1])
        ahead = graph.add("ReduceProd", graph.add("Slice", graph.add("Shape", x), [0], axis), keepdims=1)
        whole = [graph.add("Concat", ahead, [-1], axis=0)]
    return graph.add(operator, x, *whole, **attributes)


LATE: dict[str, tuple[str, dict[str, Any]]] = {
    "expand": ("Expand", {}),
    "flatten": ("Reshape", {}),
    "pad": ("Pad", {}),
    "reshape": ("Reshape", {}),
    "reshape to": ("Reshape", {"allowzero": 1}),
    "slice": ("Slice", {}),
    "tile": ("Tile", {}),
}


def modulo(layer: Modulo, graph: GraphBuilder, a: Value, b: Value) -> Any:
    """Return the remainder. For floats, ONNX has only the one with the sign of a."""
    if layer.truncate:
        return graph.add("Mod", a, b, fmod=1)
    return graph.add("Sub", a, graph.add("Mul", b, graph.add("Floor", graph.add("Div", a, b))))


def tile(layer: Tile, graph: GraphBuilder, x: Value) -> Any:
    """Return x repeated along each axis."""
    return graph.add("Tile", x, list(layer.repeats))


def top_k(layer: TopK, graph: GraphBuilder, x: Value, k: Value) -> Any:
    """Return the largest elements and their indices."""
    n = graph.add("Reshape", graph.cast(k, np.int64), [1])
    return graph.add("TopK", x, n, n_outputs=2, axis=layer.axis, largest=int(layer.largest))


def triangle(layer: Triangle, graph: GraphBuilder, x: Value) -> Any:
    """Return the upper or lower triangle."""
    return graph.add("Trilu", x, layer.k, upper=int(layer.upper))


def on_integers(layer: OnIntegers, graph: GraphBuilder, *inputs: Value) -> Any:
    """Return the inner layer's translation in whole numbers, as in ONNX's operators."""
    n = layer.layer.count_differentiable(len(inputs))
    whole = [graph.cast(x, layer.dtype) if i < n else x for i, x in enumerate(inputs)]
    return graph.run(layer.layer, *whole, dtype=layer.dtype)


OPENED: dict[type, Translation] = {
    Cast: unchanged,
    Compress: compress,
    Determinant: as_operator("Det"),
    DilatedAverage: avg_pool,
    Discrete: discrete,
    Elementwise: elementwise,
    GatherElements: gather_elements,
    GatherND: gather_nd,
    Given: given,
    Late: late,
    Modulo: modulo,
    OnIntegers: on_integers,
    Product: reduction("ReduceProd"),
    ResetFirstGRU: reset_first_gru,
    ReverseSequence: reverse_sequence,
    ScatterElements: scatter("ScatterElements"),
    ScatterND: scatter("ScatterND"),
    Tile: tile,
    TopK: top_k,
    Triangle: triangle,
}
