"""The weights of a layer as images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array, Shape, as_count
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..layer import Layer, as_layer
from ..matplotlib_axes import as_axes
from ..parameter import Parameter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHERE = "plot.weights"
MIN_SIDE = 3
MATRIX = 2  # axes
LABELS = {
    2: "one image for each unit: its weight for each input",
    3: "one image for each kernel, one line for each channel",
    4: "one row for each kernel, one image for each channel",
    5: "one row for each kernel, one image for each slice",
}
"""What the images are, by the number of axes of the weight."""


def weights(layer: Layer | Parameter, ax: Axes | None = None, shape: tuple[int, int] | None = None) -> Axes:
    """Draw the weight matrix W (in, out) of a layer as one image per unit, or its kernels.

    An image shows which inputs the unit responds to. All images are in one grid, row by row, and
    share a colour scale on which white is 0. The kernels of a convolution, (out, in, height,
    width), are drawn as images directly: if they have several channels, each kernel has a row. A
    kernel with one axis is an image with a line for each channel, and one with three axes a row of
    slices.

    Parameters
    ----------
    layer : Layer or Parameter
        A layer with one matrix, or one array of kernels, among its parameters; or that parameter
        itself.
    ax : matplotlib axes, optional
        The axes to draw on. By default, those of a new figure.
    shape : (height, width), optional
        The shape of one image. By default, it is square if `in` is the square of 3 or more, such as
        64. Otherwise the matrix is drawn as a whole. Kernels have their own shape.

    Returns
    -------
    matplotlib axes
        Their only image is the grid, with NaN between the images.

    Raises
    ------
    InvalidValueError
        If the layer has no weight matrix and no kernels, or several.
    ShapeError
        If `shape` does not have `in` pixels, or those of a kernel.
    MissingError
        If matplotlib is not installed.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> ax = nl.plot.weights(nl.Affine(64, 10, rng=0), ax=Figure().subplots())
    >>> ax.get_title()
    'Affine(64, 10): 10 images of 8 × 8'
    >>> ax = nl.plot.weights(nl.Conv2d(1, 4, 3, rng=0), ax=Figure().subplots())
    >>> ax.get_title()
    'Conv2d(1, 4, 3): 4 images of 3 × 3'
    """
    name, weight = _weight_of(layer)
    has_kernels = weight.ndim > MATRIX
    per_kernel = math.prod(weight.shape[1:-2])
    rows = weight.reshape(-1, math.prod(weight.shape[-2:])) if has_kernels else weight.T
    n_images, n_pixels = rows.shape
    side = math.isqrt(n_pixels)
    tile: Shape | None = None
    if shape is not None:
        tile = _as_tile(shape, n_pixels)
    elif has_kernels:
        tile = weight.shape[-2:]
    elif side * side == n_pixels and side >= MIN_SIDE:
        tile = (side, side)
    picture = weight if tile is None else _grid(rows.reshape(n_images, *tile), per_kernel if per_kernel > 1 else None)

    ax = as_axes(ax, WHERE, size=(7.2, 6.0))
    largest = float(np.abs(weight[np.isfinite(weight)]).max(initial=0)) or 1.0
    image = ax.imshow(
        picture,
        cmap="RdBu_r",
        vmin=-largest,
        vmax=largest,
        interpolation="nearest",
        aspect="equal" if tile else "auto",
    )
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.8)
    if tile is None:
        ax.set(title=name, xlabel="unit", ylabel="input")
    else:
        ax.set(title=f"{name}: {n_images} images of {tile[0]} × {tile[1]}")
        ax.set_xlabel(LABELS[weight.ndim] if per_kernel > 1 or weight.ndim < 4 else "one image for each kernel")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_facecolor("0.8")
    return ax


def _weight_of(layer: Layer | Parameter) -> tuple[str, Array]:
    if isinstance(layer, Parameter):
        if not _is_drawn(layer):
            message = f"got a parameter of shape {layer.shape}, expected a matrix (in, out) or kernels (out, in, …)"
            raise InvalidValueError(message, where=WHERE)
        return "weights", layer.value
    parameters = as_layer(layer, WHERE).parameters()
    matrices = [path for path, p in parameters.items() if _is_drawn(p)]
    kind = type(layer).__name__
    if not matrices:
        listed = ", ".join(f"{path} {p.shape}" for path, p in parameters.items())
        has = f"only {listed}" if parameters else "no parameters"
        hint = "Pass a layer that has a weight matrix, such as model[0]."
        message = f"{kind} has {has}, so there are no weights to draw"
        raise InvalidValueError(message, where=WHERE, hint=hint)
    if len(matrices) > 1:
        hint = f"Pass one of them: model.parameters()[{matrices[0]!r}]."
        message = f"{kind} has {len(matrices)} weight matrices: {', '.join(matrices[:4])}"
        raise InvalidValueError(message, where=WHERE, hint=hint)
    return repr(layer) if len(repr(layer)) < 40 else kind, parameters[matrices[0]].value


def _is_drawn(parameter: Parameter) -> bool:
    """Return whether `parameter` is a matrix, or holds the kernels of a convolution."""
    return len(parameter.shape) in LABELS and parameter.size > 0


def _as_tile(shape: tuple[int, int], n_in: int) -> Shape:
    if not isinstance(shape, tuple | list) or len(shape) != 2:
        raise InvalidTypeError(f"shape is {shape!r}, expected (height, width)", where=WHERE)
    height, width = (as_count(n, "shape", WHERE, least=1) for n in shape)
    if height * width != n_in:
        pixels = f"{height * width} pixels, expected {n_in}, one for each input"
        raise ShapeError(f"an image of {height} × {width} has {pixels}", where=WHERE)
    return height, width


def _grid(images: Array, columns: int | None = None) -> Array:
    """Return `images` (n, height, width) in a grid, about square by default, with NaN between."""
    n, height, width = images.shape
    columns = columns or min(n, math.ceil(math.sqrt(n * height / width)))
    rows = -(-n // columns)
    picture = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, image in enumerate(images):
        y, x = (i // columns) * (height + 1), (i % columns) * (width + 1)
        picture[y : y + height, x : x + width] = image
    return picture
