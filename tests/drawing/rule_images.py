"""The words of rules for images, computed independently: windows are views, and a transpose is what the images of unit vectors say."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def numbers_of(text, axes):
    """Return an int or a float for each axis, from ``2×1`` or from one for all."""
    numbers = [float(number) if "." in number else int(number) for number in text.replace("−", "-").split("×")]
    return numbers * axes if len(numbers) == 1 else numbers


def pairs_of(text, axes):
    """Return (before, after) for each axis, from ``1×0:2`` or from one for all."""
    pairs = [[int(width) for width in each.replace("−", "-").split(":")] for each in text.split("×")]
    pairs = pairs * axes if len(pairs) == 1 else pairs
    return [(pair[0], pair[-1]) for pair in pairs]


def padded(x, border, value):
    """Return images with a border of `value`, cropped where it is negative."""
    axes = x.ndim - 2
    pairs = pairs_of(border, axes)
    grown = np.pad(x, [(0, 0)] * 2 + [(max(a, 0), max(b, 0)) for a, b in pairs], constant_values=value)
    return grown[(..., *(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, grown.shape[2:], strict=True)))]


def windows_on(x, kernel, stride, dilation):
    """Return a view of `x` with the axes (N, C, positions, kernel)."""
    axes = x.ndim - 2
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, numbers_of(dilation, axes), strict=True)]
    view = sliding_window_view(x, spans, axis=tuple(range(2, x.ndim)))
    steps = [slice(None, None, s) for s in numbers_of(stride, axes)]
    return view[(slice(None), slice(None), *steps, *(slice(None, None, d) for d in numbers_of(dilation, axes)))]


def conv(x, weight, stride="1", border="0", dilation="1", groups="1"):
    windows, letters = windows_on(padded(x, border, 0), weight.shape[2:], stride, dilation), "ijk"[: x.ndim - 2]
    x_groups, w_groups = np.split(windows, int(groups), axis=1), np.split(weight, int(groups), axis=0)
    each = [np.einsum(f"nc...{letters},oc{letters}->no...", a, b) for a, b in zip(x_groups, w_groups, strict=True)]
    return np.concatenate(each, axis=1)


def transposed(linear, shape, dy):
    """Return dx, of `shape`, for a function that is linear: its values at the unit vectors are the columns of its matrix."""
    dx = np.zeros(math.prod(shape))
    for i in range(dx.size):
        dx[i] = np.sum(linear(np.eye(dx.size)[i].reshape(shape)) * dy)
    return dx.reshape(shape)


def conv_transpose(dy, weight, to, groups="1", **options):
    shape = (len(dy), weight.shape[1] * int(groups), *map(int, to.split("×")))
    return transposed(lambda x: conv(x, weight, groups=groups, **options), shape, dy)


def conv_weight(x, dy, kernel, groups="1", **options):
    shape = (dy.shape[1], x.shape[1] // int(groups), *numbers_of(kernel, x.ndim - 2))
    return transposed(lambda weight: conv(x, weight, groups=groups, **options), shape, dy)


def cells(x, kernel="", stride="1", border="0", outside="0", dilation="1", windows=""):
    """Return for each position the numbers of its window in a list; those outside the border are left out."""
    if windows:
        sizes = numbers_of(windows, x.ndim - 2)
        ranges = [[slice(i * n // m, math.ceil((i + 1) * n / m)) for i in range(m)] for n, m in zip(x.shape[2:], sizes, strict=True)]
        return sizes, [x[(..., *(r[i] for r, i in zip(ranges, at, strict=True)))].reshape(*x.shape[:2], -1) for at in np.ndindex(*sizes)]
    axes = x.ndim - 2
    counts = padded(padded(np.ones_like(x, bool), border, True), outside, False)
    view = [windows_on(each, numbers_of(kernel, axes), stride, dilation) for each in (padded(padded(x, border, 0), outside, 0), counts)]
    sizes = view[0].shape[2 : 2 + axes]
    there = [[each[(slice(None), slice(None), *at)].reshape(*x.shape[:2], -1) for at in np.ndindex(sizes)] for each in view]
    return sizes, [numbers[:, :, keep[0, 0]] for numbers, keep in zip(*there, strict=True)]


def avgpool(x, **options):
    sizes, lists = cells(x, **options)
    return np.stack([each.mean(axis=2) for each in lists], axis=2).reshape(*x.shape[:2], *sizes)


def avgpool_transpose(dy, to, **options):
    return transposed(lambda x: avgpool(x, **options), (*dy.shape[:2], *map(int, to.split("×"))), dy)


def maxpool(x, **options):
    sizes, lists = cells(x, **options)
    return np.stack([each.max(axis=2) for each in lists], axis=2).reshape(*x.shape[:2], *sizes)


def to_winners(dy, x, **options):
    _, lists = cells(x, **options)
    _, places = cells(np.arange(x.size).reshape(x.shape), **options)
    dx, dy = np.zeros(x.size), dy.reshape(*x.shape[:2], -1)
    for position, (numbers, place) in enumerate(zip(lists, places, strict=True)):
        for n, c in np.ndindex(x.shape[:2]):
            dx[place[n, c, numbers[n, c].argmax()]] += dy[n, c, position]
    return dx.reshape(x.shape)


def upsample(x, scale, mode="nearest"):
    for axis, factor in enumerate(numbers_of(scale, x.ndim - 2), start=2):
        n = x.shape[axis]
        at = np.arange(int(n * factor))
        places = np.floor(at / factor) if mode == "nearest" else (at + 0.5) / factor - 0.5
        x = np.apply_along_axis(lambda row, places=places, n=n: np.interp(places, np.arange(n), row), axis, x)
    return x


def upsample_transpose(dy, to, **options):
    return transposed(lambda x: upsample(x, **options), (*dy.shape[:2], *map(int, to.split("×"))), dy)


def pad(x, widths, mode="constant", value="0"):
    pairs = pairs_of(widths, widths.count("×") + 1)
    options = {"constant_values": float(value.replace("−", "-"))} if mode == "constant" else {}
    return np.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs, mode, **options)


def pad_transpose(dy, to, **options):
    lengths = tuple(map(int, to.split("×")))
    return transposed(lambda x: pad(x, **options), (*dy.shape[: dy.ndim - len(lengths)], *lengths), dy)


WORDS = {
    each.__name__: each
    for each in (
        conv,
        conv_transpose,
        conv_weight,
        avgpool,
        avgpool_transpose,
        maxpool,
        to_winners,
        upsample,
        upsample_transpose,
        pad,
        pad_transpose,
    )
}
