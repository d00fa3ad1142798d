"""Other shapes for the same elements, and pieces put together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import BroadcastTo, Concatenate, Expand, Flatten, Pad, Reshape, Slice, Split, Squeeze, Transpose
from ..layers.late import Late
from ..layers.tile import Tile
from ..layers.triangle import Triangle
from ..operator import Operator
from ..values import constant_node


def reshape(op: Operator) -> Any:
    """Translate Reshape: a shape with one free length, or else one read at run time."""
    if op.version < 5:
        return op.apply(Reshape(tuple(op.get("shape"))), op.node(0))
    x = op.node(0)
    shape = target_shape(op)
    if shape is not None and sum(not isinstance(n, int) for n in shape) <= 1:
        return op.apply(Reshape(tuple(n if isinstance(n, int) else -1 for n in shape)), x)
    if shape is not None and not op.get("allowzero", 0) and (kept := _with_kept_lengths(shape, op)):
        return op.apply(Late("reshape"), x, numbers(kept))
    return op.apply(Late("reshape to" if op.get("allowzero", 0) else "reshape"), x, op.node(1))


def target_shape(op: Operator) -> tuple[int | str | None, ...] | None:
    """Return Reshape's output shape as far as known, or None if not even its length is."""
    asked, given, inferred = op.symbolic(1), op.dims(0), op.output_shape()
    if asked is None:
        return inferred
    lengths: list[int | str | None] = asked.ravel().tolist()
    if not op.get("allowzero", 0):
        lengths = [given[i] if n == 0 else n for i, n in enumerate(lengths)]
    rest = _rest(given, lengths)
    lengths = [rest if n == -1 else n for n in lengths]
    if inferred is not None and len(inferred) == len(lengths):
        lengths = [m if n is None and m is not None else n for n, m in zip(lengths, inferred, strict=True)]
    return tuple(lengths)


def _rest(given: tuple[int | str, ...], lengths: list[int | str | None]) -> int | None:
    """Return the length that -1 stands for, if the free lengths are the same on both sides."""
    others = [n for n in lengths if n != -1]
    if None in others or Counter(n for n in given if isinstance(n, str)) != Counter(n for n in others if isinstance(n, str)):
        return None
    total, known = (math.prod(n for n in each if isinstance(n, int)) for each in (given, others))
    return total // known if known and total % known == 0 else None


def _with_kept_lengths(shape: tuple[int | str | None, ...], op: Operator) -> list[int] | None:
    """Return the shape with 0 for each length that x has at the same place, and one -1 at most."""
    given = op.dims(0)
    kept = [n if isinstance(n, int) else 0 if i < len(given) and n == given[i] else -1 for i, n in enumerate(shape)]
    return kept if kept.count(-1) <= 1 and not any(n == 0 for n in shape) else None


def flatten(op: Operator) -> Any:
    """Translate Flatten into a matrix."""
    axis, shape = op.get("axis", 1), op.shape(0)
    axis = axis + len(shape) if axis < 0 else axis
    if axis == 1 and len(shape) > 1:
        return op.apply(Flatten(), op.node(0))
    before, after = shape[:axis], shape[axis:]
    if None not in after:
        return op.apply(Reshape((-1, math.prod(after))), op.node(0))  # type: ignore[arg-type]
    if None not in before:
        return op.apply(Reshape((math.prod(before), -1)), op.node(0))  # type: ignore[arg-type]
    return op.apply(Late("flatten"), op.node(0), numbers([axis]))


def numbers(values: Any) -> Any:
    """Return a constant node of whole numbers."""
    return constant_node(np.array(values, np.int64))


def transpose(op: Operator) -> Any:
    """Translate Transpose."""
    perm = op.get("perm")
    return op.apply(Transpose(None if perm is None else tuple(perm)), op.node(0))


def axes_of(op: Operator) -> tuple[int, ...] | None:
    """Return axes that are an attribute or an input, or None if they are neither."""
    axes = op.get("axes") if "axes" in op.attributes else op.numbers(1)
    return None if axes is None else tuple(axes)


def squeeze(op: Operator) -> Any:
    """Translate Squeeze."""
    axes = axes_of(op)
    if axes is None:
        axes = tuple(i for i, n in enumerate(op.shape(0)) if n == 1)
    return op.apply(Squeeze(axes), op.node(0))


def unsqueeze(op: Operator) -> Any:
    """Translate Unsqueeze."""
    axes = axes_of(op)
    if axes is None:
        op.refuse("has no axes")
    return op.apply(Expand(axes), op.node(0))


def expand(op: Operator) -> Any:
    """Translate Expand: a length of 1 keeps that of x."""
    shape = op.partial(1)
    if shape is None or np.isnan(shape).any():
        return op.apply(Late("expand"), op.node(0), op.node(1))
    ahead = op.rank(0) - len(shape)
    lengths = [-1 if n == 1 and i + ahead >= 0 else int(n) for i, n in enumerate(shape)]
    return op.apply(BroadcastTo((*[-1] * ahead, *lengths)), op.node(0))


