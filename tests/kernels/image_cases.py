"""The cases of the kernels of images, for tests/kernels/test_kernels.py: each a formula in loops."""

from itertools import product

import numpy as np

from netlib.kernels.convolution import convolve, convolve_backward
from netlib.kernels.max_pooling import pool_max, pool_max_backward
from netlib.kernels.normalization import (
    gradient_sums,
    gradient_sums_relu,
    moments,
    normalize,
    normalize_backward,
    normalize_relu,
)
from netlib.kernels.rectify import mask, relu

KERNEL, STRIDE, DILATION, BORDER, POSITIONS = (2, 3, 2), (1, 2, 1), (1, 1, 2), (0, 1, 1), (1, 3, 4)
GEOMETRY = np.array([KERNEL, STRIDE, DILATION, BORDER, POSITIONS])
LENGTHS = (2, 5, 4)
N, P, PLACES = 2, 12, 12


def covered():
    """Yield each place in the kernel and position at which it lies on a pixel, and this pixel."""
    places, positions = enumerate(product(*map(range, KERNEL))), enumerate(product(*map(range, POSITIONS)))
    for (k, place), (p, position) in product(places, positions):
        axes = zip(place, position, STRIDE, DILATION, BORDER, strict=True)
        pixel = tuple(at * s + o * d - b for o, at, s, d, b in axes)
        if all(0 <= i < n for i, n in zip(pixel, LENGTHS, strict=True)):
            yield k, p, pixel


def images_for(y, channels):
    return np.resize(y, (N, *LENGTHS, channels))


def numbers_for(y, k, n=None):
    """The `k`-th vector of n numbers, by default one for each column of y."""
    return np.random.default_rng(k).normal(size=n or y.shape[1]).astype(y.dtype)


def like(x):
    return np.empty(x.shape, x.dtype)


# ---- convolution: the columns of y are the outputs


def convolution_for(y):
    """Images, a weight, a bias, outputs, and where a ReLU is positive, which there is for most widths."""
    n_outputs, channels = y.shape[1], 18 if y.shape[1] == 3 else 3
    weight = numbers_for(y, 1, n_outputs * channels * PLACES).reshape(n_outputs, channels, PLACES)
    outputs = np.empty((N, P, n_outputs), y.dtype)
    has_relu = n_outputs not in (1, 200)
    return images_for(y, channels), weight, numbers_for(y, 2), outputs, np.empty(outputs.shape if has_relu else (0, 0, 0), bool)


def patches_of(x):
    patches = np.zeros((N, P, x.shape[4], PLACES))
    for k, p, pixel in covered():
        patches[:, p, :, k] = x[(slice(None), *pixel)]
    return patches


def convolved(x, weight, bias, y, positive, geometry):
    sums = np.einsum("npck,ock->npo", patches_of(x), weight) + bias
    return {3: np.where(sums <= 0, 0, sums), 4: sums > 0} if positive.size else {3: sums}


def backward_arguments(y):
    x, weight, bias, outputs, positive = convolution_for(y)
    dout = np.resize(y, outputs.shape)
    return dout, np.resize(y, positive.shape) > 0, x, weight, like(weight), like(bias), like(x), GEOMETRY


def convolved_back(dout, positive, x, weight, dweight, dbias, dx, geometry):
    d = dout * positive if positive.size else dout
    expected = np.zeros(dx.shape)
    for k, p, pixel in covered():
        expected[(slice(None), *pixel)] += np.einsum("no,oc->nc", d[:, p], weight[:, :, k])
    return {4: np.einsum("npo,npck->ock", d, patches_of(x)), 5: d.sum(axis=(0, 1)), 6: expected}


# ---- pooling: the columns of y are the channels


def pooling_for(y):
    outputs = np.empty((N, *POSITIONS, y.shape[1]), y.dtype)
    return images_for(y, y.shape[1]), outputs, np.empty(outputs.shape, np.int32), GEOMETRY


