"""The symbolic nodes from which a graph is built, before it computes anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .errors import InvalidTypeError, InvalidValueError
from .layer import Layer
from .layers import Add, Divide, MatMul, Multiply, Negative, Power, Scalar, Slice, Subtract
from .symbol import Symbol


class Call:
    """One use of a layer in a graph: the layer, the nodes it takes, and its name, if any."""

    __slots__ = ("layer", "name", "sources")

    def __init__(self, layer: Layer, sources: tuple[Node, ...], name: str | None) -> None:
        self.layer = layer
        self.sources = sources
        self.name = name


def _operators(kind: type[Layer]) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Return a binary operator and its reflected version: both call a new layer of this class."""

    def operator(self: Any, other: Any) -> Any:
        return kind()(self, _beside(self, other))

    return operator, lambda self, other: kind()(_beside(self, other), self)


def _beside(node: Node, other: Any) -> Any:
    """Return the other operand: a plain number as a node, and anything else unchanged."""
    return Scalar(other)(node) if type(other) in (int, float) else other


class Node(Symbol):
    """A value in a graph: output number `index` of a call, or an input, which has no call.

    Nodes come from `netlib.Input`, `netlib.Weight` and `netlib.Constant`, from calling a layer on
    nodes, and from arithmetic with ``+ - * / @ **``, which stands for the layers `Add`, `Subtract`,
    `Multiply`, `Divide`, `MatMul` and `Power`. ``-node`` is `Negative`, and ``node[1:3]`` `Slice`.
    A plain number combined with a node, as in ``1 - node / 2``, becomes a `Scalar` and adopts the
    node's dtype.

    Examples
    --------
    >>> import netlib as nl
    >>> x, w = nl.Input("X"), nl.Weight("W", [[1.0, 2.0]])
    >>> nl.MatMul()(x, w, name="XW"), x @ w
    (Node('XW'), Node(MatMul()))
    """

    __slots__ = ("call", "index", "name")
    __array_ufunc__ = None  # so that `array + node` calls `__radd__`, which raises a clear error

    def __init__(self, call: Call | None, name: str | None = None, index: int = 0) -> None:
        self.call = call
        self.name = name
        self.index = index

    def record_call(self, layer: Layer, inputs: Sequence[Any], name: str | None = None) -> Any:
        """Return the node for `layer` applied to `inputs`; a tuple of nodes for several outputs."""
        for x in inputs:
            if not isinstance(x, Node):
                hint = "Make the array a node: nl.Constant('name', array)."
                message = f"got nodes together with {type(x).__name__}"
                raise InvalidTypeError(message, where=layer, hint=hint)
        call = Call(layer, tuple(inputs), None if name is None else as_name(name))
        if layer.n_outputs == 1:
            return Node(call, name)
        return tuple(Node(call, f"{name}[{i}]" if name else None, i) for i in range(layer.n_outputs))

    __add__, __radd__ = _operators(Add)
    __sub__, __rsub__ = _operators(Subtract)
    __mul__, __rmul__ = _operators(Multiply)
    __truediv__, __rtruediv__ = _operators(Divide)
    _power, __rpow__ = _operators(Power)

    def __pow__(self, other: Any) -> Any:
        is_number = isinstance(other, int | float) and not isinstance(other, bool)
        return Power(other)(self) if is_number else self._power(other)

    def __matmul__(self, other: Any) -> Any:  # no number: a matrix product has axes
        return MatMul()(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return MatMul()(other, self)

    def __neg__(self) -> Any:
        return Negative()(self)

    def __getitem__(self, key: Any) -> Any:
        return Slice(key)(self)

    __iter__ = None  # a node has no length, which `x[0], x[1], …` would never find

    def __repr__(self) -> str:
        if self.name or self.call is None:
            return f"{type(self).__name__}({self.name!r})"
        return f"Node({getattr(self.call.layer, 'short', self.call.layer)})"  # containers may be deep


def as_name(name: object) -> str:
    """Return `name`, or raise if it cannot be part of a path."""
    if not isinstance(name, str) or not name or "." in name:
        hint = "Use a word without dots."
        raise InvalidValueError(f"{name!r} cannot name a node", where="Graph", hint=hint)
    return name
