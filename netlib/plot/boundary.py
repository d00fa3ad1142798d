"""Decision boundaries: the class that a model predicts for each point of the plane."""

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


def decision_boundary(
    model: Layer,
    x: ArrayLike,
    t: ArrayLike,
    ax: Axes | None = None,
    threshold: float | None = None,
) -> Axes:
    """Draw samples, and the regions of the classes that a model with two features predicts.

    A sample whose colour differs from that of its region is misclassified. The model runs in
    evaluation mode and does not change.

    Parameters
    ----------
    model : Layer
        It returns a score for each class, the largest of which is the prediction, or one number,
        which predicts class 1 if it is above `threshold`.
    x : array_like (N, 2)
        The samples. The plot covers them and a margin.
    t : array_like (N,), (N, 1) or (N, C)
        Class numbers, or one-hot rows.
    ax : matplotlib axes, optional
        The axes to draw on. By default, those of a new figure.
    threshold : float, optional
        The threshold for a model with one output. By default, 0.5 if the last layer is a `Sigmoid`,
        else 0, as for the logits of `accuracy`.

    Returns
    -------
    matplotlib axes
        Their only image holds the class numbers, in rows from bottom to top.

    Raises
    ------
    ShapeError
        If there are not two features, or the shapes do not match.
    InvalidValueError, InvalidTypeError
        If samples are not finite, or targets are not class numbers.
    MissingError
        If matplotlib is not installed.

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
        message = f"got x of shape {x.shape}, expected (N, 2): the plane has two features"
        raise ShapeError(message, where=WHERE, hint=hint)
    if not np.isfinite(x).all():
        raise InvalidValueError("x is not all finite", where=WHERE)
    true = _as_class_numbers(t, len(x))
    margin = 0.08 * np.ptp(x, axis=0)
    margin[margin == 0] = 1
    (left, bottom), (right, top) = x.min(axis=0) - margin, x.max(axis=0) + margin
    across, up = _centres(left, right), _centres(bottom, top)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(x.dtype)
    predicted, n_outputs = _predict_classes(model, grid, threshold)
    n_classes = max(n_outputs, 1 + int(true.max()))

    ax = as_axes(ax, WHERE, size=(6.4, 5.6))
    from matplotlib.colors import ListedColormap, to_rgb

    colours = class_colours(n_classes)
    pale = ListedColormap([tuple(0.35 * np.array(to_rgb(colour)) + 0.65) for colour in colours])
    regions = predicted.reshape(RESOLUTION, RESOLUTION)
    extent = (left, right, bottom, top)
    ax.imshow(
        regions,
        cmap=pale,
        vmin=-0.5,
        vmax=n_classes - 0.5,
        extent=extent,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    for k in np.unique(true):
        x1, x2 = x[true == k].T
        ax.scatter(
            x1,
            x2,
            s=22,
            marker=MARKERS[k % len(MARKERS)],
            color=colours[k],
            edgecolors="white",
            linewidths=0.6,
            label=f"class {k}",
        )
    ax.set(title="decision boundary", xlabel="feature 0", ylabel="feature 1")
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.legend(loc="upper right", framealpha=0.9)
    return ax


def _centres(start: float, stop: float) -> Array:
    """Return the centres of the pixels between `start` and `stop`."""
    return start + (stop - start) * (np.arange(RESOLUTION) + 0.5) / RESOLUTION


def _predict_classes(model: Layer, x: Array, threshold: float) -> tuple[Array, int]:
    """Return the predicted class number for each row of `x`, and the number of classes."""
    y: Any = model.predict(x, batch_size=BATCH)
    if isinstance(y, tuple):
        raise InvalidTypeError(f"the model has {len(y)} outputs, expected one array", where=WHERE)
    y = as_array(y, WHERE)
    if y.shape in ((len(x),), (len(x), 1)):
        return (y.reshape(-1) > threshold).astype(np.intp), 2
    if y.ndim != 2 or len(y) != len(x):
        got = f"y of shape {y.shape} for x of shape {x.shape}"
        message = f"the model returned {got}, expected a row of scores for each sample"
        raise ShapeError(message, where=WHERE)
    return y.argmax(axis=1), y.shape[1]


def _as_class_numbers(t: ArrayLike, n: int) -> Array:
    t = as_array(t, WHERE)
    if t.shape[:1] != (n,) or t.ndim > 2:
        message = f"got t of shape {t.shape} for {n} samples, expected ({n},) or ({n}, C)"
        raise ShapeError(message, where=WHERE)
    if t.ndim == 2:
        t = t.argmax(axis=1) if t.shape[1] > 1 else t[:, 0]
    if np.any(t != np.floor(t)) or t.min() < 0:
        raise InvalidValueError("t has values that are not class numbers 0, 1, …", where=WHERE)
    return t.astype(np.intp)
