"""What went through each layer while a model was trained, as histograms over time."""

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

MOST_LEVEL_LABELS, MOST_LABELS = 6, 40
DARKEST = 0.25
"""The share of a layer's values in one bin that gets the darkest colour."""
FAINTEST, DECADES_BELOW = 0.01, 3
"""The picture ends where less than this share of any layer's values lies below, or so far below the smallest root mean square."""


def activations(record: LayerStatistics, ax: Axes | None = None) -> Axes:
    """Draw how large the outputs of each layer were, as histograms over time.

    Each layer has a block, the first at the left; in a block, time goes from left to right, and every column of it is the histogram of
    one batch: up is larger, in powers of ten, and darker is more. The line is the root of the mean square. Blocks that sink to the
    right show a signal that dies away, blocks that rise one that explodes. Zeros have no place on such a scale; their share at the end
    stands below the block.

    Parameters
    ----------
    record : LayerStatistics
        After training with it.
    ax : matplotlib axes, optional
        Where to draw; without them, on a new figure.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    OrderError
        Before any training.
    MissingError
        Without matplotlib.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> x, t = nl.data.xor(64, rng=0)
    >>> model, record = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Tanh(), nl.Affine(8, 2, rng=1)), nl.LayerStatistics()
    >>> trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model), callbacks=[record], seed=0)
    >>> history = trainer.fit(x, t, epochs=10, batch_size=16, progress=False)
    >>> ax = nl.plot.activations(record, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['0 Affine', '1 Tanh', '2 Affine']
    """
    return _draw(record, "activations", "output of each layer", ax)


def gradients(record: LayerStatistics, ax: Axes | None = None) -> Axes:
    """Draw how large dL/d(output) of each layer was, as histograms over time.

    To be read as `activations` is, except that gradients flow from right to left: where blocks sink to the left, they vanish on their
    way to the first layers; where blocks rise to the left, they explode.

    Parameters
    ----------
    record : LayerStatistics
        After training with it.
    ax : matplotlib axes, optional
        Where to draw; without them, on a new figure.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    OrderError
        Before any training.
    MissingError
        Without matplotlib.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> x, t = nl.data.xor(64, rng=0)
    >>> model, record = nl.Sequential(nl.Affine(2, 8, rng=0), nl.Tanh(), nl.Affine(8, 2, rng=1)), nl.LayerStatistics()
    >>> trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model), callbacks=[record], seed=0)
    >>> history = trainer.fit(x, t, epochs=10, batch_size=16, progress=False)
    >>> nl.plot.gradients(record, ax=Figure().subplots()).get_title()
    'gradients: dL/d(output) of each layer'
    """
    return _draw(record, "gradients", "dL/d(output) of each layer", ax)


def _draw(record: object, kind: str, what: str, ax: Axes | None) -> Axes:
    where = f"plot.{kind}"
    if not isinstance(record, LayerStatistics):
        hint = "Train with callbacks=[record], where record = nl.LayerStatistics()."
        raise InvalidTypeError(f"got {type(record).__name__}, wanted a LayerStatistics", where=where, hint=hint)
    tracks: dict[str, Track] = getattr(record, kind)
    if not tracks:
        raise OrderError("nothing has been recorded yet", where=where, hint="Hand it to a Trainer as callbacks=[record], and fit.")
    n = len(tracks)
    ax = as_axes(ax, where, size=(min(16.0, max(7.0, 2.0 + 0.55 * n)), 4.8))

    for i, track in enumerate(tracks.values()):
        left, right = i + 0.05, i + 0.95
        shares = np.ma.masked_equal(_shares(track), 0).T
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=DARKEST, extent=(left, right, LOWEST, HIGHEST), origin="lower", aspect="auto")
        times = left + (right - left) * (np.arange(len(track)) + 0.5) / len(track)
        ax.plot(times, _exponents(track["rms"]), color=OKABE_ITO[1], marker="." if len(track) == 1 else "", linewidth=1.5)
    batches = next(iter(tracks.values()))["batch"]
    ax.set(xlim=(0, n), ylim=_limits(tracks), title=f"{kind}: {what}", ylabel="magnitude; line: root mean square")
    ax.set_xlabel(f"layer, the first at the left; time in each block: batch {batches[0]} to {batches[-1]}")
    ax.locator_params(axis="y", integer=True)
    ax.yaxis.set_major_formatter("$10^{{{x:.0f}}}$")
    labels = [_label(path, track) for path, track in tracks.items()]
    every = -(-n // MOST_LABELS)
    ax.set_xticks(np.arange(n)[::every] + 0.5, labels[::every], rotation=0 if n <= MOST_LEVEL_LABELS else 90)
    ax.set_xticks(range(n + 1), minor=True)
    ax.grid(axis="x", which="minor", color="0.8", linewidth=0.6)
    ax.tick_params(axis="x", which="both", length=0)
    return ax


def _shares(track: Track) -> Array:
    """Return the histograms (batches, bins) as shares of the values that are not 0."""
    counts = track["histogram"]
    shares: Array = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _exponents(values: Array) -> Array:
    """Return log10 of what is above 0, and NaN, which is not drawn, for all else."""
    return np.log10(values, out=np.full(len(values), np.nan), where=values > 0)


def _limits(tracks: dict[str, Track]) -> tuple[float, float]:
    """Return exponents below which only the faintest values lie, and above which none."""
    totals = [track["histogram"].sum(axis=0) for track in tracks.values() if track["histogram"].any()]
    if not totals:
        return -1.0, 1.0
    first = min(int(np.searchsorted(total.cumsum(), FAINTEST * total.sum(), side="right")) for total in totals)
    last = max(int(np.flatnonzero(total)[-1]) for total in totals)
    lowest_rms = float(np.nanmin([np.nanmin(_exponents(track["rms"]), initial=HIGHEST) for track in tracks.values()]))
    low, high = LOWEST + np.array([first, last + 1]) / BINS_A_DECADE
    return float(max(low, lowest_rms - DECADES_BELOW)), float(high)


def _label(path: str, track: Track) -> str:
    zeros = track["zeros"][-1]
    return f"{path} {track.kind}".strip() + (f"\n{zeros:.0%} zeros" if zeros >= 0.005 else "")
