"""How long gradient checks and drawings take, and how large the files are.

Run ``python -m benchmarks.checking_and_drawing`` (extra `draw`) for the table in
docs/benchmarks.md. The median of the rounds is compared with the bound; the minimum is the best
estimate for an idle machine.
"""

from __future__ import annotations

import argparse
import datetime
import os
import tracemalloc
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.resources import files
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import netlib as nl
from netlib.arrays import Array, ArrayLike
from netlib.drawing.layout import arrange

from .layers_to_check import CASES, normal
from .machine import OtherProcesses, describe
from .report import markdown, number


class Row(NamedTuple):
    """The figure of each round, in seconds or kB, and the bound that netlib promises."""

    text: str
    figures: list[float]
    bound: float
    unit: str = "s"


class Forgetful(nl.Affine):
    """Affine that forgets the first output feature in the gradients of its parameters."""

    def backward_parameters(self, dout: ArrayLike) -> None:
        """Add to the gradients of W and b."""
        dout = np.array(dout)
        dout[..., 0] = 0
        super().backward_parameters(dout)


def rows(rounds: int) -> Iterator[Row]:
    """Measure everything, `rounds` times each."""
    yield from _checks(rounds)
    yield from _checks_of_users_layers(rounds)
    yield from _pictures(rounds)


def _checks(rounds: int) -> Iterator[Row]:
    for affine in (nl.Affine, Forgetful):
        network = nl.Sequential(affine(64, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
        for name, layer, x, bound in (
            ("64-128-10", network, _images(8, 64), 1.0),
            ("Affine(1000, 1000)", affine(1000, 1000, rng=0), _images(8, 1000), 2.0),
        ):
            seconds, report = _time(rounds, nl.check_gradients, layer, x)
            yield Row(f"check of {name}: {_coverage(report)}", seconds, bound)


def _checks_of_users_layers(rounds: int) -> Iterator[Row]:
    """Measure the time and the memory of checks of layers as users write them."""
    for name, case in CASES.items():
        for slip in case.slips:
            layer, x = case.make(slip), normal(*case.shape)
            seconds, report = _time(1 if case.is_large else rounds, nl.check_gradients, layer, x)
            text = f"check of {name}, {slip} wrong" if slip else f"check of {name}"
            yield Row(f"{text}: {_coverage(report)}", seconds, case.seconds)
            if case.is_large:
                yield Row(f"memory of the {text}", [_peak(layer, x) / 2**20], 1024, "MiB")


def _peak(layer: nl.Layer, x: Array) -> int:
    """Return the most bytes that a check holds at a time, its inputs among them."""
    tracemalloc.start()
    try:
        nl.check_gradients(layer, x)
        return x.nbytes + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _pictures(rounds: int) -> Iterator[Row]:
    digits = nl.Sequential(nl.Affine(64, 128, rng=0), nl.ReLU(), nl.Dropout(0.2, rng=0), nl.Affine(128, 10, rng=1))
    yield Row("SVG of the net of examples/digits.py, a batch of 64", _time(rounds, _svg, digits, nl.data.digits()[0][:64])[0], 0.5)
    deep = nl.Sequential(*(nl.Tanh() if i % 2 else nl.Affine(2, 2, rng=i) for i in range(1000)))
    yield Row("SVG of a chain of 1,000 layers, which is folded", _time(rounds, _svg, deep, _images(2, 2))[0], 3.0)
    boxes, edges = _fifty_layers()
    yield Row(f"layout of {len(boxes)} boxes and {len(edges)} edges", _time(rounds, arrange, boxes, edges)[0], 0.3)
    medium = nl.Sequential(nl.Affine(784, 512, rng=0), nl.ReLU(), nl.Affine(512, 512, rng=1), nl.ReLU(), nl.Affine(512, 10, rng=2))
    drawing = nl.draw(medium, _images(128, 784))
    yield Row("page of 784-512-512-10, a batch of 128", [len(drawing.html.encode()) / 1000], 400, "kB")
    yield Row("SVG of the same", [len(drawing.svg.encode()) / 1000], 400, "kB")
    sources = (files("netlib.drawing") / "web").iterdir()
    yield Row("code, style and markup of a page, without its data", [sum(len(file.read_bytes()) for file in sources) / 1000], 150, "kB")


def _time(rounds: int, call: Callable[..., Any], *arguments: Any) -> tuple[list[float], Any]:
    """Return the seconds of each call, and the result of the last one."""
    seconds = []
    for _ in range(rounds):
        started = perf_counter()
        returned = call(*arguments)
        seconds.append(perf_counter() - started)
    return seconds, returned


def _svg(model: nl.Layer, x: Array) -> str:
    return nl.draw(model, x).svg


def _images(batch: int, features: int) -> Array:
    return np.random.default_rng(0).random((batch, features), dtype=np.float32)


def _coverage(report: nl.GradientReport) -> str:
    """Return how many elements were compared, and whether a mistake was found."""
    compared, total = (sum(counts) for counts in zip(*report.covered.values(), strict=True))
    sampled = [name for name, (n, size) in report.covered.items() if n < size]
    how = f"{compared:,} of {total:,} elements" if sampled else f"all {total:,} elements"
    directions = " and all along random directions" if sampled and set(sampled) <= set(report.directions) else ""
    return f"{how}{directions}; {'nothing wrong' if report.ok else 'a mistake found'}"


def _fifty_layers() -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    """Return boxes and edges of 50 layers with two parameters each and a skip at every sixth.

    Each edge has a box for its label.
    """
    boxes, lines = [(30.0, 30.0)], []
    for layer in range(0, 147, 3):
        boxes += [(90.0, 60.0), (30.0, 30.0), (30.0, 30.0)]
        lines += [(max(0, layer - 2), layer + 1), (layer + 2, layer + 1), (layer + 3, layer + 1)]
        if layer and layer % 18 == 0:
            lines.append((layer - 11, layer + 1))
    edges = [edge for label, (source, target) in enumerate(lines, len(boxes)) for edge in ((source, label), (label, target))]
    return boxes + [(110.0, 90.0)] * len(lines), edges


def _line(row: Row) -> list[str]:
    middle = median(row.figures)
    figures = [f"{number(figure)} {row.unit}" for figure in (middle, min(row.figures), row.bound)]
    return [row.text, *figures[:2], f"< {figures[2]}", "met" if middle < row.bound else "NOT met"]


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.checking_and_drawing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (default: %(default)s)")
    args = parser.parse_args()
    others = OtherProcesses()
    lines = [_line(row) for row in rows(args.rounds)]
    machine = describe(os.cpu_count() or 1) | {"other processes": others.share(), "rounds": str(args.rounds)}
    print(f"Measured on {datetime.date.today().isoformat()}.\n")
    print("\n".join(f"- {name}: {value}" for name, value in machine.items()))
    print(f"\nVersions: graphlay {version('graphlay')}, netlib {nl.__version__}, numpy {np.__version__}.\n")
    print(markdown(["", "median", "minimum", "bound", ""], lines))


if __name__ == "__main__":
    main()