def pooled(x, y, winners, geometry):
    expected, best = np.full((N, P, y.shape[4]), -np.inf), np.full((N, P, y.shape[4]), -1)
    for _, p, pixel in covered():
        for n, c in product(range(N), range(y.shape[4])):
            new, old = x[(n, *pixel, c)], expected[n, p, c]
            if best[n, p, c] < 0 or new > old or (np.isnan(new) and not np.isnan(old)):
                expected[n, p, c], best[n, p, c] = new, np.ravel_multi_index(pixel, LENGTHS)
    return {1: expected.reshape(y.shape), 2: best.reshape(y.shape)}


def unpooling_for(y):
    x, outputs, winners, geometry = pooling_for(y)
    pool_max.numpy(x, outputs, winners, geometry)
    return np.resize(y, outputs.shape), winners, like(x), geometry


def unpooled(dout, winners, dx, geometry):
    expected = np.zeros((N, np.prod(LENGTHS), dx.shape[4]))
    for n, *position, c in np.ndindex(dout.shape):
        expected[n, winners[(n, *position, c)], c] += dout[(n, *position, c)]
    # the product of a winner's infinity and the 0 of another pixel is NaN
    for _, p, pixel in covered():
        at, number = np.unravel_index(p, POSITIONS), np.ravel_multi_index(pixel, LENGTHS)
        d, is_other = dout[(slice(None), *at)], winners[(slice(None), *at)] != number
        expected[:, number][is_other & ~np.isfinite(d)] = np.nan
    return {2: expected.reshape(dx.shape)}


# ---- normalization: the columns of y are the channels


def rows_for(y):
    return np.resize(y, (6, y.shape[1]))


def normalized(x, mean, scale, shift, y, positive=None):
    v = (x - mean) * scale + shift
    return {4: v} if positive is None else {4: np.where(v <= 0, 0, v), 5: v > 0}


def normalized_back(dout, x, mean, scale, offset, slope, dx):
    return {6: dout * scale - offset - slope * (x - mean)}


def sums_of(dout, x, mean, total, product):
    return {3: dout.sum(axis=0), 4: (dout * (x - mean)).sum(axis=0)}


def masked_sums_of(dout, positive, x, mean, masked, total, product):
    d = dout * positive
    return {4: d, 5: d.sum(axis=0), 6: (d * (x - mean)).sum(axis=0)}


IMAGE_CASES = {
    convolve: (lambda y: (*convolution_for(y), GEOMETRY), convolved),
    convolve_backward: (backward_arguments, convolved_back),
    pool_max: (pooling_for, pooled),
    pool_max_backward: (unpooling_for, unpooled),
    moments: (
        lambda y: (np.resize(y, (301, y.shape[1])), numbers_for(y, 1), numbers_for(y, 2)),
        lambda x, mean, variance: {1: x.mean(axis=0), 2: x.var(axis=0)},
    ),
    normalize: (lambda y: (rows_for(y), *(numbers_for(y, k) for k in range(3)), like(rows_for(y))), normalized),
    normalize_relu: (
        lambda y: (rows_for(y), *(numbers_for(y, k) for k in range(3)), like(rows_for(y)), np.empty((6, y.shape[1]), bool)),
        normalized,
    ),
    gradient_sums: (lambda y: (rows_for(y)[::-1].copy(), rows_for(y), *(numbers_for(y, k) for k in range(3))), sums_of),
    gradient_sums_relu: (
        lambda y: (
            rows_for(y)[::-1].copy(),
            rows_for(y) > 0,
            rows_for(y),
            numbers_for(y, 1),
            like(rows_for(y)),
            numbers_for(y, 2),
            numbers_for(y, 3),
        ),
        masked_sums_of,
    ),
    normalize_backward: (
        lambda y: (rows_for(y)[::-1].copy(), rows_for(y), *(numbers_for(y, k) for k in range(4)), like(rows_for(y))),
        normalized_back,
    ),
    relu: (
        lambda y: (y.reshape(-1), like(y.reshape(-1)), np.empty(y.size, bool)),
        lambda x, y, positive: {1: np.where(x <= 0, 0, x), 2: x > 0},
    ),
    mask: (
        lambda y: (y.reshape(-1), mask_of(y), like(y.reshape(-1))),
        lambda dout, positive, dx: {2: dout * positive},
    ),
}


def mask_of(y):
    return np.random.default_rng(1).random(y.size) > 0.5
