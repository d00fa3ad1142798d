"""Watching a model run: what every layer took and gave, seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .containers.program import as_wirable
from .layer import Layer


class Call(NamedTuple):
    """One forward of one layer: its path in the model, the layer, the arrays it took, and what it returned."""

    path: str
    layer: Layer
    inputs: tuple[Any, ...]
    output: Any


@contextmanager
def recorded(model: Layer) -> Iterator[list[Call]]:
    """Note down every forward inside `model`, in the order in which they end.

    Containers only say how their layers are wired, so what is noted are the layers in them, users' own ones with the layers inside
    those, and `model` itself where it is no container. No layer knows: each gets a ``forward`` of its own for the time being.

    Yields
    ------
    list of Call
        Fills up as the model runs. It holds the arrays themselves, not copies.

    Examples
    --------
    >>> import netlib as nl
    >>> model = nl.Sequential(nl.Add(), nl.ReLU())
    >>> with recorded(model) as calls:
    ...     y = model.forward([2.0, -3.0], [1.0, 1.0])
    >>> for path, layer, inputs, output in calls:
    ...     print(path, layer, inputs, output)
    0 Add() (array([ 2., -3.]), array([1., 1.])) [ 3. -2.]
    1 ReLU() (array([ 3., -2.]),) [3. 0.]
    """
    calls: list[Call] = []
    watched = [(path, layer, vars(layer).get("forward")) for path, layer in model.walk() if as_wirable(layer) is None]
    try:
        for path, layer, _ in watched:
            vars(layer)["forward"] = _noting(path, layer, layer.forward, calls)
        yield calls
    finally:
        for _, layer, before in watched:
            vars(layer).pop("forward", None)
            if before is not None:
                vars(layer)["forward"] = before


def _noting(path: str, layer: Layer, forward: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    def forward_and_note(*inputs: Any, **options: Any) -> Any:
        output = forward(*inputs, **options)
        calls.append(Call(path, layer, inputs, output))
        return output

    return forward_and_note
