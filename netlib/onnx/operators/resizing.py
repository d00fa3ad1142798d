"""Images of another size: interpolation, and channels that become pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...arrays import Array
from ...layers import Einsum, PixelShuffle, Reshape, Take, Transpose, Upsample
from ..operator import Operator
from ..values import constant_node
from .owning import known

MAX_MATRIX = 1 << 22
"""The most elements of the matrix that resizes an axis."""
LETTERS = "abcdefgh"


def resize(op: Operator) -> Any:
    """Translate Resize: as `Upsample`, or else as a constant matrix for each axis."""
    op.only(antialias=0, extrapolation_value=0.0)
    scales = _scales(op)
    coordinates = op.get("coordinate_transformation_mode", "asymmetric" if op.version < 11 else "half_pixel")
    kind = op.get("mode", "nearest"), coordinates, op.get("nearest_mode", "floor" if op.version < 11 else "round_prefer_floor")
    if set(scales) <= set(range(2, op.rank(0))) and _is_upsample(kind, [scale for scale, _ in scales.values()]):
        numbers = [scales[axis][0] if axis in scales else 1 for axis in range(2, op.rank(0))]
        scale = numbers[0] if len(set(numbers)) == 1 else tuple(numbers)
        return Upsample(scale, "nearest" if kind[0] == "nearest" else "linear")(op.node(0))
    y = op.node(0)
    for axis, (scale, m) in scales.items():
        (n,) = known(op, 0, axis)
        if n * m > MAX_MATRIX:
            op.refuse(f"resizes axis {axis} from {n} to {m} in a way that takes a matrix of {n * m} elements")
        matrix = _matrix(op, kind, n, m, scale, _region(op, axis, list(scales)))
        before = LETTERS[: op.rank(0)]
        product = f"{before},z{before[axis]}->{before[:axis]}z{before[axis + 1 :]}"
        y = Einsum(product)(y, constant_node(matrix.astype(op.dtype(0))))
    return y


def _is_upsample(kind: tuple[str, str, str], scales: list[float]) -> bool:
    """Return whether `Upsample` has exactly this interpolation."""
    mode, coordinates, rounding = kind
    if mode == "linear":
        return coordinates == "half_pixel" or (coordinates == "pytorch_half_pixel" and min(scales) >= 1)
    is_whole = all(scale >= 1 and scale == int(scale) for scale in scales)
    if coordinates == "asymmetric" and rounding == "floor":
        return mode == "nearest" and is_whole
    return mode == "nearest" and coordinates == "half_pixel" and rounding in ("round_prefer_floor", "round_prefer_ceil") and is_whole


def _scales(op: Operator) -> dict[int, tuple[float, int]]:
    """Return the factor and new length of each axis that changes, -1 if the length is free."""
    if op.op_type == "Upsample" and op.version < 9:
        given: Any = op.get("scales")
    else:
        at = 1 if op.version < 11 else 2
        given = op.constant(at).tolist() if op.has(at) and op.shape(at) != (0,) else None
    axes = [axis % op.rank(0) for axis in op.get("axes", range(op.rank(0)))]
    if given is not None:
        factors = dict(zip(axes, map(float, given), strict=True))
        lengths = {axis: math.floor(n * factors[axis]) if (n := op.shape(0)[axis]) is not None else -1 for axis in axes}
    else:
        known_sizes = op.partial(3)
        sizes = op.constant(3) if known_sizes is None else known_sizes  # refuses
        factors, lengths = _factors(op, dict(zip(axes, sizes.tolist(), strict=True)))
    is_cropped = op.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    return {axis: (factors[axis], lengths[axis]) for axis in sorted(axes) if factors[axis] != 1 or is_cropped}


def _factors(op: Operator, sizes: dict[int, float]) -> tuple[dict[int, float], dict[int, int]]:
    """Return the factor and the new length of each axis, with the policy for the aspect ratio."""
    old = dict(zip(sizes, [op.shape(0)[axis] for axis in sizes], strict=True))
    free = {axis for axis, n in old.items() if n is None or math.isnan(sizes[axis])}
    if any(axis > 1 for axis in free):
        op.refuse("gives sizes for axes of free lengths: export it with scales")
    factors = {axis: 1.0 if n is None or axis in free else sizes[axis] / n for axis, n in old.items()}
    policy = op.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        factor = (min if policy == "not_larger" else max)(factors[axis] for axis in factors if axis not in free)
        factors = {axis: 1.0 if axis in free else factor for axis in factors}
        sizes = {axis: math.floor(factors[axis] * (n or 0) + 0.5) for axis, n in old.items()}
    return factors, {axis: -1 if axis in free else int(size) for axis, size in sizes.items()}


def _region(op: Operator, axis: int, axes: list[int]) -> tuple[float, float]:
    """Return the part of an axis, from 0 to 1, that is resized."""
    if op.get("coordinate_transformation_mode") != "tf_crop_and_resize":
        return 0.0, 1.0
    roi = op.constant(1)
    order = [each % op.rank(0) for each in op.get("axes", range(op.rank(0)))]
    place = order.index(axis)
    return float(roi[place]), float(roi[place + len(order)])


def _matrix(op: Operator, kind: tuple[str, str, str], n: int, m: int, scale: float, region: tuple[float, float]) -> Array:
    """Return the matrix (m, n) whose rows are the weights of the pixels of x in those of y."""
    mode, coordinates, rounding = kind
    if coordinates not in COORDINATES:
        op.refuse(f"has coordinate_transformation_mode={coordinates!r}, expected one of {', '.join(COORDINATES)}")
    i = np.arange(m, dtype=np.float64)
    place = COORDINATES[coordinates](i, n, m, scale, region)
    if mode == "nearest":
        if rounding not in ROUNDING:
            op.refuse(f"has nearest_mode={rounding!r}, expected one of {', '.join(ROUNDING)}")
        pixels, weights = ROUNDING[rounding](place)[:, None], np.ones((m, 1))
    elif mode == "linear":
        place = place.clip(0, n - 1)
        left = np.floor(place)
        pixels, weights = np.stack([left, left + 1], 1), np.stack([1 - (place - left), place - left], 1)
    elif mode == "cubic":
        pixels, weights = _cubic(place, op.get("cubic_coeff_a", -0.75))
        if op.get("exclude_outside"):
            weights = weights * ((pixels >= 0) & (pixels < n))
            weights = weights / weights.sum(axis=1, keepdims=True)
    else:
        op.refuse(f"has mode={mode!r}, expected 'nearest', 'linear' or 'cubic'")
    matrix = np.zeros((m, n))
    np.add.at(matrix, (np.arange(m)[:, None], pixels.clip(0, n - 1).astype(int)), weights)
    return matrix


def _cubic(place: Array, a: float) -> tuple[Array, Array]:
    """Return the four pixels around each place, and their weights (Keys, 1981)."""
    left = np.floor(place)
    d = (place - left)[:, None] + [1, 0, -1, -2]
    r = np.abs(d)
    weights = np.where(r <= 1, (a + 2) * r**3 - (a + 3) * r**2 + 1, a * (r**3 - 5 * r**2 + 8 * r - 4))
    return left[:, None] + [-1, 0, 1, 2], weights


def _half_pixel(i: Array, n: int, m: int, scale: float, region: tuple[float, float]) -> Array:
    return (i + 0.5) / scale - 0.5


def _symmetric(i: Array, n: int, m: int, scale: float, region: tuple[float, float]) -> Array:
    return n / 2 * (1 - m / (scale * n)) + (i + 0.5) / scale - 0.5


def _region_of(i: Array, n: int, m: int, scale: float, region: tuple[float, float]) -> Array:
    start, end = region
    return start * (n - 1) + i * (end - start) * (n - 1) / (m - 1) if m > 1 else i + (start + end) * (n - 1) / 2


COORDINATES: dict[str, Callable[[Array, int, int, float, tuple[float, float]], Array]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": lambda i, n, m, scale, region: _half_pixel(i, n, m, scale, region) if m > 1 else 0 * i,
    "align_corners": lambda i, n, m, scale, region: i * (n - 1) / (n * scale - 1) if m > 1 else 0 * i,
    "asymmetric": lambda i, n, m, scale, region: i / scale,
    "tf_half_pixel_for_nn": lambda i, n, m, scale, region: (i + 0.5) / scale,
    "tf_crop_and_resize": _region_of,
}
ROUNDING: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda place: np.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: np.floor(place + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def depth_to_space(op: Operator) -> Any:
    """Translate DepthToSpace: as `PixelShuffle`, after reordering the channels."""
    factor = op.get("blocksize")
    x = op.node(0)
    if op.get("mode", "DCR") == "DCR":
        (channels,) = known(op, 0, 1)
        order = np.arange(channels).reshape(factor * factor, -1).T.ravel()
        x = Take(1)(x, constant_node(order))
    return PixelShuffle(factor)(x)


def space_to_depth(op: Operator) -> Any:
    """Translate SpaceToDepth."""
    r = op.get("blocksize")
    channels, h, w = known(op, 0, 1, 2, 3)
    if h % r or w % r:
        op.refuse(f"has blocksize={r}, which must divide {h} and {w}")
    order = (0, 1, 3, 5, 2, 4) if op.get("mode", "DCR") == "CRD" else (0, 3, 5, 1, 2, 4)
    blocks = Reshape((-1, channels, h // r, r, w // r, r))(op.node(0))
    return Reshape((-1, channels * r * r, h // r, w // r))(Transpose(order)(blocks))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Resize": resize,
    "Upsample": resize,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
}
