"""Derivatives by differences of forward, with estimates of their noise, and kinks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
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
    """Slopes of Σ dout · y by each element of one array; flat arrays, NaN where not known."""

    def __init__(self, size: int, n_outputs: int) -> None:
        self.slope = np.full(size, np.nan)
        self.noise = np.zeros(size)
        self.size = np.zeros(size)
        """Of the terms that add up to the slope, the sum of the absolute values."""
        self.low = np.full(size, np.nan)
        self.high = np.full(size, np.nan)
        self.is_kink = np.zeros(size, bool)
        self.is_measured = np.zeros(size, bool)
        self.jacobian = np.full((size, n_outputs), np.nan) if size * n_outputs <= 1_000_000 else None
        """∂y/∂(element), a row for each element; None where too large."""

    def is_vague(self, limit: float) -> Array:
        """Return which slopes have noise above this share of the terms that they are made of."""
        return np.asarray(self.noise > limit * self.size)


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
        self.dout = np.concatenate([np.asarray(d, float).ravel() for d in douts])
        self.eps = eps
        self.step = 2 * eps ** (1 / 3)
        self.relative = relative_error(eps)
        self.refusal = ""
        """What forward last raised at moved inputs."""
        self.y = self.outputs() if ys is None else np.concatenate([np.asarray(y, float).ravel() for y in ys])

    @property
    def least_slope(self) -> float:
        """The size of a slope that no step shows, since it is less than the spacing of outputs."""
        return float(self.eps * (np.abs(self.dout) @ np.abs(self.y)) / (LONG_STEP * self.step))

    def outputs(self) -> Array:
        """Return all outputs of a forward in one flat array; NaN where forward raises."""
        try:
            ys = self.twin.forward(keep_parameters=True)
        except UserCodeError as raised:
            self.refusal = str(raised)
            return np.full(self.dout.size, np.nan)
        if self.twin.writes_parameters:
            self.twin.restore_parameters()
        if len(ys) == 1:
            return np.array(ys[0], float).ravel()
        return np.concatenate([np.asarray(y, float).ravel() for y in ys])

    def around(self, flat: Array, elements: Array, scale: float) -> tuple[Array, Array, Array, Array]:
        """Return the changes of the outputs a step up and down, by element, and both steps."""
        above = np.empty((len(elements), self.y.size))
        below = np.empty_like(above)
        widths = np.empty((2, len(elements)))
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
        above -= self.y
        below -= self.y
        return above, below, widths[0], widths[1]

    def rounding_noise(self, above: Array, below: Array, width: Array, moved: Array | None = None) -> Array:
        """Return the rounding error of a central difference; outputs that never move have none."""
        moved = _has_moved(above, below) if moved is None else moved
        weight = np.abs(self.dout) * np.abs(self.y)
        return np.asarray((moved @ weight + self.eps * (np.abs(above) @ np.abs(self.dout))) * self.eps / width)

    def measure(self, name: str, elements: Array, into: Slopes) -> None:
        """Fill in central differences for these elements, block by block."""
        flat = self.twin.slots[name].reshape(-1)
        block = max(1, min(256, 1_000_000 // max(1, self.y.size)))
        for start in range(0, len(elements), block):
            part = elements[start : start + block]
            above, below, up, down = self.around(flat, part, 1.0)
            with np.errstate(all="ignore"):
                rows = (above - below) / (up + down)[:, None]
                into.is_measured[part] = True
                into.slope[part] = rows @ self.dout
                into.noise[part] = self.rounding_noise(above, below, (up + down) / 2)
                bend = np.abs((above / up[:, None] + below / down[:, None]) * self.dout).sum(axis=1)
                size = np.abs(above / up[:, None] * self.dout).sum(axis=1) + np.abs(below / down[:, None] * self.dout).sum(axis=1)
                into.size[part] = size / 2
                into.is_kink[part] = bend > 0.01 * size + 4 * into.noise[part]  # `refine` decides
            if into.jacobian is not None:
                into.jacobian[part] = rows

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
        before: tuple[float, float, Array, Array] | None = None
        kinks = 0
        into.is_kink[i] = False
        first = first_scale = np.nan
        is_vague = into.noise[i] > VAGUE * into.size[i]
        scales = [SHRINK**-k for k in (range(-4, 1) if is_vague else range(8) if self.eps < 1e-12 else range(-1, 3))]
        moved = _has_moved(*self.around(flat, one, LONG_STEP)[:2])
        for scale in scales:
            above, below, up, down = self.around(flat, one, scale)
            moved |= _has_moved(above, below)  # what moves at a longer step is rounded at this one, too
            right, left = above[0] / up[0], -below[0] / down[0]
            row = (above[0] - below[0]) / (up[0] + down[0])
            slope, noise = float(row @ self.dout), float(self.rounding_noise(above, below, (up + down) / 2, moved)[0])
            bend = np.abs(right - left) * np.abs(self.dout)
            if not np.isfinite(slope):
                slope, right, left, row = _one_sided(right, left, self.dout)
                noise = float(self.rounding_noise((row * up)[None], (row * up)[None], up, moved)[0])
                bend = np.zeros_like(right)
            scale_of_slopes = float((np.abs(right) + np.abs(left)) @ np.abs(self.dout))
            first, first_scale = (slope, scale_of_slopes) if np.isnan(first) else (first, first_scale)
            if before is not None:
                old_slope, old_noise, old_bend, _ = before
                error = abs(slope - old_slope) + noise + old_noise
                if error < best or not np.isfinite(into.slope[i]):
                    best, rounding = error, noise + old_noise
                    into.slope[i], into.noise[i], into.size[i] = slope, error, scale_of_slopes / 2
                    if into.jacobian is not None:
                        into.jacobian[i] = row
                total, old_total = float(bend.sum()), float(old_bend.sum())
                kinks = kinks + 1 if total > 0.4 * old_total and total > 1e-4 * scale_of_slopes + 16 * noise else 0
                if kinks >= 2:
                    a, b = right * self.dout, left * self.dout
                    into.is_kink[i] = True
                    into.low[i], into.high[i] = float(np.minimum(a, b).sum()) - 4 * noise, float(np.maximum(a, b).sum()) + 4 * noise
                else:
                    into.is_kink[i] = False
                    if best < 1e-7 * abs(slope) and total < 0.01 * scale_of_slopes:
                        return
            before = slope, noise, bend, row
        if into.is_kink[i]:
            has_none = scale_of_slopes > 20 * first_scale  # as of the root of |x| at 0
        else:
            is_steeper = abs(slope) > 20 * abs(first) and not best < 0.1 * abs(into.slope[i])  # and steeper, as of a root at 0
            never_settles = best > 0.02 * abs(into.slope[i]) and best > 50 * rounding  # as of x log x at 0
            has_none = is_steeper or never_settles
        if has_none:
            into.slope[i], into.is_kink[i] = np.nan, False

    def far_slopes(self, name: str, elements: Array) -> tuple[Array, Array]:
        """Return slopes from long steps, and their errors: what forward is like, not in detail.

        Three steps are extrapolated to none (Romberg).
        """
        flat = self.twin.slots[name].reshape(-1)
        slopes = []
        for times in (1, 2, 4):
            above, below, up, down = self.around(flat, elements, FAR / self.step / times)
            slopes.append((above - below) @ self.dout / (up + down))
        first, second = (4 * slopes[1] - slopes[0]) / 3, (4 * slopes[2] - slopes[1]) / 3
        best = (16 * second - first) / 15
        return best, np.abs(best - second)

    def along(self, name: str, direction: Array, scale: float = 1.0) -> tuple[float, float, Array]:
        """Return the slope of Σ dout · y along a direction of the whole array, and its noise.

        The third result is the direction as it was after rounding.
        """
        array = self.twin.slots[name]
        kept = array.copy()
        h = self.step * scale * max(1.0, float(np.linalg.norm(kept)) / max(1, kept.size) ** 0.5)
        try:
            array[...] = kept + h * direction
            rounded = array - kept
            above = self.outputs() - self.y
            array[...] = kept - h * direction
            rounded += kept - array
            below = self.outputs() - self.y
        finally:
            array[...] = kept
        slope = float((above - below) @ self.dout) / (2 * h)
        noise = float(self.rounding_noise(above[None], below[None], np.array([h]))[0])
        return slope, noise, rounded / (2 * h)


def _has_moved(above: Array, below: Array) -> Array:
    return np.asarray((above != 0) | (below != 0))


def _one_sided(right: Array, left: Array, dout: Array) -> tuple[float, Array, Array, Array]:
    """Return the slope from the side on which forward is defined."""
    side = right if np.isfinite(right @ dout) else left
    return float(side @ dout), side, side, side


def relative_error(eps: float) -> float:
    """Return the relative error that a difference may have in numbers of this spacing."""
    return float(min(0.2, max(1e-6, 100 * eps ** (2 / 3))))


def epsilon(arrays: Sequence[Any]) -> float:
    """Return the relative spacing of the coarsest floating type among these arrays."""
    return max((float(np.finfo(a.dtype).eps) for a in map(np.asarray, arrays) if a.dtype.kind == "f"), default=float(np.finfo(float).eps))
