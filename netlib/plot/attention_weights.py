"""The weights of attention as heat maps."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array, as_count
from ..errors import InvalidValueError, ShapeError
from ..execution import without_work_arrays
from ..layer import Layer, as_layer
from ..layers import ScaledDotProductAttention
from ..matplotlib_axes import as_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHERE = "plot.attention"
MATRIX = 2  # axes
MOST_TOKENS = 40
"""More labels at an axis cannot be read."""


def attention(model: Layer, *inputs: Any, path: str | None = None, sample: int = 0,
              tokens: Sequence[Any] | None = None, ax: Axes | None = None) -> Axes:  # fmt: skip
    """Draw the weights P = softmax(QKᵀ / √d) of an attention layer.

    Each row is a query, each column a key, and a row sums to 1. The heads are side by side. The
    model runs once, in evaluation mode, and does not change.

    Parameters
    ----------
    model : Layer
        An attention layer, or a model that holds one.
    *inputs : array_like
        The inputs of the model, such as ids (N, T).
    path : str, optional
        The path of the attention, or of the layer that holds it, such as ``"2.attention"``. It can
        be left out if there is only one.
    sample : int
        Which of the N samples to draw.
    tokens : sequence, optional
        Labels of the positions for the axes, such as the letters of a text.
    ax : matplotlib axes, optional
        The axes to draw on. By default, those of a new figure.

    Returns
    -------
    matplotlib axes
        Their only image is the row of heat maps, with NaN between them.

    Raises
    ------
    InvalidValueError
        If there is no attention at `path`, or several.
    ShapeError
        If `tokens` has another length than the sequence.
    MissingError
        If matplotlib is not installed.

    Examples
    --------
    >>> import netlib as nl
    >>> from matplotlib.figure import Figure
    >>> block = nl.TransformerBlock(8, 2, causal=True, rng=0)
    >>> x = np.random.default_rng(0).normal(size=(1, 5, 8))
    >>> ax = nl.plot.attention(block, x, tokens="hello", ax=Figure().subplots())
    >>> ax.get_title()
    'attention.attention: 2 heads'
    """
    weights, place = _weights_of(as_layer(model, WHERE), inputs, path)
    heads = _heads_of(weights, sample)
    n_heads, n_queries, n_keys = heads.shape
    picture = np.full((n_queries, n_heads * (n_keys + 1) - 1), np.nan)
    for i, head in enumerate(heads):
        picture[:, i * (n_keys + 1) : i * (n_keys + 1) + n_keys] = head
    ax = as_axes(ax, WHERE, size=(2 + 2.4 * n_heads, 3.4))
    image = ax.imshow(picture, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.8)
    ax.set(title=f"{place}: {n_heads} head{'s' * (n_heads > 1)}", xlabel="key", ylabel="query")
    ax.set_facecolor("0.8")
    ax.set_xticks([])
    ax.set_yticks([])
    if tokens is not None:
        _label(ax, list(map(str, tokens)), n_heads, n_queries, n_keys)
    return ax


def _weights_of(model: Layer, inputs: Sequence[Any], path: str | None) -> tuple[Array, str]:
    """Return the weights of the attention at `path`, and its path for the title."""
    twin = copy.deepcopy(model).eval()
    found = {where: layer for where, layer in twin.walk() if isinstance(layer, ScaledDotProductAttention)}
    inside = {where: layer for where, layer in found.items() if path is None or f"{where}.".startswith(f"{path}.")}
    if len(inside) != 1:
        listed = ", ".join(found) or "none"
        several = f"{len(inside)} attention layers" if inside else "no attention layer"
        at = "" if path is None else f" at {path!r}"
        hint = "Pass the path of one of them." if len(found) > 1 else ""
        raise InvalidValueError(f"got a model with {several}{at}: {listed}", where=WHERE, hint=hint)
    ((where, layer),) = inside.items()
    with without_work_arrays():  # so that every layer runs, and keeps what backward needs
        twin.forward(*inputs)
    weights: Array = np.asarray(layer.weights)
    return weights, where or "attention"


def _heads_of(weights: Array, sample: int) -> Array:
    """Return the weights (heads, T, S) of one sample."""
    if weights.ndim == MATRIX:
        return weights[np.newaxis]
    n = len(weights)
    if not -n <= as_count(sample, "sample", WHERE, least=-n) < n:
        raise InvalidValueError(f"sample is {sample}, expected one of {n}", where=WHERE)
    heads: Array = weights[sample].reshape(-1, *weights.shape[-2:])
    return heads


def _label(ax: Axes, tokens: list[str], n_heads: int, n_queries: int, n_keys: int) -> None:
    if len(tokens) not in (n_queries, n_keys):
        message = f"got {len(tokens)} tokens for a sequence of {n_keys}"
        raise ShapeError(message, where=WHERE)
    if len(tokens) > MOST_TOKENS:
        return
    if len(tokens) == n_keys:
        ax.set_xticks([i * (n_keys + 1) + k for i in range(n_heads) for k in range(n_keys)], tokens * n_heads)
    if len(tokens) == n_queries:
        ax.set_yticks(range(n_queries), tokens)
