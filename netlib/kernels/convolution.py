"""Convolution, a following ReLU and max pooling, forward and backward.

Images are (N, D, H, W, C), with the channels last in memory; fewer axes have length 1. `geometry`
has the rows kernel, stride, dilation, border before, and positions, for D, H and W, and `pooling`
the same for the windows of the pooling. `weight` is (outputs, channels, places in the kernel), and
y is (N, positions, outputs). If `positive` is empty, there is no ReLU, and if `winners` is empty,
there is no pooling.

The patches under the kernel, as the rows of a matrix, times the weight are the outputs. NumPy
copies the patches of a few samples at a time; the loops read them where they are in the image.

The gradient of x is a sum of patches, put back where they were taken from, one place in the kernel
at a time.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..arrays import Array, Shape
from .constants import ones, zero
from .kernel import Kernel, helper
from .max_pooling import pixels_under, pool_image, pool_max, pool_max_backward, unpool_image
from .rectify import rectify_row
from .vectors import ROWS, in_tiles, multiply_tile, tile_width

BLOCK = 1 << 22
"""The most bytes of patches that NumPy copies at a time, unless a single sample has more."""


@Kernel
def convolve(x: Array, weight: Array, bias: Array, y: Array, positive: Array, winners: Array, geometry: Array, pooling: Array) -> None:
    """Write the convolution into y, after ``max(…, 0)`` and pooling. NaN stays NaN.

    `positive` (N, positions, outputs) marks the positive numbers before pooling, and `winners`
    holds the positions of the largest.
    """
    positions = geometry[4].tolist()
    rows = np.ascontiguousarray(weight.transpose(2, 1, 0)).reshape(-1, len(bias))
    biases = np.tile(bias, math.prod(positions))  # one long row is faster than many short ones
    for block in _blocks(x, weight, geometry):
        out = np.empty((len(x[block]), math.prod(positions), len(bias)), x.dtype) if winners.size else y[block]
        np.dot(_patches(_padded(x[block], geometry), geometry), rows, out=out.reshape(-1, len(bias)))
        in_sample = out.reshape(len(out), -1)
        np.add(in_sample, biases, out=in_sample)
        if positive.size:
            np.greater(out, zero(y.dtype), out=positive[block])
            np.maximum(out, zero(y.dtype), out=out)
        if winners.size:
            pooled = len(out), *pooling[4].tolist(), len(bias)
            images = out.reshape(-1, *positions, len(bias))
            pool_max.numpy(images, y[block].reshape(pooled), winners[block].reshape(pooled), pooling)


@Kernel
def convolve_backward(
    dout: Array, positive: Array, winners: Array, x: Array, weight: Array,
    dweight: Array, dbias: Array, dx: Array, geometry: Array, pooling: Array,
) -> None:  # fmt: skip
    """Write the gradients of weight, bias and x. If `dx` is empty, the last is not needed."""
    kernel, strides, dilations, _, positions = geometry.tolist()
    n_outputs, channels, n_places = weight.shape
    of_places = np.ascontiguousarray(weight.transpose(2, 0, 1))
    total = np.zeros((channels * n_places, n_outputs), x.dtype)
    dbias[...] = 0
    for block in _blocks(x, weight, geometry):
        douts = dout[block]
        if winners.size:
            pooled = len(douts), *pooling[4].tolist(), n_outputs
            douts = np.empty((len(douts), *positions, n_outputs), x.dtype)
            pool_max_backward.numpy(dout[block].reshape(pooled), winners[block].reshape(pooled), douts, pooling)
        rows = douts.reshape(-1, n_outputs)
        if positive.size:
            rows = np.multiply(rows, positive[block].reshape(rows.shape), out=rows if winners.size else None)
        dbias += ones(len(rows), rows.dtype).dot(rows)
        total += _patches(_padded(x[block], geometry), geometry).T.dot(rows)
        if dx.size:
            padded, images = _zeros_with_border(dx[block].shape, x.dtype, geometry)
            for place, of_place in zip(product(*map(range, kernel)), of_places, strict=True):
                axes = zip(place, strides, dilations, positions, strict=True)
                pixels = (slice(k * d, k * d + s * (p - 1) + 1, s) for k, s, d, p in axes)
                padded[(slice(None), *pixels)] += rows.dot(of_place).reshape(-1, *positions, channels)
            dx[block] = images
    dweight[...] = total.reshape(n_places, channels, n_outputs).transpose(2, 1, 0)


def _blocks(x: Array, weight: Array, geometry: Array) -> list[slice]:
    """Return the slices of samples whose patches are copied together."""
    _, channels, n_places = weight.shape
    in_sample = n_places * channels * math.prod(geometry[4].tolist()) * x.itemsize
    n = max(1, BLOCK // in_sample)
    return [slice(start, start + n) for start in range(0, len(x), n)]


def _padded(x: Array, geometry: Array) -> Array:
    """Return `x` in a border of zeros."""
    padded, images = _zeros_with_border(x.shape, x.dtype, geometry)
    images[...] = x
    return padded


def _zeros_with_border(shape: Shape, dtype: np.dtype[Any], geometry: Array) -> tuple[Array, Array]:
    """Return zeros for images of this shape with their border, and the view without it."""
    n, *lengths, channels = shape
    padded = np.zeros((n, *padded_lengths(tuple(lengths), geometry).tolist(), channels), dtype)
    inside = (slice(before, before + length) for before, length in zip(geometry[3].tolist(), lengths, strict=True))
    return padded, padded[(slice(None), *inside)]


def _patches(x: Array, geometry: Array) -> Array:
    """Return a matrix whose row is the patch of one sample at one position.

    The copy is made along rows or columns, whichever has longer pieces in memory.
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
    """Return the lengths of an image with the border and the extent of the last window."""
    padded = np.empty(3, np.int64)
    for axis in range(3):
        reach = (geometry[4, axis] - 1) * geometry[1, axis] + geometry[2, axis] * (geometry[0, axis] - 1) + 1
        padded[axis] = max(lengths[axis] + geometry[3, axis], reach)
    return padded


