"""The memory of an optimizer: its parameters' values and gradients in two flat arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, groupby, pairwise
from typing import Any

import numpy as np

from ..arrays import Array
from ..parameter import Parameter

Block = tuple[Array, Array, tuple[Array, ...]]
Run = tuple[int, int, list[Block]]

BLOCK = 65536
"""How many numbers are updated at a time: few enough to stay in cache from one operation to the next."""

FLUSH_EVERY = 64
"""Steps between two calls of `flush_subnormals` on the state."""


class Flat:
    """Parameters of one floating type, one after the other in an array of values and an array of gradients.

    The parameters hold views of the two arrays. The optimizer's state lies in arrays of the same layout, the slots. An update
    is thus a few operations on long arrays, however many parameters there are. Values of 16 bits are updated in 32, and
    their state has 32.

    Parameters
    ----------
    parameters : sequence of Parameter
        At least one, all of one dtype.
    slots : sequence of str
        Names of the state arrays, which begin as zeros.

    Examples
    --------
    >>> weight, bias = Parameter([[1.0, 2.0]]), Parameter([3.0])
    >>> flat = Flat([weight, bias], ["velocity"])
    >>> flat.settle()
    >>> flat.values
    array([1., 2., 3.])
    >>> flat.values *= 10
    >>> weight.value
    array([[10., 20.]])
    """

    def __init__(self, parameters: Sequence[Parameter], slots: Sequence[str]) -> None:
        self.parameters = list(parameters)
        self.steps = [0] * len(self.parameters)
        self._ends = [0, *accumulate(p.size for p in self.parameters)]
        size, dtype = self._ends[-1], self.parameters[0].dtype
        work_dtype = np.result_type(dtype, np.float32)
        self.values, self.grads = np.empty(size, dtype), np.zeros(size, dtype)
        self.slots = {name: np.zeros(size, work_dtype) for name in slots}
        self._scratch = [np.empty(min(size, BLOCK), work_dtype) for _ in range(3 if work_dtype != dtype else 1)]
        self._views = [self._view(self.values, i) for i in range(len(self.parameters))]
        self._trainable: list[bool | None] = [None] * len(self.parameters)
        self.runs: list[Run] = []
        """Neighbours that are trained and have seen equally many steps: the first, the one past the last, and their blocks."""

    def settle(self) -> None:
        """See to it that every parameter lives here, that `runs` is up to date, and that the gradients in it are real."""
        for parameter, view, trainable in zip(self.parameters, self._views, self._trainable, strict=True):
            if not parameter.is_settled(view, trainable):
                self._arrange()
                return

    def advance(self, update: Callable[..., None], rate: float) -> None:
        """Call ``update(rate, t, value, grad, scratch, *slots)`` on each block, and count the step."""
        for first, last, blocks in self.runs:
            t = self.steps[first] + 1
            for value, grad, block in blocks:
                if block[0] is value:
                    update(rate, t, *block)
                else:
                    block[0][...], block[1][...] = value, grad
                    update(rate, t, *block)
                    value[...] = block[0]
            if t % FLUSH_EVERY == 0:
                for _, _, (_, _, scratch, *slots) in blocks:
                    for slot in slots:
                        flush_subnormals(slot, scratch)
            self.steps[first:last] = [t] * (last - first)

    def zero_grad(self) -> None:
        """Discard the gradients."""
        for parameter in self.parameters:
            parameter.zero_grad()

    def gradients(self) -> list[Array]:
        """Return the gradients of what is trained, each run as one flat array."""
        return [self.grads[self._ends[first] : self._ends[last]] for first, last, _ in self.runs]

    def state(self, i: int) -> dict[str, Array]:
        """Return parameter `i`'s part of each slot, in the parameter's shape."""
        return {name: self._view(slot, i) for name, slot in self.slots.items()}

    def load(self, i: int, steps: int, state: dict[str, Array]) -> None:
        """Copy steps and state of parameter `i` in."""
        self.steps[i] = steps
        for name, view in self.state(i).items():
            view[...] = state[name]
        self._trainable[i] = None

    def _view(self, array: Array, i: int) -> Array:
        return array[self._ends[i] : self._ends[i + 1]].reshape(self.parameters[i].shape)

    def _arrange(self) -> None:
        for i, (parameter, view) in enumerate(zip(self.parameters, self._views, strict=True)):
            if parameter.value is not view:
                parameter.move_to(view, self._view(self.grads, i))
            parameter.current_grad()
        self._trainable = [p.trainable for p in self.parameters]
        self.runs = []
        first = 0
        for (trainable, _), group in groupby((bool(p.trainable), steps) for p, steps in zip(self.parameters, self.steps, strict=True)):
            last = first + len(list(group))
            if trainable:
                self.runs.append((first, last, self._blocks(self._ends[first], self._ends[last])))
            first = last

    def _blocks(self, start: int, stop: int) -> list[Block]:
        blocks: list[Block] = []
        for a, b in pairwise([*range(start, stop, BLOCK), stop]):
            value, grad, *slots = (array[a:b] for array in (self.values, self.grads, *self.slots.values()))
            scratch, *wide = (array[: b - a] for array in self._scratch)
            blocks.append((value, grad, (*(wide or (value, grad)), scratch, *slots)))
        return blocks

    def __getstate__(self) -> dict[str, Any]:
        return {"parameters": self.parameters, "steps": self.steps, "slots": self.slots}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Flat.__init__(self, state["parameters"], state["slots"])
        self.steps, self.slots = state["steps"], state["slots"]
        self.settle()


def flush_subnormals(x: Array, scratch: Array) -> None:
    """Set the numbers of `x` to 0 that are too small to be held at full precision.

    Where a gradient stays at 0, as that of a dead unit, a running mean decays to the least number there is, and rounding holds it there.
    Many processors take a hundred times as long for such a number, in every step from then on.

    >>> x = np.array([1e-320, -1e-320, 1e-300, 0.0])
    >>> flush_subnormals(x, np.empty(4))
    >>> x
    array([0.e+000, 0.e+000, 1.e-300, 0.e+000])
    """
    np.abs(x, out=scratch)
    np.copyto(x, 0, where=scratch < np.finfo(x.dtype).smallest_normal)
