"""Formulas for a gradient, or for its missing part, from the available arrays."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations, zip_longest
from math import prod

import numpy as np

from ...arrays import Array
from ..equality import fits_into
from ..naming.expressions import products, sums
from .source import Edit, Method, Place

LARGEST = 20_000
"""Elements of the largest array in a formula."""


class Scope:
    """The arrays available in a method, those linear in dout and the others, and shapes."""

    def __init__(self, linear: Mapping[str, Array], constant: Mapping[str, Array], shapes: Mapping[tuple[int, ...], str]) -> None:
        self.linear = linear
        self.constant = constant
        self.shapes = shapes


def formulas(scope: Scope, shape: tuple[int, ...], plain: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Yield (text, value) of formulas of this shape that are linear in dout.

    `plain` holds further arrays of this shape that are linear in dout, such as your gradient.
    """
    linear = {**plain, **scope.linear}
    yield from ((text, value) for text, _, value in products(scope.linear, scope.constant, shape))
    for text, value in linear.items():
        yield from _spread(text, value, shape, scope.shapes.get(shape, str(shape)))
    once = list(_multiplied(linear, scope.constant))
    for text, value in once:
        yield from _fitted(text, value, shape)
    for text, value in [*linear.items(), *once[:400]]:
        if value.shape == shape:
            yield from _projections(text, value, scope.constant)
    for text, value in _multiplied(dict(once[:200]), scope.constant):
        yield from _fitted(text, value, shape)


def _multiplied(linear: Mapping[str, Array], constant: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    for label, k in constant.items():
        for form, value in _forms(label, k):
            for text, d in linear.items():
                if (label not in text or "<" in form or ">" in form) and _is_broadcast(d.shape, value.shape):
                    yield f"{text} {form}", d * value


@lru_cache(1000)
def _is_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Return whether arrays of two shapes broadcast to a product that is not too large."""
    sizes = [max(m, n) for m, n in zip_longest(reversed(a), reversed(b), fillvalue=1) if m == n or m == 1 or n == 1]
    return len(sizes) == max(len(a), len(b)) and prod(sizes) <= LARGEST


def _forms(label: str, v: Array) -> Iterator[tuple[str, Array]]:
    """Yield factors made of an array, as they are written after a product."""
    if v.dtype == bool:
        yield f"* {label}", v.astype(float)
        yield f"* ~{label}", (~v).astype(float)
        return
    v = v.astype(float)
    yield f"* {label}", v
    yield f"/ {label}", 1 / v
    yield f"* (1 - {label})", 1 - v
    yield f"* (1 + {label})", 1 + v
    yield f"* (1 - {label}**2)", 1 - v**2
    yield f"* {label} * (1 - {label})", v * (1 - v)
    yield f"* 2 * {label}", 2 * v
    yield f"* {label}**2", v**2
    yield f"* 3 * {label}**2", 3 * v**2
    yield f"/ {label}**2", 1 / v**2
    yield f"/ (2 * {label})", 1 / (2 * v)
    yield f"/ (1 + {label}**2)", 1 / (1 + v**2)
    yield f"/ np.sqrt(1 - {label}**2)", 1 / np.sqrt(1 - v**2)
    yield f"* ({label} > 0)", np.asarray(v > 0, float)
    yield f"* ({label} < 0)", np.asarray(v < 0, float)
    yield f"* (np.abs({label}) < 1)", np.asarray(np.abs(v) < 1, float)
    yield f"* np.sign({label})", np.sign(v)
    yield f"* np.exp({label})", np.exp(v)
    yield f"* np.cos({label})", np.cos(v)
    yield f"* np.sin({label})", np.sin(v)
    yield f"* (1 - np.tanh({label})**2)", 1 - np.tanh(v) ** 2
    s = 1 / (1 + np.exp(-v))
    yield f"/ (1 + np.exp(-{label}))", s
    yield f"* np.exp(-{label}) / (1 + np.exp(-{label}))**2", s * (1 - s)


def _fitted(text: str, value: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    if value.shape == shape:
        yield text, value
    elif value.ndim > 0 and value.size > 1:
        yield from ((label, total) for label, _, total in sums(f"({text})" if " " in text else text, value, shape))


def _spread(text: str, value: Array, shape: tuple[int, ...], written: str) -> Iterator[tuple[str, Array]]:
    """Yield copies along axes, which undo a sum or a mean."""
    for n in range(len(shape)):
        for axes in combinations(range(len(shape)), n):
            if value.ndim + n != len(shape) or tuple(size for axis, size in enumerate(shape) if axis not in axes) != value.shape:
                continue
            at = ", ".join("None" if axis in axes else ":" for axis in range(len(shape)))
            spread = np.broadcast_to(np.expand_dims(value, axes), shape)
            indexed = f"{text}[{at}]" if n and value.ndim else text
            if n:
                yield f"np.broadcast_to({indexed}, {written}).copy()", spread
                times = prod(shape[axis] for axis in axes)
                yield f"np.broadcast_to({indexed}, {written}) / {times}", spread / times
    if value.ndim == len(shape) and value.shape != shape and fits_into(value.shape, shape):
        yield f"np.broadcast_to({text}, {written}).copy()", np.broadcast_to(value, shape)


def _projections(text: str, value: Array, constant: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Yield a gradient minus its part along a mean or along an array, as in norms and softmax."""
    axes = [*range(value.ndim), *([(0, *range(2, value.ndim))] if value.ndim > 2 else [])]
    axes += [tuple(range(first, value.ndim)) for first in range(1, value.ndim - 1)]
    for axis in axes:
        kept = f"axis={axis}, keepdims=True"
        for what in ("mean", "sum"):
            less = value - getattr(value, what)(axis=axis, keepdims=True)
            mean = f"({text}).{what}({kept})" if " " in text else f"{text}.{what}({kept})"
            if what == "mean":
                yield f"{text} - {mean}", less
            for label, k in constant.items():
                if k.shape != value.shape or k.dtype == bool:
                    continue
                along = getattr(value * k, what)(axis=axis, keepdims=True)
                yield f"{text} - {label} * ({text} * {label}).{what}({kept})", value - k * along
                if what == "sum":
                    yield f"{text} - np.exp({label}) * {mean}", value - np.exp(k) * value.sum(axis=axis, keepdims=True)
                    yield f"{label} * ({text} - ({text} * {label}).sum({kept}))", k * (value - along)
                else:
                    yield f"{text} - {mean} - {label} * ({text} * {label}).mean({kept})", less - k * along


def shared_terms(linear: Mapping[str, Array], constant: Mapping[str, Array], gap: Array, allowed: float) -> Iterator[str]:
    """Yield terms through a sum that all share, as k * (dout * x).sum(axis=1, keepdims=True)."""
    outer = [("", np.ones(1)), *((f" * {label}", a.astype(float)) for label, a in constant.items() if a.size > 1)]
    outer += [(f" / {label}", 1 / a.astype(float)) for label, a in constant.items() if a.size > 1]
    outer = [(text, a) for text, a in outer if fits_into(a.shape, gap.shape)]
    axes = [*range(gap.ndim), *([tuple(range(1, gap.ndim))] if gap.ndim > 2 else []), tuple(range(gap.ndim))]
    at = int(np.argmax(np.abs(gap)))
    for text, d in linear.items():
        for label, k in [("", np.ones(1)), *((f" * {name}", a) for name, a in constant.items() if a.dtype != bool)]:
            if not _is_broadcast(d.shape, k.shape) or (d * k).ndim != gap.ndim:
                continue
            product = d * k
            for axis in axes:
                total = product.sum(axis=axis, keepdims=True)
                if not fits_into(total.shape, gap.shape):
                    continue
                for factor, a in outer:
                    value = np.broadcast_to(total * a, gap.shape)
                    c = gap.flat[at] / value.flat[at]
                    sizes = prod(product.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,)))
                    for how, number in (("", 1.0), (" / 2", 0.5), (" * 2", 2.0), (f" / {sizes}", 1 / sizes)):
                        if abs(abs(c) - number) < 1e-5 * number and np.abs(gap - c * value).max() <= allowed:
                            sign = "+" if c > 0 else "-"
                            yield f" {sign} ({text}{label}).sum(axis={axis}, keepdims=True){factor}{how}"