@helper
def offsets(counts: Shape, steps: Shape, multiple: int) -> Array:
    """Return the memory offsets of the elements of a block of four axes, in order.

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
def pixel_at(a: int, b: int, lengths: Array, before: Array) -> int:
    """Return the index of the first pixel of line b in plane a, in an image with a border."""
    return ((a + before[0]) * lengths[1] + b + before[1]) * lengths[2] + before[2]  # type: ignore[no-any-return]


@helper
def write_image(x: Array, image: Array, lengths: Array, before: Array) -> None:
    """Write an image (D, H, W, C) into the vector of an image with a border."""
    depth, height, width, channels = x.shape
    for a in range(depth):
        for b in range(height):
            at = pixel_at(a, b, lengths, before) * channels
            line, into = x[a, b].reshape(-1), image[at : at + width * channels]
            for i in range(line.size):
                into[i] = line[i]


@convolve.compiled(
    "void(const t[:, :, :, :, ::1], const t[:, :, ::1], const t[::1], t[:, :, ::1], boolean[:, :, ::1],"
    " int32[:, :, ::1], const int64[:, ::1], const int64[:, ::1])"
)
def convolve_loops(
    x: Array, weight: Array, bias: Array, y: Array, positive: Array, winners: Array, geometry: Array, pooling: Array
) -> None:
    n_outputs, channels, n_places = weight.shape
    lengths = padded_lengths(x.shape[1:4], geometry)
    line, plane = lengths[2] * channels, lengths[1] * lengths[2] * channels
    image = np.zeros(lengths[0] * plane, x.dtype)
    tile = tile_width(n_outputs, x.itemsize)
    width = in_tiles(n_outputs, tile)
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
    out, out_rows = np.empty(len(at_positions) * width, x.dtype), np.arange(len(at_positions)) * width
    no_rows, n_positions = np.zeros(len(at_positions), np.int64), pd * ph * pw
    has_pooling = bool(winners.size)
    if has_pooling:
        pixels, counts = pixels_under((pooling[4, 0], pooling[4, 1], pooling[4, 2]), (pd, ph, pw), pooling)
    before_pooling = np.empty(n_positions * n_outputs if has_pooling else 0, x.dtype)
    for m in range(len(x)):
        write_image(x[m], image, lengths, geometry[3])
        for o in range(0, width, tile):
            for p in range(0, n_positions, ROWS):
                multiply_tile(
                    out, o, out_rows, start, o, no_rows, image, 0, at_positions, p, runs,
                    rows, o, in_rows, length, 1, width, tile,
                )  # fmt: skip
        outputs = before_pooling if has_pooling else y[m].reshape(-1)
        if width == n_outputs:  # all rows are one vector, which makes longer loops
            finish_row(out, outputs, positive, m, 0)
        else:
            for p in range(n_positions):
                finish_row(out[p * width :], outputs[p * n_outputs : (p + 1) * n_outputs], positive, m, p * n_outputs)
        if has_pooling:
            pool_image(before_pooling, y[m].reshape(-1), winners[m].reshape(-1), pixels, counts, n_outputs)


@helper
def finish_row(row: Array, y: Array, positive: Array, m: int, at: int) -> None:
    """Write a row into y, with a following ReLU if there is a sample m of `positive` to write."""
    if positive.size:
        rectify_row(row, y, positive[m].reshape(-1)[at : at + y.size])
    else:
        for i in range(y.size):
            y[i] = row[i]


@convolve_backward.compiled(
    "void(const t[:, :, ::1], const boolean[:, :, ::1], const int32[:, :, ::1], const t[:, :, :, :, ::1],"
    " const t[:, :, ::1], t[:, :, ::1], t[::1], t[:, :, :, :, ::1], const int64[:, ::1], const int64[:, ::1])"
)
def convolve_backward_loops(
    dout: Array, positive: Array, winners: Array, x: Array, weight: Array,
    dweight: Array, dbias: Array, dx: Array, geometry: Array, pooling: Array,
) -> None:  # fmt: skip
    n_outputs, channels, n_places = weight.shape
    kd, kh, kw = geometry[0]
    sd, sh, sw = geometry[1]
    dd, dh, dw = geometry[2]
    pd, ph, pw = geometry[4]
    lengths = padded_lengths(x.shape[1:4], geometry)
    line, plane = lengths[2] * channels, lengths[1] * lengths[2] * channels
    image = np.zeros(lengths[0] * plane, x.dtype)

    tile = tile_width(n_outputs, x.itemsize)
    width = in_tiles(n_outputs, tile)
    x_runs = offsets((pd, ph, 1, 1), (sd * plane, sh * line, 0, 0), 1)
    dout_runs = np.arange(len(x_runs)) * (pw * n_outputs)
    at_rows = offsets((kd, kh, kw, channels), (dd * plane, dh * line, dw * channels, 1), ROWS)
    total, total_rows = np.zeros(len(at_rows) * width, x.dtype), np.arange(len(at_rows)) * width
    masked = np.zeros(pd * ph * pw * n_outputs + width, x.dtype)
    total_of_lines = np.zeros(pw * n_outputs, x.dtype)
    has_pooling = bool(winners.size)
    if has_pooling:
        pixels, counts = pixels_under((pooling[4, 0], pooling[4, 1], pooling[4, 2]), (pd, ph, pw), pooling)
    unpooled = np.empty(pd * ph * pw * n_outputs if has_pooling else 0, x.dtype)

    tile_of_x = tile_width(channels, x.itemsize)
    width_of_x = in_tiles(channels, tile_of_x)
    dline, dplane = lengths[2] * width_of_x, lengths[1] * lengths[2] * width_of_x
    dimage = np.empty(lengths[0] * dplane, x.dtype)
    at_positions = offsets((pd, ph, pw, 1), (sd * dplane, sh * dline, sw * width_of_x, 0), ROWS)
    at_places = offsets((kd, kh, kw, 1), (dd * dplane, dh * dline, dw * width_of_x, 0), 1)
    dout_rows = offsets((pd, ph, pw, 1), (ph * pw * n_outputs, pw * n_outputs, n_outputs, 0), ROWS)
    of_places, no_runs = np.zeros(n_places * n_outputs * width_of_x, x.dtype), np.zeros(1, np.int64)
    for o in range(n_outputs):
        for c in range(channels):
            for k in range(n_places):
                of_places[(k * n_outputs + o) * width_of_x + c] = weight[o, c, k]

    for m in range(len(x)):
        write_image(x[m], image, lengths, geometry[3])
        if has_pooling:
            unpool_image(dout[m].reshape(-1), winners[m].reshape(-1), unpooled, pixels, counts, n_outputs)
            write_dout(unpooled, positive, m, masked, total_of_lines)
        else:
            write_dout(dout[m].reshape(-1), positive, m, masked, total_of_lines)
        for o in range(0, width, tile):
            for k in range(0, n_places * channels, ROWS):
                multiply_tile(
                    total, o, total_rows, total, o, total_rows, image, 0, at_rows, k, x_runs,
                    masked, o, dout_runs, pw, sw * channels, n_outputs, tile,
                )  # fmt: skip
        if dx.size:
            dimage[:] = 0
            for c in range(0, width_of_x, tile_of_x):
                for p in range(0, pd * ph * pw, ROWS):
                    for k in range(n_places):
                        at = at_places[k] + c
                        multiply_tile(
                            dimage, at, at_positions, dimage, at, at_positions, masked, 0, dout_rows, p, no_runs,
                            of_places, k * n_outputs * width_of_x + c, no_runs, n_outputs, 1, width_of_x, tile_of_x,
                        )  # fmt: skip
            read_image(dimage, dx[m], lengths, geometry[3], width_of_x)
    dbias[:] = 0
    for i in range(total_of_lines.size):
        dbias[i % n_outputs] += total_of_lines[i]
    for o in range(n_outputs):
        for c in range(channels):
            for k in range(n_places):
                dweight[o, c, k] = total[(k * channels + c) * width + o]


@helper
def write_dout(dout: Array, positive: Array, m: int, masked: Array, total: Array) -> None:
    """Write ``dout * positive`` of sample m, and add the sum of its lines to `total`."""
    n, one, zero = total.size, dout.dtype.type(1), dout.dtype.type(0)
    for start in range(0, dout.size, n):
        line, into = dout[start : start + n], masked[start : start + n]
        if positive.size:
            mask = positive[m].reshape(-1)[start : start + n]
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
def read_image(image: Array, x: Array, lengths: Array, before: Array, width: int) -> None:
    """Read an image (D, H, W, C) from the vector of one with a border, and with more channels."""
    depth, height, breadth, channels = x.shape
    for a in range(depth):
        for b in range(height):
            at = pixel_at(a, b, lengths, before) * width
            if width == channels:
                line, into = image[at : at + breadth * channels], x[a, b].reshape(-1)
                for i in range(into.size):
                    into[i] = line[i]
            else:
                for e in range(breadth):
                    pixel = image[at + e * width : at + e * width + channels]
                    for c in range(channels):
                        x[a, b, e, c] = pixel[c]
