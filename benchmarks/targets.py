"""Netlib's performance targets, and whether a run meets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .contenders import TITLES
from .results import Results

RIVALS = ("jax", "torch-fused")
EAGER = ("torch", "torch-fused")
CASES = ("tiny", "small", "mnist", "medium", "large")


@dataclass(frozen=True)
class Target:
    """A figure and its bound. The figure is None if it was not measured."""

    text: str
    figure: float | None
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the figure is within the bound; None if it was not measured."""
        if self.figure is None:
            return None
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound


def all_targets(results: Results) -> list[Target]:
    """Return every target."""
    return [
        *_against_rivals(results),
        *_of_images(results),
        *_of_sequences(results),
        *_against_the_floor(results),
        *_of_netlib_alone(results),
    ]


def best(results: Results, table: str, case: str, contenders: tuple[str, ...]) -> float | None:
    """Return the smallest median of these contenders; None unless all were measured."""
    found = [results.median(table, case, contender) for contender in contenders]
    return min(value for value in found if value is not None) if None not in found else None


def ratio(a: float | None, b: float | None) -> float | None:
    """Return a / b, or None unless both were measured."""
    return None if a is None or not b else a / b


def _against_rivals(results: Results) -> Iterator[Target]:
    bounds = {
        "netlib-fast": dict(zip(CASES, (0.75, 0.75, 0.75, 0.85, 1.0), strict=True)),
        "netlib": dict(zip(CASES[:4], (1.0, 1.0, 1.0, 1.1), strict=True)),
    }
    for rivals, words in ((RIVALS, ""), (("jax-queued", "torch-fused"), " (JAX queued)")):
        for ours, by_case in bounds.items():
            for case, bound in by_case.items():
                figure = ratio(results.median("training", case, ours), best(results, "training", case, rivals))
                yield Target(f"{TITLES[ours]}: {case} / the better of JAX and PyTorch fused{words}", figure, bound)
    for case in CASES:
        figure = ratio(results.median("training", case, "netlib"), results.median("training", case, "torch"))
        yield Target(f"{TITLES['netlib']}: {case} / PyTorch eager", figure, 1.0)
    figure = ratio(results.median("training", "tiny", "torch"), results.median("training", "tiny", "netlib-fast"))
    yield Target(f"PyTorch eager / {TITLES['netlib-fast']}: tiny", figure, 6.0, at_least=True)
    for case in ("medium", "large"):
        for ours in ("netlib", "netlib-fast"):
            figure = ratio(results.median("memory", case, ours), best(results, "memory", case, EAGER))
            yield Target(f"{TITLES[ours]}: peak memory of {case} / PyTorch's", figure, 1.0)


def _of_images(results: Results) -> Iterator[Target]:
    for case, fast, pure in (("digits-cnn", 0.6, 1.0), ("lenet", 1.0, 1.6), ("resnet-8", 1.0, 1.6), ("batch-norm-mlp", 0.6, 1.0)):
        figure = ratio(results.median("images, training", case, "netlib-fast"), best(results, "images, training", case, RIVALS))
        yield Target(f"{TITLES['netlib-fast']}: {case} / the better of JAX and PyTorch fused", figure, fast)
        figure = ratio(results.median("images, training", case, "netlib"), results.median("images, training", case, "torch-fused"))
        yield Target(f"{TITLES['netlib']}: {case} / PyTorch fused", figure, pure)
    for ours in ("netlib", "netlib-fast"):
        figure = ratio(results.median("memory", "lenet", ours), best(results, "memory", "lenet", EAGER))
        yield Target(f"{TITLES[ours]}: peak memory of lenet / PyTorch's", figure, 1.2)


def _of_sequences(results: Results) -> Iterator[Target]:
    for case, fast in (("lstm", 0.9), ("gru", 0.9), ("gpt", 0.8), ("wide-lstm", 1.0)):
        for ours, bound in (("netlib-fast", fast), ("netlib", 1.3)):
            figure = ratio(results.median("sequences, training", case, ours), best(results, "sequences, training", case, RIVALS))
            yield Target(f"{TITLES[ours]}: {case} / the better of JAX and PyTorch fused", figure, bound)
    for ours in ("netlib", "netlib-fast"):
        for case in ("attention", "causal attention"):
            memory, theirs = results.median("attention", case, ours), results.median("attention", case, "torch-math")
            figure = None if memory is None or theirs is None else memory - theirs
            yield Target(f"{TITLES[ours]}: peak memory of {case} − PyTorch's with scores, in matrices of scores", figure, 1.5)


def _against_the_floor(results: Results) -> Iterator[Target]:
    for case, bound in (("mnist", 2.0), ("medium", 1.3), ("large", 1.15)):
        figure = ratio(results.median("training", case, "netlib-fast"), results.median("training", case, "products"))
        yield Target(f"{TITLES['netlib-fast']}: {case} / bare products", figure, bound)
    for case in ("tiny", "small"):
        figure = ratio(results.median("floor", case, "netlib"), results.median("floor", case, "bare-loop"))
        yield Target(f"{TITLES['netlib']}: {case}, a batch of one / bare loop", figure, 1.3)


def _of_netlib_alone(results: Results) -> Iterator[Target]:
    for end in ("", "-fast"):
        figure = ratio(results.median("fit", "mnist", "fit" + end), results.median("fit", "mnist", "loop" + end))
        yield Target(f"{TITLES['fit' + end]} / hand-written loop: mnist", figure, 1.1)
    for ours in ("netlib", "netlib-fast"):
        costs = [ratio(results.median("depth", str(n), ours), n) for n in (8, 16, 32, 64)]
        known = [cost for cost in costs if cost is not None]
        figure = max(known) / min(known) if len(known) == len(costs) else None
        yield Target(f"{TITLES[ours]}: cost per layer, 8 to 64 layers, most / least", figure, 1.1)
        yield Target(f"{TITLES[ours]}: bytes grown by 2,000 steps", results.median("growth", "small", ours), 4095)
    for dtype, bound in (("float32", 1e-5), ("float64", 1e-12)):
        yield Target(f"fast and NumPy differ after 100 steps: {dtype}", results.median("agreement", dtype, "netlib-fast"), bound)
    figure = ratio(results.median("imports", "time", "netlib"), results.median("imports", "time", "numpy"))
    yield Target("import netlib / import numpy", figure, 1.3)
    yield Target("numba imported before training", results.median("imports", "numba", "netlib"), 0)
