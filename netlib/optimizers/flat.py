"""The memory of an optimizer: the values and gradients of its parameters in two flat arrays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import accumulate, groupby, pairwise
from typing import Any

import numpy as np

from ..arrays import Array
from ..parameter import Parameter, with_own_type

Block = tuple[Array, Array, tuple[Array, ...]]
Run = tuple[int, int, Hashable, list[Block]]
Calls = Mapping[Any, tuple[Callable[..., None], float]]

BLOCK = 65536
"""The number of elements updated at a time: few enough to stay in the processor's cache."""

FLUSH_EVERY = 64
"""The number of steps between two calls of `flush_subnormals` on the state."""


class Flat:
    """Parameters of one dtype, stored in one flat array of values and one of gradients.

    The parameters hold views of the two arrays. The state of the optimizer is stored in further
    arrays of the same layout, the slots. So an update takes a few operations on long arrays,
    however many parameters there are. Values of 16 bits have a state of 32 bits, and a copy of 32
    bits, the master, which is updated and then rounded, so that steps too small for 16 bits add up.

    Parameters
    ----------
    parameters : sequence of Parameter
        At least one, all of the same dtype.
    slots : sequence of str
        The names of the state arrays, which are initially zero.
    groups : sequence, optional
        The group of each parameter, any keys. Put parameters of one group next to each other.

    Examples
    --------
    >>> weight, bias = Parameter([[1.0, 2.0]]), Parameter([3.0])
    >>> flat = Flat([weight, bias], ["velocity"])
    >>> flat.sync()
    >>> flat.values
    array([1., 2., 3.])
    >>> flat.values *= 10
    >>> weight.value
    array([[10., 20.]])
    """

    def __init__(self, parameters: Sequence[Parameter], slots: Sequence[str], groups: Sequence[Hashable] | None = None) -> None:
        self.parameters = list(parameters)
        self.groups = list(groups or [()] * len(self.parameters))
        self.steps = [0] * len(self.parameters)
        self._ends = [0, *accumulate(p.size for p in self.parameters)]
        size, dtype = self._ends[-1], self.parameters[0].dtype
        work_dtype = np.result_type(dtype, np.float32)
        self.values, self.grads = np.empty(size, dtype), np.zeros(size, dtype)
        self.slots = {name: np.zeros(size, work_dtype) for name in slots}
        self.master: Array | None = None
        if work_dtype != dtype:
            self.master = np.concatenate([p.value.astype(work_dtype).ravel() for p in self.parameters])
        length = min(size, BLOCK)
        self._scratch, self._wide_grad = np.empty(length, work_dtype), np.empty(length, work_dtype)
        self._views = [self._view(self.values, i) for i in range(len(self.parameters))]
        self._trainable: list[bool | None] = [None] * len(self.parameters)
        self.runs: list[Run] = []
        """Contiguous trainable segments of one group with equal step counts: first, last + 1, …"""
        self._trainable_grads: list[Array] = []

    def sync(self) -> None:
        """Move in parameters stored elsewhere, update `runs`, and write stale gradients."""
        for parameter, view, trainable in zip(self.parameters, self._views, self._trainable, strict=True):
            if not parameter.is_in_sync(view, trainable):
                self._arrange()
                return

    def advance(self, calls: Calls) -> None:
        """Call ``update(rate, t, value, grad, scratch, *slots)`` for each block; count the step.

        `calls` has a pair of `update` and `rate` for each group.
        """
        for first, last, group, blocks in self.runs:
            update, rate = calls[group]
            t = self.steps[first] + 1
            for value, grad, block in blocks:
                if block[0] is value:
                    update(rate, t, *block)
                else:
                    follow(block[0], value)
                    block[1][...] = grad
                    update(rate, t, *block)
                    value[...] = block[0]
            if t % FLUSH_EVERY == 0:
                for value, _, (used, _, scratch, *slots) in blocks:
                    for slot in slots if used is value else [used, *slots]:
                        flush_subnormals(slot, scratch)
            self.steps[first:last] = [t] * (last - first)

    def zero_grad(self) -> None:
        """Discard the gradients."""
        for parameter in self.parameters:
            parameter.zero_grad()

    def gradients(self) -> list[Array]:
        """Return the gradients of the trainable parameters, each run as one flat array."""
        return list(self._trainable_grads)

    def trainable(self, array: Array) -> list[Array]:
        """Return the parts of an array of this layout that belong to trainable parameters."""
        return [array[self._ends[first] : self._ends[last]] for first, last, *_ in self.runs]

    def state(self, i: int) -> dict[str, Array]:
        """Return the part of each slot that belongs to parameter `i`, in the parameter's shape.

        If there is a master, its name is ``"master"``.
        """
        arrays = self.slots if self.master is None else {**self.slots, "master": self.master}
        return {name: self._view(array, i) for name, array in arrays.items()}

    def load(self, i: int, steps: int, state: dict[str, Array]) -> None:
        """Set the step count and the state of parameter `i`."""
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
            parameter.lend_grad()
        self._trainable = [p.trainable for p in self.parameters]
        self.runs = []
        first = 0
        for (trainable, _, group), run in groupby(zip(map(bool, self._trainable), self.steps, self.groups, strict=True)):
            last = first + len(list(run))
            if trainable:
                self.runs.append((first, last, group, self._blocks(self._ends[first], self._ends[last])))
            first = last
        self._trainable_grads = self.trainable(self.grads)

    def _blocks(self, start: int, stop: int) -> list[Block]:
        blocks: list[Block] = []
        for a, b in pairwise([*range(start, stop, BLOCK), stop]):
            value, grad = self.values[a:b], self.grads[a:b]
            slots = [slot[a:b] for slot in self.slots.values()]
            used = (value, grad) if self.master is None else (self.master[a:b], self._wide_grad[: b - a])
            blocks.append((value, grad, (*used, self._scratch[: b - a], *slots)))
        return blocks

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("parameters", "steps", "slots", "groups", "master")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Flat.__init__(self, state["parameters"], state["slots"], state["groups"])
        self.steps, master = state["steps"], state["master"]
        self.slots = {name: with_own_type(slot) for name, slot in state["slots"].items()}
        self.master = None if master is None else with_own_type(master)
        self.sync()


def follow(master: Array, value: Array) -> None:
    """Copy `value` to `master` where it is not `master` rounded, that is, where it was changed.

    >>> master, value = np.array([1.0001, 1.0001], np.float32), np.array([1, 2], np.float16)
    >>> follow(master, value)
    >>> master
    array([1.0001, 2.    ], dtype=float32)
    """
    with np.errstate(over="ignore"):
        rounded = master.astype(value.dtype)
    changed = rounded.view(np.uint16) != value.view(np.uint16)
    if changed.any():
        np.copyto(master, value, where=changed)


def flush_subnormals(x: Array, scratch: Array) -> None:
    """Set the subnormal numbers of `x` to 0: those too small to be stored in full precision.

    If a gradient stays 0, as in a dead unit, its running mean decays to the smallest positive
    number and stays there because of rounding. Many processors are a hundred times slower with such
    numbers, in every later step.

    >>> x = np.array([1e-320, -1e-320, 1e-300, -1e-300])
    >>> flush_subnormals(x, np.empty(4))
    >>> x
    array([ 0.e+000,  0.e+000,  1.e-300, -1.e-300])
    """
    np.abs(x, out=scratch)
    np.copyto(x, 0, where=scratch < np.finfo(x.dtype).smallest_normal)
