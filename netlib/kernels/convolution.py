"""Convolution and a following ReLU, forward and backward.

Images are (N, D, H, W, C), with the channels last in memory; fewer axes have length 1. `geometry`
has the rows kernel, stride, dilation, border before, and positions, for D, H and W. `weight` is
(outputs, channels, places in the kernel), and y is (N, positions, outputs).

The patches under the kernel, as the rows of a matrix, times the weight are the outputs. NumPy
copies the patches of a few samples at a time; the loops read them where they are in the image.

The gradient of x is a sum of patches, put back to where they were taken from. For the loops, it is
a convolution, too: of `dout`, in a border of zeros, with the kernel reversed.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..arrays import Array, Shape
from .constants import ones, zero
from .kernel import Kernel, helper
from .vectors import ROWS, VECTOR, multiply_tile

BLOCK = 1 << 22
"""The most bytes of patches that NumPy copies at a time, unless a single sample has more."""


@Kernel
def convolve(x: Array, weight: Array, bias: Array, y: Array, positive: Array, geometry: Array) -> None:
    """Write the convolution into y, with `positive` after ``max(…, 0)``. NaN stays NaN.

    `positive` (N, positions, outputs) tells which are positive. If it is empty, there is no ReLU.
    """
    rows = np.ascontiguousarray(weight.transpose(2, 1, 0)).reshape(-1, len(bias))
    biases = np.tile(bias, y.shape[1])  # one long row is faster than many short ones
    for block in _blocks(x, weight, geometry):
        patches = _patches(_padded(x[block], geometry), geometry)
        out = y[block]
        np.dot(patches, rows, out=out.reshape(-1, len(bias)))
        in_sample = out.reshape(len(out), -1)
        np.add(in_sample, biases, out=in_sample)
        if positive.size:
            np.greater(out, zero(y.dtype), out=positive[block])
            np.maximum(out, zero(y.dtype), out=out)


@Kernel
def convolve_backward(
    dout: Array, positive: Array, x: Array, weight: Array, dweight: Array, dbias: Array, dx: Array, geometry: Array
) -> None:
    """Write the gradients of weight, bias and x. If `dx` is empty, the last is not needed."""
    kernel, strides, dilations, before, positions = geometry.tolist()
    n_outputs, channels, n_places = weight.shape
    of_places = np.ascontiguousarray(weight.transpose(2, 0, 1))
    lengths = padded_lengths(x.shape[1:4], geometry).tolist()
    inside = (slice(None), *(slice(b, b + n) for b, n in zip(before, x.shape[1:4], strict=True)))
    total = np.zeros((channels * n_places, n_outputs), x.dtype)
    dbias[...] = 0
    for block in _blocks(x, weight, geometry):
        rows = dout[block].reshape(-1, n_outputs)
        if positive.size:
            rows = rows * positive[block].reshape(rows.shape)
        dbias += ones(len(rows), rows.dtype).dot(rows)
        total += _patches(_padded(x[block], geometry), geometry).T.dot(rows)
        if dx.size:
            padded = np.zeros((len(dx[block]), *lengths, channels), x.dtype)
            for place, of_place in zip(product(*map(range, kernel)), of_places, strict=True):
                axes = zip(place, strides, dilations, positions, strict=True)
                pixels = (slice(k * d, k * d + s * (p - 1) + 1, s) for k, s, d, p in axes)
                padded[(slice(None), *pixels)] += rows.dot(of_place).reshape(-1, *positions, channels)
            dx[block] = padded[inside]
    dweight[...] = total.reshape(n_places, channels, n_outputs).transpose(2, 1, 0)


def _blocks(x: Array, weight: Array, geometry: Array) -> list[slice]:
    """Return the slices of samples whose patches are copied together."""
    _, channels, n_places = weight.shape
    in_sample = n_places * channels * math.prod(geometry[4].tolist()) * x.itemsize
    n = max(1, BLOCK // in_sample)
    return [slice(start, start + n) for start in range(0, len(x), n)]


def _padded(x: Array, geometry: Array) -> Array:
    """Return `x` in a border of zeros."""
    lengths = padded_lengths(x.shape[1:4], geometry).tolist()
    padded = np.zeros((len(x), *lengths, x.shape[4]), x.dtype)
    inside = (slice(before, before + n) for before, n in zip(geometry[3].tolist(), x.shape[1:4], strict=True))
    padded[(slice(None), *inside)] = x
    return padded


def _patches(x: Array, geometry: Array) -> Array:
    """Return a matrix with a row for each sample and position, and a column for each place and channel.

    The copy is made along the longer of the two in memory, which is faster.
    """
    kernel, strides, dilations, _, positions = geometry.tolist()
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
def offsets(counts: Shape, steps: Shape, multiple: int) -> Array:
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
                    found[at] = a * steps[0] + b * steps[1] + c * steps[2] + d * steps[3]
                    at += 1
    for i in range(n, len(found)):
        found[i] = found[n - 1]
    return found


@helper
def write_image(x: Array, image: Array, lengths: Array, before: Array) -> None:
    """Write an image (D, H, W, C) into the vector of an image with a border."""
    depth, height, width, channels = x.shape
    for a in range(depth):
        for b in range(height):
            at = (((a + before[0]) * lengths[1] + b + before[1]) * lengths[2] + before[2]) * channels
            line, into = x[a, b].reshape(-1), image[at : at + width * channels]
            for i in range(line.size):
                into[i] = line[i]


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
    lengths = padded_lengths(x.shape[1:4], geometry)
    line, plane = lengths[2] * channels, lengths[1] * lengths[2] * channels
    image = np.zeros(lengths[0] * plane, x.dtype)
    vectors, width = columns_of(n_outputs, x.itemsize)
    step = vectors * (VECTOR // x.itemsize)
    rows, start = np.zeros(n_places * channels * width, x.dtype), np.zeros(width, x.dtype)
    start[:n_outputs] = bias
    for o in range(n_outputs):
        for c in range(channels):
            for k in range(n_places):
                rows[(k * channels + c) * width + o] = weight[o, c, k]

    kd, kh, kw = geometry[0]
    sd, sh, sw = geometry[1]
    dd, dh, dw = geometry[2]
    pd, ph, pw = geometry[4]
    at_positions = offsets((pd, ph, pw, 1), (sd * plane, sh * line, sw * channels, 0), ROWS)
    side_by_side = kw if dw == 1 else 1
    length = side_by_side * channels
    runs = offsets((kd, kh, kw // side_by_side, 1), (dd * plane, dh * line, dw * channels, 0), 1)
    in_rows = np.arange(len(runs)) * (length * width)
    out = np.empty(len(at_positions) * width, x.dtype)
    for m in range(len(x)):
        write_image(x[m], image, lengths, geometry[3])
        for o in range(0, width, step):
            for p in range(0, n_positions, ROWS):
                multiply_tile(
                    out, p * width + o, width, start, o, 0, image, 0, at_positions, p, runs,
                    rows, o, in_rows, length, 1, width, vectors,
                )  # fmt: skip
        if width == n_outputs:  # all rows are one vector, which makes longer loops
            finish_row(out, y[m].reshape(-1), positive, m, 0)
        else:
            for p in range(n_positions):
                finish_row(out[p * width :], y[m, p], positive, m, p * n_outputs)


@helper
def finish_row(row: Array, y: Array, positive: Array, m: int, at: int) -> None:
    """Write a row into y, with a following ReLU if there is a sample m of `positive` to write."""
    zero = y.dtype.type(0)
    if positive.size > 0:
        is_positive = positive[m].reshape(-1)[at : at + y.size]
        for i in range(y.size):
            v = row[i]
            is_positive[i] = v > zero
            y[i] = zero if v <= zero else v
    else:
        for i in range(y.size):
            y[i] = row[i]


@convolve_backward.compiled(
    "void(const t[:, :, ::1], const boolean[:, :, ::1], const t[:, :, :, :, ::1], const t[:, :, ::1],"
    " t[:, :, ::1], t[::1], t[:, :, :, :, ::1], const int64[:, ::1])"
)
def convolve_backward_loops(
    dout: Array, positive: Array, x: Array, weight: Array, dweight: Array, dbias: Array, dx: Array, geometry: Array
) -> None:
    n_outputs, channels, n_places = weight.shape
    kd, kh, kw = geometry[0]
    sd, sh, sw = geometry[1]
    dd, dh, dw = geometry[2]
    pd, ph, pw = geometry[4]
    lengths = padded_lengths(x.shape[1:4], geometry)
    line, plane = lengths[2] * channels, lengths[1] * lengths[2] * channels
    image = np.zeros(lengths[0] * plane, x.dtype)

    vectors, width = columns_of(n_outputs, x.itemsize)
    shift, with_border = border_of_dout(x.shape[1:4], geometry)
    dline, dplane = with_border[2] * n_outputs, with_border[1] * with_border[2] * n_outputs
    douts = np.zeros(with_border[0] * dplane + width, x.dtype)
    first = shift[0] * dplane + shift[1] * dline + shift[2] * n_outputs
    x_runs = offsets((pd, ph, 1, 1), (sd * plane, sh * line, 0, 0), 1)
    dout_runs = first + offsets((pd, ph, 1, 1), (dplane, dline, 0, 0), 1)
    at_rows = offsets((kd, kh, kw, channels), (dd * plane, dh * line, dw * channels, 1), ROWS)
    total, total_of_lines = np.zeros(len(at_rows) * width, x.dtype), np.zeros(pw * n_outputs, x.dtype)

    vectors_of_x, width_of_x = columns_of(channels, x.itemsize)
    reverse = np.zeros(n_places * n_outputs * width_of_x, x.dtype)
    for o in range(n_outputs):
        for c in range(channels):
            for k in range(n_places):
                reverse[((n_places - 1 - k) * n_outputs + o) * width_of_x + c] = weight[o, c, k]

    for m in range(len(x)):
        write_image(x[m], image, lengths, geometry[3])
        write_dout(dout[m].reshape(-1), positive, m, douts, dout_runs, total_of_lines)
        for o in range(0, width, vectors * (VECTOR // x.itemsize)):
            for k in range(0, n_places * channels, ROWS):
                at = k * width + o
                multiply_tile(
                    total, at, width, total, at, width, image, 0, at_rows, k, x_runs,
                    douts, o, dout_runs, pw, sw * channels, n_outputs, vectors,
                )  # fmt: skip
        if dx.size > 0:
            pixels = dx[m].reshape(-1)
            for a in range(sd):
                for b in range(sh):
                    for e in range(sw):
                        write_dx(pixels, x.shape[1:4], (a, b, e), douts, shift, dplane, dline, reverse, n_outputs, channels,
                                 width_of_x, vectors_of_x, geometry)  # fmt: skip
    dbias[:] = 0
    for i in range(total_of_lines.size):
        dbias[i % n_outputs] += total_of_lines[i]
    for o in range(n_outputs):
        for c in range(channels):
            for k in range(n_places):
                dweight[o, c, k] = total[(k * channels + c) * width + o]


@helper
def write_dout(dout: Array, positive: Array, m: int, douts: Array, runs: Array, total: Array) -> None:
    """Write ``dout * positive`` of sample m into lines that begin at `runs`, and add each to `total`."""
    n, one, zero = total.size, dout.dtype.type(1), dout.dtype.type(0)
    for k in range(len(runs)):
        into = douts[runs[k] : runs[k] + n]
        line = dout[k * n : k * n + n]
        if positive.size > 0:
            mask = positive[m].reshape(-1)[k * n : k * n + n]
            for i in range(n):
                # a product, so that a masked NaN stays NaN, as in NumPy
                d = line[i] * (one if mask[i] else zero)
                into[i] = d
                total[i] += d
        else:
            for i in range(n):
                into[i] = line[i]
                total[i] += line[i]


@helper
def border_of_dout(lengths: Shape, geometry: Array) -> tuple[Array, Array]:
    """Return the border that `dout` needs before it on each axis, and its lengths with the border.

    Pixel i is under place k of the kernel at position (i + before − k · dilation) / stride.
    """
    shift, padded = np.empty(3, np.int64), np.empty(3, np.int64)
    for axis in range(3):
        first = (geometry[3, axis] - geometry[2, axis] * (geometry[0, axis] - 1)) // geometry[1, axis]
        last = (lengths[axis] - 1 + geometry[3, axis]) // geometry[1, axis]
        shift[axis] = max(0, -first)
        padded[axis] = shift[axis] + max(last + 1, geometry[4, axis])
    return shift, padded


@helper
def write_dx(
    pixels: Array, lengths: Shape, phase: Shape, douts: Array, shift: Array, dplane: int, dline: int,
    reverse: Array, n_outputs: int, channels: int, width: int, vectors: int, geometry: Array,
) -> None:  # fmt: skip
    """Write the gradients of every stride-th pixel, from the pixel `phase` on.

    These are under the same places of the kernel.
    """
    steps = (dplane, dline, n_outputs)
    n_places = geometry[0, 0] * geometry[0, 1] * geometry[0, 2]
    counts, firsts = np.empty(3, np.int64), np.zeros(n_places, np.int64)
    places = np.empty(n_places, np.int64)
    n_runs = 0
    for axis in range(3):
        counts[axis] = (lengths[axis] - phase[axis] + geometry[1, axis] - 1) // geometry[1, axis]
    for j in range(n_places):
        k = n_places - 1 - j
        place = (k // (geometry[0, 1] * geometry[0, 2]), k // geometry[0, 2] % geometry[0, 1], k % geometry[0, 2])
        is_under, at = True, 0
        for axis in range(3):
            reach = phase[axis] + geometry[3, axis] - place[axis] * geometry[2, axis]
            is_under = is_under and reach % geometry[1, axis] == 0
            at += (reach // geometry[1, axis] + shift[axis]) * steps[axis]
        if is_under:
            firsts[n_runs], places[n_runs] = at, j * n_outputs * width
            n_runs += 1
    length, firsts, places = n_outputs, firsts[:n_runs], places[:n_runs]
    if geometry[1, 2] == 1 and geometry[2, 2] == 1:  # the places of a line lie side by side
        length, firsts, places = geometry[0, 2] * n_outputs, firsts[:: geometry[0, 2]].copy(), places[:: geometry[0, 2]].copy()
    at_pixels = offsets((counts[0], counts[1], counts[2], 1), (dplane, dline, n_outputs, 0), ROWS)
    sd, sh, sw = geometry[1]
    in_lines = (sd * lengths[1] * lengths[2] * channels, sh * lengths[2] * channels, sw * channels, 0)
    into = offsets((counts[0], counts[1], counts[2], 1), in_lines, 1)
    first = ((phase[0] * lengths[1] + phase[1]) * lengths[2] + phase[2]) * channels
    lanes = vectors * (VECTOR // pixels.itemsize)
    nothing, out = np.zeros(lanes, pixels.dtype), np.empty(ROWS * lanes, pixels.dtype)
    for c in range(0, width, lanes):
        valid = min(lanes, channels - c)
        for p in range(0, len(into), ROWS):
            multiply_tile(
                out, 0, lanes, nothing, 0, 0, douts, 0, at_pixels, p, firsts, reverse, c, places, length, 1, width, vectors
            )
            for i in range(min(ROWS, len(into) - p)):
                at = first + into[p + i] + c
                pixel, row = pixels[at : at + valid], out[i * lanes : (i + 1) * lanes]
                for j in range(valid):
                    pixel[j] = row[j]
