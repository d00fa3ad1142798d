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
LEAST_SIDE = 3


def weights(layer: Layer | Parameter, ax: Axes | None = None, shape: tuple[int, int] | None = None) -> Axes:
    """Draw the weight matrix W (in, out) of a layer as one image for each unit: what it looks for in its input.

    All images stand in one grid, row by row, and share one scale of colours in which white is 0.

    Parameters
    ----------
    layer : Layer or Parameter
        With one matrix among its parameters; or that parameter itself.
    ax : matplotlib axes, optional
        Where to draw; without them, on a new figure.
    shape : (height, width), optional
        Of one image. Unless given: square where `in` is the square of 3 or more, such as 64; else the matrix is drawn whole.

    Returns
    -------
    matplotlib axes
        Their one image is the grid, with NaN between the images.

    Raises
    ------
    InvalidValueError
        For a layer without a weight matrix, or with several.
    ShapeError
        For a shape of other than `in` pixels.
    MissingError
        Without matplotlib.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> ax = nl.plot.weights(nl.Affine(64, 10, rng=0), ax=Figure().subplots())
    >>> ax.get_title()
    'Affine(64, 10): 10 images of 8 × 8'
    """
    name, matrix = _matrix_of(layer)
    n_in, n_out = matrix.shape
    side = math.isqrt(n_in)
    tile: Shape | None = (side, side) if side * side == n_in and side >= LEAST_SIDE else None
    if shape is not None:
        tile = _as_tile(shape, n_in)
    picture = matrix if tile is None else _grid(matrix.T.reshape(n_out, *tile))

    ax = as_axes(ax, WHERE, size=(7.2, 6.0))
    largest = float(np.abs(matrix[np.isfinite(matrix)]).max(initial=0)) or 1.0
    image = ax.imshow(picture, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest", aspect="equal" if tile else "auto")
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.8)
    if tile is None:
        ax.set(title=name, xlabel="unit", ylabel="input")
    else:
        ax.set(title=f"{name}: {n_out} images of {tile[0]} × {tile[1]}", xlabel="one image for each unit: its weight for each input")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_facecolor("0.8")
    return ax


def _matrix_of(layer: Layer | Parameter) -> tuple[str, Array]:
    if isinstance(layer, Parameter):
        if len(layer.shape) != 2 or not layer.size:
            raise InvalidValueError(f"got a parameter of shape {layer.shape}, wanted a matrix (in, out)", where=WHERE)
        return "weights", layer.value
    parameters = as_layer(layer, WHERE).parameters()
    matrices = [path for path, parameter in parameters.items() if len(parameter.shape) == 2 and parameter.size]
    kind = type(layer).__name__
    if not matrices:
        has = f"only {', '.join(f'{path} {parameter.shape}' for path, parameter in parameters.items())}" if parameters else "no parameters"
        hint = "Pass a layer that has a weight matrix, such as model[0]."
        raise InvalidValueError(f"{kind} has {has}, so there are no weights to draw", where=WHERE, hint=hint)
    if len(matrices) > 1:
        hint = f"Pass one of them: model.parameters()[{matrices[0]!r}]."
        raise InvalidValueError(f"{kind} has {len(matrices)} weight matrices: {', '.join(matrices[:4])}", where=WHERE, hint=hint)
    return repr(layer) if len(repr(layer)) < 40 else kind, parameters[matrices[0]].value


def _as_tile(shape: tuple[int, int], n_in: int) -> Shape:
    if not isinstance(shape, tuple | list) or len(shape) != 2:
        raise InvalidTypeError(f"shape is {shape!r}, wanted (height, width)", where=WHERE)
    height, width = (as_count(n, "shape", WHERE, least=1) for n in shape)
    if height * width != n_in:
        raise ShapeError(f"an image of {height} × {width} has {height * width} pixels, wanted {n_in}, one for each input", where=WHERE)
    return height, width


def _grid(images: Array) -> Array:
    """Return one picture with `images` (n, height, width) side by side, in about as many rows as columns, with NaN between them."""
    n, height, width = images.shape
    columns = min(n, math.ceil(math.sqrt(n * height / width)))
    rows = -(-n // columns)
    picture = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, image in enumerate(images):
        y, x = (i // columns) * (height + 1), (i % columns) * (width + 1)
        picture[y : y + height, x : x + width] = image
    return picture
