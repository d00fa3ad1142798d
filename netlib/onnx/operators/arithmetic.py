"""Arithmetic of two and more arrays, which broadcast as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layer import Layer
from ...layers import Abs, Add, Clip, Divide, Maximum, Minimum, Multiply, Negative, Power, Subtract
from ...node import Node
from ..layers.discrete import Discrete
from ..layers.modulo import Modulo
from ..operator import Operator
from ..values import constant_node
from .constants import cast_to


def elementwise(kind: type[Layer]) -> Callable[[Operator], Any]:
    """Return the translation of an operator that is one layer of its inputs."""

    def translate(op: Operator) -> Any:
        require_broadcasting(op)
        nodes = op.nodes()
        return op.apply(kind(), *nodes) if len(nodes) > 1 or kind in (Negative, Abs) else nodes[0]

    return translate


def require_broadcasting(op: Operator) -> None:
    """Refuse the broadcasting of the first versions, along an axis."""
    if op.version < 7 and op.get("broadcast") and "axis" in op.attributes and op.get("axis") != op.rank(0) - op.rank(1):
        op.refuse(f"broadcasts along axis={op.get('axis')}, as ONNX did up to version 6")


def number(op: Operator, value: float, i: int = 0) -> Node:
    """Return a constant of the type of input `i`."""
    return constant_node(np.array(value, op.dtype(i)))


def mean(op: Operator) -> Any:
    """Translate Mean."""
    nodes = op.nodes()
    return Add()(*nodes) / number(op, len(nodes)) if len(nodes) > 1 else nodes[0]


def power(op: Operator) -> Any:
    """Translate Pow, whose result has the type of the base."""
    dtype = op.dtype(0)
    exponent = op.inputs[1]
    if isinstance(exponent, np.ndarray) and not op.is_trained(1) and exponent.size == 1 and exponent.ndim <= op.rank(0):
        return op.apply(Power(float(exponent.reshape(()))), op.node(0))
    if not op.is_float(0) or not op.is_float(1):
        return op.apply(Power(), op.node(0), op.node(1))
    return Power()(op.node(0), cast_to(op.node(1), op.dtype(1), dtype))


def clip(op: Operator) -> Any:
    """Translate Clip, with bounds as attributes or as inputs."""
    x = op.node(0)
    if op.version < 11:
        low, high = op.get("min"), op.get("max")
        return op.apply(Clip(low, high), x)
    if all(op.is_constant(i) or not op.has(i) for i in (1, 2)):
        low, high = (float(op.constant(i).reshape(())) if op.has(i) else None for i in (1, 2))
        if low is None and high is None:
            return x
        if low is None or high is None or low <= high:
            return op.apply(Clip(low, high), x)
    if op.has(1):
        x = op.apply(Maximum(), x, op.node(1))
    return op.apply(Minimum(), x, op.node(2)) if op.has(2) else x


def mod(op: Operator) -> Any:
    """Translate Mod."""
    fmod = bool(op.get("fmod", 0))
    if op.is_float(0):
        return Modulo(fmod)(op.node(0), op.node(1))
    return Discrete("fmod" if fmod else "mod")(op.node(0), op.node(1))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Sub": elementwise(Subtract),
    "Mul": elementwise(Multiply),
    "Div": elementwise(Divide),
    "Pow": power,
    "Max": elementwise(Maximum),
    "Min": elementwise(Minimum),
    "Sum": elementwise(Add),
    "Mean": mean,
    "Neg": elementwise(Negative),
    "Abs": elementwise(Abs),
    "Clip": clip,
    "Mod": mod,
}
