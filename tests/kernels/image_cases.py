"""The cases of the kernels of images, for tests/kernels/test_kernels.py: each a formula in loops."""

from itertools import product

import numpy as np

from netlib.kernels.convolution import (
    begin_block,
    begin_block_relu,
    finish_block,
    finish_block_relu,
    gather_patches,
    scatter_patches,
)
from netlib.kernels.max_pooling import pool_max, pool_max_backward
from netlib.kernels.normalization import (
    gradient_sums,
    mask,
    moments,
    normalize,
    normalize_backward,
    normalize_relu,
)

KERNEL, STRIDE, DILATION, BORDER, POSITIONS = (2, 3, 2), (1, 2, 1), (1, 1, 2), (0, 1, 1), (1, 3, 4)
GEOMETRY = np.array([KERNEL, STRIDE, DILATION, BORDER, POSITIONS])
LENGTHS = (2, 5, 4)
N, C, P = 2, 3, 12


def images_for(y):
    return np.resize(y, (N, C, *LENGTHS))


def columns_for(y):
    return np.resize(y, (C * 12, N * P))


def blocks_for(y):
    """Products (channels, samples · positions), a bias, and outputs (samples, channels, positions)."""
    channels = y.shape[1]
    products = np.resize(y, (channels, 3 * 5))
    return products, np.linspace(-1, 1, channels).astype(y.dtype), np.empty((3, channels, 5), y.dtype)


def channels_for(y):
    """Numbers (N, channels, numbers per channel), with one per channel for odd widths."""
    return y[:, :, np.newaxis] if y.shape[1] % 2 else np.resize(y, (2, y.shape[1], 3))


def numbers_for(y, k):
    """The `k`-th array with a number for each channel."""
    return np.random.default_rng(k).normal(size=y.shape[1]).astype(y.dtype)


def covered():
    """Yield each row and column of the patches, and the sample, channel and pixel there, if any."""
    rows = enumerate(product(range(C), *map(range, KERNEL)))
    for (row, (c, *place)), (column, (n, *position)) in product(rows, enumerate(product(range(N), *map(range, POSITIONS)))):
        axes = zip(place, position, STRIDE, DILATION, BORDER, strict=True)
        pixel = tuple(p * s + k * d - b for k, p, s, d, b in axes)
        if all(0 <= i < n_pixels for i, n_pixels in zip(pixel, LENGTHS, strict=True)):
            yield row, column, (n, c, *pixel)


def gathered(x, columns, geometry):
    expected = np.zeros(columns.shape)
    for row, column, at in covered():
        expected[row, column] = x[at]
    return {1: expected}


def scattered(columns, dx, geometry):
    expected = np.zeros(dx.shape)
    for row, column, at in covered():
        expected[at] += columns[row, column]
    return {1: expected}


def finished(products, bias, y, positive=None):
    sums = np.array([[products[o, 5 * m : 5 * m + 5] + bias[o] for o in range(len(bias))] for m in range(3)])
    sums = sums.reshape(y.shape)
    return {2: sums} if positive is None else {2: np.where(sums <= 0, 0, sums), 3: sums > 0}


def begun(dout, positive, rows, dbias):
    d = (dout * positive).swapaxes(0, 1).reshape(rows.shape)
    return {2: d, 3: dbias + d.sum(axis=1)}


def begin_arguments(y):
    _, bias, dout = blocks_for(y)
    return np.resize(y, dout.shape), np.resize(y, dout.shape) > 0, np.empty((y.shape[1], 15), y.dtype), bias


def pooled(x, y, winners, geometry):
    expected, best = np.full((N, C, P), -np.inf), np.full((N, C, P), -1)
    for row, column, (n, c, *pixel) in covered():
        if row // 12 == c:
            i, new = column % P, x[(n, c, *pixel)]
            old = expected[n, c, i]
            if best[n, c, i] < 0 or new > old or (np.isnan(new) and not np.isnan(old)):
                expected[n, c, i], best[n, c, i] = new, np.ravel_multi_index(pixel, LENGTHS)
    return {1: expected.reshape(y.shape), 2: best.reshape(y.shape)}


def unpooled(dout, winners, dx):
    expected = np.zeros(dx.shape)
    for at in np.ndindex(dout.shape):
        expected[(*at[:2], winners[at])] += dout[at]
    return {2: expected}


def normalized(x, mean, scale, shift, y, positive=None):
    v = (x - mean[:, np.newaxis]) * scale[:, np.newaxis] + shift[:, np.newaxis]
    return {4: v} if positive is None else {4: np.where(v <= 0, 0, v), 5: v > 0}


def normalized_back(dout, x, mean, scale, offset, slope, dx):
    column = np.s_[:, np.newaxis]
    return {6: dout * scale[column] - offset[column] - slope[column] * (x - mean[column])}


def moments_of(x, mean, variance):
    average = x.mean(axis=(0, 2))
    return {1: average, 2: ((x - average[:, np.newaxis]) ** 2).mean(axis=(0, 2))}


def sums_of(dout, x, mean, total, weighted):
    return {3: dout.sum(axis=(0, 2)), 4: (dout * (x - mean[:, np.newaxis])).sum(axis=(0, 2))}


def like(x):
    return np.empty(x.shape, x.dtype)


IMAGE_CASES = {
    gather_patches: (lambda y: (images_for(y), columns_for(y), GEOMETRY), gathered),
    scatter_patches: (lambda y: (columns_for(y), images_for(y), GEOMETRY), scattered),
    finish_block: (blocks_for, finished),
    finish_block_relu: (lambda y: (*blocks_for(y), np.empty((3, y.shape[1], 5), bool)), finished),
    begin_block: (
        lambda y: (begin_arguments(y)[0], *begin_arguments(y)[2:]),
        lambda dout, rows, dbias: {i - 1: x for i, x in begun(dout, 1, rows, dbias).items()},
    ),
    begin_block_relu: (begin_arguments, begun),
    pool_max: (
        lambda y: (images_for(y), np.empty((N, C, *POSITIONS), y.dtype), np.empty((N, C, *POSITIONS), np.int32), GEOMETRY),
        pooled,
    ),
    pool_max_backward: (
        lambda y: (np.resize(y, (N, C, P)), np.arange(N * C * P, dtype=np.int32).reshape(N, C, P) % 7, np.empty((N, C, 10), y.dtype)),
        unpooled,
    ),
    moments: (lambda y: (channels_for(y), numbers_for(y, 1), numbers_for(y, 2)), moments_of),
    normalize: (
        lambda y: (channels_for(y), *(numbers_for(y, k) for k in range(3)), like(channels_for(y))),
        normalized,
    ),
    normalize_relu: (
        lambda y: (channels_for(y), *(numbers_for(y, k) for k in range(3)), like(channels_for(y)), np.empty(channels_for(y).shape, bool)),
        normalized,
    ),
    gradient_sums: (
        lambda y: (channels_for(y)[::-1].copy(), channels_for(y), *(numbers_for(y, k) for k in range(3))),
        sums_of,
    ),
    normalize_backward: (
        lambda y: (channels_for(y)[::-1].copy(), channels_for(y), *(numbers_for(y, k) for k in range(4)), like(channels_for(y))),
        normalized_back,
    ),
    mask: (
        lambda y: (channels_for(y), channels_for(y) > 0, like(channels_for(y))),
        lambda dout, positive, masked: {2: dout * positive},
    ),
}
