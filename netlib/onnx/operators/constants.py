"""Constants, and arrays computed from shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...arrays import Array
from ..layers.cast import Cast
from ..layers.discrete import Discrete
from ..operator import Operator
from ..reading import as_dtype, type_name

KINDS = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}


def constant(op: Operator) -> Array:
    """Translate Constant."""
    for name, kind in KINDS.items():
        if name in op.attributes:
            return np.array(op.get(name), kind)
    value = op.get("value")
    if value is None:
        op.refuse("its value is no dense tensor of numbers")
    return value  # type: ignore[no-any-return]


def identity(op: Operator) -> Any:
    """Translate Identity, which adds nothing: a weight remains the same one."""
    return op.node(0) if op.has(0) else op.refuse("has no input")


def constant_of_shape(op: Operator) -> Any:
    """Translate ConstantOfShape for a shape that depends on the batch."""
    value = op.get("value", np.zeros(1, np.float32))
    return Discrete("full", {"value": value})(op.node(0))


def eye_like(op: Operator) -> Any:
    """Translate EyeLike."""
    dtype = as_dtype(op.get("dtype")) if "dtype" in op.attributes else op.dtype(0)
    if dtype is None:
        op.refuse(f"makes {type_name(op.get('dtype'))}, which netlib does not have")
    return Discrete("eye like", {"k": op.get("k", 0), "dtype": dtype.name})(op.node(0))


def cast(op: Operator) -> Any:
    """Translate Cast and CastLike."""
    target = as_dtype(op.get("to")) if op.op_type == "Cast" else op.dtype(1)
    if target is None:
        op.refuse(f"makes {type_name(op.get('to'))}, which netlib does not have")
    return cast_to(op.node(0), op.dtype(0), target)


def cast_to(node: Any, given: np.dtype[Any], target: np.dtype[Any]) -> Any:
    """Return a node of another type."""
    if given == target:
        return node
    if given.kind == target.kind == "f":
        return Cast(target.name)(node)
    return Discrete("cast", {"dtype": target.name})(node)


def bit_cast(op: Operator) -> Any:
    """Translate BitCast."""
    dtype = as_dtype(op.get("to"))
    if dtype is None:
        op.refuse(f"makes {type_name(op.get('to'))}, which netlib does not have")
    return Discrete("bit cast", {"dtype": dtype.name})(op.node(0))


def plain(function: str) -> Callable[[Operator], Any]:
    """Return the translation of an operator that is one function of its inputs."""

    def translate(op: Operator) -> Any:
        return Discrete(function)(*op.nodes())

    return translate


def shape(op: Operator) -> Any:
    """Translate Shape."""
    return Discrete("shape", {"start": op.get("start", 0), "end": op.get("end")})(op.node(0))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Constant": constant,
    "Identity": identity,
    "ConstantOfShape": constant_of_shape,
    "EyeLike": eye_like,
    "Cast": cast,
    "CastLike": cast,
    "BitCast": bit_cast,
    "Shape": shape,
    "Size": plain("size"),
    "Range": plain("range"),
    "NonZero": plain("nonzero"),
}
