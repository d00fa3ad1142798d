"""Layers that move numbers without changing them, in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers
from ..writing import GraphBuilder, Value
from .translation import Translation

END = 2**63 - 1
"""A place after the end of any axis."""


def reshape(layer: layers.Reshape, graph: GraphBuilder, x: Value) -> Any:
    """Return x in another shape."""
    shape = np.atleast_1d(np.array(layer.shape, np.int64))
    return graph.add("Reshape", x, shape, allowzero=1 if 0 in shape else None)


def flatten(layer: layers.Flatten, graph: GraphBuilder, x: Value) -> Any:
    """Return x with one axis instead of those from the start axis."""
    if layer.start_axis == 1:
        return graph.add("Flatten", x, axis=1)
    return graph.add("Reshape", x, [0] * layer.start_axis + [-1])


def transpose(layer: layers.Transpose, graph: GraphBuilder, x: Value) -> Any:
    """Return x with its axes in another order."""
    order = range(x.ndim)[::-1] if layer.axes is None else [axis % x.ndim for axis in layer.axes]
    return graph.add("Transpose", x, perm=list(order)) if x.ndim > 1 else x


def slice_(layer: layers.Slice, graph: GraphBuilder, x: Value) -> Any:
    """Return a part of x: slices first, then single indices, then new axes."""
    parts = list(layer.key) if isinstance(layer.key, tuple) else [layer.key]
    n_missing = x.ndim - sum(part is not None and part is not Ellipsis for part in parts)
    place = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    parts[place : place + 1] = [slice(None)] * n_missing
    taken = [part for part in parts if part is not None]
    slices = [(axis, part) for axis, part in enumerate(taken) if isinstance(part, slice) and part != slice(None)]
    if slices:
        bounds = [_bounds(part) for _, part in slices]
        starts, ends, steps = map(list, zip(*bounds, strict=True))
        x = graph.add("Slice", x, starts, ends, [axis for axis, _ in slices], steps)
    for axis, part in reversed([*enumerate(taken)]):
        if not isinstance(part, slice):
            x = graph.add("Gather", x, int(part), axis=axis)  # type: ignore[arg-type]  # an integer
    kept = [part for part in parts if part is None or isinstance(part, slice)]
    new = [axis for axis, part in enumerate(kept) if part is None]
    return graph.add("Unsqueeze", x, new) if new else x


def _bounds(part: slice) -> tuple[int, int, int]:
    step = 1 if part.step is None else int(part.step)
    first, last = (0, END) if step > 0 else (END, -END)
    return first if part.start is None else int(part.start), last if part.stop is None else int(part.stop), step


def squeeze(layer: layers.Squeeze, graph: GraphBuilder, x: Value) -> Any:
    """Return x without axes of length 1."""
    axes = [i for i, n in enumerate(x.lengths()) if n == 1] if layer.axis is None else np.atleast_1d(layer.axis).tolist()
    return graph.add("Squeeze", x, axes) if axes else x


def expand(layer: layers.Expand, graph: GraphBuilder, x: Value) -> Any:
    """Return x with more axes of length 1."""
    return graph.add("Unsqueeze", x, np.atleast_1d(layer.axis).tolist())


def broadcast_to(layer: layers.BroadcastTo, graph: GraphBuilder, x: Value) -> Any:
    """Return x repeated along axes. In ONNX, 1 keeps a length."""
    return graph.add("Expand", x, [1 if n == -1 else n for n in layer.shape])


def split(layer: layers.Split, graph: GraphBuilder, x: Value) -> Any:
    """Return the pieces of x."""
    n = layer.n_outputs
    if n == 1:
        return x
    if isinstance(layer.sections, int):
        return graph.add("Split", x, n_outputs=n, axis=layer.axis, num_outputs=n)
    x.length(layer.axis)
    lengths = [piece.length(layer.axis) for piece in graph.outputs]
    return graph.add("Split", x, lengths, n_outputs=n, axis=layer.axis)


def stack(layer: layers.Stack, graph: GraphBuilder, *xs: Value) -> Any:
    """Return the arrays along a new axis."""
    return graph.add("Concat", *[graph.add("Unsqueeze", x, [layer.axis]) for x in xs], axis=layer.axis)


def concatenate(layer: layers.Concatenate, graph: GraphBuilder, *xs: Value) -> Any:
    """Return the arrays one after the other along an axis."""
    return graph.add("Concat", *xs, axis=layer.axis)


def take(layer: layers.Take, graph: GraphBuilder, x: Value, indices: Value) -> Any:
    """Return the parts of x at the indices."""
    return graph.add("Gather", x, as_indices(graph, indices), axis=layer.axis)


def as_indices(graph: GraphBuilder, x: Value) -> Value:
    """Return whole numbers in one of the two types that ONNX accepts as indices."""
    return x if x.dtype in (np.int32, np.int64) else graph.cast(x, np.int64)


SHAPES: dict[type, Translation] = {
    layers.BroadcastTo: broadcast_to,
    layers.Concatenate: concatenate,
    layers.Expand: expand,
    layers.Flatten: flatten,
    layers.Reshape: reshape,
    layers.Slice: slice_,
    layers.Split: split,
    layers.Squeeze: squeeze,
    layers.Stack: stack,
    layers.Take: take,
    layers.Transpose: transpose,
}
