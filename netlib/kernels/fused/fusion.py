"""The rows of the table of fused kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from ...arrays import Array, Shape


class Like(Protocol):
    """An array, or an object with the shape and type of one."""

    @property
    def shape(self) -> Shape:
        """The shape."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type."""


class Memory(NamedTuple):
    """The arrays of an operation that are reused in every step.

    None stands for an array that differs from call to call. If y or dx is given, forward or
    backward must write its result into it and return it, since other operations read it there.
    """

    x: tuple[Array | None, ...]
    """The inputs."""
    y: Array | None
    """The output."""
    dx: tuple[Array | None, ...]
    """The gradients of the inputs."""
    scratch: Array | None
    """An array of the shape and type of y, for use by backward alone."""


class Operation(NamedTuple):
    """The forward and backward of several layers at once.

    Forward sets the cache of each layer, so that the layer's own backward works afterwards.
    """

    forward: Callable[..., Array]
    """Takes the inputs and returns y."""
    backward: Callable[[Array], Any]
    """Takes dout in the shape and type of y, and returns the inputs' gradients.

    Dout is in C order unless `layout` allows another.
    """
    backward_parameters: Callable[[Array], Any]
    """Takes dout, and computes only the gradients of the parameters."""
    uses_all_cores: bool = False
    """Whether it runs parts of the batch at the same time, in threads of its own."""


def _always(layers: Sequence[Any], *xs: Like) -> bool:
    return True


class Fusion(NamedTuple):
    """How to run a chain of layers as one operation."""

    fits: Callable[..., bool]
    """Whether it can run the layers on such inputs: ``fits(layers, *xs)``, for `Like` objects."""
    infer: Callable[..., Array]
    """Compute y as a new array, without caching: ``infer(layers, *xs)``."""
    prepare: Callable[[Sequence[Any], Sequence[Like], Memory], Operation]
    """Make the operation for training on such inputs."""
    keeps_inputs: bool
    """Whether backward reads the inputs of forward."""
    needs_scratch: bool = False
    """Whether backward needs an array of the shape of y."""
    layout: Literal["C", "any", "channels last"] = "C"
    """How inputs, dout, y and dx lie in memory.

    In C order; in any layout; or also in any, but faster with the channels, axis 1, last.
    """
    passes_dout_on: bool = False
    """Whether the gradients that backward returns may be dout itself, without memory for dx."""
    separates_samples: Callable[..., bool] = _always
    """Whether axis 0 of such inputs counts samples that do not meet.

    If so, the operation may run on some of them at a time: ``separates_samples(layers, *xs)``, for
    inputs that it fits.
    """
