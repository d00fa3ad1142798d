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

KERNEL, STRIDE, DILATION, BORDER, POSITIONS = (2, 3, 2), (4, 3, 2), (3, 2, 3), (3, 2, 3), (2, 2, 3)
GEOMETRY = np.array([KERNEL, STRIDE, DILATION, BORDER, POSITIONS])
LENGTHS = (4, 5, 4)
"""Every axis has windows that begin before the first pixel and others that end after the last."""
N, P, PLACES = 2, 12, 12


def covered(geometry=GEOMETRY, lengths=LENGTHS):
    """Yield each place in the kernel and position at which it lies on a pixel, and this pixel."""
    kernel, strides, dilations, borders, positions = geometry.tolist()
    places, positions = enumerate(product(*map(range, kernel))), enumerate(product(*map(range, positions)))
    for (k, place), (p, position) in product(places, positions):
        axes = zip(place, position, strides, dilations, borders, strict=True)
        pixel = tuple(at * s + o * d - b for o, at, s, d, b in axes)
        if all(0 <= i < n for i, n in zip(pixel, lengths, strict=True)):
            yield k, p, pixel


def images_for(y, channels):
    return np.resize(y, (N, *LENGTHS, channels))


def numbers_for(y, k, n=None):
    """The `k`-th vector of n numbers, by default one for each column of y."""
    return np.random.default_rng(k).normal(size=n or y.shape[1]).astype(y.dtype)


def like(x):
    return np.empty(x.shape, x.dtype)


# ---- convolution: the columns of y are the outputs


POOLING = np.array([(2, 2, 2), (1, 1, 2), (1, 1, 1), (0, 1, 0), (1, 3, 2)])
"""Of images of the lengths POSITIONS."""


def convolution_for(y):
    """Images, a weight, a bias, outputs, where a ReLU is positive, and winners.

    There is a ReLU for most widths, and pooling for some.
    """
    n_outputs, channels = y.shape[1], 18 if y.shape[1] == 3 else 3
    weight = numbers_for(y, 1, n_outputs * channels * PLACES).reshape(n_outputs, channels, PLACES)
    has_relu, has_pooling = n_outputs not in (1, 200), n_outputs in (4, 17, 200)
    outputs = np.empty((N, POOLING[4].prod() if has_pooling else P, n_outputs), y.dtype)
    positive = np.empty((N, P, n_outputs) if has_relu else (0, 0, 0), bool)
    winners = np.empty(outputs.shape if has_pooling else (0, 0, 0), np.int32)
    return images_for(y, channels), weight, numbers_for(y, 2), outputs, positive, winners


def patches_of(x):
    patches = np.zeros((N, P, x.shape[4], PLACES))
    for k, p, pixel in covered():
        patches[:, p, :, k] = x[(slice(None), *pixel)]
    return patches


def convolved(x, weight, bias, y, positive, winners, geometry, pooling):
    sums = np.einsum("npck,ock->npo", patches_of(x), weight) + bias
    rectified = np.where(sums <= 0, 0, sums) if positive.size else sums
    expected = {4: sums > 0} if positive.size else {}
    if not winners.size:
        return {3: rectified, **expected}
    largest = pooled(rectified.reshape(N, *POSITIONS, -1), y.reshape(N, *POOLING[4], -1), winners, pooling)
    return {3: largest[1].reshape(y.shape), **expected, 5: largest[2].reshape(y.shape)}


def backward_arguments(y):
    x, weight, bias, outputs, positive, winners = convolution_for(y)
    if winners.size:
        shape = (N, *POOLING[4], y.shape[1])
        pool_max.numpy(np.resize(y, (N, *POSITIONS, y.shape[1])), like(outputs).reshape(shape), winners.reshape(shape), POOLING)
    dout = np.resize(y, outputs.shape)
    return dout, np.resize(y, positive.shape) > 0, winners, x, weight, like(weight), like(bias), like(x), GEOMETRY, POOLING


def convolved_back(dout, positive, winners, x, weight, dweight, dbias, dx, geometry, pooling):
    d = dout
    if winners.size:
        shape = (N, *POOLING[4], dout.shape[2])
        spread = unpooled(dout.reshape(shape), winners.reshape(shape), np.empty((N, *POSITIONS, dout.shape[2])), pooling)
        d = spread[2].reshape(N, P, -1)
    if positive.size:
        d = d * positive
    expected = np.zeros(dx.shape)
    for k, p, pixel in covered():
        expected[(slice(None), *pixel)] += np.einsum("no,oc->nc", d[:, p], weight[:, :, k])
    return {5: np.einsum("npo,npck->ock", d, patches_of(x)), 6: d.sum(axis=(0, 1)), 7: expected}


# ---- pooling: the columns of y are the channels


def pooling_for(y):
    outputs = np.empty((N, *POSITIONS, y.shape[1]), y.dtype)
    return images_for(y, y.shape[1]), outputs, np.empty(outputs.shape, np.int32), GEOMETRY


def pooled(x, y, winners, geometry):
    n_positions, lengths = np.prod(geometry[4]), x.shape[1:4]
    expected, best = np.full((N, n_positions, y.shape[4]), -np.inf), np.full((N, n_positions, y.shape[4]), -1)
    for _, p, pixel in covered(geometry, lengths):
        for n, c in product(range(N), range(y.shape[4])):
            new, old = x[(n, *pixel, c)], expected[n, p, c]
            if best[n, p, c] < 0 or new > old or (np.isnan(new) and not np.isnan(old)):
                expected[n, p, c], best[n, p, c] = new, np.ravel_multi_index(pixel, lengths)
    return {1: expected.reshape(y.shape), 2: best.reshape(y.shape)}


def unpooling_for(y):
    x, outputs, winners, geometry = pooling_for(y)
    pool_max.numpy(x, outputs, winners, geometry)
    return np.resize(y, outputs.shape), winners, like(x), geometry


def unpooled(dout, winners, dx, geometry):
    lengths = dx.shape[1:4]
    expected = np.zeros((N, np.prod(lengths), dx.shape[4]))
    for n, *position, c in np.ndindex(dout.shape):
        expected[n, winners[(n, *position, c)], c] += dout[(n, *position, c)]
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
    convolve: (lambda y: (*convolution_for(y), GEOMETRY, POOLING), convolved),
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
