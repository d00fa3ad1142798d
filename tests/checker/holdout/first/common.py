"""What the layers of this folder have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator

import netlib as nl
from netlib.arrays import Array

Example: TypeAlias = tuple[nl.Layer, tuple[Array, ...]]
Make: TypeAlias = Callable[[Generator], Example]


def in_float32(example: Example) -> Example:
    """Return the same with inputs and parameters in float32."""
    layer, inputs = example
    for name, member in list(layer.members()):
        if isinstance(member, nl.Parameter):
            setattr(layer, name, nl.Parameter(member.value.astype(np.float32)))
    return layer, tuple(x.astype(np.float32) if x.dtype == float else x for x in inputs)


def sigmoid(x: Array) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
