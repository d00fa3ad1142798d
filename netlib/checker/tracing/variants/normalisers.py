"""Softmax, norms and similar, recognized by their numbers, and wrong derivatives of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from ....arrays import Array
from ..trace import Change, Operation, Place
from .piecewise import LARGEST
from .reductions import subsets
from .variant import Take, Variant, by_source, moving_operands


class Normaliser(NamedTuple):
    """A result h of an array u, with dh = scale · (a · du - Σ b · Σ(c · du)).

    The inner sums are along `axes`.
    """

    kind: str
    number: int
    source: Place
    axes: tuple[int, ...]
    scale: Array
    a: Array
    terms: list[tuple[Array, Array]]
    is_mean: bool

    @property
    def along(self) -> str:
        """The axes in words."""
        return f"axis {self.axes[0]}" if len(self.axes) == 1 else f"axes {self.axes}"

    def moved(self, v: Array, axes: tuple[int, ...], is_scaled_last: bool = True) -> Array:
        """Return by how much h moves with u, with sums along these axes."""
        v = v if is_scaled_last else self.scale * v
        total = np.mean if self.is_mean else np.sum
        h = self.a * v - sum(b * total(c * v, axis=axes, keepdims=True) for b, c in self.terms)
        return np.asarray(self.scale * h if is_scaled_last else h)

    def takes(self) -> Iterator[tuple[str, str, Take]]:
        """Yield mistake, description and wrong movement of h."""
        n = np.prod([self.a.shape[axis] for axis in self.axes]) if self.is_mean else 1
        diagonal = self.scale * (self.a - sum(b * c for b, c in self.terms) / n)
        yield "diagonal-only", "has the diagonal of its derivative alone", lambda v: np.asarray(diagonal * v)
        for axes in subsets(self.a.ndim):
            if axes != self.axes and any(self.a.shape[axis] > 1 for axis in axes):
                for is_last in (True, False):
                    yield (
                        "wrong-axis",
                        f"has sums along {axes if len(axes) > 1 else axes[0]} in its derivative",
                        lambda v, axes=axes, is_last=is_last: self.moved(v, axes, is_last),  # type: ignore[misc]
                    )


def normaliser_slopes(base: list[Operation], above: list[Operation]) -> Iterator[Variant]:
    """Yield normalisers with only the diagonal of their derivative, or sums over other axes."""
    for found in normalisers(base, above):
        text = f"the {found.kind} along {found.along}, which ends with {base[found.number].text}"
        u = base[found.source[0]].operands[found.source[1]]
        for mistake, what, take in found.takes():
            changes = {found.number: by_source(base[found.number].result, found.source, u, take)}
            yield Variant(mistake, f"{text} {what}", changes)


Function = Callable[[Array, tuple[int, ...]], Array]

FUNCTIONS: dict[str, Function] = {
    "softmax": lambda u, axes: np.exp(u - _log_sum_exp(u, axes)),
    "logarithm of a softmax": lambda u, axes: u - _log_sum_exp(u, axes),
    "difference from the mean": lambda u, axes: u - u.mean(axis=axes, keepdims=True),
    "share of a sum": lambda u, axes: u / u.sum(axis=axes, keepdims=True),
    "division by a length": lambda u, axes: u / _length(u, axes),
    "division by a root mean square": lambda u, axes: u / np.sqrt((u**2).mean(axis=axes, keepdims=True)),
    "standardisation": lambda u, axes: (u - u.mean(axis=axes, keepdims=True)) / u.std(axis=axes, keepdims=True),
}


def _log_sum_exp(u: Array, axes: tuple[int, ...]) -> Array:
    largest = u.max(axis=axes, keepdims=True)
    return np.asarray(largest + np.log(np.exp(u - largest).sum(axis=axes, keepdims=True)))


def _largest(a: Array, axes: tuple[int, ...]) -> Array:
    """Return the largest numbers along some axes, without NaN."""
    return np.asarray(a.max(axis=axes, keepdims=True, initial=-np.inf, where=~np.isnan(a)))


def _length(u: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(np.sqrt((u**2).sum(axis=axes, keepdims=True)))


def other_normalisers(base: list[Operation], above: list[Operation]) -> Iterator[Variant]:
    """Yield softmax, norms and similar along other axes, for the value too."""
    for found in normalisers(base, above):
        text = f"the {found.kind} along {found.along}, which ends with {base[found.number].text}"
        function = FUNCTIONS[found.kind]
        for axes in subsets(found.a.ndim):
            if axes != found.axes:
                changes = {found.number: Change(lambda now, axes=axes, f=function: f(now[0], axes), found.source)}  # type: ignore[misc]
                yield Variant("wrong-axis", f"{text} goes along {axes if len(axes) > 1 else axes[0]}", changes)


REDUCED = {
    "logarithm of a sum of exponentials": (_log_sum_exp, FUNCTIONS["softmax"]),
    "length": (_length, FUNCTIONS["division by a length"]),
}
"""Reductions of an array, and the weights in their derivatives."""


def other_reductions(base: list[Operation], above: list[Operation]) -> Iterator[Variant]:
    """Yield log-sum-exps and lengths with the weights of other axes in their derivatives."""
    moving = moving_operands(base, above)
    largest: dict[int, Change] = {  # what is taken off before, and added again
        n: Change(lambda now, a=each.result: a)  # type: ignore[misc]
        for n, each in enumerate(base)
        if each.name in LARGEST
    }
    for number, operation in enumerate(base):
        h = operation.result
        if not (isinstance(h, np.ndarray) and h.dtype.kind == "f"):
            continue
        for place, u in moving:
            if place[0] > number or u.size <= h.size or not (h.size == 1 or h.shape[0] in u.shape):
                continue
            for own, (kind, (function, weights)) in product(subsets(u.ndim), REDUCED.items()):
                value = function(u, own)
                if value.size != h.size or np.ptp(value.ravel() - h.ravel()) > 1e-9 * np.abs(value).max():
                    continue  # a mean in the place of the sum is less by a constant
                for axes in subsets(u.ndim):
                    if axes != own:
                        w = weights(u, axes)
                        take = lambda v, w=w, own=own, shape=h.shape: (w * v).sum(axis=own).reshape(shape)  # noqa: E731
                        changes = {number: by_source(h, place, u, take)}
                        for held in ({}, largest) if largest else ({},):
                            text = f"the {kind} that ends with {operation.text} has weights of axes {axes}"
                            yield Variant("wrong-axis", text, held | changes)


def normalisers(base: list[Operation], above: list[Operation]) -> Iterator[Normaliser]:
    """Yield the normalisers in a forward, each with the operand that it normalises."""
    moving = moving_operands(base, above)
    for number, operation in enumerate(base):
        h = operation.result
        if not (isinstance(h, np.ndarray) and h.dtype.kind == "f" and h.ndim and h.size > 1 and np.isfinite(h).all()):
            continue
        for axes in subsets(h.ndim):
            marks = _marks(h, axes) if np.prod([h.shape[axis] for axis in axes]) > 1 else set()
            seen = {h.tobytes()}
            for place, u in moving if marks else ():
                if place[0] <= number and u.shape == h.shape and u.tobytes() not in seen:
                    seen.add(u.tobytes())
                    for kind, scale, a, terms, is_mean in _made(u, h, axes, marks):
                        yield Normaliser(kind, number, place, axes, scale, a, terms, is_mean)


def _marks(h: Array, axes: tuple[int, ...]) -> set[str]:
    """Return which sums of an array along some axes are 1 or 0, as for a normaliser."""
    with np.errstate(all="ignore"):
        sums = {
            "sum": h.sum(axis=axes),
            "sum of exponentials": np.exp(h).sum(axis=axes),
            "sum of squares": (h**2).sum(axis=axes),
            "mean of squares": 1 + np.round((h**2).mean(axis=axes) - 1, 1),  # roughly, since something may stand beside it in a root
            "mean": 1 + h.mean(axis=axes) / np.abs(h).max(axis=axes),
        }
        return {mark for mark, total in sums.items() if np.abs(total - 1).max() <= 1e-9}


def _made(
    u: Array, h: Array, axes: tuple[int, ...], marks: set[str]
) -> Iterator[tuple[str, Array, Array, list[tuple[Array, Array]], bool]]:
    """Yield kind, scale, a, terms and is_mean of the normalisers that give h for u."""
    one = np.ones_like(h)

    def is_same(a: Array) -> bool:
        """Return whether an array is constant along the axes, apart from NaN."""
        high, low = _largest(a, axes), -_largest(-a, axes)
        return not np.isinf(a).any() and bool((high - low <= 1e-9 * np.maximum(np.abs(high), np.abs(low))).all())

    if "sum" in marks and (h >= 0).all() and is_same(np.exp(np.log(np.where(h > 0, h, np.nan)) - u)):
        yield "softmax", one, h, [(h, h)], False
    if "sum of exponentials" in marks and is_same(np.exp(h - u)):
        yield "logarithm of a softmax", one, one, [(one, np.exp(h))], False
    if "mean" in marks and is_same(np.exp(h - u)):
        yield "difference from the mean", one, one, [(one, one)], True
    if is_same(u / h):
        for mark, kind, term in (
            ("sum", "share of a sum", (h, one)),
            ("sum of squares", "division by a length", (h, h)),
            ("mean of squares", "division by a root mean square", (h, h)),
        ):
            if mark in marks:
                yield kind, _largest(h / u, axes) + 0 * h, one, [term], mark.startswith("mean")
    spread = (u - u.mean(axis=axes, keepdims=True)) / h
    if {"mean", "mean of squares"} <= marks and is_same(spread):
        yield "standardisation", 1 / spread, one, [(one, one), (h, h)], True
