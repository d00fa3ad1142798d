"""Where a training step spends its time: the bare products, and the other parts added one by one.

``python -m benchmarks.anatomy`` builds the step of a case from its parts, on the arrays of a real
model, and measures the stages in turns. A stage can cost more than its parts because it slows
others down: a product waits for weights that the optimizer has evicted from the cache.
"""

from __future__ import annotations

import argparse
import random
import resource
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import netlib as nl
from netlib.kernels.bias_relu import add_bias_relu, relu_backward

from .case import CASES
from .contenders.netlib_ import build

if TYPE_CHECKING:
    from .case import Case

    Array = np.ndarray[Any, np.dtype[Any]]
    Part = Callable[[], Any]


class Anatomy:
    """The parts of a training step of a model, each a function without arguments."""

    def __init__(self, case: Case) -> None:
        self.model, self.loss = build(case), nl.SoftmaxCrossEntropy()
        # So small that the weights stay: a loss near zero has subnormal gradients, which are slow.
        self.optimizer = nl.Adam(self.model, lr=1e-12)
        self.x, self.t = case.inputs(), next(iter(case.targets()))
        for _ in range(3):
            self.whole()
        parameters = list(self.model.parameters().values())
        weights, biases = [p.value for p in parameters[::2]], [p.value for p in parameters[1::2]]
        values = [np.empty_like(self.x), *(np.empty((case.batch, n), case.dtype) for n in case.widths[1:])]
        douts, dx = ([np.empty_like(a) for a in values] for _ in range(2))
        masks, sums = [np.empty(a.shape, bool) for a in values], [np.empty(a.shape[1], a.dtype) for a in values]
        rectify, mask = add_bias_relu.of(self.x.dtype), relu_backward.of(self.x.dtype)
        n = len(weights)
        douts[-1][...] = self.loss.backward()
        self.copy: list[Part] = [lambda: values[0].__setitem__(..., self.x)]
        self.forward = [lambda i=i: values[i].dot(weights[i], values[i + 1]) for i in range(n)]
        self.rectify = [lambda i=i: rectify(values[i], biases[i - 1], masks[i]) for i in range(1, n)]
        self.mask = [lambda i=i: mask(dx[i], masks[i], douts[i], sums[i]) for i in range(1, n)]
        self.to_weights = [lambda i=i: parameters[2 * i].add_grad_product(values[i].T, douts[i + 1]) for i in range(n)]
        self.to_inputs = [lambda i=i: douts[i + 1].dot(weights[i].T, dx[i]) for i in range(1, n)]
        self.update: list[Part] = [self.optimizer.step]

    def products(self) -> list[Part]:
        """Return only the products."""
        return [*self.forward, *self._backward(masked=False)]

    def stages(self) -> dict[str, list[Part]]:
        """Return growing parts of the step, by what each adds to the one before."""
        rectified = [part for pair in zip(self.forward, [*self.rectify, None], strict=True) for part in pair if part is not None]
        return {
            "the products": self.products(),
            "+ bias and ReLU": [*rectified, *self._backward(masked=False)],
            "+ ReLU backward, sums of rows": [*rectified, *self._backward(masked=True)],
            "+ a copy of x": [*self.copy, *rectified, *self._backward(masked=True)],
            "+ Adam": [*self.copy, *rectified, *self._backward(masked=True), *self.update],
            "netlib's step, loss included": [self.whole],
        }

    def whole(self) -> None:
        """Run one step as a user writes it."""
        self.loss.forward(self.model.forward(self.x), self.t)
        self.model.backward(self.loss.backward(), input_gradient=False)
        self.optimizer.step()

    def _backward(self, masked: bool) -> list[Part]:
        parts: list[Part] = []
        for i in reversed(range(len(self.forward))):
            parts.append(self.to_weights[i])
            if i:
                parts.append(self.to_inputs[i - 1])
                parts += [self.mask[i - 1]] if masked else []
        return parts


def measure(
    stages: dict[str, list[Part]], rounds: int, prepare: Part, counted: Callable[[Part], bool] = lambda part: True
) -> dict[str, float]:
    """Return the µs of one step of each stage: medians over rounds in which all take turns.

    Only parts for which `counted` is true are timed; `prepare` is called before each step.
    """
    times: dict[str, list[float]] = {name: [] for name in stages}
    order, rng = list(stages), random.Random(0)
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            steps = []
            for _ in range(20):
                prepare()
                seconds = 0.0
                for part in stages[name]:
                    start = perf_counter()
                    part()
                    seconds += perf_counter() - start if counted(part) else 0.0
                steps.append(seconds)
            times[name].append(median(steps))
    return {name: median(values) * 1e6 for name, values in times.items()}


def wait(seconds: float) -> Part:
    """Return a part that keeps one core busy while the other BLAS thread is idle."""

    def busy() -> None:
        end = perf_counter() + seconds
        while perf_counter() < end:
            pass

    return busy


def around_products(parts: Anatomy, rounds: int) -> dict[str, float]:
    """Return the µs of the products alone, with other work between two rounds of them."""
    products = parts.products()
    others: dict[str, list[Part]] = {
        "nothing": [],
        "200 µs in which the other thread falls asleep": [wait(200e-6)],
        "Adam, which goes through all weights": parts.update,
    }
    own = {id(part) for part in products}
    return measure(
        {name: [*products, *other] for name, other in others.items()}, rounds, parts.optimizer.zero_grad, lambda part: id(part) in own
    )


def alignment(case: Case, rounds: int) -> dict[str, float]:
    """Return the µs of the largest product, for arrays aligned to 64 bytes and 16 bytes off."""
    n_in, n_out = max(case.shapes, key=lambda shape: shape[0] * shape[1])

    def at(offset: int, *shape: int) -> Array:
        raw = np.ones(8 * int(np.prod(shape)) + 128, np.uint8)
        start = -raw.ctypes.data % 64 + offset
        array: Array = raw[start:].view()[: 4 * int(np.prod(shape))].view(np.float32).reshape(shape)
        array[...] = 1
        return array

    stages: dict[str, list[Part]] = {}
    for offset in (0, 16):
        x, w, y = at(offset, case.batch, n_in), at(offset, n_in, n_out), at(offset, case.batch, n_out)
        stages[f"{offset} bytes"] = [lambda x=x, w=w, y=y: x.dot(w, y)]  # type: ignore[misc]
    return measure(stages, rounds, lambda: None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="medium", choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    case = CASES[arguments.case]
    parts = Anatomy(case)
    print(f"{case.name}, {nl.accelerator()}, µs\n")
    for name, value in measure(parts.stages(), arguments.rounds, parts.optimizer.zero_grad).items():
        print(f"{value:10,.0f}  {name}")
    print("\nthe products, with between two rounds of them")
    for name, value in around_products(parts, arguments.rounds).items():
        print(f"{value:10,.0f}  {name}")
    print("\nthe largest product, its arrays from a cache line on")
    for name, value in alignment(case, arguments.rounds).items():
        print(f"{value:10,.0f}  {name}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        parts.whole()
    print(f"\n{(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 100:10.1f}  page faults a step")


if __name__ == "__main__":
    main()
