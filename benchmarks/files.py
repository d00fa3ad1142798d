"""How fast models and states are written and read, beside `np.save` and `np.load`.

Run ``python -m benchmarks.files`` (extra `safetensors`). Writes and reads alternate between netlib
and NumPy, round by round, and the medians are compared. netlib flushes each file to the disk, so
`np.save` is measured with such a flush, too. What is read was written just before, and so comes
from the memory of the system, not from the disk.
"""

from __future__ import annotations

import argparse
import datetime
import os
import tempfile
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import netlib as nl
from netlib.arrays import Array

from .machine import OtherProcesses, describe
from .report import markdown, number

LEAST = 0.8
"""The speed that netlib promises, as a share of NumPy's."""
MAX_SECONDS = 0.005
"""The time that netlib promises for a file of the digits network."""


class Row(NamedTuple):
    """The seconds of each round, netlib's and NumPy's, or netlib's alone."""

    text: str
    ours: list[float]
    numpy: list[float]


def rows(numbers: int, rounds: int, folder: str) -> Iterator[Row]:
    """Measure everything, `rounds` times each, with arrays of so many float32 numbers."""
    side = int(numbers**0.5)
    model = nl.Affine(side, side, bias=False, rng=0)
    weight = model.weight.value
    digits = nl.Sequential(nl.Affine(64, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
    plain = os.path.join(folder, "plain.npy")
    for suffix in (".npz", ".safetensors"):
        path = os.path.join(folder, f"netlib{suffix}")

        def save_state(path: str = path) -> None:
            nl.save_state({"weight": weight}, path)

        def save(path: str = path) -> None:
            nl.save(model, path)

        for what, call in (("save_state", save_state), ("save", save)):
            yield Row(f"{what}, {suffix}, beside np.save and fsync", *_alternate(rounds, call, lambda: _save_and_flush(plain, weight)))
            load = {"save_state": nl.load_state, "save": nl.load}[what]
            yield Row(
                f"{load.__name__}, {suffix}, beside np.load",
                *_alternate(rounds, lambda load=load, path=path: load(path), lambda: np.load(plain)),  # type: ignore[misc]
            )
        yield Row(f"save_state, {suffix}, beside np.save", *_alternate(rounds, save_state, lambda: np.save(plain, weight)))
        os.remove(path)
        seconds, _ = _alternate(max(rounds, 20), lambda path=path: nl.save(digits, path), lambda: None)  # type: ignore[misc]
        yield Row(f"save the digits network, {suffix}", seconds, [])
        seconds, _ = _alternate(max(rounds, 20), lambda path=path: nl.load(path), lambda: None)  # type: ignore[misc]
        yield Row(f"load the digits network, {suffix}", seconds, [])


def _save_and_flush(path: str, array: Array) -> None:
    with open(path, "wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())


def _alternate(rounds: int, ours: Callable[[], Any], other: Callable[[], Any]) -> tuple[list[float], list[float]]:
    """Return the seconds of each call, after one that is not counted."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for call, kept in zip((ours, other), seconds, strict=True):
            started = perf_counter()
            call()
            kept.append(perf_counter() - started)
    return seconds[0][1:], seconds[1][1:]


def _line(row: Row) -> list[str]:
    ours = median(row.ours)
    if not row.numpy:
        return [row.text, f"{number(ours)} s", "", "", f"< {number(MAX_SECONDS)} s", "met" if ours < MAX_SECONDS else "NOT met"]
    speed = median(row.numpy) / ours
    return [
        row.text,
        f"{number(ours)} s",
        f"{number(median(row.numpy))} s",
        f"{speed:.2f}",
        f"≥ {LEAST}",
        "met" if speed >= LEAST else "NOT met",
    ]


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.files", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--numbers", type=int, default=100_000_000, help="how many float32 numbers (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--folder", help="where to write the files (default: the system's temporary folder)")
    args = parser.parse_args()
    others = OtherProcesses()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        lines = [_line(row) for row in rows(args.numbers, args.rounds, folder)]
    machine = describe(os.cpu_count() or 1) | {"other processes": others.share(), "rounds": str(args.rounds)}
    print(f"Measured on {datetime.date.today().isoformat()}, with {args.numbers:,} numbers.\n")
    print("\n".join(f"- {name}: {value}" for name, value in machine.items()))
    print(f"\nVersions: netlib {nl.__version__}, numpy {np.__version__}.\n")
    print(markdown(["", "netlib", "NumPy", "speed", "bound", ""], lines))


if __name__ == "__main__":
    main()
