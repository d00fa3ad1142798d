"""Layers wired freely: several inputs, several outputs, fan-out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..arrays import Array, ArrayLike, as_floats
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..layer import Layer, Member
from ..node import Call, Node, as_name
from ..parameter import Parameter
from .container import Container
from .program import Slots, Wiring, refuse_same_object_twice


class Input(Node):
    """A place for an array that the caller of a graph hands in.

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
        Copied; a floating type is kept.

    Examples
    --------
    >>> w = Weight("W", [[1.0, 2.0]])
    >>> w, w.parameter
    (Weight('W'), Parameter(shape=(1, 2), dtype=float64))
    """

    __slots__ = ("parameter",)

    def __init__(self, name: str, value: ArrayLike) -> None:
        self.parameter = Parameter(value)
        super().__init__(Call(_Learned(self.parameter), (), as_name(name)), name)


class Constant(Node):
    """A node without inputs whose value is fixed, such as the column of ones D in the chapter's Eq. (1.31).

    Examples
    --------
    >>> Constant("D", [[1.0], [1.0]])
    Constant('D')
    """

    __slots__ = ()

    def __init__(self, name: str, value: ArrayLike) -> None:
        super().__init__(Call(_Fixed(as_floats(value, where=name, copy=True)), (), as_name(name)), name)


class _Learned(Layer):
    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter

    def forward(self) -> Array:
        return self.parameter.value

    def backward(self, dout: Array) -> tuple[()]:
        self.parameter.add_grad(dout)
        return ()

    def __repr__(self) -> str:
        return f"Weight{self.parameter.shape}"


class _Fixed(Layer):
    def __init__(self, value: Array) -> None:
        self.value = value

    def forward(self) -> Array:
        return self.value

    def backward(self, dout: Array) -> tuple[()]:
        return ()

    def __repr__(self) -> str:
        return f"Constant{self.value.shape}"


class Graph(Container):
    """A layer out of symbolic nodes; where a node feeds several, backward adds up their gradients.

    Parameters
    ----------
    inputs : sequence of Input
        In the order in which forward takes the arrays.
    outputs : sequence of Node
        In the order in which forward returns them: an array for one output, a tuple for several.

    Raises
    ------
    InvalidValueError
        For an output that no input reaches, an input that nobody uses, two nodes of one name, a layer called twice.

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
        self._calls = _in_order(outputs)  # first, since copies and pickles go this way: in order, depth costs no recursion
        self.inputs = _as_nodes(inputs, "inputs")
        self.outputs = outputs
        self.n_outputs = len(self.outputs)
        self._names = _names(self._calls)
        self._refuse_what_cannot_work()

    def wire(self, *sources: int) -> Wiring:
        """Each call takes the slots of its source nodes."""
        if len(sources) != len(self.inputs):
            names = ", ".join(node.name or "" for node in self.inputs)
            raise ShapeError(f"got {len(sources)} arrays, wanted {len(self.inputs)}: {names}", where=self.short)
        slots: dict[int, Slots] = {}
        given = {id(node): slot for node, slot in zip(self.inputs, sources, strict=True)}

        def slot_of(node: Node) -> int:
            return given[id(node)] if node.call is None else slots[id(node.call)][node.index]

        for call, name in zip(self._calls, self._names, strict=True):
            slots[id(call)] = yield f"Graph[{name!r}]", call.layer, tuple(map(slot_of, call.sources))
        return tuple(map(slot_of, self.outputs))

    def members(self) -> Iterator[tuple[str, Member]]:
        """Yield the layers by the names of their nodes, the parameter of each weight, and what a subclass holds besides."""
        for call, name in zip(self._calls, self._names, strict=True):
            if not isinstance(call.layer, _Fixed):
                yield name, call.layer.parameter if isinstance(call.layer, _Learned) else call.layer
        yield from super().members()

    def text(self) -> list[str | Layer]:
        """Return the call that made it, in pieces."""
        return [f"Graph(inputs={list(self.inputs)}, outputs={list(self.outputs)})"]

    def _refuse_what_cannot_work(self) -> None:
        for node in self.inputs:
            if node.call is not None:
                raise InvalidTypeError(f"{node!r} is among the inputs", where=self.short, hint="Inputs are made with nl.Input(name).")
        known = Counter([node.name for node in self.inputs] + list(self._names))
        for name, count in known.items():
            if count > 1:
                raise InvalidValueError(f"{count} nodes are named {name!r}", where=self.short, hint="Give each a name of its own.")
        used = {id(node) for call in self._calls for node in call.sources} | {id(node) for node in self.outputs}
        for node in self.inputs:
            if id(node) not in used:
                raise InvalidValueError(f"nobody uses the input {node.name!r}", where=self.short, hint="Use it or leave it out.")
        given = {id(node) for node in self.inputs}
        reached: set[int] = set()
        for call, name in zip(self._calls, self._names, strict=True):
            for node in call.sources:
                if node.call is None and id(node) not in given:
                    raise InvalidValueError(f"{name!r} needs {node!r}, which is not among the inputs", where=self.short)
                if id(node) in given or id(node.call) in reached:
                    reached.add(id(call))
        for node in self.outputs:
            if id(node) not in given and id(node.call) not in reached:
                raise InvalidValueError(f"no input reaches the output {node!r}", where=self.short)
        refuse_same_object_twice([(f"Graph[{name!r}]", call.layer) for call, name in zip(self._calls, self._names, strict=True)])


def _as_nodes(nodes: object, what: str) -> tuple[Node, ...]:
    if isinstance(nodes, Node):
        return (nodes,)
    if not isinstance(nodes, list | tuple) or not all(isinstance(node, Node) for node in nodes):
        raise InvalidTypeError(f"{what} is {nodes!r}, wanted a list of nodes", where="Graph")
    if not nodes:
        raise InvalidValueError(f"has no {what}", where="Graph")
    return tuple(nodes)


def _in_order(outputs: Sequence[Node]) -> tuple[Call, ...]:
    """Return the calls that the outputs need, each after those it needs itself: depth first, with a stack of our own."""
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
    """Return a name for each call: the one it was given, or its class with a number."""
    numbers: Counter[str] = Counter()
    names = []
    for call in calls:
        kind = type(call.layer).__name__
        numbers[kind] += 1
        names.append(call.name or f"{kind}_{numbers[kind]}")
    return tuple(names)
