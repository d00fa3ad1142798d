from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..arrays import RNG, Array, DTypeLike, Shape, as_rows, with_rows_of
from ..errors import InvalidValueError
from ..initializers import Initializer
from .recurrent_layer import RecurrentLayer, States, room_for_steps, swap_steps
from .rules import Shapes


class RNN(RecurrentLayer):
    """A state h that every step computes from its input and the previous h.

    x is (N, T, in_features), y (N, T, hidden_features). With φ = tanh, or ReLU, a step is::

        (1) a  = x weight_x + h weight_h + bias
        (2) h' = φ(a)

    y holds the h' of all steps. Backward goes through the steps from the last to the first. In each
    step, h' fans out to y and to the next step, so its gradient dh' is the sum of both::

        (2) da = dh' ⊙ (1 − h'²), or dh' ⊙ [h' > 0] for ReLU
        (1) dx = da weight_xᵀ,  dh = da weight_hᵀ

    The weights are the same in every step, so their gradients are sums over the steps: Σ xᵀ da,
    Σ hᵀ da and Σ da (backpropagation through time; Elman, "Finding structure in time", 1990).

    Parameters
    ----------
    in_features, hidden_features : int
    layers : int
        The number of stacked layers: each takes the y of the one below.
    bidirectional : bool
        Whether a second pass goes from the end to the start; y holds both, side by side.
    dropout : float
        The probability of dropout between the layers.
    return_sequences : bool
        If False, y is only the h after the last step, (N, hidden_features).
    return_state : bool
        Whether forward also returns the state after the last step.
    lengths : bool
        Whether the last input of forward is the number of steps of each sequence.
    nonlinearity : {"tanh", "relu"}
        φ.
    init : Initializer, optional
        By default, uniform in ±1/√hidden_features, as in PyTorch.

    Examples
    --------
    >>> rnn = RNN.from_arrays([[1.0]], [[1.0]], [0.0], nonlinearity="relu")
    >>> rnn.forward([[[1.0], [2.0]]]), rnn.backward([[[1.0], [10.0]]])  # running sums
    (array([[[1.],
            [3.]]]), array([[[11.],
            [10.]]]))
    """

    kernel_name = "rnn"

    def __init__(self, in_features: int, hidden_features: int, layers: int = 1, bidirectional: bool = False,
                 dropout: float = 0.0, return_sequences: bool = True, return_state: bool = False,
                 lengths: bool = False, *, nonlinearity: Literal["tanh", "relu"] = "tanh",
                 init: Initializer | None = None, dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise InvalidValueError(f"nonlinearity is {nonlinearity!r}, expected 'tanh' or 'relu'", where="RNN")
        self.nonlinearity = nonlinearity
        super().__init__(in_features, hidden_features, layers, bidirectional, dropout, return_sequences,
                         return_state, lengths, init=init, dtype=dtype, rng=rng)  # fmt: skip

    def _unroll(self, suffix: str, x: Array, states: States, rows: list[int]) -> tuple[Array, States, Any]:
        weight_x, weight_h, bias = (each.value for each in self._parameters(suffix))
        x = swap_steps(x)
        h = room_for_steps(states[0], len(rows))
        a = with_rows_of(as_rows(x) @ weight_x, x)
        a += bias
        for t, live in enumerate(rows):
            a[t, :live] += h[t, :live] @ weight_h
            self._activate(a[t, :live], h[t + 1, :live])
            h[t + 1, live:] = h[t, live:]  # those that have ended
        return swap_steps(h[1:]), (h[-1].copy(),), (x, h, rows)

    def _activate(self, a: Array, out: Array) -> None:
        if self.nonlinearity == "tanh":
            np.tanh(a, out=out)
        else:
            np.maximum(a, 0, out=out)

    def _slope(self, h: Array) -> Array:
        """Return the derivative of φ where its value is h."""
        return 1 - h * h if self.nonlinearity == "tanh" else h > 0

    def _unroll_backward(self, suffix: str, dy: Array, dstates: States, kept: Any, input_gradient: bool) -> tuple[Array | None, States]:
        weight_x, weight_h, bias = self._parameters(suffix)
        x, h, rows = kept
        dh, da = dstates[0].copy(), np.empty_like(h[1:])
        for t, live in reversed([*enumerate(rows)]):
            dh[:live] += dy[:live, t]
            np.multiply(dh[:live], self._slope(h[t + 1, :live]), out=da[t, :live])
            da[t, live:] = 0
            np.matmul(da[t, :live], weight_h.value.T, out=dh[:live])
        weight_x.add_grad_product(as_rows(x).T, as_rows(da))
        weight_h.add_grad_product(as_rows(h[:-1]).T, as_rows(da))
        bias.add_grad_sum(da)
        return self._input_gradient(suffix, da) if input_gradient else None, (dh,)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the equations of a step."""
        a = "x·weight_x + h·weight_h + bias"
        return self._rule(f"h' = tanh({a})" if self.nonlinearity == "tanh" else f"h' = max(0, {a})")
