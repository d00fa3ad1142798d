"""The cases: networks, data and initial weights, the same for every contender."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .networks import (
    BATCH_NORM_MLP,
    DIGITS_CNN,
    GPT,
    GRU,
    LENET,
    LSTM,
    RELU,
    RESNET_8,
    WIDE_LSTM,
    Network,
    affine,
    attention,
    flat,
    gpt,
    in_blocks,
    language_model,
    lstm,
    perceptron,
    two_convolutions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Array = np.ndarray[Any, np.dtype[Any]]

LR = 1e-3
N_TARGETS = 16
"""How many batches of targets there are."""
EPOCH_STEPS, EPOCHS = 200, 5
"""Steps per epoch, and epochs per call, where epochs are measured."""


@dataclass(frozen=True)
class Case:
    """A network that ends in class scores, the shape of one sample, and how many are in a batch.

    A sample has one target, or as many as `labels` says, such as one at each of its steps.
    """

    name: str
    network: Network
    sample: Sequence[int]
    batch: int
    dtype: Literal["float32", "float64"] = "float32"
    labels: Sequence[int] = ()

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the weights.

        They are (in, out), and (out, in, height, width) of a convolution. A recurrent layer has one
        for its input and one for its state, with all gates side by side, and attention one each for
        query, key, value and output.
        """
        shapes: list[tuple[int, ...]] = []
        for layer in flat(self.network):
            match layer:
                case ["affine", n_in, n_out]:
                    shapes.append((n_in, n_out))
                case ["conv", n_in, n_out, kernel, *_]:
                    shapes.append((n_out, n_in, kernel, kernel))
                case ["embedding" | "positional", rows, features]:
                    shapes.append((rows, features))
                case ["lstm", n_in, hidden, _]:
                    shapes += [(n_in, 4 * hidden), (hidden, 4 * hidden)]
                case ["gru", n_in, hidden, _]:
                    shapes += [(n_in, 3 * hidden), (hidden, 3 * hidden)]
                case ["attention", features, *_]:
                    shapes += [(features, features)] * 4
        return shapes

    @property
    def widths(self) -> list[int]:
        """Numbers of features, where all weights are those of affine layers."""
        return [self.shapes[0][0], *(n_out for _, n_out in self.shapes)]

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters, for a perceptron."""
        return sum((n_in + 1) * n_out for n_in, n_out in self.shapes)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.shapes[-1][-1]

    def inputs(self, samples: int | None = None) -> Array:
        """Return x, by default a batch: ids for an embedding, or else normal random numbers."""
        rng, shape = np.random.default_rng(1), (samples or self.batch, *self.sample)
        kind, entries, *_ = *self.network[0], 0
        return rng.integers(entries, size=shape) if kind == "embedding" else rng.standard_normal(shape, dtype=self.dtype)

    def targets(self, samples: int | None = None) -> list[Array]:
        """Return several batches of random class numbers, for steps to use in turn.

        They contradict each other and cannot be memorized: gradients stay large in a long run.
        """
        rng = np.random.default_rng(2)
        shape = samples or self.batch, *self.labels
        return [rng.integers(self.n_classes, size=shape) for _ in range(N_TARGETS)]

    def weights(self) -> Iterator[Array]:
        """Yield the initial weights (He et al., 2015), in the order of `shapes`. Biases are 0."""
        rng = np.random.default_rng(3)
        for shape in self.shapes:
            weight: Array = rng.standard_normal(shape, dtype=self.dtype)
            weight *= (2 / (shape[0] if len(shape) == 2 else math.prod(shape[1:]))) ** 0.5
            yield weight


def perceptron_case(name: str, widths: Sequence[int], batch: int, dtype: Literal["float32", "float64"] = "float32") -> Case:
    """Return the case of a perceptron."""
    return Case(name, perceptron(*widths), widths[:1], batch, dtype)


def id_case(name: str, network: Network, length: int, batch: int) -> Case:
    """Return the case of a network that predicts an id at each step from sequences of ids."""
    return Case(name, network, (length,), batch, labels=(length,))


CASES = {
    case.name: case
    for case in (
        perceptron_case("tiny", (2, 16, 16, 2), 32),
        perceptron_case("small", (64, 128, 10), 64),
        perceptron_case("mnist", (784, 128, 10), 64),
        perceptron_case("medium", (784, 512, 512, 10), 128),
        perceptron_case("large", (1024, 2048, 2048, 10), 512),
    )
}
IMAGES = {
    case.name: case
    for case in (
        Case("digits-cnn", DIGITS_CNN, (1, 8, 8), 64),
        Case("lenet", LENET, (1, 28, 28), 64),
        Case("resnet-8", RESNET_8, (3, 32, 32), 32),
        Case("batch-norm-mlp", BATCH_NORM_MLP, (32,), 256),
    )
}
SEQUENCES = {
    case.name: case
    for case in (
        id_case("lstm", LSTM, 32, 32),
        id_case("gru", GRU, 32, 32),
        id_case("gpt", GPT, 64, 16),
        Case("wide-lstm", WIDE_LSTM, (50, 128), 64),
    )
}
SMALL_ATTENTION, ATTENTION, CAUSAL_ATTENTION = (
    Case(name, (attention(32, 4, causal=causal), affine(32, 10)), (length, 32), 2, labels=(length,))
    for name, length, causal in (("small attention", 32, False), ("attention", 1024, False), ("causal attention", 1024, True))
)
HUNDRED_LAYERS = (affine(128, 128), RELU) * 100
SCORES = 2 * 4 * 1024 * 1024
"""How many scores there are in `ATTENTION`: one for each sample, head, query and key."""
DEEP = {
    name: Case(name, (*body, affine(128, 10)), (128,), 8192)
    for name, body in (("plain", HUNDRED_LAYERS), ("blocks of 10", in_blocks(HUNDRED_LAYERS, 20)))
}
SMALL_DEEP = Case("", (*in_blocks((affine(8, 8), RELU) * 4, 4), affine(8, 10)), (8,), 8)
DEPTHS = [perceptron_case(str(n), (64,) * (n + 1), 64) for n in (2, 4, 8, 16, 32, 64)]
BATCHES = [perceptron_case(str(4**n), CASES["small"].widths, 4**n) for n in range(7)]
CHANNELS = [Case(str(n), two_convolutions(n), (3, 16, 16), 32) for n in (8, 16, 32, 64, 128)]
SIZES = [Case(str(n), two_convolutions(16), (3, n, n), 32) for n in (8, 16, 32, 64)]
LENGTHS = {
    "lstm": [id_case(str(n), LSTM, n, 32) for n in (16, 32, 64, 128, 256)],
    "gpt": [id_case(str(n), gpt(n, 64), n, 16) for n in (16, 32, 64, 128, 256)],
}
WIDTHS = {
    "lstm": [id_case(str(n), language_model(lstm, n), 32, 32) for n in (32, 64, 128, 256)],
    "gpt": [id_case(str(n), gpt(64, n), 64, 16) for n in (32, 64, 128, 256)],
}
