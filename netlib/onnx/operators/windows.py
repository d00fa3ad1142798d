"""The attributes that define the windows of convolutions and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...arrays import Shape
from ...layers.windows import spans_of
from ..operator import Operator

Pads = tuple[tuple[int, int], ...]


def window_options(op: Operator, kernel: Shape) -> dict[str, Any]:
    """Return stride, padding and dilation of a layer whose kernel has these lengths."""
    axes = len(kernel)
    stride, dilation = per_axis(op, "strides", axes), per_axis(op, "dilations", axes)
    return {"stride": shortest(stride), "padding": _padding(op, kernel, stride, dilation), "dilation": shortest(dilation)}


def per_axis(op: Operator, name: str, axes: int, default: int = 1) -> Shape:
    """Return an attribute with a number for each axis."""
    numbers = tuple(op.get(name, [default] * axes))
    if len(numbers) != axes:
        op.refuse(f"has {name}={numbers}, expected {axes} numbers")
    return numbers


def kernel_shape(op: Operator) -> Shape:
    """Return the attribute kernel_shape, of one to three axes."""
    kernel = tuple(op.get("kernel_shape", ()))
    if not 1 <= len(kernel) <= 3:
        op.refuse(f"has kernel_shape={kernel}, expected one to three axes")
    return kernel


def _padding(op: Operator, kernel: Shape, stride: Shape, dilation: Shape) -> Any:
    auto = op.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return 0
    if auto == "SAME_UPPER":
        return "same"
    if auto == "SAME_LOWER":  # the odd one of the border comes first
        totals = _same_totals(op, spans_of(kernel, dilation), stride)
        return shortest_pads(tuple((total - total // 2, total // 2) for total in totals))
    if auto != "NOTSET":
        op.refuse(f"has auto_pad={auto!r}")
    return shortest_pads(explicit_pads(op, len(kernel)))


def explicit_pads(op: Operator, axes: int) -> Pads:
    """Return the attribute pads as a pair for each axis."""
    pads = per_axis(op, "pads", 2 * axes, 0)
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


def _same_totals(op: Operator, spans: Shape, stride: Shape) -> list[int]:
    """Return the width of the whole border along each axis, for ⌈n / stride⌉ positions."""
    totals = []
    for n, span, s in zip(op.shape(0)[2:], spans, stride, strict=True):
        if n is None and s > 1:
            op.refuse("has auto_pad='SAME_LOWER' for images of free sizes: export it with pads")
        totals.append(max((-(-(n or 1) // s) - 1) * s + span - (n or 1), 0))
    return totals


def shortest(numbers: Sequence[int]) -> int | Shape:
    """Return one number for all axes if they are equal, as the constructors of layers take it.

    >>> shortest((2, 2)), shortest((1, 2))
    (2, (1, 2))
    """
    return numbers[0] if len(set(numbers)) == 1 else tuple(numbers)


def shortest_pads(pads: Pads) -> Any:
    """Return a border in the shortest form that the constructors of layers take.

    >>> shortest_pads(((1, 1), (1, 1))), shortest_pads(((0, 1), (0, 1)))
    (1, ((0, 1), (0, 1)))
    """
    if all(before == after for before, after in pads):
        return shortest([before for before, _ in pads])
    return pads
