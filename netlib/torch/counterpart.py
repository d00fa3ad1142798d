"""The PyTorch counterpart of a layer: a class, its arguments, and the layout of its arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..layer import Layer
from ..representation import MISSING, arguments_of, constructor_parameters

Change = Callable[..., tuple[Array, ...]]


class Link(NamedTuple):
    """Arrays of a layer and the corresponding arrays of a module."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    write: Change
    """From ours to theirs."""
    read: Change
    """From theirs to ours."""
    is_optional: bool = False
    """Whether a state may lack them."""


def same(*names: str) -> list[Link]:
    """Return links between arrays with the same name and layout.

    >>> [link.theirs for link in same("weight", "bias")]
    [('weight',), ('bias',)]
    """
    return [Link((name,), (name,), _as_they_are, _as_they_are) for name in names]


def transposed(name: str) -> list[Link]:
    """Return the link of a matrix that PyTorch stores transposed.

    >>> (link,) = transposed("weight")
    >>> link.write(np.zeros((2, 3)))[0].shape
    (3, 2)
    """
    return [Link((name,), (name,), transpose, transpose)]


def _as_they_are(*arrays: Array) -> tuple[Array, ...]:
    return arrays


def transpose(*arrays: Array) -> tuple[Array, ...]:
    """Return the transposed matrices."""
    return tuple(array.T for array in arrays)


def arrays(*links: Link) -> Callable[[Layer], list[Link]]:
    """Return a function from a layer to the links whose arrays it has."""
    return lambda layer: [link for link in links if all(find(layer, name) is not None for name in link.ours)]


def find(layer: Layer, path: str) -> Any:
    """Return the attribute at a path such as ``"query.weight"``, None if there is none."""
    found: Any = layer
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def always(layer: Any) -> bool:
    """Return True."""
    return True


@dataclass(frozen=True)
class Counterpart:
    """A class of layers and its counterpart in PyTorch.

    Attributes
    ----------
    layer : type
    module : str
        The name of the class in ``torch.nn``, or of a subclass of it in `netlib.torch.modules` that
        is called like the layer.
    arguments : mapping of str to str
        Arguments of the layer's constructor, and their names in the module.
    fixed : mapping of str to object
        Arguments of the module without a counterpart, with the only value that netlib supports.
    arrays : callable
        From the layer to the links of its arrays.
    parts : mapping of str to str
        Inner layers, and their names in the module.
    to, back : mapping of str to callable
        How the values of arguments are converted, where necessary, by the layer's names.
    more : callable
        From the layer to arguments of the module that the layer keeps in its parts.
    read : callable
        From the module to its arguments by name, if they are not its attributes.
    fits : callable
        Whether the module can represent this layer.
    also : tuple of str
        Further classes in ``torch.nn`` that become the layer.
    note : str
        What else changes, for the table in the documentation.
    """

    layer: type[Layer]
    module: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    arrays: Callable[[Any], Sequence[Link]] = field(default=arrays())
    parts: Mapping[str, str] = field(default_factory=dict)
    to: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    back: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    more: Callable[[Any], Mapping[str, Any]] = field(default=lambda _: {})
    read: Callable[[Any], Mapping[str, Any]] = field(default=lambda _: {})
    fits: Callable[[Any], bool] = always
    also: tuple[str, ...] = ()
    note: str = ""

    def module_arguments(self, layer: Layer) -> dict[str, Any]:
        """Return the arguments of the module's constructor for a layer."""
        values = {parameter.name: value for parameter, value in arguments_of(layer) if value is not MISSING}
        changed = {name: self.to.get(name, _unchanged)(values[name]) for name in self.arguments}
        return {**self.more(layer), **{self.arguments[name]: value for name, value in changed.items()}}

    def layer_arguments(self, module: Any) -> dict[str, Any]:
        """Return the arguments of the layer's constructor for a module."""
        found, read = {}, self.read(module)
        for parameter in constructor_parameters(self.layer):  # type: ignore[arg-type]
            theirs = self.arguments.get(parameter.name)
            if theirs is not None and (theirs in read or hasattr(module, theirs)):
                value = read[theirs] if theirs in read else getattr(module, theirs)
                value = self.back.get(parameter.name, _unchanged)(value)
                is_flag = isinstance(parameter.default, bool)
                found[parameter.name] = value is not None and value is not False if is_flag else value
        return found

    def refused(self, module: Any) -> list[str]:
        """Return the arguments of a module that netlib does not support."""
        given = {name: getattr(module, name, value) for name, value in self.fixed.items()}
        return [f"{name}={given[name]!r}, expected {value!r}" for name, value in self.fixed.items() if not _is_same(given[name], value)]


def _unchanged(value: Any) -> Any:
    return value


def _is_same(given: Any, expected: Any) -> bool:
    return given is expected or (type(given) in (bool, int, float, str) and given == expected)


def constant(name: str, value: Any) -> Link:
    """Return the link of an array that PyTorch has and netlib lacks."""
    return Link((), (name,), lambda: (np.array(value),), lambda _: (), is_optional=True)


def as_numpy(array: Any) -> Any:
    """Return a tensor on any device as an array, and anything else unchanged."""
    if not hasattr(array, "detach"):
        return array
    tensor = array.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
