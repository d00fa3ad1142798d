"""One training step of netlib beside the bare matrix products it cannot do without.

Run ``python benchmarks/training_step.py``. Figures are medians over rounds, in microseconds; trust the ratio, not the times.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

import netlib as nl

CASES = {
    "tiny": ([2, 16, 16, 2], 32, 400),
    "small": ([64, 128, 10], 64, 400),
    "mnist": ([784, 128, 10], 64, 100),
    "medium": ([784, 512, 512, 10], 128, 20),
    "large": ([1024, 2048, 2048, 10], 512, 2),
}


def step_of_netlib(widths: list[int], batch: int) -> Callable[[], None]:
    """Return one whole step: forward, softmax cross-entropy, backward, Adam."""
    rng = np.random.default_rng(0)
    layers: list[nl.Layer] = []
    for n_in, n_out in pairwise(widths):
        layers += [nl.Affine(n_in, n_out, rng=rng), nl.ReLU()]
    model, loss = nl.Sequential(*layers[:-1]), nl.SoftmaxCrossEntropy()
    optimizer = nl.Adam(model, lr=1e-3)
    x, t = rng.normal(size=(batch, widths[0])).astype(np.float32), rng.integers(widths[-1], size=batch)

    def step() -> None:
        loss.forward(model.forward(x), t)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()

    return step


def bare_products(widths: list[int], batch: int) -> Callable[[], None]:
    """Return the matrix products of the same step, written into arrays that are there already."""
    rng = np.random.default_rng(0)
    f = np.float32
    values = [rng.normal(size=(batch, n)).astype(f) for n in widths]
    weights = [rng.normal(size=shape).astype(f) for shape in pairwise(widths)]
    grads = [w.copy() for w in weights]

    def step() -> None:
        for i, w in enumerate(weights):
            np.matmul(values[i], w, out=values[i + 1])
        for i in reversed(range(len(weights))):
            np.matmul(values[i].T, values[i + 1], out=grads[i])
            if i:
                np.matmul(values[i + 1], weights[i].T, out=values[i])

    return step


def microseconds(step: Callable[[], None], steps: int) -> float:
    """Return the time of one step."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps * 1e6


def main() -> None:
    """Time each case, the two contenders in turns, and print the table."""
    print(f"{'case':8}{'netlib µs':>12}{'products µs':>14}{'ratio':>8}")
    for name, (widths, batch, steps) in CASES.items():
        contenders = [step_of_netlib(widths, batch), bare_products(widths, batch)]
        rounds = [[microseconds(step, steps) for step in contenders] for _ in range(11)]
        ours, floor = (statistics.median(column) for column in zip(*rounds[1:], strict=True))
        print(f"{name:8}{ours:12.0f}{floor:14.0f}{ours / floor:8.2f}")


if __name__ == "__main__":
    main()
