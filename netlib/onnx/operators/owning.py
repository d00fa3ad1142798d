"""Layers that own arrays of the file, or take them as inputs if other nodes compute them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ...layer import Layer
from ...node import Node
from ..layers.given import Given
from ..operator import Operator

MAX_COMPUTED = 1 << 26
"""The most elements of the parameters of a layer whose arrays are not in the file."""


class Source(NamedTuple):
    """Where a parameter comes from: the number of an input, and how the layer lays it out.

    `change` takes an array or a node, and `layout` names it.
    """

    input: int
    layout: str = ""
    change: Callable[[Any], Any] | None = None


def call(
    op: Operator,
    kind: type[Layer],
    sources: Mapping[str, Source],
    options: Mapping[str, Any],
    inputs: Sequence[Node] | None = None,
    n_outputs: int = 1,
) -> Any:
    """Return the node of a layer of class `kind`, whose parameters are inputs of the operator.

    By default, it is called on input 0.
    """
    inputs = [op.node(0)] if inputs is None else inputs
    if all(op.is_constant(source.input) for source in sources.values()):
        layer = kind(**options, dtype=op.dtype(next(iter(sources.values())).input))  # type: ignore[call-arg]
        adopt(op, layer, sources)
        return layer(*inputs)
    if sum(math.prod(n or 1 for n in op.shape(source.input)) for source in sources.values()) > MAX_COMPUTED:
        op.refuse(f"has computed weights of more than {MAX_COMPUTED} elements")
    arrays = [source.change(op.node(source.input)) if source.change else op.node(source.input) for source in sources.values()]
    first, *others = inputs
    return Given(kind, tuple(sources), options, n_outputs)(first, *arrays, *others)


def adopt(op: Operator, layer: Layer, sources: Mapping[str, Source]) -> None:
    """Make arrays of the file parameters of the layer."""
    for name, source in sources.items():
        parameter, expected = op.parameter(*source), getattr(layer, name)
        if parameter.shape != expected.shape or parameter.dtype != expected.dtype:
            op.refuse(f"has a {name} of {parameter.dtype} {parameter.shape}, expected {expected.dtype} {expected.shape}")
        setattr(layer, name, parameter)


def known(op: Operator, i: int, *axes: int) -> list[int]:
    """Return the lengths of these axes of input `i`, which must not be free."""
    shape = op.shape(i)
    if not all(-len(shape) <= axis < len(shape) and shape[axis] is not None for axis in axes):
        op.refuse(f"needs to know the shape of input {i}, {shape}, along the axes {axes}")
    return [int(shape[axis] or 0) for axis in axes]
