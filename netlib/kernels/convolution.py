"""Convolution and a following ReLU, forward and backward.

Images are (N, D, H, W, C), with the channels last in memory; fewer axes have length 1. `geometry`
has the rows kernel, stride, dilation, border before, and positions, for D, H and W. `weight` is
(outputs, channels, places in the kernel), and y is (N, positions, outputs).

The patches under the kernel, as the rows of a matrix, times the weight are the outputs. NumPy
copies the patches of a few samples at a time; the loops read them where they are in the image.

The gradient of x is a convolution, too: of `dout` with the kernel reversed. In between the numbers
of `dout` there are stride − 1 zeros, and a border around them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..arrays import Array, Shape
from .constants import ones, zero
from .kernel import Kernel, helper
from .tile import ROWS, VECTOR, multiply_tile

BLOCK = 1 << 20
"""The most bytes of patches that NumPy copies at a time, unless a single sample has more."""


@Kernel
def convolve(x: Array, weight: Array, bias: Array, y: Array, positive: Array, geometry: Array) -> None:
    """Write the convolution into y, with `positive` after ``max(…, 0)``. NaN stays NaN.

    `positive` (N, positions, outputs) tells which are positive. If it is empty, there is no ReLU.
    """
    kernel, strides, dilations, before, positions = geometry.tolist()
    rows = np.ascontiguousarray(weight.transpose(2, 1, 0)).reshape(-1, len(bias))
    for block in _blocks(x, weight, geometry):
        patches = _patches(_padded(x[block], geometry), kernel, strides, dilations, positions)
        out = y[block].reshape(-1, len(bias))
        np.dot(patches, rows, out=out)
        np.add(out, bias, out=out)
        if positive.size:
            np.greater(y[block], zero(y.dtype), out=positive[block])
            np.maximum(out, zero(y.dtype), out=out)


@Kernel
def convolve_backward(
    dout: Array, positive: Array, x: Array, weight: Array, dweight: Array, dbias: Array, dx: Array, geometry: Array
) -> None:
    """Write the gradients of weight, bias and x. If `dx` is empty, the last is not needed."""
    kernel, strides, dilations, _, positions = geometry.tolist()
    n_outputs, channels, n_places = weight.shape
    shift, origin, lengths = (each.tolist() for each in spread_lengths(x.shape[1:4], geometry))
    reverse = np.ascontiguousarray(weight[:, :, ::-1].transpose(2, 0, 1)).reshape(-1, channels)
    inside = (slice(None), *(slice(a, a + s * (p - 1) + 1, s) for a, s, p in zip(shift, strides, positions, strict=True)))
    beyond = (slice(None), *(slice(o, None) for o in origin))
    total = np.zeros((channels * n_places, n_outputs), x.dtype)
    dbias[...] = 0
    for block in _blocks(x, weight, geometry):
        rows = dout[block].reshape(-1, n_outputs)
        if positive.size:
            rows = rows * positive[block].reshape(rows.shape)
        dbias += ones(len(rows), rows.dtype).dot(rows)
        patches = _patches(_padded(x[block], geometry), kernel, strides, dilations, positions)
        total += np.dot(patches.T, rows)
        if dx.size:
            spread = np.zeros((len(x[block]), *lengths, n_outputs), x.dtype)
            spread[inside] = rows.reshape(-1, *positions, n_outputs)
            patches = _patches(spread[beyond], kernel, [1, 1, 1], dilations, x.shape[1:4])
            np.dot(patches, reverse, out=dx[block].reshape(-1, channels))
    dweight[...] = total.reshape(n_places, channels, n_outputs).transpose(2, 1, 0)


def _blocks(x: Array, weight: Array, geometry: Array) -> list[slice]:
    """Return the slices of samples whose patches are copied together."""
    n_outputs, channels, n_places = weight.shape
    in_sample = n_places * max(channels * math.prod(geometry[4].tolist()), n_outputs * math.prod(x.shape[1:4]))
    n = max(1, BLOCK // (in_sample * x.itemsize))
    return [slice(start, start + n) for start in range(0, len(x), n)]


def _padded(x: Array, geometry: Array) -> Array:
    """Return `x` in a border of zeros."""
    lengths = padded_lengths(x.shape[1:4], geometry).tolist()
    padded = np.zeros((len(x), *lengths, x.shape[4]), x.dtype)
    inside = (slice(before, before + n) for before, n in zip(geometry[3].tolist(), x.shape[1:4], strict=True))
    padded[(slice(None), *inside)] = x
    return padded


def _patches(x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], positions: Sequence[int]) -> Array:
    """Return a matrix with a row for each sample and position, and a column for each place and channel.

    The copy is made along the longer of the two in memory, which is faster.
    """
    n, *in_axes, one = x.strides
    at_positions = (n, *(s * stride for s, stride in zip(in_axes, strides, strict=True)))
    at_places = (*(d * stride for d, stride in zip(in_axes, dilations, strict=True)), one)
    n_rows, n_columns = (len(x), *positions), (*kernel, x.shape[4])
    if kernel[2] * x.shape[4] < positions[2]:
        columns = as_strided(x, (*n_columns, *n_rows), (*at_places, *at_positions)).copy()
        return columns.reshape(math.prod(n_columns), -1).T
    return as_strided(x, (*n_rows, *n_columns), (*at_positions, *at_places)).copy().reshape(-1, math.prod(n_columns))


@helper
def padded_lengths(lengths: Shape, geometry: Array) -> Array:
    """Return the lengths of an image with the border, and with what the last window covers."""
    padded = np.empty(3, np.int64)
    for axis in range(3):
        reach = (geometry[4, axis] - 1) * geometry[1, axis] + geometry[2, axis] * (geometry[0, axis] - 1) + 1
        padded[axis] = max(lengths[axis] + geometry[3, axis], reach)
    return padded


@helper
def spread_lengths(lengths: Shape, geometry: Array) -> tuple[Array, Array, Array]:
    """Return how `dout` is spread out for images of these `lengths`, for each axis.

    The first position is at `shift`, and the next one a stride later. The kernel for the first
    pixel begins at `origin`. Last, the lengths of the spread array.
    """
    shift, origin, spread = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    for axis in range(3):
        reach = geometry[2, axis] * (geometry[0, axis] - 1)
        lead = reach - geometry[3, axis]
        shift[axis] = max(lead, 0)
        origin[axis] = shift[axis] - lead
        last = shift[axis] + geometry[1, axis] * (geometry[4, axis] - 1)
        spread[axis] = max(last, lengths[axis] - 1 + reach + origin[axis]) + 1
    return shift, origin, spread


@helper
def offsets(counts: Shape, steps: Shape, first: int, multiple: int) -> Array:
    """Return where the elements of a block of four axes lie in memory, in order.

    The last one is repeated until their number is a multiple of `multiple`.
    """
    n = counts[0] * counts[1] * counts[2] * counts[3]
    found = np.empty((n + multiple - 1) // multiple * multiple, np.int64)
    at = 0
    for a in range(counts[0]):
        for b in range(counts[1]):
            for c in range(counts[2]):
                for d in range(counts[3]):
                    found[at] = first + a * steps[0] + b * steps[1] + c * steps[2] + d * steps[3]
                    at += 1
    found[n:] = found[n - 1]
    return found


@helper
def runs_of(geometry: Array, plane: int, line: int, channels: int) -> tuple[Array, int]:
    """Return where the numbers under the kernel begin, and how many lie side by side from there."""
    kd, kh, kw = geometry[0]
    dd, dh, dw = geometry[2]
    if dw == 1:
        return offsets((kd, kh, 1, 1), (dd * plane, dh * line, 0, 0), 0, 1), kw * channels
    return offsets((kd, kh, kw, 1), (dd * plane, dh * line, dw * channels, 0), 0, 1), channels


@helper
def write_image(x: Array, image: Array, lengths: Array, before: Array) -> None:
    """Write an image (D, H, W, C) into the vector of an image with a border."""
    depth, height, width, channels = x.shape
    for a in range(depth):
        for b in range(height):
            at = (((a + before[0]) * lengths[1] + b + before[1]) * lengths[2] + before[2]) * channels
            for e in range(width):
                for c in range(channels):
                    image[at + e * channels + c] = x[a, b, e, c]


@helper
def columns_of(n: int, itemsize: int) -> tuple[int, int]:
    """Return how many vector registers a tile is wide, and `n` rounded up to whole tiles."""
    lanes = VECTOR // itemsize
    vectors = 2 if n > lanes else 1
    return vectors, (n + vectors * lanes - 1) // (vectors * lanes) * vectors * lanes


@convolve.compiled(
    "void(const t[:, :, :, :, ::1], const t[:, :, ::1], const t[::1], t[:, :, ::1], boolean[:, :, ::1], const int64[:, ::1])"
)
def convolve_loops(x: Array, weight: Array, bias: Array, y: Array, positive: Array, geometry: Array) -> None:
    n_outputs, channels, n_places = weight.shape
    n_positions = y.shape[1]
    has_relu = positive.size > 0
    zero = x.dtype.type(0)
    lengths = padded_lengths(x.shape[1:4], geometry)
    line, plane = lengths[2] * channels, lengths[1] * lengths[2] * channels
    image = np.zeros(lengths[0] * plane, x.dtype)
    vectors, width = columns_of(n_outputs, x.itemsize)
    tile_width = vectors * (VECTOR // x.itemsize)
    rows, start = np.zeros(n_places * channels * width, x.dtype), np.zeros(width, x.dtype)
    start[:n_outputs] = bias
    for o in range(n_outputs):
        for c in range(channels):
            for k in range(n_places):
                rows[(k * channels + c) * width + o] = weight[o, c, k]
    counts, strides = geometry[4], geometry[1]
    at_positions = offsets(
        (counts[0], counts[1], counts[2], 1), (strides[0] * plane, strides[1] * line, strides[2] * channels, 0), 0, ROWS
    )
    runs, length = runs_of(geometry, plane, line, channels)
    in_rows = np.arange(len(runs)) * (length * width)
    out = np.empty(ROWS * tile_width, x.dtype)
    for m in range(len(x)):
        write_image(x[m], image, lengths, geometry[3])
        for o in range(0, width, tile_width):
            valid = min(tile_width, n_outputs - o)
            for p in range(0, n_positions, ROWS):
                multiply_tile(
                    out, 0, tile_width, start, o, 0, image, 0, at_positions, p, runs, rows, o, in_rows, length, 1, width, vectors
                )
                for i in range(min(ROWS, n_positions - p)):
                    if has_relu:
                        for j in range(valid):
                            v = out[i * tile_width + j]
                            positive[m, p + i, o + j] = v > zero
                            y[m, p + i, o + j] = zero if v <= zero else v
                    else:
                        for j in range(valid):
                            y[m, p + i, o + j] = out[i * tile_width + j]


@convolve_backward.compiled(
    "void(const t[:, :, ::1], const boolean[:, :, ::1], const t[:, :, :, :, ::1], const t[:, :, ::1],"
    " t[:, :, ::1], t[::1], t[:, :, :, :, ::1], const int64[:, ::1])"
)
def convolve_backward_loops(
    dout: Array, positive: Array, x: Array, weight: Array, dweight: Array, dbias: Array, dx: Array, geometry: Array
) -> None:
    n_outputs, channels, n_places = weight.shape
    depth, height, breadth = x.shape[1:4]
    zero, one = x.dtype.type(0), x.dtype.type(1)
    has_relu, needs_dx = positive.size > 0, dx.size > 0
    pd, ph, pw = geometry[4]
    sd, sh, sw = geometry[1]

    lengths = padded_lengths(x.shape[1:4], geometry)
    line, plane = lengths[2] * channels, lengths[1] * lengths[2] * channels
    image = np.zeros(lengths[0] * plane, x.dtype)
    shift, origin, in_spread = spread_lengths(x.shape[1:4], geometry)
    spread_line, spread_plane = in_spread[2] * n_outputs, in_spread[1] * in_spread[2] * n_outputs
    vectors, width = columns_of(n_outputs, x.itemsize)
    tile_width = vectors * (VECTOR // x.itemsize)
    spread = np.zeros(in_spread[0] * spread_plane + width, x.dtype)

    kd, kh, kw = geometry[0]
    dd, dh, dw = geometry[2]
    n_rows = n_places * channels
    at_rows = offsets((kd, kh, kw, channels), (dd * plane, dh * line, dw * channels, 1), 0, ROWS)
    x_runs = offsets((pd, ph, 1, 1), (sd * plane, sh * line, 0, 0), 0, 1)
    first = shift[0] * spread_plane + shift[1] * spread_line + shift[2] * n_outputs
    dout_runs = offsets((pd, ph, 1, 1), (sd * spread_plane, sh * spread_line, 0, 0), first, 1)
    total = np.zeros(len(at_rows) * width, x.dtype)

    vectors_of_x, width_of_x = columns_of(channels, x.itemsize)
    tile_of_x = vectors_of_x * (VECTOR // x.itemsize)
    reverse, nothing = np.zeros(n_places * n_outputs * width_of_x, x.dtype), np.zeros(width_of_x, x.dtype)
    for o in range(n_outputs):
        for c in range(channels):
            for k in range(n_places):
                reverse[((n_places - 1 - k) * n_outputs + o) * width_of_x + c] = weight[o, c, k]
    first = origin[0] * spread_plane + origin[1] * spread_line + origin[2] * n_outputs
    at_pixels = offsets((depth, height, breadth, 1), (spread_plane, spread_line, n_outputs, 0), first, ROWS)
    runs, length = runs_of(geometry, spread_plane, spread_line, n_outputs)
    in_reverse = np.arange(len(runs)) * (length * width_of_x)
    out = np.empty(ROWS * tile_of_x, x.dtype)
    n_pixels = depth * height * breadth
    douts = np.empty(n_outputs, x.dtype)

    dbias[:] = zero
    for m in range(len(x)):
        write_image(x[m], image, lengths, geometry[3])
        douts[:] = zero
        for p in range(pd * ph):
            for w in range(pw):
                at = dout_runs[p] + w * sw * n_outputs
                if has_relu:
                    for o in range(n_outputs):
                        # a product, so that a masked NaN stays NaN, as in NumPy
                        d = dout[m, p * pw + w, o] * (one if positive[m, p * pw + w, o] else zero)
                        spread[at + o] = d
                        douts[o] += d
                else:
                    for o in range(n_outputs):
                        d = dout[m, p * pw + w, o]
                        spread[at + o] = d
                        douts[o] += d
        for o in range(n_outputs):
            dbias[o] += douts[o]
        for o in range(0, width, tile_width):
            for k in range(0, n_rows, ROWS):
                at = k * width + o
                multiply_tile(
                    total, at, width, total, at, width, image, 0, at_rows, k, x_runs,
                    spread, o, dout_runs, pw, sw * channels, sw * n_outputs, vectors,
                )  # fmt: skip
        if needs_dx:
            pixels = dx[m].reshape(n_pixels, channels)
            for c in range(0, width_of_x, tile_of_x):
                for p in range(0, n_pixels, ROWS):
                    multiply_tile(
                        out, 0, tile_of_x, nothing, c, 0, spread, 0, at_pixels, p, runs,
                        reverse, c, in_reverse, length, 1, width_of_x, vectors_of_x,
                    )  # fmt: skip
                    for i in range(min(ROWS, n_pixels - p)):
                        for j in range(min(tile_of_x, channels - c)):
                            pixels[p + i, c + j] = out[i * tile_of_x + j]
    for o in range(n_outputs):
        for c in range(channels):
            for k in range(n_places):
                dweight[o, c, k] = total[(k * channels + c) * width + o]
