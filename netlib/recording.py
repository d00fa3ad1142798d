"""Watching a model run: what every layer took and gave, and what came back to it, seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from .structure import METHODS

if TYPE_CHECKING:
    from .layer import Layer


class Call(NamedTuple):
    """One forward of one layer: its path in the model, the layer, the arrays it took, and what it returned."""

    path: str
    layer: Layer
    inputs: tuple[Any, ...]
    output: Any


@contextmanager
def recorded(model: Layer) -> Iterator[list[Call]]:
    """Note down every forward inside `model`, in the order in which they end; `watched` says which layers.

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
    with watched(model, calls.append):
        yield calls


@contextmanager
def watched(
    model: Layer, after_forward: Callable[[Call], None], before_backward: Callable[[str, Layer, Any], None] | None = None
) -> Iterator[None]:
    """Call ``after_forward(call)`` after each forward inside `model`, and ``before_backward(path, layer, dout)`` before each backward.

    Containers only say how their layers are wired, so what is watched are the layers in them, users' own ones with the layers inside
    those, and `model` itself where it is no container. No layer knows: each gets methods of its own for the time being. A backward that
    calls another of its own kind tells twice of one dout.

    Examples
    --------
    >>> import netlib as nl
    >>> model = nl.Sequential(nl.Identity(), nl.ReLU())
    >>> with watched(model, lambda call: print(call.path, call.output), lambda path, layer, dout: print(path, dout)):
    ...     y, dx = model.forward([2.0, -3.0]), model.backward([5.0, 7.0])
    0 [ 2. -3.]
    1 [2. 0.]
    1 [5. 7.]
    0 [5. 0.]
    """
    layers = [(path, layer) for path, layer in model.walk() if layer.as_inlinable() is None]
    before = [{name: vars(layer)[name] for name in METHODS if name in vars(layer)} for _, layer in layers]
    try:
        for path, layer in layers:
            layer.forward = _telling_after(path, layer, layer.forward, after_forward)
            for name in METHODS[1:] if before_backward is not None else ():
                setattr(layer, name, _telling_before(path, layer, getattr(layer, name), before_backward))
        yield
    finally:
        for (_, layer), own in zip(layers, before, strict=True):
            for name in METHODS:
                if name in own:
                    setattr(layer, name, own[name])
                elif name in vars(layer):
                    delattr(layer, name)


def _telling_after(path: str, layer: Layer, forward: Callable[..., Any], tell: Callable[[Call], None]) -> Callable[..., Any]:
    def forward_and_tell(*inputs: Any, **options: Any) -> Any:
        output = forward(*inputs, **options)
        tell(Call(path, layer, inputs, output))
        return output

    return forward_and_tell


def _telling_before(path: str, layer: Layer, backward: Callable[..., Any], tell: Any) -> Callable[..., Any]:
    def tell_and_backward(dout: Any, *rest: Any, **options: Any) -> Any:
        tell(path, layer, dout)
        return backward(dout, *rest, **options)

    return tell_and_backward
