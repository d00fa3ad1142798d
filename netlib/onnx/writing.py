"""Building an ONNX graph node by node: the `GraphBuilder` that translations of layers receive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .. import __version__
from ..arrays import Array
from ..layer import Layer
from ..parameter import Buffer, Parameter

OPSET = 20
"""The version of ONNX's operators: the lowest with Gelu, and with Pad in all modes of NumPy."""
BATCH = "N"
"""The name of the free axis."""
MOVES = "Transpose", "Squeeze", "Unsqueeze"
"""Operators that only move axes, and may undo each other."""
Axes = tuple[int | None, ...]
"""Which axis of an array each axis is, None for a new one."""
Dims = tuple[int | str | None, ...]
"""A shape, with `BATCH` for the free axis, and None for a length that depends on that of it."""


class NotFixedError(Exception):
    """Raised when a translation needs the length of a free axis."""


class Value:
    """An array of the ONNX graph: an input, an initializer, a constant, or the output of a node.

    Attributes
    ----------
    shape : tuple of int, str or None
        "N" stands for the free axis, and None for a length that depends on its length. Like
        `dtype`, it is known for the inputs and outputs of layers.
    dtype : dtype
    """

    __slots__ = ("dtype", "name", "shape")

    def __init__(self, shape: Dims = (), dtype: Any = None, name: str = "") -> None:
        self.shape = shape
        self.dtype = dtype
        self.name = name

    def fill(self, known: Value) -> None:
        """Copy shape and type from a value that represents the same array."""
        if self.dtype is None:
            self.shape, self.dtype = known.shape, known.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def length(self, axis: int) -> int:
        """Return the length of an axis that must not be free."""
        n = self.shape[axis]
        if not isinstance(n, int):
            raise NotFixedError
        return n

    def lengths(self, start: int = 0) -> tuple[int, ...]:
        """Return the lengths of the axes from `start`, none of which may be free."""
        return tuple([self.length(axis) for axis in range(start, self.ndim)])


class Node(NamedTuple):
    """A node of the graph, and the run of a layer that it belongs to."""

    operator: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    attributes: dict[str, Any]
    place: Place | None


class Place:
    """One run of one layer: the path that names its nodes, and the outputs of the layer."""

    def __init__(self, path: str, dtype: Any, outputs: Sequence[Value]) -> None:
        self.path = path
        self.dtype = dtype
        self.outputs = outputs


