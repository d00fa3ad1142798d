"""What a model has besides classes and arguments: shared parts, generators, other attributes.

`save` builds the model again and compares, so that no file is written that could not be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import FormatError, InvalidTypeError
from ..layer import Layer, has_members
from ..parameter import Buffer, Parameter
from ..random_state import held_generators, is_generator
from .classes import is_own
from .description import plain_value

NOT_COMPARED = {"_cache", "_run", "_cached", "_training", "_frozen"}
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
    """Return the further paths of shared parameters and buffers, each with the first path.

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
    """Let the parameters and buffers of `model` be shared as in `shared_state`."""
    state = all_state(model)
    owners = {f"{path}.{name}" if path else name: layer for path, layer in model.walk() for name, _ in layer.members()}
    for path, first in shared.items():
        if state[path] is not state[first]:
            owner = owners[path]
            for name, value in list(vars(owner).items()):
                if (new := _replaced(value, state[path], state[first])) is not value:
                    setattr(owner, name, new)


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
    return {path: type(layer).__qualname__ for path, layer in model.walk()}


def _arrays(model: Layer) -> dict[str, str]:
    return {path: f"{type(each).__name__} {each.shape} of {each.dtype}" for path, each in all_state(model).items()}


def _generators(model: Layer) -> dict[str, str]:
    return {str(i): type(each).__name__ for i, each in enumerate(held_generators(model))}


def changed_attributes(model: Layer, rebuilt: Layer) -> Attributes:
    """Return the plain attributes of users' layers that differ from those of `rebuilt`, by path.

    Raises
    ------
    InvalidTypeError
        If an array or another object differs, which the file would lose.
    """
    changed: Attributes = {}
    twins = dict(rebuilt.walk())
    for path, layer in model.walk():
        if not is_own(type(layer)):
            for name, value, made in _comparable(layer, twins[path]):
                where = f"{path or 'the model'} {type(layer).__name__}, attribute {name!r}".lstrip()
                if not _same(value, made, where):
                    changed.setdefault(path, {})[name] = _plain(value, where)
    return changed


def _comparable(layer: Layer, twin: Layer) -> Iterator[tuple[str, Any, Any]]:
    """Yield the attributes that both layers have, without members, caches and generators."""
    for name, value in vars(layer).items():
        made = vars(twin).get(name)
        if name in NOT_COMPARED or made is None or has_members(value) or is_generator(value):
            continue
        yield name, value, made


def _same(value: Any, made: Any, where: str) -> bool:
    if isinstance(value, np.ndarray) and isinstance(made, np.ndarray):
        if value.dtype == made.dtype and value.shape == made.shape and value.tobytes() == made.tobytes():
            return True
        hint = "If it belongs to the model, make it a netlib.Buffer. If forward keeps it for backward, let it be None at first."
        raise InvalidTypeError("is an array that has changed, which would be lost", where=where, hint=hint)
    if value is made:
        return True
    try:
        return type(value) is type(made) and bool(_plain(value, where) == _plain(made, where))
    except InvalidTypeError:
        if type(value) is type(made) and getattr(value, "__qualname__", "") == getattr(made, "__qualname__", ""):
            return True
        raise


def _plain(value: Any, where: str) -> Any:
    return plain_value(value, where, lambda key, inner: _plain(inner, f"{where}[{key!r}]"))


def require_attribute(layer: Layer, name: str, where: str) -> None:
    """Raise if a file must not set this attribute of a layer, or the layer does not have it."""
    if name in NOT_COMPARED or name not in vars(layer) or has_members(vars(layer)[name]):
        raise FormatError(f"sets {name!r} of {type(layer).__name__}, which has no such attribute", where=where)
