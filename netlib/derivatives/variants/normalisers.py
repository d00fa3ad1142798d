"""Softmax, norms and their like, found in the numbers of a forward, and what their derivatives are taken for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from ..tracing import Operation, Place
from .taking import Take, Variant, by_source, moving_operands


class Normaliser(NamedTuple):
    """A result h that is made out of an array u, slice by slice: dh = scale · (a · du - Σ b · Σ(c · du)), with inner sums along axes."""

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
        """Return by how much h moves with u, by sums along these axes."""
        v = v if is_scaled_last else self.scale * v
        total = np.mean if self.is_mean else np.sum
        h = self.a * v - sum(b * total(c * v, axis=axes, keepdims=True) for b, c in self.terms)
        return np.asarray(self.scale * h if is_scaled_last else h)

    def takes(self) -> Iterator[tuple[str, str, Take]]:
        """Yield mistake, description and what h is taken to move by."""
        n = np.prod([self.a.shape[axis] for axis in self.axes]) if self.is_mean else 1
        diagonal = self.scale * (self.a - sum(b * c for b, c in self.terms) / n)
        yield "diagonal-only", "has the diagonal of its derivative alone", lambda v: np.asarray(diagonal * v)
        for axes in _subsets(self.a.ndim):
            if axes != self.axes and any(self.a.shape[axis] > 1 for axis in axes):
                for is_last in (True, False):
                    yield (
                        "wrong-axis",
                        f"has sums along {axes if len(axes) > 1 else axes[0]} in its derivative",
                        lambda v, axes=axes, is_last=is_last: self.moved(v, axes, is_last),  # type: ignore[misc]
                    )


def normalised(base: list[Operation], above: list[Operation]) -> Iterator[Variant]:
    """Softmax, norms and the like: their derivative's diagonal alone, or its sums over other axes."""
    for found in normalisers(base, above):
        text = f"the {found.kind} along {found.along}, which ends with {base[found.number].text}"
        u = base[found.source[0]].operands[found.source[1]]
        for mistake, what, take in found.takes():
            changes = {found.number: by_source(base[found.number].result, found.source, u, take)}
            yield Variant(mistake, f"{text} {what}", changes)


def normalisers(base: list[Operation], above: list[Operation]) -> Iterator[Normaliser]:
    """Yield those in a forward, each with what it normalises: an operand of that operation or of one before it."""
    moving = moving_operands(base, above)
    for number, operation in enumerate(base):
        h = operation.result
        if not (isinstance(h, np.ndarray) and h.dtype.kind == "f" and h.ndim and h.size > 1 and np.isfinite(h).all()):
            continue
        for axes in _subsets(h.ndim):
            marks = _marks(h, axes) if np.prod([h.shape[axis] for axis in axes]) > 1 else set()
            seen: list[Array] = []
            for place, u in moving if marks else ():
                if place[0] <= number and u.shape == h.shape and not any(np.array_equal(u, other) for other in (h, *seen)):
                    seen.append(u)
                    for kind, scale, a, terms, is_mean in _made(u, h, axes, marks):
                        yield Normaliser(kind, number, place, axes, scale, a, terms, is_mean)


def _marks(h: Array, axes: tuple[int, ...]) -> set[str]:
    """Return what sums of an array along some axes are 1 or 0, as those of what was normalised are."""
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
    """Yield the kind, and scale, a, terms and is_mean, of what makes h out of u."""
    one = np.ones_like(h)

    def is_same(a: Array) -> bool:
        return bool((np.ptp(a, axis=axes) <= 1e-9 * np.abs(a).max(axis=axes)).all())

    if "sum" in marks and (h > 0).all() and is_same(np.exp(np.log(h) - u)):
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
                yield kind, h / u, one, [term], mark.startswith("mean")
    spread = (u - u.mean(axis=axes, keepdims=True)) / h
    if {"mean", "mean of squares"} <= marks and is_same(spread):
        yield "standardisation", 1 / spread, one, [(one, one), (h, h)], True


def _subsets(ndim: int) -> list[tuple[int, ...]]:
    return [axes for n in range(1, ndim + 1) for axes in combinations(range(ndim), n)]
