"""Simple expressions for a gradient: sums, products, derivatives of common functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations

import numpy as np

from ...arrays import Array
from ..equality import fits_into


def letter(i: int) -> str:
    """Return the name of input number i in a program."""
    return "abcdefgh"[i] if i < 8 else f"x{i}"


def products(douts: Mapping[str, Array], others: Mapping[str, Array], shape: tuple[int, ...]) -> Iterator[tuple[str, str, Array]]:
    """Yield (text, kind, value) of the sums and products of this shape with a dout in them."""
    for d_label, d in douts.items():
        if d.shape == shape:
            yield d_label, d_label, d
            yield f"-{d_label}", f"-{d_label}", -d
        yield from sums(d_label, d, shape)
        for label, a in others.items():
            if label == d_label:
                continue
            yield from matrix_products(d_label, d, label, a, shape)
            yield from sandwiches(d_label, d, label, a, shape)
            try:
                product = d * a
            except ValueError:
                continue
            kind = f"{d_label} * {label}"
            if product.shape == shape:
                yield kind, kind, product
            yield from sums(f"({kind})", product, shape)


def usual_slopes(label: str, v: Array) -> Iterator[tuple[str, Array]]:
    """Yield the derivatives of common functions of a variable, with their texts."""
    yield f"(1 - {label}**2)", 1 - v**2
    yield f"{label} * (1 - {label})", v * (1 - v)
    yield label, v
    yield f"2 * {label}", 2 * v
    yield f"3 * {label}**2", 3 * v**2
    yield f"({label} > 0)", np.asarray(v > 0, float)
    yield f"1 / {label}", 1 / v
    yield f"-1 / {label}**2", -1 / v**2
    yield f"1 / (2 * {label})", 1 / (2 * v)
    yield f"np.exp({label})", np.exp(v)
    yield f"np.cos({label})", np.cos(v)
    yield f"np.sign({label})", np.sign(v)
    s = 1 / (1 + np.exp(-v))
    yield f"s * (1 - s), with s = 1 / (1 + np.exp(-{label}))", s * (1 - s)
    yield f"1 / (1 + np.exp(-{label}))", s
    yield f"(1 - np.tanh({label})**2)", 1 - np.tanh(v) ** 2
    yield f"(1 - {label})", 1 - v
    yield f"(1 + {label})", 1 + v
    yield f"1 / (1 + {label}**2)", 1 / (1 + v**2)


def sums(label: str, a: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Array]]:
    """Yield the sums of an array over axes, with and without `keepdims`, that have this shape."""
    for axes, keepdims, written in _ways_to_sum(a.shape, shape):
        yield f"{label}.sum({written})", f"{label}.sum", np.asarray(a.sum(axis=axes, keepdims=keepdims))


@lru_cache(1000)
def _ways_to_sum(whole: tuple[int, ...], shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], bool, str]]:
    """Return axes, `keepdims` and text of the sums that lead from one shape to another."""
    found = []
    for n in range(1, len(whole) + 1):
        for axes in combinations(range(len(whole)), n):
            left = tuple(size for axis, size in enumerate(whole) if axis not in axes)
            kept = tuple(1 if axis in axes else size for axis, size in enumerate(whole))
            written = "" if n == len(whole) else f"axis={axes if n > 1 else axes[0]}"
            if shape == left:
                found.append((axes, False, written))
            elif shape == kept != whole:
                found.append((axes, True, f"{written}{', ' * bool(written)}keepdims=True"))
    return found


def matrix_products(d_label: str, d: Array, label: str, a: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Array]]:
    """Yield the matrix products of two arrays, either transposed or not, that have this shape."""
    if d.ndim < 2 or a.ndim < 2 or len(shape) < 2:
        return
    kind = f"{d_label} @ {label}"
    for first, second in ((either_way(d_label, d), either_way(label, a)), (either_way(label, a), either_way(d_label, d))):
        for f_text, f in first:
            for s_text, s in second:
                if f.shape[-1] == s.shape[-2] and (f.shape[-2], s.shape[-1]) == shape[-2:]:
                    try:
                        value = f @ s
                    except ValueError:
                        continue
                    if value.shape == shape:
                        yield f"{f_text} @ {s_text}", kind, value
    if d.ndim > 2 and a.shape[:-1] == d.shape[:-1] and shape == (a.shape[-1], d.shape[-1]):
        value = a.reshape(-1, a.shape[-1]).T @ d.reshape(-1, d.shape[-1])
        yield f"{label}.reshape(-1, {a.shape[-1]}).T @ {d_label}.reshape(-1, {d.shape[-1]})", kind, value


def sandwiches(d_label: str, d: Array, label: str, a: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Array]]:
    """Yield products with a square matrix on both sides, as in the derivative of an inverse."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or d.shape != shape or a.shape[-2:] != shape[-2:] or not fits_into(a.shape, shape):
        return
    both = either_way(label, a)
    for before, left in both:
        for after, right in both:
            value = left @ d @ right
            yield f"{before} @ {d_label} @ {after}", f"{label} @ {d_label} @ {label}", value
            yield f"-{before} @ {d_label} @ {after}", f"-{label} @ {d_label} @ {label}", -value


def either_way(label: str, a: Array) -> list[tuple[str, Array]]:
    """Return a matrix, or a stack of them, both unchanged and transposed, with their texts."""
    return [(label, a), (f"{label}.{'T' if a.ndim == 2 else 'mT'}", a.swapaxes(-1, -2))]