class GraphBuilder:
    """An ONNX graph that grows node by node.

    A translation is a function ``translate(layer, graph, *inputs)``. It adds the nodes that do the
    layer's computation in evaluation mode, and returns the value of the output, or a tuple of
    several. If ONNX cannot express the layer's settings, it returns None.

    Examples
    --------
    >>> import netlib as nl
    >>> class Cube(nl.Layer):
    ...     def forward(self, x):
    ...         return x**3
    >>> def cube(layer, graph, x):
    ...     return graph.add("Pow", x, 3.0)
    """

    def __init__(self, run: Callable[..., Any], apply: Callable[..., Any], names: dict[int, str]) -> None:
        self._run, self._apply = run, apply
        self._names = names
        self._place: Place | None = None
        self.nodes: list[Node] = []
        self._arrays: dict[Value, Array] = {}
        self._views: dict[Value, tuple[Value, Axes]] = {}
        self._at_axes: dict[tuple[Value, Axes], Value] = {}
        self.initializers: dict[Any, tuple[Value, Array]] = {}
        self._constants: dict[Any, Value] = {}

    def add(self, operator: str, *inputs: Any, n_outputs: int = 1, **attributes: Any) -> Any:
        """Add a node, and return the value of its output, or a tuple of several.

        Parameters
        ----------
        operator : str
            The name of an ONNX operator.
        *inputs : Value, Parameter, Buffer, array, float, int, list of int, or None
            A parameter or buffer becomes an initializer under its path in the model. Arrays and
            numbers become constants: floats in the dtype of the layer, whole numbers as int64. None
            leaves an optional input out.
        n_outputs : int
        **attributes
            Those of the operator. None leaves one out.
        """
        values = [None if x is None else self.value(x) for x in inputs]
        while values and values[-1] is None:
            values.pop()
        outputs = tuple([Value() for _ in range(n_outputs)])
        node = Node(operator, tuple(values), outputs, attributes, self._place)
        same = self._moved(node)
        if same is not None:
            return same
        self.nodes.append(node)
        return outputs[0] if n_outputs == 1 else outputs

    def _moved(self, node: Node) -> Value | None:
        """Return an existing value equal to this node's output, if the node only moves axes.

        So an opened model, whose layers move the batch axis to the front and back, does not grow.
        """
        x = node.inputs[0] if node.operator in MOVES else None
        if x is None or (x.dtype is None and x not in self._views):
            return None
        base, before = self._views.get(x, (x, tuple(range(x.ndim))))
        axes = moved(before, node, self._arrays)
        if axes is None:
            return None
        known = base if axes == tuple(range(base.ndim)) else self._at_axes.get((base, axes))
        if known is None:
            self._views[node.outputs[0]] = base, axes
            self._at_axes[base, axes] = node.outputs[0]
        return known

    def value(self, x: Any) -> Value:
        """Return `x` as a value of the graph. See `add`."""
        if isinstance(x, Value):
            return x
        if isinstance(x, Parameter | Buffer):
            return self.initializer(self._names[id(x)], x.value, of=(x,))
        if isinstance(x, float):
            x = np.array(x, self.dtype)
        elif not isinstance(x, np.ndarray):
            x = np.array(x, np.int64)
        return self.constant(x)

    def constant(self, array: Array) -> Value:
        """Return the value of a node that holds `array`, one for all equal arrays."""
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            value = self._constants[key] = Value(array.shape, array.dtype)
            self._arrays[value] = array
            self.nodes.append(Node("Constant", (), (value,), {"value": array}, None))
        return self._constants[key]

    def initializer(self, name: str, array: Array, of: Sequence[Parameter | Buffer]) -> Value:
        """Return the value of an array computed from parameters, shared by equal sources."""
        key = name.rpartition(".")[2], *map(id, of)
        if key not in self.initializers:
            self.initializers[key] = Value(array.shape, array.dtype, name), array
        return self.initializers[key][0]

    def name_of(self, name: str) -> str:
        """Return the path of something that belongs to the current layer."""
        path = "" if self._place is None else self._place.path
        return f"{path}.{name}" if path else name

    def cast(self, x: Value, dtype: Any) -> Value:
        """Return `x` in another type."""
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        from onnx import helper

        y: Value = self.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(dtype))
        y.shape, y.dtype = x.shape, dtype
        return y

    def run(self, layer: Layer, *inputs: Value, dtype: Any = None) -> Any:
        """Translate a layer inside the current one, and return the value of its output.

        With a `dtype`, it computes in this type: whole numbers, for example.
        """
        return self._run(layer, *inputs, dtype=dtype)

    def apply(self, layer: Layer, *inputs: Value) -> Any:
        """Translate a layer that replaces the current one, or return None if that is impossible."""
        return self._apply(layer, *inputs)

    @property
    def dtype(self) -> Any:
        """The type in which the current layer computes."""
        return self._place.dtype if self._place is not None else np.dtype(np.float32)

    @property
    def outputs(self) -> Sequence[Value]:
        """The shapes and types of the current layer's outputs."""
        return self._place.outputs if self._place is not None else ()

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Name the nodes that are added after this layer."""
        before, self._place = self._place, place
        try:
            yield
        finally:
            self._place = before

    def finish(self, inputs: Sequence[Value], outputs: Sequence[tuple[str, Value]]) -> Any:
        """Return the model as ONNX's own object, with these outputs under these names."""
        ends = self._separate(inputs, outputs)
        self._keep_needed(ends)
        return as_model(self, inputs, ends, self._name([*inputs, *ends]))

    def _separate(self, inputs: Sequence[Value], outputs: Sequence[tuple[str, Value]]) -> list[Value]:
        """Return values for the outputs: nodes' own, each once, under the names given."""
        computed = {id(value) for node in self.nodes if node.place for value in node.outputs}
        ends: list[Value] = []
        for name, value in outputs:
            end = value
            if id(value) not in computed or any(value is each for each in ends):
                end = self.add("Identity", value)
                end.shape, end.dtype = value.shape, value.dtype
            end.name = name
            ends.append(end)
        return ends

    def _keep_needed(self, ends: Sequence[Value]) -> None:
        """Remove the nodes and initializers that no output depends on."""
        needed: set[Value | None] = {*ends}
        kept = []
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]
        self.initializers = {key: held for key, held in self.initializers.items() if held[0] in needed}

    def _name(self, named: Sequence[Value]) -> list[str]:
        """Return a name for each node, and give its outputs the same unless they have one.

        The only node of a layer has the layer's path.
        """
        taken, names, taken_by_nodes = {value.name for value in named}, [], set[str]()
        for value, _ in self.initializers.values():
            value.name = free_name(value.name, taken)
        counts = Counter(id(node.place) for node in self.nodes)
        for node in self.nodes:
            path = node.place.path if node.place else ""
            name = path if path and counts[id(node.place)] == 1 else "/".join(filter(None, [path, node.operator]))
            name = "constant" if node.operator == "Constant" else name
            names.append(free_name(name, taken_by_nodes))
            for i, value in enumerate(node.outputs):
                if not value.name:
                    value.name = free_name(names[-1] + (f":{i}" if len(node.outputs) > 1 else ""), taken)
        return names


