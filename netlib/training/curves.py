"""Loss and metrics, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..matplotlib_axes import OKABE_ITO, as_axes
from .arguments import RESERVED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .history import History


def draw_curves(history: History, ax: Axes | None) -> Axes:
    """Draw what `History.plot` promises."""
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
        for column, style, whose in ((name, "-", "training"), (f"val_{name}", "--", "validation")):
            if column in history:
                marker = "o" if len(history) == 1 else ""
                ax.plot(history["epoch"], history[column], style, marker=marker, color=colours[i % len(colours)], label=f"{name}, {whose}")
