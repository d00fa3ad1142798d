"""Histograms over time of each layer's outputs and gradients during training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..errors import InvalidTypeError, OrderError
from ..matplotlib_axes import OKABE_ITO, as_axes
from ..training import LayerStatistics
from ..training.layer_statistics import BINS_A_DECADE, HIGHEST, LOWEST, Track

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_LEVEL_LABELS, MAX_LABELS = 6, 40
DARKEST = 0.25
"""The share of a layer's values in one bin that has the darkest colour."""
FAINTEST, DECADES_BELOW = 0.01, 3
"""The lower end of the plot: below it is at most this share of any layer's values.

It is at most so many decades below the smallest root mean square.
"""


def activations(record: LayerStatistics, ax: Axes | None = None) -> Axes:
    """Draw the magnitudes of each layer's outputs as histograms over time.

    Each layer has a block, the first one on the left. Within a block, time runs from left to right,
    and every column is the histogram of one batch, on a logarithmic scale: darker means more
    values. The line is the root mean square. If the blocks sink from layer to layer, the signal
    vanishes; if they rise, it explodes. A logarithmic scale cannot show zeros, so the share of
    zeros in the last batch is written below the block.

    Parameters
    ----------
    record : LayerStatistics
        The callback, after training with it.
    ax : matplotlib axes, optional
        The axes to draw on. By default, those of a new figure.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    OrderError
        If nothing has been recorded.
    MissingError
        If matplotlib is not installed.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> x, t = nl.data.xor(64, rng=0)
    >>> model = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Tanh(), nl.Affine(8, 2, rng=1))
    >>> loss, optimizer, record = nl.SoftmaxCrossEntropy(), nl.Adam(model), nl.LayerStatistics()
    >>> trainer = nl.Trainer(model, loss, optimizer, callbacks=[record], seed=0)
    >>> history = trainer.fit(x, t, epochs=10, batch_size=16, progress=False)
    >>> ax = nl.plot.activations(record, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['0 Affine', '1 Tanh', '2 Affine']
    """
    return _draw(record, "activations", "output of each layer", ax)


def gradients(record: LayerStatistics, ax: Axes | None = None) -> Axes:
    """Draw the magnitudes of each layer's dL/d(output) as histograms over time.

    The plot is like that of `activations`, but gradients flow from right to left. If the blocks
    sink to the left, the gradient vanishes on its way to the first layers; if they rise to the
    left, it explodes.

    Parameters
    ----------
    record : LayerStatistics
        The callback, after training with it.
    ax : matplotlib axes, optional
        The axes to draw on. By default, those of a new figure.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    OrderError
        If nothing has been recorded.
    MissingError
        If matplotlib is not installed.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> x, t = nl.data.xor(64, rng=0)
    >>> model = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Tanh(), nl.Affine(8, 2, rng=1))
    >>> loss, optimizer, record = nl.SoftmaxCrossEntropy(), nl.Adam(model), nl.LayerStatistics()
    >>> trainer = nl.Trainer(model, loss, optimizer, callbacks=[record], seed=0)
    >>> history = trainer.fit(x, t, epochs=10, batch_size=16, progress=False)
    >>> nl.plot.gradients(record, ax=Figure().subplots()).get_title()
    'gradients: dL/d(output) of each layer'
    """
    return _draw(record, "gradients", "dL/d(output) of each layer", ax)


def _draw(record: object, kind: str, what: str, ax: Axes | None) -> Axes:
    where = f"plot.{kind}"
    if not isinstance(record, LayerStatistics):
        hint = "Train with callbacks=[record], where record = nl.LayerStatistics()."
        message = f"got {type(record).__name__}, expected a LayerStatistics"
        raise InvalidTypeError(message, where=where, hint=hint)
    tracks: dict[str, Track] = getattr(record, kind)
    if not tracks:
        hint = "Pass it to a Trainer as callbacks=[record], and call fit."
        raise OrderError("nothing has been recorded yet", where=where, hint=hint)
    n = len(tracks)
    ax = as_axes(ax, where, size=(min(16.0, max(7.0, 2.0 + 0.55 * n)), 4.8))

    for i, track in enumerate(tracks.values()):
        left, right = i + 0.05, i + 0.95
        shares = np.ma.masked_equal(_shares(track), 0).T
        extent = (left, right, LOWEST, HIGHEST)
        ax.imshow(
            shares,
            cmap="Blues",
            vmin=0,
            vmax=DARKEST,
            extent=extent,
            origin="lower",
            aspect="auto",
        )
        times = left + (right - left) * (np.arange(len(track)) + 0.5) / len(track)
        rms, marker = _exponents(track["rms"]), "." if len(track) == 1 else ""
        ax.plot(times, rms, color=OKABE_ITO[1], marker=marker, linewidth=1.5)
    batches = next(iter(tracks.values()))["batch"]
    ax.set(xlim=(0, n), ylim=_limits(tracks), title=f"{kind}: {what}")
    ax.set_ylabel("magnitude; line: root mean square")
    ax.set_xlabel(f"layer, the first at the left; time in each block: batch {batches[0]} to {batches[-1]}")
    ax.locator_params(axis="y", integer=True)
    ax.yaxis.set_major_formatter("$10^{{{x:.0f}}}$")
    labels = [_label(path, track) for path, track in tracks.items()]
    every = -(-n // MAX_LABELS)
    rotation = 0 if n <= MAX_LEVEL_LABELS else 90
    ax.set_xticks(np.arange(n)[::every] + 0.5, labels[::every], rotation=rotation)
    ax.set_xticks(range(n + 1), minor=True)
    ax.grid(axis="x", which="minor", color="0.8", linewidth=0.6)
    ax.tick_params(axis="x", which="both", length=0)
    return ax


def _shares(track: Track) -> Array:
    """Return the histograms (batches, bins) as shares of the nonzero values."""
    counts = track["histogram"]
    shares: Array = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _exponents(values: Array) -> Array:
    """Return log10 of positive values, and NaN, which is not drawn, for all others."""
    return np.log10(values, out=np.full(len(values), np.nan), where=values > 0)


def _limits(tracks: dict[str, Track]) -> tuple[float, float]:
    """Return the exponents at the lower and the upper end of the plot; see `FAINTEST`."""
    histograms = [track["histogram"] for track in tracks.values()]
    totals = [histogram.sum(axis=0) for histogram in histograms if histogram.any()]
    if not totals:
        return -1.0, 1.0
    first = min(int(np.searchsorted(total.cumsum(), FAINTEST * total.sum(), side="right")) for total in totals)
    last = max(int(np.flatnonzero(total)[-1]) for total in totals)
    rms_exponents = [_exponents(track["rms"]) for track in tracks.values()]
    lowest_rms = float(np.nanmin([np.nanmin(each, initial=HIGHEST) for each in rms_exponents]))
    low, high = LOWEST + np.array([first, last + 1]) / BINS_A_DECADE
    return float(max(low, lowest_rms - DECADES_BELOW)), float(high)


def _label(path: str, track: Track) -> str:
    zeros = track["zeros"][-1]
    return f"{path} {track.kind}".strip() + (f"\n{zeros:.0%} zeros" if zeros >= 0.005 else "")
