"""Networks as data: a list of layers that every contender translates into its own.

A layer is a tuple of its kind and its numbers, so that it passes through JSON; `match` reads the
list that JSON makes of it in the same way. The functions here write the tuples and name the
numbers. Images are (N, channels, height, width).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

Layer = Sequence[Any]
Network = Sequence[Layer]
RELU: Layer = ("relu",)
FLATTEN: Layer = ("flatten",)
GLOBAL_AVG_POOL: Layer = ("global_avg_pool",)


def affine(n_in: int, n_out: int) -> Layer:
    """Return an affine layer."""
    return ("affine", n_in, n_out)


def conv(n_in: int, n_out: int, kernel: int, *, stride: int = 1, padding: int = 0, bias: bool = True) -> Layer:
    """Return a convolution with square kernels."""
    return ("conv", n_in, n_out, kernel, stride, padding, bias)


def batch_norm(channels: int, axes: int = 0) -> Layer:
    """Return a batch norm with scale and shift, of samples with so many axes besides channels."""
    return ("batch_norm", channels, axes)


def max_pool(size: int) -> Layer:
    """Return max pooling over square windows that do not overlap."""
    return ("max_pool", size)


def add(main: Network, shortcut: Network) -> Layer:
    """Return the sum of two paths from the same input; an empty path is the identity."""
    return ("add", main, shortcut)


def perceptron(*widths: int, normalize: bool = False) -> Network:
    """Return affine layers with ReLU, or with batch norm and ReLU, between them."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise(widths):
        layers += [affine(n_in, n_out), *([batch_norm(n_out)] if normalize else []), RELU]
    return tuple(layers[: -2 if normalize else -1])


def normalized_conv(n_in: int, n_out: int, kernel: int, stride: int = 1) -> Network:
    """Return a padded convolution and batch norm, whose shift replaces the bias."""
    return conv(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False), batch_norm(n_out, axes=2)


def residual_block(n_in: int, n_out: int) -> Network:
    """Return a block of ResNet. If it changes the number of channels, it halves the image.

    He et al., "Deep residual learning for image recognition", 2016, with a projection.
    """
    stride = 1 if n_in == n_out else 2
    main = *normalized_conv(n_in, n_out, 3, stride), RELU, *normalized_conv(n_out, n_out, 3)
    return add(main, () if n_in == n_out else normalized_conv(n_in, n_out, 1, stride)), RELU


def resnet(image_channels: int, stages: Sequence[int], classes: int) -> Network:
    """Return a convolution, a residual block for each stage, and a classifier."""
    blocks = [layer for n_in, n_out in pairwise([stages[0], *stages]) for layer in residual_block(n_in, n_out)]
    head = *normalized_conv(image_channels, stages[0], 3), RELU
    return *head, *blocks, GLOBAL_AVG_POOL, affine(stages[-1], classes)


def two_convolutions(channels: int) -> Network:
    """Return two convolutions with ReLU on images of three channels, and a classifier."""
    convolutions = conv(3, channels, 3, padding=1), RELU, conv(channels, channels, 3, padding=1), RELU
    return *convolutions, GLOBAL_AVG_POOL, affine(channels, 10)


def flat(network: Network) -> Iterator[Layer]:
    """Yield all layers in order, with both paths of a sum, main path first, in its place."""
    for layer in network:
        match layer:
            case ["add", main, shortcut]:
                yield from flat(main)
                yield from flat(shortcut)
            case _:
                yield layer


DIGITS_CNN: Network = (
    conv(1, 16, 3, padding=1), RELU, conv(16, 16, 3, padding=1), RELU, max_pool(2),
    conv(16, 32, 3, padding=1), RELU, max_pool(2), FLATTEN, affine(128, 10),
)  # fmt: skip
LENET: Network = (
    conv(1, 16, 5), RELU, max_pool(2), conv(16, 32, 5), RELU, max_pool(2), FLATTEN, *perceptron(512, 128, 10),
)  # fmt: skip
RESNET_8 = resnet(3, (16, 32, 64), 10)
BATCH_NORM_MLP = perceptron(32, 128, 128, 10, normalize=True)
