"""The matrix products alone, a lower bound for every implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..case import Case
    from . import Step


class Products:
    """NumPy's matmul into preallocated arrays, and nothing else."""

    takes_weights = False

    def __init__(self, threads: int) -> None:
        self.versions = {"numpy": np.__version__}

    def train(self, case: Case) -> Step:
        """Return the products of forward and backward, without dL/dx of the first layer."""
        weights = list(case.weights())
        values = [case.inputs(), *(np.ones((case.batch, n), case.dtype) for n in case.widths[1:])]
        grads = [np.empty_like(w) for w in weights]

        def step() -> None:
            for i, w in enumerate(weights):
                np.matmul(values[i], w, out=values[i + 1])
            for i in reversed(range(len(weights))):
                np.matmul(values[i].T, values[i + 1], out=grads[i])
                if i:
                    np.matmul(values[i + 1], weights[i].T, out=values[i])

        return step

    def infer(self, case: Case) -> Step:
        """Return the products of forward."""
        weights = list(case.weights())
        values = [case.inputs(), *(np.empty((case.batch, n), case.dtype) for n in case.widths[1:])]

        def forward() -> None:
            for i, w in enumerate(weights):
                np.matmul(values[i], w, out=values[i + 1])

        return forward
