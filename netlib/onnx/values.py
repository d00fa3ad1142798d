"""The values of an ONNX graph while it is translated: arrays, nodes, and what is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from ..containers.graph import Constant, Weight
from ..node import Node
from ..parameter import Parameter

Dims = tuple[int | None, ...]


def constant_node(array: Array) -> Node:
    """Return a constant without a name, which it gets where it is used."""
    node = Constant.over("constant", array)
    assert node.call is not None
    node.name = node.call.name = None
    return node


class Value:
    """A value by its name in the file.

    Attributes
    ----------
    dtype : numpy.dtype or None
        None if it is not known, or if netlib has no arrays of this type.
    shape : tuple or None
        Its lengths, with None for each that is free; None if not even their number is known.
    array : ndarray or None
        The value itself, if it does not depend on an input of the graph.
    partial : ndarray of float64, or None
        Whole numbers of which some are known, as in the shape of a batch: NaN for the others.
    is_trained : bool
        Whether the array comes from the file's weights.
    """

    def __init__(self, name: str, dtype: np.dtype[Any] | None = None, shape: Dims | None = None) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.array: Array | None = None
        self.node: Node | None = None
        self.partial: Array | None = None
        self.is_trained = False

    def set_array(self, array: Array, is_trained: bool) -> None:
        """Say that it is constant."""
        self.array, self.dtype, self.shape = array, array.dtype, array.shape
        self.is_trained = is_trained and array.dtype.kind == "f" and array.ndim > 0


class Values:
    """All values of a graph by name, and the names that its nodes have already."""

    def __init__(self) -> None:
        self.by_name: dict[str, Value] = {}
        self.uses: Counter[str] = Counter()
        self._names: set[str] = set()
        self._parameters: dict[tuple[str, str], Parameter] = {}

    def node_of(self, value: Value) -> Node:
        """Return the node of a value: a weight or a constant if it is an array."""
        if value.node is None:
            assert value.array is not None
            name = self.unique_name(value.name)
            if not value.is_trained:
                value.node = Constant.over(name, value.array)
            else:
                value.node = Weight.over(name, self.parameter_of(value))
        return value.node

    def parameter_of(self, value: Value, layout: str = "", change: Callable[[Array], Array] | None = None) -> Parameter:
        """Return the parameter for an array of the file, in a layout: one for all of its uses."""
        key = value.name, layout
        if key not in self._parameters:
            assert value.array is not None
            array = value.array if change is None else change(value.array)
            self._parameters[key] = Parameter(array)
        return self._parameters[key]

    def unique_name(self, wanted: str) -> str:
        """Return a name for a node, like `wanted`, that no other node has."""
        stem = wanted.strip("/").replace(".", "/") or "value"
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        return name