def concat(op: Operator) -> Any:
    """Translate Concat."""
    return op.apply(Concatenate(op.get("axis", 1 if op.version < 4 else -1)), *op.nodes())


def split(op: Operator) -> Any:
    """Translate Split: the lengths are an attribute, an input, or equal."""
    axis, n = op.get("axis", 0), op.n_outputs
    lengths = op.get("split") if "split" in op.attributes else op.numbers(1)
    if lengths is None and op.shape(0)[axis] is not None and op.shape(0)[axis] % n:
        length = -(-op.shape(0)[axis] // n)
        lengths = [length] * n
    ends: Any = n if lengths is None else np.cumsum(lengths)[:-1].tolist()
    return op.apply(Split(ends, axis), op.node(0))


def slices(op: Operator) -> Any:
    """Translate Slice: a part between constant bounds, or else bounds read at run time."""
    if op.version < 10:
        starts, ends = op.get("starts"), op.get("ends")
        return _slice(op, starts, ends, op.get("axes", list(range(len(starts)))), [1] * len(starts))
    if all(op.is_constant(i) for i in range(1, len(op)) if op.has(i)):
        starts, ends = op.numbers(1), op.numbers(2)
        return _slice(op, starts, ends, op.numbers(3, list(range(len(starts)))), op.numbers(4, [1] * len(starts)))
    rank = op.output_shape()
    n = op.shape(1)[0]
    if n is None or rank is None:
        op.refuse("the number of its bounds is not known")
    axes = op.node(3) if op.has(3) else numbers(range(n))
    return op.apply(Late("slice"), op.node(0), op.node(1), op.node(2), axes, op.node(4) if op.has(4) else numbers([1] * n))


def _slice(op: Operator, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> Any:
    key = [slice(None)] * op.rank(0)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        key[axis] = slice(_bound(start), _bound(end), step if step != 1 else None)
    return op.apply(Slice(tuple(key)), op.node(0))


def _bound(n: int) -> int | None:
    """Return a bound, or None for the far ones that stand for the end."""
    return None if n >= 2**31 - 1 else max(n, -(2**31))


def pad(op: Operator) -> Any:
    """Translate Pad; negative widths crop."""
    if op.has(1) and not op.is_constant(1):
        return late_pad(op)
    widths = op.get("pads", op.get("paddings")) if op.version < 11 else op.numbers(1)
    value = op.get("value", 0.0) if op.version < 11 else float(op.constant(2, np.zeros(())).reshape(()))
    rank = op.rank(0)
    axes = [axis % rank for axis in op.numbers(3, range(rank))]
    pairs = [(0, 0)] * rank
    for axis, before, after in zip(axes, widths, widths[len(axes) :], strict=False):
        pairs[axis] = before, after
    x = op.node(0)
    if any(n < 0 for pair in pairs for n in pair):
        x = op.apply(Slice(tuple(slice(max(-a, 0) or None, min(b, 0) or None) for a, b in pairs)), x)
        pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if np.isfinite(value) or not op.is_float():
        return op.apply(Pad(tuple(pairs), op.get("mode", "constant"), value), x)
    return Pad(tuple(pairs))(x) + infinite_border(op, pairs, value)


def late_pad(op: Operator) -> Any:
    """Translate Pad with widths that depend on the batch."""
    if op.get("mode", "constant") != "constant" or op.constant(2, np.zeros(())).any():
        op.constant(1)  # refuses
    axes = op.node(3) if op.has(3) else numbers(range(op.rank(0)))
    return op.apply(Late("pad"), op.node(0), op.node(1), axes)


def infinite_border(op: Operator, pairs: list[tuple[int, int]], value: float) -> Any:
    """Return what makes a border of zeros infinite: zeros inside, broadcast, and `value` around."""
    lengths = [n if pair != (0, 0) else 1 for n, pair in zip(op.shape(0), pairs, strict=True)]
    if None in lengths:
        op.refuse(f"pads an axis of free length with {value}")
    return constant_node(np.pad(np.zeros(lengths, op.dtype(0)), pairs, constant_values=value))  # type: ignore[arg-type]


def tile(op: Operator) -> Any:
    """Translate Tile."""
    if op.version < 6:
        op.refuse("tiles one axis, as ONNX did up to version 5")
    if not op.is_constant(1):
        return op.apply(Late("tile"), op.node(0), op.node(1))
    return op.apply(Tile(tuple(op.numbers(1))), op.node(0))


def trilu(op: Operator) -> Any:
    """Translate Trilu."""
    k = int(op.constant(1, np.zeros(())).reshape(()))
    return op.apply(Triangle(bool(op.get("upper", 1)), k), op.node(0))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Expand": expand,
    "Concat": concat,
    "Split": split,
    "Slice": slices,
    "Pad": pad,
    "Tile": tile,
    "Trilu": trilu,
}
