"""Learning curves: loss and metrics over the epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..matplotlib_axes import OKABE_ITO, as_axes
from .arguments import RESERVED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .history import History


def draw_curves(history: History, ax: Axes | None) -> Axes:
    """Draw the learning curves, as `History.plot` describes."""
    metrics = [name for name in history.columns if name not in RESERVED and not name.startswith("val_")]
    ax = as_axes(ax, "History.plot")
    at_right = ax.twinx() if metrics else None
    _draw(history, ["loss"], ax, OKABE_ITO)
    ax.set(title="learning curves", xlabel="epoch", ylabel="loss")
    ax.locator_params(axis="x", integer=True)
    lines = ax.get_lines()
    if at_right is not None:
        _draw(history, metrics, at_right, OKABE_ITO[1:])
        at_right.set_ylabel(", ".join(metrics))
        lines = [*lines, *at_right.get_lines()]
    (at_right or ax).legend(handles=lines, loc="center right" if metrics else "upper right")
    return ax


def _draw(history: History, names: list[str], ax: Axes, colours: tuple[str, ...]) -> None:
    for i, name in enumerate(names):
        colour, marker = colours[i % len(colours)], "o" if len(history) == 1 else ""
        for column, line, part in ((name, "-", "training"), (f"val_{name}", "--", "validation")):
            if column in history:
                label, values = f"{name}, {part}", history[column]
                ax.plot(history["epoch"], values, line, marker=marker, color=colour, label=label)
