"""Arbitrary graphs of layers, with several inputs, several outputs, and fan-out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..layer import Layer, Member
from ..node import Call, Node, as_name
from ..parameter import Parameter
from .container import Container
from .program import Slots, Wiring, require_distinct_layers


class Input(Node):
    """An input of a graph: a node whose array the caller passes to forward.

    Examples
    --------
    >>> Input("X")
    Input('X')
    """

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(None, as_name(name))


class Weight(Node):
    """A node without inputs whose value is learned.

    Parameters
    ----------
    name : str
    value : array_like
        It is copied, and a floating type is kept.

    Examples
    --------
    >>> w = Weight("W", [[1.0, 2.0]])
    >>> w, w.parameter
    (Weight('W'), Parameter(shape=(1, 2), dtype=float64))
    """

    __slots__ = ("parameter",)

    def __init__(self, name: str, value: ArrayLike) -> None:
        self.parameter = Parameter(value)
        super().__init__(Call(_WeightLayer(self.parameter), (), as_name(name)), name)

    @classmethod
    def over(cls, name: str, parameter: Parameter) -> Weight:
        """Return a node whose value is `parameter` itself, which other layers may also use."""
        node = cls(name, np.empty(0))
        node.parameter = parameter
        node.call = Call(_WeightLayer(parameter), (), as_name(name))
        return node


class Constant(Node):
    """A node without inputs whose value is fixed, such as D, the column of ones in Eq. (1.31).

    Parameters
    ----------
    name : str
    value : array_like
        It is copied, and a floating type is kept: 0.5 is an array of float64. For a number that
        adopts the dtype of a node, write ``0.5 * node`` instead.

    Examples
    --------
    >>> Constant("D", [[1.0], [1.0]])
    Constant('D')
    """

    __slots__ = ()

    def __init__(self, name: str, value: ArrayLike) -> None:
        super().__init__(Call(_ConstantLayer(as_floats(value, where=name, copy=True)), (), as_name(name)), name)

    @classmethod
    def over(cls, name: str, value: Array) -> Constant:
        """Return a node whose value is `value` itself: ids, for example, which stay integers."""
        node = cls(name, np.empty(0))
        node.call = Call(_ConstantLayer(value), (), as_name(name))
        return node


class _WeightLayer(Layer):
    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter

    def forward(self) -> Array:
        return self.parameter.value

    def backward(self, dout: Array) -> tuple[()]:
        self.parameter.add_grad(dout)
        return ()

    def __repr__(self) -> str:
        return f"Weight{self.parameter.shape}"


class _ConstantLayer(Layer):
    def __init__(self, value: Array) -> None:
        self.value = value

    def forward(self) -> Array:
        return self.value

    def backward(self, dout: Array) -> tuple[()]:
        return ()

    def __repr__(self) -> str:
        return f"Constant{self.value.shape}"


class Graph(Container):
    """A layer built from symbolic nodes.

    If several layers use a node, backward adds up their gradients.

    Parameters
    ----------
    inputs : sequence of Input
        The inputs, in the order in which forward takes the arrays.
    outputs : sequence of Node
        The outputs, in the order in which forward returns them: an array for one, a tuple for
        several.

    Raises
    ------
    InvalidValueError
        If an output does not depend on an input, an input is not used, two nodes have the same
        name, or a layer is called twice.

    Examples
    --------
    The chapter's Fig. 1.6, Y = XW + DB:

    >>> import netlib as nl
    >>> x, w = Input("X"), Weight("W", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> d, b = Constant("D", [[1.0], [1.0]]), Weight("B", [[0.1, 0.2, 0.3]])
    >>> graph = Graph(inputs=[x], outputs=[x @ w + d @ b])
    >>> graph.forward([[1.0, 0.0], [0.0, 1.0]])
    array([[1.1, 2.2, 3.3],
           [4.1, 5.2, 6.3]])
    >>> graph.backward([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    array([[ 6., 15.],
           [ 6., 15.]])
    >>> graph.parameters()["B"].grad
    array([[2., 2., 2.]])
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        outputs = _as_nodes(outputs, "outputs")
        # first, since copies and pickles go through the attributes in order: no deep recursion
        self._calls = _sort_calls(outputs)
        self.inputs = _as_nodes(inputs, "inputs")
        self.outputs = outputs
        self.n_outputs = len(self.outputs)
        self._names = _names(self._calls)
        self._validate()

    def wire(self, *sources: int) -> Wiring:
        """Wire each call to the slots of its source nodes."""
        if len(sources) != len(self.inputs):
            names = ", ".join(node.name or "" for node in self.inputs)
            message = f"got {len(sources)} arrays, expected {len(self.inputs)}: {names}"
            raise ShapeError(message, where=self.short)
        slots: dict[int, Slots] = {}
        given = {id(node): slot for node, slot in zip(self.inputs, sources, strict=True)}

        def slot_of(node: Node) -> int:
            return given[id(node)] if node.call is None else slots[id(node.call)][node.index]

        for call, name in zip(self._calls, self._names, strict=True):
            slots[id(call)] = yield f"Graph[{name!r}]", call.layer, tuple(map(slot_of, call.sources))
        return tuple(map(slot_of, self.outputs))

    def members(self) -> Iterator[tuple[str, Member]]:
        """Yield layers and parameters by the names of their nodes, then a subclass's members."""
        for call, name in zip(self._calls, self._names, strict=True):
            if not isinstance(call.layer, _ConstantLayer):
                yield name, call.layer.parameter if isinstance(call.layer, _WeightLayer) else call.layer
        yield from super().members()

    def text(self) -> list[str | Layer]:
        """Return the pieces of the ``repr``."""
        return [f"Graph(inputs={list(self.inputs)}, outputs={list(self.outputs)})"]

    def _validate(self) -> None:
        where = self.short
        for node in self.inputs:
            if node.call is not None:
                hint = "Inputs are made with nl.Input(name)."
                raise InvalidTypeError(f"{node!r} is among the inputs", where=where, hint=hint)
        for name, count in Counter([*(node.name for node in self.inputs), *self._names]).items():
            if count > 1:
                hint = "Give each its own name."
                raise InvalidValueError(f"{count} nodes are named {name!r}", where=where, hint=hint)
        used = {id(node) for call in self._calls for node in call.sources}
        used |= {id(node) for node in self.outputs}
        for node in self.inputs:
            if id(node) not in used:
                hint = "Use it or leave it out."
                raise InvalidValueError(f"the input {node.name!r} is not used", where=where, hint=hint)
        given = {id(node) for node in self.inputs}
        reached: set[int] = set()
        for call, name in zip(self._calls, self._names, strict=True):
            for node in call.sources:
                if node.call is None and id(node) not in given:
                    message = f"{name!r} needs {node!r}, which is not among the inputs"
                    raise InvalidValueError(message, where=where)
                if id(node) in given or id(node.call) in reached:
                    reached.add(id(call))
        for node in self.outputs:
            if id(node) not in given and id(node.call) not in reached:
                raise InvalidValueError(f"the output {node!r} depends on no input", where=where)
        calls = zip(self._calls, self._names, strict=True)
        require_distinct_layers([(f"Graph[{name!r}]", call.layer) for call, name in calls])


def _as_nodes(nodes: object, what: str) -> tuple[Node, ...]:
    if isinstance(nodes, Node):
        return (nodes,)
    if not isinstance(nodes, list | tuple) or not all(isinstance(node, Node) for node in nodes):
        raise InvalidTypeError(f"{what} is {nodes!r}, expected a list of nodes", where="Graph")
    if not nodes:
        raise InvalidValueError(f"has no {what}", where="Graph")
    return tuple(nodes)


def _sort_calls(outputs: Sequence[Node]) -> tuple[Call, ...]:
    """Return the calls that the outputs need in topological order, found depth first."""
    done: dict[int, Call] = {}
    stack = [(node.call, False) for node in reversed(outputs) if node.call is not None]
    while stack:
        call, ready = stack.pop()
        if id(call) in done:
            continue
        if ready:
            done[id(call)] = call
            continue
        stack.append((call, True))
        stack += [(node.call, False) for node in reversed(call.sources) if node.call is not None]
    return tuple(done.values())


def _names(calls: Sequence[Call]) -> tuple[str, ...]:
    """Return a name for each call: its own, or by default the class of the layer with a number."""
    numbers: Counter[str] = Counter()
    names = []
    for call in calls:
        kind = type(call.layer).__name__
        numbers[kind] += 1
        names.append(call.name or f"{kind}_{numbers[kind]}")
    return tuple(names)
