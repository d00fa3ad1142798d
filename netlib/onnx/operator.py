"""A node of an ONNX graph, as passed to the functions in ``operators/``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..arrays import Array
from ..layer import Layer
from ..node import Node
from ..parameter import Parameter
from .expansion import domain_of, versions_of
from .layers.on_integers import OnIntegers
from .reading import as_array
from .values import Dims, Value, Values


class RefusedError(Exception):
    """Raised with the reason why a node cannot be translated."""


class Operator:
    """A node of an ONNX graph: its operator, its attributes, and its inputs.

    A translation is a function of an `Operator`. It returns the node of the output, or an array if
    the output is constant, or a tuple of these for several outputs.

    Attributes
    ----------
    op_type, name, domain : str
    version : int
        The version of the operator's domain.
    n_outputs : int
        How many outputs the file lists, including those that it leaves out.

    Examples
    --------
    >>> import netlib as nl
    >>> def swish(op):
    ...     x = op.node(0)
    ...     return x * nl.Sigmoid()(op.get("alpha", 1.0) * x)
    """

    def __init__(self, proto: Any, version: int, inputs: list[Value | None], values: Values) -> None:
        self.op_type: str = proto.op_type
        self.name: str = proto.name
        self.domain: str = proto.domain
        self.version = version
        self.n_outputs = len(proto.output)
        self.outputs: list[str] = list(proto.output)
        self.attributes = {attribute.name: attribute for attribute in proto.attribute}
        self.owned: list[str] = []
        """The names in the file of the arrays that layers of this node own."""
        self._values = values
        self.values = inputs
        """What is known of each input, None for one that is left out."""

    @classmethod
    def of(cls, node: Any, model: Any, values: Values) -> Operator | None:
        """Return the operator of a node of the model, or None if its inputs are unknown."""
        inputs = [values[name] if name else None for name in node.input]
        if not all(value is None or value.is_known for value in inputs):
            for name in node.output:
                values[name].is_known = False
            return None
        for name in node.output:
            values[name].is_known = True
        return cls(node, versions_of(model).get(domain_of(node), 1), inputs, values)

    @property
    def label(self) -> str:
        """The name of the node, or else the name of its output, for messages."""
        return repr(self.name or next(iter(self.outputs), ""))

    @property
    def is_all_constant(self) -> bool:
        """Whether every input is an array."""
        return all(value is None or value.array is not None for value in self.values)

    @property
    def is_unknown_constant(self) -> bool:
        """Whether it is a Constant of a type that netlib does not support."""
        return self.op_type == "Constant" and "value" in self.attributes and self.get("value") is None

    def note_partial(self, partial: Array | None) -> None:
        """Record what is known about the whole numbers of output 0."""
        if self.outputs:
            self._values[self.outputs[0]].partial = partial

    @property
    def inputs(self) -> list[Node | Array | None]:
        """The inputs: a node, an array if it is constant, or None if it is left out."""
        return [None if x is None else x.node if x.array is None else x.array for x in self.values]

    def __len__(self) -> int:
        """Return the number of inputs that the file lists."""
        return len(self.values)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute as a Python value, or `default` if the node does not have it."""
        if name not in self.attributes:
            return default
        from onnx import AttributeProto, helper

        attribute = self.attributes[name]
        if attribute.type == AttributeProto.TENSOR:
            return as_array(attribute.t)
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, int | float):
            return value
        return [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in value]

    def has(self, i: int) -> bool:
        """Return whether input `i` is given."""
        return i < len(self.values) and self.values[i] is not None

    def is_constant(self, i: int) -> bool:
        """Return whether input `i` is given and does not depend on an input of the graph."""
        return self.has(i) and self._value(i).array is not None

    def is_trained(self, i: int) -> bool:
        """Return whether input `i` is one of the file's weights, and used nowhere else."""
        return self.is_constant(i) and self._value(i).is_trained and self.is_used_once(i)

    def is_used_once(self, i: int) -> bool:
        """Return whether no other node takes input `i`."""
        return self._values.is_used_once(self._value(i))

    def node(self, i: int) -> Node:
        """Return input `i` as a node: a `Weight` or a `Constant` if it is an array."""
        return self._values.node_of(self._value(i))

    def nodes(self) -> list[Node]:
        """Return every input that is given as a node."""
        return [self._values.node_of(value) for value in self.values if value is not None]

    def constant(self, i: int, default: Any = None) -> Array:
        """Return input `i` as an array, or `default` if it is left out."""
        if not self.has(i):
            return default  # type: ignore[no-any-return]
        array = self._value(i).array
        if array is None:
            self.refuse(f"input {i}, {self._value(i).name!r}, must be constant")
        return array

    def numbers(self, i: int, default: Any = None) -> Any:
        """Return the whole numbers of a constant input as a list, or `default` without it."""
        return np.atleast_1d(self.constant(i)).tolist() if self.has(i) else default

    def partial(self, i: int) -> Array | None:
        """Return input `i` as float64 with NaN where a number is unknown, None if all are."""
        known = self.symbolic(i)
        if known is None:
            return None
        return np.array([n if isinstance(n, int) else np.nan for n in known.flat], np.float64).reshape(known.shape)

    def symbolic(self, i: int) -> Array | None:
        """Return input `i` as objects: whole numbers, names of free lengths, and None.

        Return None if nothing is known about it.
        """
        value = self._value(i)
        return value.partial if value.array is None else value.array.astype(np.int64).astype(object)

    def dims(self, i: int) -> tuple[int | str, ...]:
        """Return the shape of input `i`, with a name for each free length."""
        self.shape(i)
        return self._value(i).names or ()

    def parameter(self, i: int, layout: str = "", change: Callable[[Array], Array] | None = None) -> Parameter:
        """Return the parameter for a constant input, which a layer may hold.

        All uses of an array of the file share it. If the layer keeps the array in another layout,
        `change` returns it, and `layout` names it.
        """
        self.constant(i)
        self.owned.append(self._value(i).weight_name)
        return self._values.parameter_of(self._value(i), layout, change)

    def shape(self, i: int) -> Dims:
        """Return the shape of input `i`, with None for each free length."""
        shape = self._value(i).shape
        if shape is None:
            self.refuse(f"the number of axes of input {i}, {self._value(i).name!r}, is not known")
        return shape

    def rank(self, i: int) -> int:
        """Return the number of axes of input `i`."""
        return len(self.shape(i))

    def dtype(self, i: int) -> np.dtype[Any]:
        """Return the type of input `i`."""
        dtype = self._value(i).dtype
        if dtype is None:
            self.refuse(f"the type of input {i}, {self._value(i).name!r}, is none of netlib's, or not known")
        return dtype

    def is_float(self, i: int = 0) -> bool:
        """Return whether input `i` has a floating-point type, and so a gradient."""
        return self.dtype(i).kind == "f"

    def output_shape(self, i: int = 0) -> Dims | None:
        """Return the shape of output `i` as ONNX infers it, or None if it does not."""
        return self._values[self.outputs[i]].shape

    def output_dtype(self, i: int = 0) -> np.dtype[Any] | None:
        """Return the type of output `i` inferred by ONNX, or None if netlib does not support it."""
        return self._values[self.outputs[i]].dtype

    def apply(self, layer: Layer, *nodes: Node) -> Any:
        """Return ``layer(*nodes)``, adapted to whole numbers or booleans if input 0 has them."""
        return layer(*nodes) if self.is_float(0) else OnIntegers(layer, self.dtype(0).name)(*nodes)

    def refuse(self, reason: str) -> NoReturn:
        """Raise why the node cannot be translated. All reasons in a file are listed together."""
        raise RefusedError(reason)

    def only(self, **expected: Any) -> None:
        """Refuse the node if one of its attributes differs from the value that netlib supports."""
        for name, value in expected.items():
            if self.get(name, value) != value:
                self.refuse(f"has {name}={self.get(name)!r}, expected {value!r}")

    def _value(self, i: int) -> Value:
        value = self.values[i] if i < len(self.values) else None
        if value is None:
            self.refuse(f"input {i} is missing")
        return value