def moved(axes: Axes, node: Node, arrays: Mapping[Value, Array]) -> Axes | None:
    """Return the axes after a node of `MOVES`, or None if they are not known."""
    n = len(axes)
    if node.operator == "Transpose":
        return tuple([axes[axis] for axis in node.attributes.get("perm", range(n)[::-1])])
    places = next((np.atleast_1d(arrays[x]) for x in node.inputs[1:] if x is not None and x in arrays), None)
    if places is None:
        return None
    if node.operator == "Squeeze":
        return tuple([axis for i, axis in enumerate(axes) if i not in places % n])
    new = {*(places % (n + len(places))).tolist()}
    kept = iter(axes)
    return tuple([None if i in new else next(kept) for i in range(n + len(new))])


def free_name(name: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken, and add it to the names taken."""
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def as_model(graph: GraphBuilder, inputs: Sequence[Value], outputs: Sequence[Value], names: Sequence[str]) -> Any:
    """Return ONNX's own object for a graph whose values have names."""
    from onnx import helper, numpy_helper

    def info(value: Value) -> Any:
        return helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)

    def tensor(array: Array, name: str = "") -> Any:
        return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)

    def proto(node: Node, name: str) -> Any:
        attributes = {key: tensor(each) if isinstance(each, np.ndarray) else each for key, each in node.attributes.items()}
        sources = ["" if x is None else x.name for x in node.inputs]
        return helper.make_node(node.operator, sources, [y.name for y in node.outputs], name, **attributes)

    ends = set(map(id, outputs))
    computed = [value for node in graph.nodes if node.place for value in node.outputs]
    onnx_graph = helper.make_graph(
        [proto(node, name) for node, name in zip(graph.nodes, names, strict=True)],
        "netlib",
        [info(x) for x in inputs],
        [info(y) for y in outputs],
        [tensor(array, value.name) for value, array in graph.initializers.values()],
        value_info=[info(y) for y in computed if y.dtype is not None and id(y) not in ends],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    version = helper.find_min_ir_version_for(opsets)
    return helper.make_model(onnx_graph, opset_imports=opsets, ir_version=version, producer_name="netlib", producer_version=__version__)
