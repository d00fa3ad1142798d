"""A copy of a layer for experiments, with one floating type and reproducible randomness."""

from __future__ import annotations

import copy
import inspect
import time
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array
from ..inspection import cast_copy, computes_in, copy_with_views, held_arrays, held_collections, held_views, is_float
from ..layer import Layer
from ..random_state import generators, global_generator, same_state, set_state, state
from .guards import call_user_code
from .measuring.budget import BEYOND_REASON, seconds_of_forward


class Twin:
    """A deep copy of a layer, with copies of its inputs.

    Parameters
    ----------
    layer : Layer
        It is not changed.
    inputs : sequence of ndarray
        Copied.
    dtype : dtype, optional
        The floating type for inputs, parameters, constants and ``dtype`` attributes. None keeps
        their types.

    Attributes
    ----------
    slots : dict
        The differentiated arrays themselves, by name: "input 0", …, and the path of each parameter.
        To run an experiment, write into one and call `forward`.
    """

    def __init__(self, layer: Layer, inputs: tuple[Any, ...], dtype: np.dtype[Any] | None = None) -> None:
        self.layer = _copied(layer, dtype)
        self.given = inputs
        self.inputs: list[Any] = [_own(x, dtype) for x in inputs]
        self.parameters = self.layer.parameters()
        n_given = self.layer.count_differentiable(len(self.inputs))
        self.float_inputs = [i for i in range(n_given) if is_float(self.inputs[i])]
        self.n_given = n_given
        self.slots: dict[str, Array] = {f"input {i}": self.inputs[i] for i in self.float_inputs}
        self.slots |= {path: p.value for path, p in self.parameters.items()}
        self.copies_inputs = False
        """Whether forward gets copies of the inputs; set for a layer that writes into them."""
        self.writes_parameters = False
        """Whether parameters are restored after each pass; set for a layer that changes them."""
        self.is_stateful = True
        """Whether attributes are restored before each forward; cleared where not needed."""
        self._generators = [(g, _as_lists(state(g))) for g in [*generators(self.layer), global_generator()]]
        self._attributes = [(each, dict(vars(each))) for _, each in self.layer.walk()]
        self._lists = [(held, copy.copy(held)) for held in held_collections(self.layer)]
        views = {id(view) for view, _ in held_views(self.layer)}
        self._arrays = [(a, a.copy()) for a in held_arrays(self.layer) if id(a) not in views]
        self._arrays += [(buffer.value, buffer.value.copy()) for buffer in self.layer.buffers().values()]
        self.given_values = {path: p.value for path, p in layer.parameters().items()}
        self.returns_tuple = False
        self.returns_number = False
        self.takes_dout = takes_dout(self.layer)
        """Whether backward takes an argument: that of some losses takes none."""

    def computes_in(self, dtype: np.dtype[Any]) -> bool:
        """Return whether the layer and its inputs hold floating-point numbers of this type only."""
        return all(x.dtype == dtype for x in self.inputs if is_float(x)) and computes_in(self.layer, dtype)

    def leave_out(self, name: str) -> None:
        """Stop differentiating an input."""
        del self.slots[name]
        self.float_inputs.remove(int(name.removeprefix("input ")))

    def rewind(self) -> None:
        """Restore the random generators, so that every forward draws the same numbers."""
        for generator, before in self._generators:
            set_state(generator, before)

    def random_states(self) -> list[Any]:
        """Return the states of all random generators."""
        return [copy.deepcopy(state(g)) for g, _ in self._generators]

    def set_random_states(self, states: list[Any]) -> None:
        """Set the states of all random generators."""
        for (generator, _), then in zip(self._generators, states, strict=True):
            set_state(generator, then)

    def has_random_states(self, before: list[Any]) -> bool:
        """Return whether the random generators are in these states."""
        return all(same_state(state(g), old) for (g, _), old in zip(self._generators, before, strict=True))

    def settle(self) -> None:
        """Drop the generators that passes have not used, to make the next passes faster."""
        self._generators = [(g, old) for g, old in self._generators if not same_state(state(g), old)]

    def reset(self) -> None:
        """Restore everything except the slots: random generators, attributes and their arrays."""
        self.rewind()
        if self.is_stateful:
            for each, attributes in self._attributes:
                vars(each).clear()
                vars(each).update(attributes)
            for held, before in self._lists:
                held.clear()
                held.extend(before) if isinstance(held, list) else held.update(before)
            for array, before in self._arrays:
                if array.flags.writeable:
                    array[...] = before

    def restore_parameters(self) -> None:
        """Restore the values of the parameters."""
        for path, before in self.given_values.items():
            self.parameters[path].value[...] = before

    def forward(self, keep_parameters: bool = False) -> list[Any]:
        """Return the outputs of a forward from the initial state."""
        self.reset()
        if self.writes_parameters and not keep_parameters:
            self.restore_parameters()
        return self.forward_on()

    def result(self) -> Any:
        """Return the result of forward from the current state."""
        inputs = [copy.copy(x) for x in self.inputs] if self.copies_inputs else self.inputs
        return call_user_code(self.layer.forward, *inputs)

    def forward_on(self) -> list[Any]:
        """Return the outputs of one more forward, from the current state."""
        y = self.result()
        self.returns_tuple = isinstance(y, tuple | list)
        if self.returns_tuple:
            return list(y)
        self.returns_number = not isinstance(y, np.ndarray)
        return [y]

    @cached_property
    def seconds(self) -> float:
        """The seconds of a forward, estimated from sizes, or measured if that is far off."""
        usual = seconds_of_forward(self.layer, self.inputs)
        clock = getattr(time, "thread_time", time.perf_counter)  # of this thread alone, except in a browser
        quickest = np.inf
        for _ in range(3):
            started = clock()
            self.forward(keep_parameters=True)
            quickest = min(quickest, clock() - started)
            if quickest < BEYOND_REASON * usual:
                return usual
        return quickest

    def backward(self, douts: list[Array]) -> Any:
        """Call backward with one dout for each output, in the form that forward returned."""
        if not self.takes_dout:
            return call_user_code(self.layer.backward)
        if self.returns_tuple:
            return call_user_code(self.layer.backward, tuple(douts))
        return call_user_code(self.layer.backward, float(douts[0]) if self.returns_number else douts[0])


def takes_dout(layer: Layer) -> bool:
    """Return whether ``layer.backward`` takes an argument."""
    try:
        return bool(inspect.signature(layer.backward).parameters)
    except (TypeError, ValueError):
        return True


def _own(x: Any, dtype: np.dtype[Any] | None) -> Any:
    if not is_float(x):
        return copy.deepcopy(x)
    return np.array(x, dtype=dtype or x.dtype.newbyteorder("="), order="C")


def make_twin(layer: Layer, inputs: tuple[Any, ...], eps: float) -> Twin:
    """Return a twin in the type of a check with spacing `eps`: float64, or the layer's own."""
    return Twin(layer, inputs, np.dtype(np.float64) if eps < 1e-12 else None)


def _as_lists(state: Any) -> Any:
    """Return a copy of a random state with lists for arrays: setting it is 30 times as fast."""
    if isinstance(state, dict):
        return {key: _as_lists(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _copied(layer: Layer, dtype: np.dtype[Any] | None) -> Layer:
    why = "the check works on a copy"
    return copy_with_views(layer, why, {}) if dtype is None else cast_copy(layer, dtype, why)
