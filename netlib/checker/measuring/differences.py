"""Derivatives by differences of forward, with estimates of their noise, and kinks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...arrays import Array
from ...execution import without_caching
from ..blocks import blocks, slices
from ..guards import UserCodeError
from ..twin import Twin

SHRINK = 8.0
VAGUE, UNKNOWN = 1e-3, 0.3
"""Noise relative to the terms of a slope: where a longer step is better, and where all is noise."""
FAR = 0.04
"""The longest step of an extrapolation, relative to an element or 1."""
LONG_STEP = 1000.0
"""Times the usual step, to see whether an output depends on an element at all."""


class Slopes:
    """Slopes of Σ dout · y by each element of one array; flat arrays, NaN where unknown."""

    def __init__(self, size: int, n_outputs: int) -> None:
        self.slope = np.full(size, np.nan)
        self.noise = np.zeros(size)
        self.terms: dict[int, float] = {}
        """For each measured element, the sum of the absolute values that add up to its slope."""
        self.sides: dict[int, tuple[float, float]] = {}
        """For elements at a kink, the least and the largest slope that a choice there can give."""
        self.is_kink = np.zeros(size, bool)
        self.is_measured = np.zeros(size, bool)
        self.jacobian = np.full((size, n_outputs), np.nan) if size * n_outputs <= 1_000_000 else None
        """∂y/∂(element), a row for each element; None where too large."""

    def is_vague(self, limit: float, elements: Array) -> Array:
        """Return for which elements the noise is above this share of the terms of their slopes."""
        return np.asarray(self.noise[elements] > limit * self.sizes(elements))

    def sizes(self, elements: Array) -> Array:
        """Return the sizes of the terms of the slopes of these elements, 0 where not measured."""
        return np.array([self.terms.get(i, 0.0) for i in elements.tolist()])


class Differences:
    """Central and one-sided differences of a layer's outputs, at steps that fit the floating type.

    Parameters
    ----------
    twin : Twin
        The layer; its slots are changed and restored.
    dout : sequence of ndarray
        The weights of the outputs.
    eps : float
        The relative spacing of the numbers that the layer computes in.
    ys : sequence of ndarray, optional
        The outputs, if known.
    """

    def __init__(self, twin: Twin, douts: Sequence[Array], eps: float, ys: Sequence[Array] | None = None) -> None:
        self.twin = twin
        self.dout = _joined(douts)
        self.eps = eps
        self.step = 2 * eps ** (1 / 3)
        self.relative = relative_error(eps)
        self.refusal = ""
        """What forward last raised at moved inputs."""
        self.y = np.array(self.outputs()) if ys is None else _joined(ys)

    @property
    def least_slope(self) -> float:
        """The size of a slope that no step shows: it is less than the spacing of outputs."""
        weight = sum(float(np.abs(d) @ np.abs(y)) for d, y in blocks(self.dout, self.y))
        return float(self.eps * weight / (LONG_STEP * self.step))

    def outputs(self) -> Array:
        """Return all outputs of a forward in one flat array; NaN where forward raises.

        The array may be the layer's own.
        """
        try:
            ys = self.twin.forward(keep_parameters=True)
        except UserCodeError as raised:
            self.refusal = str(raised)
            return np.full(self.dout.size, np.nan)
        if self.twin.writes_parameters:
            self.twin.restore_parameters()
        return _joined(ys)

    def around(self, flat: Array, elements: Array, scale: float, into: Array | None = None) -> tuple[Array, Array, Array, Array]:
        """Return the changes of the outputs a step up and down, by element, and both steps.

        The changes may be written `into` an array of shape (2, elements or more, outputs).
        """
        above, below = np.empty((2, len(elements), self.y.size)) if into is None else into[:, : len(elements)]
        widths = np.empty((2, len(elements)))
        with without_caching(evaluates=False):
            for row, i in enumerate(elements):
                kept = flat[i]
                h = self.step * scale * max(1.0, abs(float(kept)))
                try:
                    flat[i] = kept + h
                    widths[0, row] = flat[i] - kept
                    above[row] = self.outputs()
                    flat[i] = kept - h
                    widths[1, row] = kept - flat[i]
                    below[row] = self.outputs()
                finally:
                    flat[i] = kept
        above -= self._uncached_y
        below -= self._uncached_y
        return above, below, widths[0], widths[1]

    @cached_property
    def _uncached_y(self) -> Array:
        """The outputs of a forward without caching, whose last digits may differ."""
        with without_caching(evaluates=False):
            y = self.outputs()
        return self.y if np.array_equal(y, self.y) else y.copy()

    def rounding_noise(self, above: Array, moved: Array, width: Array, at: Array | slice) -> Array:
        """Return the rounding error of a central difference that moves these outputs."""
        weight = np.abs(self.dout[at])
        return np.asarray((moved @ (weight * np.abs(self.y[at])) + self.eps * (np.abs(above) @ weight)) * self.eps / width)

    def _noise(self, above: Array, width: Array, at: Array) -> float:
        """Return the rounding error of one central difference that moves these outputs."""
        return float(self.rounding_noise(above[:, at], np.ones((1, at.size)), width, at)[0])

    def measure(self, name: str, elements: Array, into: Slopes) -> None:
        """Fill in central differences for these elements, block by block."""
        flat = self.twin.slots[name].reshape(-1)
        block = max(1, min(256, 1_000_000 // max(1, self.y.size)))
        changes = np.empty((2, min(block, len(elements)), self.y.size))
        for start in range(0, len(elements), block):
            part = elements[start : start + block]
            above, below, up, down = self.around(flat, part, 1.0, changes)
            with np.errstate(all="ignore"):
                slope, noise, bend, size = np.zeros((4, len(part)))
                if into.jacobian is not None:
                    into.jacobian[part] = 0
                for outputs in slices(self.y.size):
                    moved = _has_moved(above[:, outputs], below[:, outputs])
                    some = np.flatnonzero(moved.any(axis=0))  # a few, where the layer is elementwise
                    at = outputs.start + some
                    a, b, dout = above[:, at], below[:, at], self.dout[at]
                    right, left = a / up[:, None], b / down[:, None]
                    rows = (a - b) / (up + down)[:, None]
                    slope += rows @ dout
                    noise += self.rounding_noise(a, moved[:, some], (up + down) / 2, at)
                    bend += np.abs((right + left) * dout).sum(axis=1)
                    size += np.abs(right * dout).sum(axis=1) + np.abs(left * dout).sum(axis=1)
                    if into.jacobian is not None:
                        into.jacobian[part[:, None], at] = rows
                into.is_measured[part] = True
                into.slope[part] = slope
                into.noise[part] = noise
                into.terms.update(zip(part.tolist(), (size / 2).tolist(), strict=True))
                into.is_kink[part] = bend > 0.01 * size + 4 * into.noise[part]  # `refine` decides

    def refine(self, name: str, elements: Array, into: Slopes) -> None:
        """Fill in slopes with error estimates, or kinks, from smaller and smaller steps."""
        flat = self.twin.slots[name].reshape(-1)
        for i in elements:
            with np.errstate(all="ignore"):
                self._refine_one(flat, int(i), into)
            if not np.isfinite(into.noise[i]):
                into.slope[i] = np.nan

    def _refine_one(self, flat: Array, i: int, into: Slopes) -> None:
        one = np.array([i])
        best, rounding = np.inf, 0.0
        before: tuple[float, float, float] | None = None
        kinks = 0
        into.is_kink[i] = False
        first = first_scale = np.nan
        is_vague = into.noise[i] > VAGUE * into.terms.get(i, 0.0)
        scales = [SHRINK**-k for k in (range(-4, 1) if is_vague else range(8) if self.eps < 1e-12 else range(-1, 3))]
        moved = _has_moved(*self.around(flat, one, LONG_STEP)[:2])
        for scale in scales:
            above, below, up, down = self.around(flat, one, scale)
            moved |= _has_moved(above, below)  # what moves at a longer step is rounded at this one, too
            at = np.flatnonzero(moved)
            dout = self.dout[at]
            right, left = above[0, at] / up[0], -below[0, at] / down[0]
            row = (above[0, at] - below[0, at]) / (up[0] + down[0])
            slope, noise = float(row @ dout), self._noise(above, (up + down) / 2, at)
            if not np.isfinite(slope):  # forward is defined on one side
                side = above if np.isfinite(right @ dout) else below
                row = right = left = right if side is above else left
                slope, noise = float(row @ dout), self._noise(side, up, at)
            total = float(np.abs(right - left) @ np.abs(dout))
            scale_of_slopes = float((np.abs(right) + np.abs(left)) @ np.abs(dout))
            first, first_scale = (slope, scale_of_slopes) if np.isnan(first) else (first, first_scale)
            if before is not None:
                old_slope, old_noise, old_total = before
                error = abs(slope - old_slope) + noise + old_noise
                if error < best or not np.isfinite(into.slope[i]):
                    best, rounding = error, noise + old_noise
                    into.slope[i], into.noise[i], into.terms[i] = slope, error, scale_of_slopes / 2
                    if into.jacobian is not None:
                        into.jacobian[i] = 0
                        into.jacobian[i, at] = row
                kinks = kinks + 1 if total > 0.4 * old_total and total > 1e-4 * scale_of_slopes + 16 * noise else 0
                if kinks >= 2:
                    a, b = right * dout, left * dout
                    into.is_kink[i] = True
                    into.sides[i] = float(np.minimum(a, b).sum()) - 4 * noise, float(np.maximum(a, b).sum()) + 4 * noise
                else:
                    into.is_kink[i] = False
                    if best < 1e-7 * abs(slope) and total < 0.01 * scale_of_slopes:
                        return
            before = slope, noise, total
            del above, below
        if into.is_kink[i]:
            has_none = scale_of_slopes > 20 * first_scale  # as of the root of |x| at 0
        else:
            is_steeper = abs(slope) > 20 * abs(first) and not best < 0.1 * abs(into.slope[i])  # and steeper, as of a root at 0
            never_settles = best > 0.02 * abs(into.slope[i]) and best > 50 * rounding  # as of x log x at 0
            has_none = is_steeper or never_settles
        if has_none:
            into.slope[i], into.is_kink[i] = np.nan, False

    def far_slopes(self, name: str, elements: Array) -> tuple[Array, Array]:
        """Return slopes from long steps, and their errors: the coarse behaviour of forward.

        Three steps are extrapolated to zero (Romberg).
        """
        flat = self.twin.slots[name].reshape(-1)
        slopes = []
        for times in (1, 2, 4):
            above, below, up, down = self.around(flat, elements, FAR / self.step / times)
            slopes.append((above - below) @ self.dout / (up + down))
        first, second = (4 * slopes[1] - slopes[0]) / 3, (4 * slopes[2] - slopes[1]) / 3
        best = (16 * second - first) / 15
        return best, np.abs(best - second)

    def along(self, name: str, direction: Array, yours: Array, scale: float = 1.0) -> tuple[float, float, float]:
        """Return the slope of Σ dout · y along a direction of the whole array, and its noise.

        The third result is the slope of your gradient along the same direction, after rounding.
        """
        array = self.twin.slots[name].reshape(-1)
        direction = direction.reshape(-1)
        kept, moved = array.copy(), np.zeros(self.y.size, bool)
        slope = noise = mine = 0.0
        h = self.step * scale * max(1.0, float(np.linalg.norm(kept)) / max(1, kept.size) ** 0.5)
        try:
            for step in (h, -h):
                for part in slices(array.size):
                    array[part] = kept[part] + step * direction[part]
                    mine += float(yours[part] @ (array[part] - kept[part])) / (2 * step)
                y = self.outputs()
                for part in slices(self.y.size):
                    change = y[part] - self.y[part]
                    slope += float(change @ self.dout[part]) / (2 * step)
                    moved[part] |= change != 0
                    noise += float(self.rounding_noise(change[None], moved[None, part], np.array([2 * h]), part)[0])
                del y
        finally:
            array[...] = kept
        return slope, noise, mine


def _joined(arrays: Sequence[Any]) -> Array:
    """Return all numbers in one flat array, if possible without a copy."""
    flat = [np.asarray(a, float).ravel() for a in arrays]
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def _has_moved(above: Array, below: Array) -> Array:
    return np.asarray((above != 0) | (below != 0))


def relative_error(eps: float) -> float:
    """Return the relative error that a difference may have in numbers of this spacing."""
    return float(min(0.2, max(1e-6, 100 * eps ** (2 / 3))))


def epsilon(arrays: Sequence[Any]) -> float:
    """Return the relative spacing of the coarsest floating type among these arrays."""
    return max((float(np.finfo(a.dtype).eps) for a in map(np.asarray, arrays) if a.dtype.kind == "f"), default=float(np.finfo(float).eps))
