"""The Jacobian of a layer, row by row from its backward."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike
from ..errors import MissingError, ShapeError
from ..inspection import deep_copy
from ..layer import Layer, as_layer
from ..random_state import preserve_random_state


def jacobian(layer: Layer, *inputs: ArrayLike, wrt: int | str = 0) -> Array:
    """Return the exact Jacobian of ``layer.forward(*inputs)``, from its backward.

    Backward multiplies by the transposed Jacobian. A dout that is one at element i and zero
    elsewhere therefore gives row i: ∂y_i/∂x_j of Eqs. (1.11), (1.14), (1.16) and, for a weight, the
    tensor of Eq. (1.21).

    Parameters
    ----------
    layer : Layer
        It does not change: a copy runs.
    *inputs : array_like
        The inputs of forward.
    wrt : int or str
        The number of an input, or the path of a parameter.

    Returns
    -------
    ndarray of shape ``y.shape + wrt.shape``
        In the dtype of the gradient.

    Raises
    ------
    InvalidTypeError
        For a layer that cannot be deep-copied.
    MissingError
        For an input or a path that the layer does not have.

    Examples
    --------
    Eq. (1.19): ∂Y/∂X = Wᵀ.

    >>> import netlib as nl
    >>> affine = nl.Affine.from_arrays([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> jacobian(affine, np.array([1.0, 2.0]))
    array([[1., 4.],
           [2., 5.],
           [3., 6.]])
    """
    layer = deep_copy(as_layer(layer, "jacobian"), "a copy is what is asked")
    parameters = layer.parameters()
    n_differentiable = layer.count_differentiable(len(inputs))
    known = [*range(n_differentiable), *parameters]
    if wrt not in known or isinstance(wrt, bool):
        raise MissingError(f"there is nothing called {wrt!r} to differentiate by, only: {', '.join(map(repr, known))}", where=layer)
    if layer.n_outputs != 1:
        raise ShapeError(f"has {layer.n_outputs} outputs, expected a layer with one", where=layer, hint="Make a Graph with the one output.")
    with preserve_random_state(layer):
        y = np.asarray(layer.forward(*inputs))
        rows = []
        for i in range(max(y.size, 1)):
            dout = np.zeros(y.size, y.dtype)
            dout[i : i + 1] = 1
            layer.zero_grad()
            dx = layer.backward(dout.reshape(y.shape))
            gradient = parameters[wrt].grad if isinstance(wrt, str) else dx[wrt] if isinstance(dx, tuple) else dx
            if gradient is None:
                raise MissingError(f"no gradient flows to input {wrt}", where=layer)
            rows.append(np.array(gradient))
    return np.array(rows[: y.size]).reshape((*y.shape, *rows[0].shape))
