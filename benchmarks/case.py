"""The cases: sizes, data and initial weights, the same for every contender."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    Array = np.ndarray[Any, np.dtype[Any]]

LR = 1e-3
N_TARGETS = 16
"""How many batches of targets there are."""
EPOCH_STEPS = 200
"""Steps per epoch, where epochs are measured."""


@dataclass(frozen=True)
class Case:
    """A perceptron of affine layers with ReLU between them, and a batch for it."""

    name: str
    widths: tuple[int, ...]
    batch: int
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Shapes of the weights, (in, out)."""
        return list(pairwise(self.widths))

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum((n_in + 1) * n_out for n_in, n_out in self.shapes)

    def inputs(self, samples: int | None = None) -> Array:
        """Return x of shape (samples, first width), by default a batch."""
        return np.random.default_rng(1).standard_normal((samples or self.batch, self.widths[0]), dtype=self.dtype)

    def targets(self, samples: int | None = None) -> list[Array]:
        """Return several batches of random class numbers, for steps to use in turn.

        They contradict each other and cannot be memorized: gradients stay large in a long run.
        """
        rng = np.random.default_rng(2)
        return [rng.integers(self.widths[-1], size=samples or self.batch) for _ in range(N_TARGETS)]

    def weights(self) -> Iterator[Array]:
        """Yield the initial weights (He et al., 2015) one by one. Biases are zeros."""
        rng = np.random.default_rng(3)
        for shape in self.shapes:
            weight: Array = rng.standard_normal(shape, dtype=self.dtype)
            weight *= (2 / shape[0]) ** 0.5
            yield weight


CASES = {
    case.name: case
    for case in (
        Case("tiny", (2, 16, 16, 2), 32),
        Case("small", (64, 128, 10), 64),
        Case("mnist", (784, 128, 10), 64),
        Case("medium", (784, 512, 512, 10), 128),
        Case("large", (1024, 2048, 2048, 10), 512),
    )
}
DEPTHS = [Case(str(n), (64,) * (n + 1), 64) for n in (2, 4, 8, 16, 32, 64)]
BATCHES = [Case(str(4**n), CASES["small"].widths, 4**n) for n in range(7)]
