"""The cases: networks, data and initial weights, the same for every contender."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .networks import BATCH_NORM_MLP, DIGITS_CNN, LENET, RESNET_8, Network, flat, perceptron, two_convolutions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Array = np.ndarray[Any, np.dtype[Any]]

LR = 1e-3
N_TARGETS = 16
"""How many batches of targets there are."""
EPOCH_STEPS = 200
"""Steps per epoch, where epochs are measured."""


@dataclass(frozen=True)
class Case:
    """A network that ends in class scores, the shape of one sample, and how many are in a batch."""

    name: str
    network: Network
    sample: Sequence[int]
    batch: int
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the weights: (in, out), and (out, in, height, width) of a convolution."""
        shapes: list[tuple[int, ...]] = []
        for layer in flat(self.network):
            match layer:
                case ["affine", n_in, n_out]:
                    shapes.append((n_in, n_out))
                case ["conv", n_in, n_out, kernel, *_]:
                    shapes.append((n_out, n_in, kernel, kernel))
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
        """Return x, by default a batch."""
        return np.random.default_rng(1).standard_normal((samples or self.batch, *self.sample), dtype=self.dtype)

    def targets(self, samples: int | None = None) -> list[Array]:
        """Return several batches of random class numbers, for steps to use in turn.

        They contradict each other and cannot be memorized: gradients stay large in a long run.
        """
        rng = np.random.default_rng(2)
        return [rng.integers(self.n_classes, size=samples or self.batch) for _ in range(N_TARGETS)]

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
DEPTHS = [perceptron_case(str(n), (64,) * (n + 1), 64) for n in (2, 4, 8, 16, 32, 64)]
BATCHES = [perceptron_case(str(4**n), CASES["small"].widths, 4**n) for n in range(7)]
CHANNELS = [Case(str(n), two_convolutions(n), (3, 16, 16), 32) for n in (8, 16, 32, 64, 128)]
SIZES = [Case(str(n), two_convolutions(16), (3, n, n), 32) for n in (8, 16, 32, 64)]
