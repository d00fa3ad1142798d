"""The arrays of a model under the names, and in the layouts, of PyTorch's modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import InvalidTypeError, InvalidValueError
from ..layer import Layer, as_layer
from ..parameter import Buffer, Parameter
from ..state import list_problems, state_problems
from .counterpart import Link, as_numpy, find, same
from .table import counterpart_of


class Placed(NamedTuple):
    """A link of a layer inside a model."""

    link: Link
    members: list[Any]
    """Our parameters and buffers."""
    names: list[str]
    """The paths of their arrays."""

    def write(self) -> dict[str, Array]:
        """Return their arrays, which are copies, by path."""
        written = self.link.write(*(member.value for member in self.members))
        return {name: np.array(array, order="C") for name, array in zip(self.names, written, strict=True)}

    def read(self, state: Mapping[str, Array]) -> list[tuple[Any, Array]]:
        """Return our parameters and buffers, each with its new value."""
        read = self.link.read(*(np.asarray(state[name]) for name in self.names))
        return [(member, np.asarray(array, member.dtype)) for member, array in zip(self.members, read, strict=True)]


def placed_links(model: Layer) -> Iterator[Placed]:
    """Yield the links of all layers in PyTorch's order: a layer's arrays, then its inner layers."""
    stack: list[tuple[str, Layer]] = [("", model)]
    seen: set[int] = set()
    while stack:
        prefix, layer = stack.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        for link in links_of(layer):
            yield placed(layer, link, prefix)
        stack += [(f"{prefix}{_dotted(name)}.", inner) for name, inner in reversed(inner_layers(layer).items())]


def placed(layer: Layer, link: Link, prefix: str = "") -> Placed:
    """Return a link of a layer with its arrays, and the names after `prefix`."""
    return Placed(link, [_member(layer, name) for name in link.ours], [prefix + _dotted(name) for name in link.theirs])


def _dotted(name: str) -> str:
    """Return the path of a node: blocks/0 of a graph is blocks.0 in PyTorch."""
    return name.replace("/", ".")


def links_of(layer: Layer) -> list[Link]:
    """Return the links of a layer's own arrays; arrays of custom layers keep name and layout."""
    counterpart = counterpart_of(layer)
    links = list(counterpart.arrays(layer)) if counterpart else []
    linked = {name for link in links for name in link.ours}
    own = [name for name, member in layer.members() if isinstance(member, Parameter | Buffer)]
    return links + same(*(name for name in own if name not in linked))


def inner_layers(layer: Layer) -> dict[str, Layer]:
    """Return the layers inside by PyTorch's names, without those whose arrays the layer links."""
    inner = {name: member for name, member in layer.members() if isinstance(member, Layer)}
    counterpart = counterpart_of(layer)
    if counterpart is None:
        return inner
    linked = {name.partition(".")[0] for link in counterpart.arrays(layer) for name in link.ours if "." in name}
    parts = {theirs: inner.pop(ours) for ours, theirs in counterpart.parts.items() if ours in inner}
    return parts | {name: member for name, member in inner.items() if name not in linked}


def _member(layer: Layer, name: str) -> Any:
    found = find(layer, name)
    return dict(layer.members())[name] if found is None else found  # Graph holds weights by the names of nodes


def state_dict(model: Layer) -> dict[str, Array]:
    """Return a copy of every array of a model, as in the ``state_dict`` of PyTorch's modules.

    Names and layouts are those of the corresponding modules in ``torch.nn``: the weight of an
    `Affine` is transposed. Names inside containers do not change, nor do names and layouts of the
    arrays of your own layers. PyTorch need not be installed.

    Parameters
    ----------
    model : Layer

    Returns
    -------
    dict of str to ndarray
        A shared array has an entry for each of its places.

    Raises
    ------
    InvalidTypeError
        If `model` is not a layer.

    See Also
    --------
    load_state_dict, module

    Examples
    --------
    >>> import netlib as nl
    >>> model = nl.Sequential(nl.Affine(2, 3), nl.ReLU(), ("rnn", nl.GRU(3, 4)))
    >>> {name: array.shape for name, array in state_dict(model).items()}
    {'0.weight': (3, 2), '0.bias': (3,), 'rnn.weight_ih_l0': (12, 3), 'rnn.weight_hh_l0': (12, 4), \
'rnn.bias_ih_l0': (12,), 'rnn.bias_hh_l0': (12,)}
    """
    state: dict[str, Array] = {}
    for each in placed_links(as_layer(model, "torch.state_dict")):
        state |= each.write()
    return state


def load_state_dict(model: Layer, state: Any) -> None:
    """Copy the arrays of a ``state_dict`` of PyTorch into a model.

    Parameters
    ----------
    model : Layer
        A model of the layers that correspond to PyTorch's modules.
    state : mapping of str to array_like or tensor
        Arrays under PyTorch's names, as returned by ``module.state_dict()``, or by
        `netlib.load_state` for a file. They are converted to the type of their target. The two
        biases of a recurrent layer are added. One entry for a shared array is enough.

    Raises
    ------
    InvalidTypeError
        If `model` is not a layer, or `state` not a mapping.
    InvalidValueError
        If the state does not match exactly. The message lists all missing, unexpected and
        unsuitable arrays, and nothing changes.

    See Also
    --------
    state_dict, convert

    Examples
    --------
    >>> import netlib as nl
    >>> model = nl.Affine(2, 1)
    >>> load_state_dict(model, {"weight": [[1.0, 2.0]], "bias": [3.0]})
    >>> model.forward([[10.0, 10.0]])
    array([[33.]], dtype=float32)
    """
    where = "torch.load_state_dict"
    links = [*placed_links(as_layer(model, where))]
    if not isinstance(state, Mapping):
        hint = "Pass module.state_dict(), not the module." if hasattr(state, "state_dict") else ""
        raise InvalidTypeError(f"got {type(state).__name__}, expected a dict of arrays", where=where, hint=hint)
    given = {name: as_numpy(array) for name, array in state.items()}
    expected = {name: Buffer.wrap(array) for each in links for name, array in each.write().items()}
    problems = state_problems(expected, given)
    loaded: dict[int, tuple[Any, Array, str]] = {}
    missing = []
    for each in links:
        if any(name in problems for name in each.names):
            missing.append(each)
            continue
        for member, array in each.read(given):
            _, first, path = loaded.setdefault(id(member), (member, array, each.names[0]))
            if not np.array_equal(first, array, equal_nan=True):
                problems[each.names[0]] = f"differs from {path!r}, which shares its array in the model"
    for each in missing:
        if each.link.is_optional or (each.members and all(id(member) in loaded for member in each.members)):
            for name in each.names:
                if name not in given:
                    problems.pop(name, None)
    if problems:
        raise InvalidValueError(f"the state does not fit: {list_problems(problems, _floats(given))}", where=where)
    for member, array, _ in loaded.values():
        member.value = array


def _floats(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays that may hold NaN."""
    return {name: array for name, array in given.items() if getattr(array, "dtype", np.dtype(object)).kind == "f"}
