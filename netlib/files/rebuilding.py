"""The parts of a model besides classes and arguments: sharing, generators, other attributes.

`save` rebuilds the model and compares, so that it writes no file that could not be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..containers.container import Container
from ..containers.graph import Graph
from ..errors import FormatError, InvalidTypeError
from ..layer import Layer, has_members
from ..parameter import Buffer, Parameter
from ..random_state import held_generators
from .classes import is_own
from .description import plain_value

NOT_COMPARED = {"_cache", "_run", "_total_weight", "_total", "_cached", "_training", "_frozen"}
NO_EQUALITY: Any = object.__eq__
WIRING = {"_layers", "_calls", "_names", "inputs", "outputs", "n_outputs"}
"""Attributes in which containers hold their layers and nodes."""
Attributes = dict[str, dict[str, Any]]


def all_state(model: Layer) -> dict[str, Parameter | Buffer]:
    """Return every parameter and buffer by each of its paths, shared ones several times."""
    return {
        f"{path}.{name}" if path else name: member
        for path, layer in model.walk()
        for name, member in layer.members()
        if not isinstance(member, Layer)
    }


def shared_state(model: Layer) -> dict[str, str]:
    """Return the additional paths of shared parameters and buffers, each with the first path.

    Examples
    --------
    >>> import netlib as nl
    >>> encode = nl.Affine(3, 3, bias=False)
    >>> shared_state(nl.Sequential(encode, nl.Tanh(), encode.tied_copy()))
    {'2.weight': '0.weight'}
    """
    first: dict[int, str] = {}
    return {path: first[id(each)] for path, each in all_state(model).items() if first.setdefault(id(each), path) != path}


def share_state(model: Layer, shared: Mapping[str, str]) -> None:
    """Share the parameters and buffers of `model` as in `shared_state`."""
    state = all_state(model)
    owners = {f"{path}.{name}" if path else name: layer for path, layer in model.walk() for name, _ in layer.members()}
    for path, first in shared.items():
        if state[path] is not state[first]:
            owner = owners[path]
            for holder in (owner, *(call.layer for call in owner._calls)) if isinstance(owner, Graph) else (owner,):
                for name, value in list(vars(holder).items()):
                    if (new := _replaced(value, state[path], state[first])) is not value:
                        setattr(holder, name, new)


def _replaced(value: Any, old: object, new: object) -> Any:
    if value is old:
        return new
    if type(value) in (list, tuple):
        items = [_replaced(each, old, new) for each in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
    if type(value) is dict:
        pairs = {key: _replaced(each, old, new) for key, each in value.items()}
        return value if all(pairs[key] is value[key] for key in value) else pairs
    return value


def layers_with(model: Layer, name: str, value: object) -> list[str]:
    """Return the paths of the layers whose attribute `name` has this value."""
    return [path for path, layer in model.walk() if layer.__dict__.get(name) is value]


def require_same_parts(model: Layer, rebuilt: Layer) -> None:
    """Raise if `rebuilt` lacks a layer, parameter, buffer or generator of `model`, or has others.

    Raises
    ------
    InvalidTypeError
        The message names the first difference.
    """
    hint = "A model is saved by the constructors of its layers, which must make all of its parts."
    for part, before, after in [
        ("layer", _layers(model), _layers(rebuilt)),
        ("array", _arrays(model), _arrays(rebuilt)),
        ("other place of the array", shared_state(model), shared_state(rebuilt)),
        ("random generator", _generators(model), _generators(rebuilt)),
    ]:
        for path in [*before, *after]:
            if before.get(path) != after.get(path):
                made = after.get(path, "nothing")
                message = f"the {part} {path!r} is {before.get(path, 'nothing')}, but the constructors make {made}"
                raise InvalidTypeError(message, where=getattr(model, "short", type(model).__name__), hint=hint)


def _layers(model: Layer) -> dict[str, str]:
    """Return each layer's class, and the arguments if it is a plain layer of netlib."""
    is_plain = {path: is_own(type(layer)) and not isinstance(layer, Container) for path, layer in model.walk()}
    return {path: repr(layer) if is_plain[path] else type(layer).__qualname__ for path, layer in model.walk()}


def _arrays(model: Layer) -> dict[str, str]:
    return {path: f"{type(each).__name__} {each.shape} of {each.dtype}" for path, each in all_state(model).items()}


def _generators(model: Layer) -> dict[str, str]:
    kinds = ["Generator" if isinstance(each, np.random.Generator) else type(each).__name__ for each in held_generators(model)]
    return {str(i): kind for i, kind in enumerate(kinds)}


def changed_attributes(model: Layer, rebuilt: Layer) -> Attributes:
    """Return the plain attributes of layers that differ from those of `rebuilt`, by path.

    An attribute that is None or missing in `rebuilt` was stored by forward for backward.

    Raises
    ------
    InvalidTypeError
        If an array or another object differs, which the file would lose.
    """
    changed: Attributes = {}
    twins = dict(rebuilt.walk())
    for path, layer in model.walk():
        for name, value in vars(layer).items():
            made = vars(twins[path]).get(name)
            if name != "rule" and (made is None or not _is_settable(layer, name)):
                continue
            where = f"{path or 'the model'} {type(layer).__name__}, attribute {name!r}"
            try:
                if not _is_same(value, made):
                    changed.setdefault(path, {})[name] = _plain(value, where)
            except RecursionError:
                raise InvalidTypeError("is nested too deeply", where=where) from None
    return changed


def _is_settable(layer: Layer, name: str) -> bool:
    """Return whether a file may set an attribute that the constructor has set.

    The attributes of netlib's own layers are arguments, and so need not be set again.
    """
    if is_own(type(layer)) or name in NOT_COMPARED or name not in vars(layer):
        return False
    return not (has_members(vars(layer)[name]) or (isinstance(layer, Container) and name in WIRING))


def _is_same(value: Any, made: Any) -> bool:
    """Return whether two values are equal to the bit, or cannot be compared."""
    if isinstance(value, np.random.Generator) and isinstance(made, np.random.Generator):
        return True  # a file has their states apart; one without a seed is loaded as a plain one
    if value is made or type(value) is not type(made):
        return value is made
    if type(value) in (list, tuple):
        return len(value) == len(made) and all(map(_is_same, value, made))
    if type(value) is dict:
        return list(value) == list(made) and all(map(_is_same, value.values(), made.values()))
    if isinstance(value, np.ndarray):
        native = np.asarray(value, value.dtype.newbyteorder("="))  # a file changes the byte order
        return bool(native.dtype == made.dtype and native.shape == made.shape and native.tobytes() == made.tobytes())
    if isinstance(value, float | np.generic):
        return repr(value) == repr(made)
    if hasattr(value, "__qualname__"):
        return bool(value.__qualname__ == made.__qualname__)
    has_equality: bool = type(value).__eq__ is not NO_EQUALITY
    return not has_equality or bool(value == made)


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, np.ndarray):
        hint = "If it belongs to the model, make it a netlib.Buffer. If forward keeps it for backward, let it be None at first."
        raise InvalidTypeError("is an array that has changed, which would be lost", where=where, hint=hint)
    return plain_value(value, where, lambda key, inner: _plain(inner, f"{where}[{key!r}]"))


def require_settable(layer: Layer, name: str, value: object, where: str) -> None:
    """Raise if a file must not set this attribute of a layer, or the layer does not have it."""
    if not (_is_settable(layer, name) or (name == "rule" and isinstance(value, str))):
        raise FormatError(f"sets {name!r} of {type(layer).__name__}, which has no such attribute", where=where)
