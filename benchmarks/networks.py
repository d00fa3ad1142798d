"""Networks as data: a list of layers that every contender translates into its own.

A layer is a tuple of its kind and its numbers, so that it passes through JSON; `match` reads the
list that JSON makes of it in the same way. The functions here write the tuples and name the
numbers. Images are (N, channels, height, width), sequences (N, T, features), ids (N, T).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

Layer = Sequence[Any]
Network = Sequence[Layer]
RELU: Layer = ("relu",)
FLATTEN: Layer = ("flatten",)
GLOBAL_AVG_POOL: Layer = ("global_avg_pool",)
GELU: Layer = ("gelu",)


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


def embedding(entries: int, features: int) -> Layer:
    """Return a row of a table for each id."""
    return ("embedding", entries, features)


def positional(length: int, features: int) -> Layer:
    """Return a learned row that is added at each position."""
    return ("positional", length, features)


def lstm(n_in: int, hidden: int, *, last: bool = False) -> Layer:
    """Return an LSTM whose output is its state at every step, or the last one alone."""
    return ("lstm", n_in, hidden, last)


def gru(n_in: int, hidden: int, *, last: bool = False) -> Layer:
    """Return a GRU, likewise."""
    return ("gru", n_in, hidden, last)


def layer_norm(features: int) -> Layer:
    """Return a layer norm over the features, with scale and shift."""
    return ("layer_norm", features)


def attention(features: int, heads: int, *, causal: bool = True) -> Layer:
    """Return self-attention between affine transformations, features to features."""
    return ("attention", features, heads, causal)


def transformer_block(features: int, heads: int, hidden: int) -> Layer:
    """Return a causal block with pre-norm and GELU; `parts_of_block` says what is in it."""
    return ("transformer_block", features, heads, hidden)


def parts_of_block(features: int, heads: int, hidden: int) -> Network:
    """Return the two residual parts of a block, for libraries that have no such block."""
    feedforward = layer_norm(features), affine(features, hidden), GELU, affine(hidden, features)
    return add((layer_norm(features), attention(features, heads)), ()), add(feedforward, ())


def add(main: Network, shortcut: Network) -> Layer:
    """Return the sum of two paths from the same input; an empty path is the identity."""
    return ("add", main, shortcut)


def recompute(network: Network) -> Layer:
    """Return a block of which only the input is kept: backward runs its forward again."""
    return ("recompute", network)


def in_blocks(network: Network, size: int) -> Network:
    """Return the network in blocks of so many layers, of which only the inputs are kept."""
    return tuple(recompute(network[i : i + size]) for i in range(0, len(network), size))


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


def language_model(kind: Callable[[int, int], Layer], hidden: int) -> Network:
    """Return a recurrent layer, `lstm` or `gru`, that predicts the next of 64 ids."""
    return embedding(64, 32), kind(32, hidden), affine(hidden, 64)


def gpt(length: int, width: int) -> Network:
    """Return two transformer blocks of four heads that predict the next of 64 ids."""
    blocks = [transformer_block(width, 4, 4 * width)] * 2
    return embedding(64, width), positional(length, width), *blocks, layer_norm(width), affine(width, 64)


def flat(network: Network) -> Iterator[Layer]:
    """Yield all layers in order, the parts of a block and both paths of a sum in their place."""
    for layer in network:
        match layer:
            case ["add", main, shortcut]:
                yield from flat(main)
                yield from flat(shortcut)
            case ["recompute", block]:
                yield from flat(block)
            case ["transformer_block", *numbers]:
                yield from flat(parts_of_block(*numbers))
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
LSTM = language_model(lstm, 128)
GRU = language_model(gru, 128)
GPT = gpt(64, 64)
WIDE_LSTM: Network = (lstm(128, 256, last=True), affine(256, 10))