def placed(method: Method, name: str, index: int, n: int) -> Iterator[tuple[Place, str]]:
    """Yield the places of a gradient in a method, with their source.

    Of input number `index` of `n`: a returned value; of a parameter: what is added to its grad.
    """
    for place in method.places():
        node = place.node
        if name.startswith("input ") and isinstance(node, ast.Return) and node.value is not None:
            if n == 1 and not isinstance(node.value, ast.Tuple):
                yield Place(node, "value", None), method.text(node.value)
            elif isinstance(node.value, ast.Tuple) and len(node.value.elts) == n:
                yield Place(node.value, "elts", index), method.text(node.value.elts[index])
        elif isinstance(node, ast.AugAssign) and method.text(node.target) == f"{method.arguments[0]}.{name}.grad":
            yield Place(node, "value", None), method.text(node.value)


def added(method: Method, name: str, text: str, index: int) -> Iterator[Edit]:
    """Yield edits that add a missing gradient, of input `index` or a parameter."""
    last = method.definition.body[-1]
    place = Place(method.definition, "body", len(method.definition.body) - 1)
    if not name.startswith("input "):
        line = f"{method.arguments[0]}.{name}.grad += {text}"
        both = (line, method.text(last)) if isinstance(last, ast.Return) else (method.text(last), line)
        yield Edit(place, "\n".join(both), "missing-gradient")
    elif not isinstance(last, ast.Return):
        if index == 0:
            yield Edit(place, f"{method.text(last)}\nreturn {text}", "missing-gradient")
    elif last.value is not None:
        n = len(last.value.elts) if isinstance(last.value, ast.Tuple) else 1
        if index == n:
            yield Edit(Place(last, "value", None), f"{method.text(last.value)}, {text}", "missing-gradient")
