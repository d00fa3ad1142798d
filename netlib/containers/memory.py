"""The work arrays of a plan.

A plan keeps the values and gradients inside a program in arrays that it reuses in every training
step. Two of them share memory if the first is no longer needed when the second is written. To find
these, this module steps through one forward and one backward without computing anything.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..kernels.fused.fusion import Fusion, Memory
from .plan import Spec

if TYPE_CHECKING:
    from .program import Program, Step

Pieces = Sequence[tuple[Fusion | None, tuple["Step", ...]]]

ALIGNMENT = 64
"""In bytes: a cache line, and the widest vector register."""


class Block:
    """A piece of memory for a succession of arrays, with the number of slots that need it now."""

    __slots__ = ("memory", "users")

    def __init__(self, n_bytes: int) -> None:
        raw = np.empty(n_bytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        self.memory = raw[start : start + n_bytes]
        self.users = 0

    def array(self, spec: Spec, has_channels_last: bool = False) -> Array:
        """Return an array in this memory, in C order or with axis 1 last."""
        if not has_channels_last:
            return np.ndarray(spec.shape, spec.dtype, self.memory)
        n, channels, *lengths = spec.shape
        return np.moveaxis(np.ndarray((n, *lengths, channels), spec.dtype, self.memory), -1, 1)


class WorkArrays:
    """The work arrays for the pieces of a plan.

    Parameters
    ----------
    program : Program
    pieces : sequence of (Fusion or None, tuple of Step)
        In the order of forward. None stands for a single layer without a fused kernel.
    specs : mapping of int to Spec
        Shape and type of the value in each slot.

    Attributes
    ----------
    sums : dict of int to ndarray
        By slot, the array for the sum of the gradients of a value that several pieces read.
    """

    def __init__(self, program: Program, pieces: Pieces, specs: dict[int, Spec]) -> None:
        self._program, self._pieces, self._specs = program, pieces, specs
        self._makers = {steps[-1].target: fusion for fusion, steps in pieces}
        self._sources = {steps[-1].target: steps[0].sources for _, steps in pieces}
        self._named = {slot for step in program.steps if step.kernel for slot in step.targets}
        self._readers: dict[int, list[tuple[int, Fusion | None]]] = {}
        for i, (fusion, steps) in enumerate(pieces):
            for slot in steps[0].sources:
                self._readers.setdefault(slot, []).append((i, fusion))
        self._free: list[Block] = []
        self._y: dict[int, Array] = {}
        self._dx: dict[tuple[int, int], Array] = {}
        self._scratch: dict[int, Array] = {}
        self.sums: dict[int, Array] = {}
        channels_last = self._find_channels_last()
        self._assign_values(channels_last)
        self._assign_gradients(channels_last)

    @property
    def reused_slots(self) -> Collection[int]:
        """The slots whose values are in work arrays."""
        return self._y.keys()

    def memory(self, i: int, copies: dict[int, Array]) -> Memory:
        """Return the arrays of piece `i`, which reads `copies` instead of some slots."""
        _, steps = self._pieces[i]
        x = tuple(copies.get(slot, self._y.get(slot)) for slot in steps[0].sources)
        dx = tuple(self._dx.get((i, k)) for k in range(len(steps[0].sources)))
        return Memory(x, self._y.get(steps[-1].target), dx, self._scratch.get(i))

    def is_fused(self, slot: int) -> bool:
        """Return whether the value in `slot` is the output of a fused operation."""
        return self._makers.get(slot) is not None

    def has_fixed_spec(self, slot: int) -> bool:
        """Return whether the value in `slot` has the same shape and type in every step."""
        return slot < self._program.n_inputs or self.is_fused(slot)

    def dout_has_fixed_spec(self, i: int) -> bool:
        """Return whether the dout of piece `i` needs no check of its shape and type.

        This is so if only the caller and fused operations contribute to it.
        """
        readers = self._readers.get(self._pieces[i][1][-1].target, [])
        return all(fusion is not None for _, fusion in readers)

    def gradients_to_copy(self, i: int) -> list[bool] | None:
        """Return, for each input of piece `i`, whether its gradient goes to code that may keep it.

        None if no gradient does.
        """
        to_copy = [not self._reuses_gradient(slot) for slot in self._pieces[i][1][0].sources]
        return to_copy if any(to_copy) else None

    def _reuses_value(self, slot: int) -> bool:
        readers = self._readers.get(slot, [])
        is_inner = slot not in self._program.exposed and self.is_fused(slot)
        return is_inner and all(fusion is not None for _, fusion in readers)

    def _reuses_gradient(self, slot: int) -> bool:
        return slot in self._named

    def _find_channels_last(self) -> set[int]:
        """Return the slots whose values and gradients have the channels last in memory.

        These are the images between fused operations that prefer it, or take any layout.
        """
        found: set[int] = set()
        for slot, spec in sorted(self._specs.items()):
            maker, readers = self._makers.get(slot), [fusion for _, fusion in self._readers.get(slot, [])]
            fusions = [fusion for fusion in (maker, *readers) if fusion is not None]
            prefers = any(each.layout == "channels last" for each in ([maker] if maker else fusions))
            follows = maker is not None and not found.isdisjoint(self._sources[slot])
            if (prefers or follows) and len(spec.shape) > 2 and all(each.layout != "C" for each in fusions):
                found.add(slot)
        return found

    def _assign_values(self, channels_last: set[int]) -> None:
        blocks: dict[int, Block] = {}
        for i, (fusion, steps) in enumerate(self._pieces):
            slot = steps[-1].target
            if fusion is not None and self._reuses_value(slot):
                blocks[slot] = self._take(self._specs[slot])
                self._y[slot] = blocks[slot].array(self._specs[slot], slot in channels_last)
            for source in set(steps[0].sources) & blocks.keys():
                readers = self._readers[source]
                is_last = readers[-1][0] == i
                if is_last and not any(each.keeps_inputs for _, each in readers if each):
                    self._give_back(blocks.pop(source))

    def _assign_gradients(self, channels_last: set[int]) -> None:
        held: dict[int, list[Block]] = {}
        for i, (fusion, steps) in reversed([*enumerate(self._pieces)]):
            target = steps[-1].target
            douts = held.pop(target, [])
            if fusion is not None:
                scratch = []
                if fusion.needs_scratch:
                    scratch.append(self._take(self._specs[target]))
                    self._scratch[i] = scratch[0].array(self._specs[target])
                for k, slot in enumerate(steps[0].sources):
                    if not self._reuses_gradient(slot):
                        continue
                    blocks = held.setdefault(slot, [])
                    if fusion.passes_dout_on:
                        blocks += douts
                        for block in douts:
                            block.users += 1
                    else:
                        blocks.append(self._take(self._specs[slot]))
                        self._dx[i, k] = blocks[-1].array(self._specs[slot], slot in channels_last)
                    if self._needs_sum(slot):
                        blocks.append(self._take(self._specs[slot]))
                        self.sums[slot] = blocks[-1].array(self._specs[slot], slot in channels_last)
                for block in scratch:
                    self._give_back(block)
            for block in douts:
                self._give_back(block)

    def _needs_sum(self, slot: int) -> bool:
        readers = self._readers[slot]
        is_shared = len(readers) > 1 and all(fusion is not None for _, fusion in readers)
        return is_shared and slot not in self.sums

    def _take(self, spec: Spec) -> Block:
        """Return the smallest free block that is large enough, or a new one."""
        n_bytes = math.prod(spec.shape) * spec.dtype.itemsize
        large_enough = [block for block in self._free if len(block.memory) >= n_bytes]
        block = min(large_enough, key=lambda each: len(each.memory), default=None)
        if block is None:
            block = Block(n_bytes)
        else:
            self._free.remove(block)
        block.users = 1
        return block

    def _give_back(self, block: Block) -> None:
        block.users -= 1
        if not block.users:
            self._free.append(block)
