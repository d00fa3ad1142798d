"""Which class a model takes each point of the plane for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_floats, as_number
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..layer import Layer, as_layer
from ..layers import Sigmoid
from ..matplotlib_axes import as_axes, class_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHERE = "plot.decision_boundary"
RESOLUTION = 400
BATCH = 8192
MARKERS = "osD^vP*X"


def decision_boundary(model: Layer, x: ArrayLike, t: ArrayLike, ax: Axes | None = None, threshold: float | None = None) -> Axes:
    """Draw the regions that a model of two features tells apart, and samples on top of them.

    A sample whose colour is not that of its region is taken for the wrong class. The model runs in evaluation mode, and nothing in it
    changes.

    Parameters
    ----------
    model : Layer
        Returns a score for each class, of which the largest wins; or one number, above `threshold` for class 1.
    x : array_like (N, 2)
        The samples; the picture covers them and a margin.
    t : array_like (N,), (N, 1) or (N, C)
        Class numbers, or one-hot rows.
    ax : matplotlib axes, optional
        Where to draw; without them, on a new figure.
    threshold : float, optional
        Of a model with one output. Unless given: 0, as for the logits of `accuracy`, but 0.5 if the last layer is a `Sigmoid`.

    Returns
    -------
    matplotlib axes
        Their one image holds the class numbers, in rows from bottom to top.

    Raises
    ------
    ShapeError
        For other than two features, and shapes that do not fit.
    InvalidValueError, InvalidTypeError
        For samples that are not finite, and targets that are no class numbers.
    MissingError
        Without matplotlib.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> x, t = nl.data.spirals(90, classes=3, rng=0)
    >>> ax = nl.plot.decision_boundary(nl.Affine(2, 3, rng=0), x, t, ax=Figure().subplots())
    >>> ax.get_title(), len(ax.collections)
    ('decision boundary', 3)
    """
    as_layer(model, WHERE)
    if threshold is None:
        *_, (_, last) = model.walk()
        threshold = 0.5 if isinstance(last, Sigmoid) else 0.0
    threshold = as_number(threshold, "threshold", WHERE)
    x = as_floats(x, where=WHERE)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x):
        hint = "Train on two of them: x[:, [0, 1]]." if x.ndim == 2 and x.shape[1] > 2 else ""
        raise ShapeError(f"got x of shape {x.shape}, wanted (N, 2): the plane has two features", where=WHERE, hint=hint)
    if not np.isfinite(x).all():
        raise InvalidValueError("x is not all finite", where=WHERE)
    true = _as_class_numbers(t, len(x))
    margin = 0.08 * np.ptp(x, axis=0)
    margin[margin == 0] = 1
    (left, bottom), (right, top) = x.min(axis=0) - margin, x.max(axis=0) + margin
    across, up = _centres(left, right), _centres(bottom, top)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(x.dtype)
    predicted, n_outputs = _predicted(model, grid, threshold)
    n_classes = max(n_outputs, 1 + int(true.max()))

    ax = as_axes(ax, WHERE, size=(6.4, 5.6))
    from matplotlib.colors import ListedColormap, to_rgb

    colours = class_colours(n_classes)
    pale = ListedColormap([tuple(0.35 * np.array(to_rgb(colour)) + 0.65) for colour in colours])
    regions = predicted.reshape(RESOLUTION, RESOLUTION)
    extent = (left, right, bottom, top)
    ax.imshow(regions, cmap=pale, vmin=-0.5, vmax=n_classes - 0.5, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    for k in np.unique(true):
        x1, x2 = x[true == k].T
        marker = MARKERS[k % len(MARKERS)]
        ax.scatter(x1, x2, s=22, marker=marker, color=colours[k], edgecolors="white", linewidths=0.6, label=f"class {k}")
    ax.set(title="decision boundary", xlabel="feature 0", ylabel="feature 1", xlim=(left, right), ylim=(bottom, top))
    ax.legend(loc="upper right", framealpha=0.9)
    return ax


def _centres(start: float, stop: float) -> Array:
    """Return the middles of the pixels between two ends."""
    return start + (stop - start) * (np.arange(RESOLUTION) + 0.5) / RESOLUTION


def _predicted(model: Layer, x: Array, threshold: float) -> tuple[Array, int]:
    """Return a class number for each row of `x`, and how many classes the outputs stand for."""
    y: Any = model.predict(x, batch_size=BATCH)
    if isinstance(y, tuple):
        raise InvalidTypeError(f"the model has {len(y)} outputs, wanted one array", where=WHERE)
    y = as_array(y, WHERE)
    if y.shape in ((len(x),), (len(x), 1)):
        return (y.reshape(-1) > threshold).astype(np.intp), 2
    if y.ndim != 2 or len(y) != len(x):
        raise ShapeError(f"the model gave y of shape {y.shape} for x of shape {x.shape}, wanted a row of scores for each", where=WHERE)
    return y.argmax(axis=1), y.shape[1]


def _as_class_numbers(t: ArrayLike, n: int) -> Array:
    t = as_array(t, WHERE)
    if t.shape[:1] != (n,) or t.ndim > 2:
        raise ShapeError(f"got t of shape {t.shape} for {n} samples, wanted ({n},) or ({n}, C)", where=WHERE)
    if t.ndim == 2:
        t = t.argmax(axis=1) if t.shape[1] > 1 else t[:, 0]
    if np.any(t != np.floor(t)) or t.min() < 0:
        raise InvalidValueError("t holds other than class numbers 0, 1, …", where=WHERE)
    return t.astype(np.intp)
