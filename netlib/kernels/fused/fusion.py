"""What a row of the table says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...arrays import Array, Shape


class Like(Protocol):
    """An array, or no more than the shape and type of one."""

    @property
    def shape(self) -> Shape:
        """Its shape."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its type."""


class Memory(NamedTuple):
    """The arrays of an operation that are the same at every step. None stands for another one at every call.

    Forward writes y, and backward dx, into the array that is given, and returns it: others count on its being there.
    """

    x: tuple[Array | None, ...]
    """What it reads."""
    y: Array | None
    dx: tuple[Array | None, ...]
    """One for each input."""
    scratch: Array | None
    """Of the shape and type of y, for backward alone; None where it was not asked for."""


class Operation(NamedTuple):
    """The three directions of some layers at once. Forward sets the cache of each layer, so that its own backward works afterwards."""

    forward: Callable[..., Array]
    backward: Callable[[Array], Any]
    """Take dout in C order, in the shape and type of y; return the gradient of the input, or a tuple of them."""
    backward_parameters: Callable[[Array], Any]


class Fusion(NamedTuple):
    """How to run some layers, each taking what the one before it gives, as one operation."""

    fits: Callable[..., bool]
    """Whether it takes these layers and inputs: ``fits(layers, *xs)``, for arrays or what is `Like` them."""
    output: Callable[..., tuple[Shape, np.dtype[Any]]]
    """Shape and type of y: ``output(layers, *xs)``."""
    infer: Callable[..., Array]
    """Compute y, a new array, and keep nothing: ``infer(layers, *xs)``."""
    prepare: Callable[[Sequence[Any], Sequence[Like], Memory], Operation]
    """Make the operation for training on such inputs."""
    keeps_inputs: bool
    """Whether backward reads what forward took."""
    needs_scratch: bool = False
    """Whether backward needs memory of the shape of y."""
    sends_dout_on: bool = False
    """Whether the gradients that backward returns may be dout itself, where there is no memory for dx."""
