"""The values of an ONNX graph during translation: arrays, nodes, and what is known about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..arrays import Array
from ..containers.graph import Constant, Weight
from ..node import Node
from ..parameter import Parameter
from .reading import as_array, as_dtype

Dims = tuple[int | None, ...]


def constant_node(array: Array) -> Node:
    """Return a constant without a name, which it gets at its first use."""
    node = Constant.over("constant", array)
    assert node.call is not None
    node.name = node.call.name = None
    return node


class Value:
    """A value by its name in the file.

    Attributes
    ----------
    dtype : numpy.dtype or None
        None if it is unknown, or if netlib has no arrays of this type.
    shape : tuple or None
        Its lengths, with None for each that is free; None if not even their number is known.
    array : ndarray or None
        The value itself, if it does not depend on an input of the graph.
    names : tuple or None
        The shape again, with a name for each free length: free lengths of one name are equal.
    partial : ndarray of objects, or None
        What is known about whole numbers computed from shapes, as in ``partial.py``.
    is_trained : bool
        Whether the array comes from the file's weights.
    weight_name : str
        The name of that weight.
    is_known : bool
        Whether a node has made it, or it is given.
    """

    def __init__(self, name: str, dtype: np.dtype[Any] | None = None, shape: Dims | None = None) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.names: tuple[int | str, ...] | None = None
        self.array: Array | None = None
        self.node: Node | None = None
        self.partial: Array | None = None
        self.is_trained = False
        self.weight_name = name
        self.is_known = False

    def set_array(self, array: Array, is_trained: bool) -> None:
        """Record that it is constant."""
        self.array, self.dtype, self.is_known = array, array.dtype, True
        self.shape = self.names = array.shape
        self.is_trained = is_trained and array.dtype.kind == "f" and array.ndim > 0


def _declared(info: Any) -> Value:
    """Return a value with the type and shape declared in the file."""
    if not info.type.HasField("tensor_type"):
        return Value(info.name)
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return Value(info.name, as_dtype(tensor.elem_type))
    dims = tensor.shape.dim
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)
    value = Value(info.name, as_dtype(tensor.elem_type), shape)
    value.names = tuple(
        dim.dim_param or f"{info.name}[{i}]" if n is None else n for i, (n, dim) in enumerate(zip(shape, dims, strict=True))
    )
    return value


class Values:
    """All values of a graph by name, and the names already used by its nodes.

    Parameters
    ----------
    graph : GraphProto
    trained : dict of str to str
        The initializers that may become parameters, with the names of the weights from which they
        are computed.
    """

    def __init__(self, graph: Any, trained: Mapping[str, str]) -> None:
        self._by_name = {info.name: _declared(info) for info in [*graph.value_info, *graph.output, *graph.input]}
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._uses.update(each.name for each in graph.output)
        self._names: set[str] = set()
        self._parameters: dict[tuple[str, str], Parameter] = {}
        for tensor in graph.initializer:
            array = as_array(tensor)
            if array is not None:
                self[tensor.name].set_array(array, tensor.name in trained)
                self[tensor.name].weight_name = trained.get(tensor.name, tensor.name)
        given = {info.name for info in graph.input}
        self.inputs = [self[info.name] for info in graph.input if self[info.name].array is None]
        for name in given:
            self[name].is_known = True

    def __getitem__(self, name: str) -> Value:
        """Return the value of a name, a new one if the file does not declare it."""
        return self._by_name.setdefault(name, Value(name))

    def is_used_once(self, value: Value) -> bool:
        """Return whether only one node takes the value."""
        return self._uses[value.name] == 1

    def node_of(self, value: Value) -> Node:
        """Return the node of a value: a weight or a constant if it is an array."""
        if value.node is None:
            assert value.array is not None
            name = self.unique_name(value.weight_name)
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
