from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import InvalidTypeError, InvalidValueError, NetlibError, ShapeError
from ..layer import Layer, as_layer


class Recurrent(Layer):
    """Your own cell, written for one step, run over all steps: x (N, T, …) to y (N, T, …).

    ``cell.forward(x_t, h)`` takes the input of a step, (N, …), and the previous state, and returns
    the next state; ``cell.forward(x_t, h, c)`` takes and returns two, and so on. y holds the first
    state of all steps, or with ``return_sequences=False`` that of the last step only. With
    `return_state`, forward also returns the states after the last step.

    Every step runs on a copy of the cell with the same parameters, so each keeps what its own
    backward needs. Backward goes through the steps from the last to the first. In each step, a
    state fans out to y and to the next step, so its gradient is the sum of both. The gradients of
    the parameters add up over the steps.

    The initial states are zeros if they are not given after x. The cell's attribute
    `hidden_features`, an int or a tuple with one for each state, then gives their size.

    >>> import netlib as nl
    >>> x, h = nl.Input("x"), nl.Input("h")
    >>> running_sum = Recurrent(nl.Graph([x, h], [h + x]))
    >>> running_sum.forward([[[1.0], [2.0], [3.0]]], [[0.0]])[0].T
    array([[1., 3., 6.]])
    >>> dx, dh = running_sum.backward([[[0.0], [0.0], [1.0]]])
    >>> dx[0].T, dh
    (array([[1., 1., 1.]]), array([[1.]]))
    """

    kernel_name = "recurrent"
    rule = "in each step, h' = layer(x, h)\ny holds the h' of all steps"

    def __init__(self, cell: Layer, return_sequences: bool = True, return_state: bool = False) -> None:
        self.cell = as_layer(cell, "Recurrent")
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.n_outputs = 1 + cell.n_outputs * self.return_state

    def forward(self, x: ArrayLike, *states: ArrayLike) -> Any:
        """Return y, and with `return_state` also the states after the last step."""
        x, start = self._as_inputs(x, states)
        cells: list[Layer] = []
        firsts, now = [], start
        for x_t in x.swapaxes(0, 1).copy():
            cells.append(self.cell.tied_copy())
            now = self._step(cells[-1], x_t, now)
            firsts.append(now[0])
        y = np.stack(firsts, axis=1) if self.return_sequences else firsts[-1].copy()
        outputs = (y, *[each.copy() for each in now]) if self.return_state else y
        return self.remember(outputs, cells, [np.zeros_like(each) for each in now], bool(states))

    def backward(self, dout: Any) -> Any:
        """Add to the gradients of the cell's parameters, and return those of x and the states."""
        dout, cells, zeros, has_states = self.recall(dout)
        dy, *dnow = dout if self.return_state else (dout, *zeros)
        dxs = []
        for t in reversed(range(len(cells))):
            if self.return_sequences or t == len(cells) - 1:
                dnow[0] = dnow[0] + (dy[:, t] if self.return_sequences else dy)
            d = _call(cells[t].backward, tuple(dnow) if len(dnow) > 1 else dnow[0])
            if not isinstance(d, tuple) or len(d) != 1 + len(dnow):
                got = f"{len(d)} gradients" if isinstance(d, tuple) else type(d).__name__
                hint = "Return the gradients of x and of each state, in the order of forward."
                raise InvalidTypeError(f"backward of the cell returned {got}, expected {1 + len(dnow)}", where=self, hint=hint)
            dxs.append(d[0])
            dnow = list(d[1:])
        dx = np.stack(dxs[::-1], axis=1)
        return (dx, *dnow) if has_states else dx

    def forward_next(self, past: Sequence[Array] | None, x: ArrayLike, *states: ArrayLike) -> Any:
        """Continue sequences: return the outputs for x (N, T, …) that follows, and the states.

        Returns NotImplemented with ``return_sequences=False``. See `Layer.forward_next`.
        """
        if not self.return_sequences:
            return NotImplemented
        x, now = self._as_inputs(x, states if past is None else past)
        firsts = []
        for x_t in x.swapaxes(0, 1).copy():
            now = self._step(self.cell.tied_copy(), x_t, now)
            firsts.append(now[0])
        y = np.stack(firsts, axis=1)
        return (y, *[each.copy() for each in now]) if self.return_state else y, now

    def _as_inputs(self, x: ArrayLike, states: Sequence[ArrayLike]) -> tuple[Array, Sequence[Array]]:
        """Return x and the states before the first step."""
        n_states = self.cell.n_outputs
        dtype = next((parameter.dtype for parameter in self.cell.parameters().values()), None)
        x = as_floats(x, dtype, where=self)
        if x.ndim < 3 or not x.shape[1]:
            raise ShapeError(f"got x of shape {x.shape}, expected (N, T, …) with at least one step", where=self)
        if not states:
            return x, [np.zeros((len(x), size), x.dtype) for size in self._state_sizes()]
        if len(states) != n_states:
            message = f"got {len(states)} states, expected {n_states}, as many as the cell returns"
            raise ShapeError(message, where=self)
        arrays = [as_floats(each, x.dtype, self, copy=True) for each in states]
        for i, each in enumerate(arrays):
            if each.shape[:1] != x.shape[:1]:
                message = f"got state {i} of shape {each.shape} for x of shape {x.shape}, expected {len(x)} rows"
                raise ShapeError(message, where=self)
        return x, arrays

    def _state_sizes(self) -> tuple[int, ...]:
        sizes = getattr(self.cell, "hidden_features", None)
        sizes = sizes if isinstance(sizes, tuple) else (sizes,)
        if len(sizes) != self.cell.n_outputs or not all(isinstance(size, int) for size in sizes):
            message = "got x alone, and the cell does not say the size of its states"
            hint = "Give the states after x, or set cell.hidden_features: an int, or a tuple with one for each state."
            raise InvalidValueError(message, where=self, hint=hint)
        return sizes

    def _step(self, cell: Layer, x: Array, states: Sequence[Array]) -> Sequence[Array]:
        """Return the states after one step, which have the shapes of those before it."""
        new = _call(cell.forward, x, *states)
        new = new if isinstance(new, tuple) else (new,)
        shapes, expected = [np.shape(each) for each in new], [each.shape for each in states]
        if shapes != expected:
            hint = "A cell returns each state in the shape in which it takes it; with several, it sets n_outputs."
            message = f"the cell returned arrays of shapes {shapes}, expected those of the states, {expected}"
            raise ShapeError(message, where=self, hint=hint)
        return new


def _call(function: Callable[..., Any], *arrays: Any) -> Any:
    try:
        return function(*arrays)
    except NetlibError as error:
        error.add_location("Recurrent.cell")
        raise
