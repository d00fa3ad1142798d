"""The values of a traced forward: nodes, sizes that depend on the batch, and zeros.

This module is imported on use, since it imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from ..node import Node


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor: its node, and its shape if known."""

    node: Node
    shape: tuple[Any, ...] | None
    """An int for each axis, or a `Size` if it depends on the batch."""
    dtype: torch.dtype | None = None

    def examples(self) -> tuple[Any, Any] | None:
        """Return two tensors of this shape, for two sizes of the batch."""
        if self.shape is None:
            return None
        shapes = [[n.numbers[i] if isinstance(n, Size) else n for n in self.shape] for i in (0, 1)]
        one, other = (torch.zeros(shape, dtype=self.dtype) for shape in shapes)
        return one, other


@dataclass(frozen=True, eq=False)
class Size:
    """The length of an axis that depends on the batch, or is unknown."""

    numbers: Any = None
    """Its values for two sizes of the batch."""
    source: Value | None = None
    axis: int | None = None

    def combined(self, operator: Callable[..., Any], *operands: Any) -> Any:
        """Return the result of an operation on sizes and numbers."""
        if any(isinstance(each, Size) and each.numbers is None for each in operands):
            return Size()
        pair = tuple(operator(*(each.numbers[i] if isinstance(each, Size) else each for each in operands)) for i in (0, 1))
        return Size(pair)


@dataclass(frozen=True, eq=False)
class Shape:
    """The whole shape of a value."""

    of: Value


@dataclass(frozen=True, eq=False)
class Zeros:
    """Zeros for the first state of a recurrent module."""


SYMBOLS = Value, Size, Shape, Zeros


def has_values(thing: Any) -> bool:
    """Return whether there is a value or a size in nested tuples, lists and dicts."""
    leaves = tree_flatten(thing)[0]
    slices = [part for each in leaves if isinstance(each, slice) for part in (each.start, each.stop, each.step)]
    return any(isinstance(each, SYMBOLS) for each in (*leaves, *slices))


def as_sizes(both: Any) -> tuple[Any, ...] | None:
    """Return the shape of a tensor from the shapes for two sizes of the batch."""
    if both is None or not all(hasattr(each, "shape") for each in both):
        return None
    one, other = (tuple(each.shape) for each in both)
    return tuple(a if a == b else Size((a, b)) for a, b in zip(one, other, strict=True))
