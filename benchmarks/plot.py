"""The tables as curves, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .case import CASES
from .contenders import TITLES
from .results import Results

PANELS: dict[str, tuple[str, Callable[[str], int]]] = {
    "training": ("One training step, by number of parameters", lambda case: CASES[case].n_parameters),
    "inference": ("One forward pass, by number of parameters", lambda case: CASES[case].n_parameters),
    "depth": ("One training step, by number of layers of 64", int),
    "batch": ("One training step of small, by batch", int),
    "channels": ("One training step of two convolutions, by channels", int),
    "sizes": ("One training step of two convolutions, by size of the images", int),
    "lengths, lstm": ("One training step of lstm, by number of steps", int),
    "lengths, gpt": ("One training step of gpt, by number of ids", int),
    "widths, lstm": ("One training step of lstm, by hidden features", int),
    "widths, gpt": ("One training step of gpt, by features", int),
}


def plot(results: Results, path: Path) -> None:
    """Draw the tables of times into a file; its suffix says what kind."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 21), layout="constrained")
    for axes, (table, (title, position)) in zip(figure.subplots(5, 2).flat, PANELS.items(), strict=True):
        axes.set(title=title, ylabel="µs", xscale="log", yscale="log")
        _panel(axes, results, table, position)
        axes.set_xticks([position(case) for case in results.cases(table)], labels=results.cases(table))
        axes.set_xticks([], minor=True)
        axes.grid(True, which="both", alpha=0.3)
    figure.legend(*_one_of_each(figure.axes), loc="outside lower center", ncols=5)
    figure.savefig(path, dpi=120)


def _panel(axes: Any, results: Results, table: str, position: Callable[[str], int]) -> None:
    for number, (contender, title) in enumerate(TITLES.items()):
        medians = {case: results.median(table, case, contender) for case in results.cases(table)}
        known = {position(case): value for case, value in medians.items() if value is not None}
        if known:
            dashes = ":" if contender == "products" else "-" if contender.startswith("netlib") else "--"
            axes.plot(list(known), list(known.values()), dashes, marker="o", color=f"C{number}", label=title)


def _one_of_each(panels: list[Any]) -> tuple[list[Any], list[str]]:
    lines = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    return list(lines.values()), list(lines)
