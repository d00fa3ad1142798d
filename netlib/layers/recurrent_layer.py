"""What recurrent layers share: stacked layers, both directions, lengths, states and dropout."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from ..arrays import (
    RNG,
    Array,
    ArrayLike,
    DTypeLike,
    Shape,
    as_count,
    as_features,
    as_floats,
    as_matrix,
    as_number,
    as_rng,
    as_rows,
    as_shaped,
    with_rows_of,
)
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..initializers import Initializer, Uniform, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter
from ..underflow import ignore_underflow
from .dropout import draw_scale
from .sequence_order import SequenceOrder, as_lengths

States: TypeAlias = Sequence[Array]
Unroll: TypeAlias = Callable[[str, Array, States, list[int]], tuple[Array, States, Any]]
UnrollBackward: TypeAlias = Callable[[str, Array, States, Any, bool], tuple[Array | None, States]]


class RecurrentLayer(Layer):
    """The base class of `RNN`, `LSTM` and `GRU`.

    A subclass holds only the mathematics of one layer in one direction, in two methods: `_unroll`
    and `_unroll_backward`. A faster version of them is called the same way, by `_run` and
    `_run_backward`.
    """

    n_gates: ClassVar[int] = 1
    """The number of blocks in the columns of the weights."""
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    parameter_names: ClassVar[tuple[str, ...]] = ("weight_x", "weight_h", "bias")

    def __init__(self, in_features: int, hidden_features: int, layers: int = 1, bidirectional: bool = False,
                 dropout: float = 0.0, return_sequences: bool = True, return_state: bool = False,
                 lengths: bool = False, *, init: Initializer | None = None, dtype: DTypeLike = np.float32,
                 rng: RNG = None) -> None:  # fmt: skip
        where = type(self).__name__
        self.in_features = as_count(in_features, "in_features", where)
        self.hidden_features = as_count(hidden_features, "hidden_features", where, least=1)
        self.layers = as_count(layers, "layers", where, least=1)
        self.bidirectional = bool(bidirectional)
        self.dropout = as_number(dropout, "dropout", where, least=0, below=1)
        self.return_sequences, self.return_state, self.lengths = bool(return_sequences), bool(return_state), bool(lengths)
        self.n_outputs = 1 + len(self.state_names) * self.return_state
        self.n_nondifferentiable_inputs = int(self.lengths)
        init = Uniform(1 / math.sqrt(self.hidden_features)) if init is None else init
        generator = as_rng(rng, where)
        self._rng = None
        if self.dropout:  # of its own: how many numbers the initial values take depends on dtype
            self._rng = as_rng(None if rng is None else int(generator.integers(2**63)), where)
        for layer in range(self.layers):
            n_in = len(self._directions) * self.hidden_features if layer else self.in_features
            for direction in self._directions:
                for name, shape in self._shapes(n_in):
                    value = initial_value(init, shape, dtype, generator, where)
                    setattr(self, name + _suffix(layer, direction), Parameter.wrap(value))
        self.dtype = self._parameters("")[0].dtype

    def _shapes(self, in_features: int) -> list[tuple[str, Shape]]:
        """Return the names and shapes of the parameters of a layer in one direction."""
        n = self.n_gates * self.hidden_features
        shapes = [(in_features, n), (self.hidden_features, n), (n,), (self.hidden_features,)]
        return list(zip(self.parameter_names, shapes, strict=False))

    @classmethod
    def from_arrays(cls, weight_x: ArrayLike, weight_h: ArrayLike, bias: ArrayLike | None = None,
                    bias_h: ArrayLike | None = None, **options: Any) -> Self:  # fmt: skip
        """Return one layer in one direction with copies of the arrays, in the dtype of weight_x.

        They are weight_x (in, gates·hidden), weight_h (hidden, gates·hidden), bias (gates·hidden,)
        and, for `GRU` only, bias_h (hidden,). A bias that is not given is zero. `options` are those
        of the class, such as ``return_state=True``.
        """
        where = f"{cls.__name__}.from_arrays"
        if options.get("layers", 1) != 1 or options.get("bidirectional"):
            hint = "Make the layer, and assign to the value of each parameter."
            raise InvalidValueError("got options for several layers, expected one in one direction", where=where, hint=hint)
        weight_x, weight_h = as_matrix(weight_x, where), as_matrix(weight_h, where)
        layer = cls(len(weight_x), len(weight_h), init=Zeros(), dtype=weight_x.dtype, **options)
        for name, array in [("weight_x", weight_x), ("weight_h", weight_h), ("bias", bias), ("bias_h", bias_h)]:
            if array is not None:
                if name not in cls.parameter_names:
                    raise InvalidTypeError(f"got a {name}, which only GRU has", where=where)
                parameter = getattr(layer, name)
                parameter.value = as_shaped(array, parameter.shape, f"{where}, {name}")
        return layer

    @ignore_underflow
    def forward(self, *inputs: ArrayLike) -> Any:
        """Return y, and with `return_state` also the states after the last step.

        Parameters
        ----------
        *inputs : array_like
            x (N, T, in_features), then, if given, each state before the first step (N, hidden), for
            several layers or directions (N, layers·directions, hidden), then, with `lengths`, the
            number of steps of each sequence (N,).

        Returns
        -------
        ndarray or tuple of ndarray
            y is (N, T, directions·hidden), or (N, directions·hidden) without `return_sequences`.
            The states have the same shape as the initial states.
        """
        outputs, kept = self._run(inputs, self._unroll)
        return self.remember(outputs, *kept)

    @ignore_underflow
    def backward(self, dout: Any) -> Any:
        """Add to the gradients of the parameters, and return those of the inputs."""
        dout, *kept = self.recall(dout)
        return self._run_backward(dout, kept, self._unroll_backward)

    @ignore_underflow
    def backward_parameters(self, dout: Any) -> None:
        """Add to the gradients of the parameters."""
        dout, *kept = self.recall(dout)
        self._run_backward(dout, kept, self._unroll_backward, input_gradient=False)

    def _unroll(self, suffix: str, x: Array, states: States, rows: list[int]) -> tuple[Array, States, Any]:
        """Run one layer in one direction.

        Parameters
        ----------
        suffix : str
            What the names of the parameters end with, such as "_1_reverse".
        x : ndarray (N, T, in_features)
            The longest sequences first.
        states : sequence of ndarray (N, hidden_features)
            The state before the first step.
        rows : list of int
            Step t works on the first ``rows[t]`` sequences. The others have ended.

        Returns
        -------
        y : ndarray (N, T, hidden_features)
            The values after the end of a sequence are arbitrary but finite.
        states : sequence of ndarray (N, hidden_features)
            The state after the last step of each sequence.
        kept : object
            What `_unroll_backward` needs. It shares no memory with any of the arrays above, since
            they may be the caller's.
        """
        raise NotImplementedError

    def _unroll_backward(self, suffix: str, dy: Array, dstates: States, kept: Any, input_gradient: bool) -> tuple[Array | None, States]:
        """Add to the gradients of the parameters, and return ∂L/∂x and ∂L/∂states.

        `dy` is zero after the end of each sequence, and so is ∂L/∂x. It is None if `input_gradient`
        is false.
        """
        raise NotImplementedError

    @ignore_underflow
    def forward_next(self, past: States | None, *inputs: ArrayLike) -> Any:
        """Continue sequences: return the outputs for x (N, T, in) that follows, and the states.

        Returns NotImplemented if y also depends on steps to come. See `Layer.forward_next`.
        """
        if self.bidirectional or self.lengths or not self.return_sequences:
            return NotImplemented
        y, states, _ = self._run_passes(inputs if past is None else (inputs[0], *past), self._unroll)
        return (y, *[each.copy() for each in states]) if self.return_state else y, states

    def _run(self, inputs: Sequence[Any], unroll: Unroll) -> tuple[Any, tuple[Any, ...]]:
        """Return the outputs, and what `_run_backward` needs."""
        y, states, kept = self._run_passes(inputs, unroll)
        return (y, *states) if self.return_state else y, kept

    def _run_passes(self, inputs: Sequence[Any], unroll: Unroll) -> tuple[Array, States, tuple[Any, ...]]:
        """Return y, the states after the last step, and what `_run_backward` needs."""
        x, starts, order = self._as_inputs(inputs)
        n, has_states = len(x), starts is not None
        if starts is None:
            starts = [np.zeros((n, self._n_passes, self.hidden_features), self.dtype) for _ in self.state_names]
        y = order.sort(x)
        ends: list[States] = []
        kept: list[Any] = []
        scales: list[Array] = []
        for layer in range(self.layers):
            if layer and self._rng is not None and self.training:
                scales.append(draw_scale(self._rng, self.dropout, y.shape, y.dtype))
                y = y * scales[-1]
            ys = []
            for direction in self._directions:
                x = order.flip(y) if direction else y
                y_of_one, end, held = unroll(_suffix(layer, direction), x, [each[:, len(ends)] for each in starts], order.rows)
                ys.append(order.flip(y_of_one) if direction else y_of_one)
                ends.append(end)
                kept.append(held)
            y = np.concatenate(ys, axis=2) if self.bidirectional else ys[0]
        states = [order.unsort_states(np.stack(each, axis=1)) for each in zip(*ends, strict=True)]
        if self.return_sequences:
            y = order.unsort(y)
        else:
            h_of_last = [h for h, *_ in ends[-len(self._directions) :]]
            y = order.unsort_states(np.concatenate(h_of_last, axis=1))
        return y, [each.reshape(self._state_shape(n)) for each in states], (order, kept, scales, has_states)

    def _run_backward(self, dout: Any, kept: Sequence[Any], unroll_backward: UnrollBackward, input_gradient: bool = True) -> Any:
        """Add to the gradients of the parameters, and return those of x and of the states.

        That of x is None if `input_gradient` is false.
        """
        order, kept, scales, has_states = kept
        dy, dends = self._as_douts(dout, order)
        dstarts = [np.empty_like(each) for each in dends]
        for layer in reversed(range(self.layers)):
            dxs = []
            parts = np.split(dy, len(self._directions), axis=2)
            for i, (direction, part) in enumerate(zip(self._directions, parts, strict=True), layer * len(parts)):
                d = order.flip(part) if direction else part
                dend, needs_dx = [each[:, i] for each in dends], input_gradient or layer > 0
                dx, dstart = unroll_backward(_suffix(layer, direction), d, dend, kept[i], needs_dx)
                for whole, each in zip(dstarts, dstart, strict=True):
                    whole[:, i] = each
                if dx is not None:
                    dxs.append(order.flip(dx) if direction else dx)
            if dxs:
                dy = dxs[0] + dxs[1] if self.bidirectional else dxs[0]
            if layer and scales:
                dy = dy * scales[layer - 1]
        dx = order.unsort(dy) if dxs else None
        if not has_states:
            return dx
        return dx, *[order.unsort_states(each).reshape(self._state_shape(len(each))) for each in dstarts]

    def _rule(self, equations: str) -> str:
        """Return the rule for these equations of a step."""
        y = "y holds the h' of all steps" if self.return_sequences else "y is the h' of the last step"
        return f"in each step, {equations}\n{y}"

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return the multiply-adds of input and state in each step, layer and direction."""
        n_rows = math.prod(shapes[0][:-1])
        return n_rows * sum(p.size for path, p in self.parameters().items() if path.startswith("weight_"))

    def _as_douts(self, dout: Any, order: SequenceOrder) -> tuple[Array, list[Array]]:
        """Return ∂L/∂y of every step, and ∂L/∂states at the ends (N, layers·directions, hidden)."""
        dy, *dends = dout if self.return_state else (dout,)
        n, n_directions = len(dy), len(self._directions)
        shape = n, self._n_passes, self.hidden_features
        dends = [order.sort_states(each.reshape(shape)) for each in dends] or [np.zeros(shape, self.dtype) for _ in self.state_names]
        if self.return_sequences:
            return order.sort(dy), dends
        dlast = dends[0].copy()
        dlast[:, -n_directions:] += order.sort_states(dy).reshape(n, n_directions, self.hidden_features)
        return np.zeros((n, len(order.rows), dy.shape[1]), self.dtype), [dlast, *dends[1:]]

    def _as_inputs(self, inputs: Sequence[Any]) -> tuple[Array, list[Array] | None, SequenceOrder]:
        """Return x, the states before the first step if they are given, and the order."""
        n_states = len(self.state_names)
        n_given = len(inputs) - self.lengths
        if n_given not in (1, 1 + n_states):
            names = ", ".join(self.state_names)
            last = ", with the lengths last" if self.lengths else ""
            raise ShapeError(f"got {len(inputs)} inputs, expected x, or x, {names}{last}", where=self)
        x = as_floats(inputs[0], self.dtype, self)
        if x.ndim != 3:
            hint = "For a single sequence write x[None]." if x.ndim == 2 else ""
            raise ShapeError(f"got x of shape {x.shape}, expected (N, T, {self.in_features})", where=self, hint=hint)
        x = as_features(x, self.in_features, self.dtype, self)
        n, steps = x.shape[:2]
        if not steps:
            raise ShapeError(f"got x of shape {x.shape}, which has no steps", where=self, hint="Give at least one step.")
        lengths = as_lengths(inputs[-1], n, steps, self) if self.lengths else None
        order = SequenceOrder(n, steps, lengths)
        if n_given == 1:
            return x, None, order
        states = []
        for name, given in zip(self.state_names, inputs[1:], strict=False):
            state = as_floats(given, self.dtype, self)
            if state.shape != self._state_shape(n):
                hint = "The batch comes first, then layers and directions." if self._n_passes > 1 else ""
                message = f"got {name} of shape {state.shape}, expected {self._state_shape(n)}"
                raise ShapeError(message, where=self, hint=hint)
            states.append(order.sort_states(state.reshape(n, self._n_passes, self.hidden_features)))
        return x, states, order

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _suffixes(self) -> list[str]:
        """What the names of the parameters end with, in the order of the passes."""
        return [_suffix(layer, direction) for layer in range(self.layers) for direction in self._directions]

    @property
    def _n_passes(self) -> int:
        """The number of passes over the sequences: one for each layer and direction."""
        return self.layers * len(self._directions)

    def _state_shape(self, n: int) -> Shape:
        return (n, self.hidden_features) if self._n_passes == 1 else (n, self._n_passes, self.hidden_features)

    def _by_gate(self, a: Array) -> Array:
        """Return the blocks of the columns, one for each gate: a view (gates, rows, hidden)."""
        return a.reshape(-1, self.n_gates, self.hidden_features).swapaxes(0, 1)

    def _input_gradient(self, suffix: str, da: Array) -> Array:
        """Return ∂L/∂x = da weight_xᵀ as (N, T, in), for da (T, N, gates · hidden)."""
        weight_x = self._parameters(suffix)[0].value
        return swap_steps(with_rows_of(as_rows(da) @ weight_x.T, da))

    def _parameters(self, suffix: str) -> list[Parameter]:
        return [getattr(self, name + suffix) for name in self.parameter_names]


def swap_steps(x: Array) -> Array:
    """Return a copy (T, N, …) of x (N, T, …), or the reverse: the numbers of a step are contiguous.

    >>> swap_steps(np.zeros((2, 5, 3))).shape
    (5, 2, 3)
    """
    return x.swapaxes(0, 1).copy()


def room_for_steps(state: Array, steps: int) -> Array:
    """Return an array (steps + 1, N, hidden) that begins with the state before the first step.

    >>> room_for_steps(np.zeros((2, 3)), 5).shape
    (6, 2, 3)
    """
    states = np.empty((steps + 1, *state.shape), state.dtype)
    states[0] = state
    return states


def _suffix(layer: int, direction: str) -> str:
    """Return what the names of parameters end with.

    >>> _suffix(0, ""), _suffix(1, "_reverse")
    ('', '_1_reverse')
    """
    return (f"_{layer}" if layer else "") + direction
