"""Recording a model as it runs: the inputs, the output and the incoming gradient of every layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .structure import METHODS

if TYPE_CHECKING:
    from .layer import Layer


class Call(NamedTuple):
    """One forward of one layer: its path in the model, the layer, its inputs, and its output."""

    path: str
    layer: Layer
    inputs: tuple[Any, ...]
    output: Any


@contextmanager
def record_calls(model: Layer) -> Iterator[list[Call]]:
    """Record every forward inside `model`, in the order in which they end.

    See `watch_calls` for which layers are recorded.

    Yields
    ------
    list of Call
        It grows as the model runs. It holds the arrays themselves, not copies.

    Examples
    --------
    >>> import netlib as nl
    >>> model = nl.Sequential(nl.Add(), nl.ReLU())
    >>> with record_calls(model) as calls:
    ...     y = model.forward([2.0, -3.0], [1.0, 1.0])
    >>> for path, layer, inputs, output in calls:
    ...     print(path, layer, inputs, output)
    0 Add() (array([ 2., -3.]), array([1., 1.])) [ 3. -2.]
    1 ReLU() (array([ 3., -2.]),) [3. 0.]
    """
    calls: list[Call] = []
    with watch_calls(model, calls.append):
        yield calls


@contextmanager
def watch_calls(
    model: Layer,
    after_forward: Callable[[Call], None],
    before_backward: Callable[[str, Layer, Any], None] | None = None,
) -> Iterator[None]:
    """Call a function after each forward and before each backward inside `model`.

    The calls are ``after_forward(call)`` and ``before_backward(path, layer, dout)``. Containers run
    as one flat program, so the watched layers are those inside containers, those inside users'
    layers, and `model` itself if it is not a container. Inside the ``with`` block, each of them has
    instance methods that wrap its own. If the ``backward_parameters`` of a layer calls its
    ``backward``, the same dout is reported twice.

    Examples
    --------
    >>> import netlib as nl
    >>> model = nl.Sequential(nl.Identity(), nl.ReLU())
    >>> def after_forward(call):
    ...     print(call.path, call.output)
    >>> def before_backward(path, layer, dout):
    ...     print(path, dout)
    >>> with watch_calls(model, after_forward, before_backward):
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
            layer.forward = _ReportAfter(path, layer, layer.forward, after_forward)
            for name in METHODS[1:] if before_backward is not None else ():
                method = _ReportBefore(path, layer, getattr(layer, name), before_backward)
                setattr(layer, name, method)
        yield
    finally:
        for (_, layer), own in zip(layers, before, strict=True):
            for name in METHODS:
                if name in own:
                    setattr(layer, name, own[name])
                elif name in vars(layer):
                    delattr(layer, name)


class _Wrapper:
    """A method of a layer that also reports its calls.

    A copy of the layer, such as `Recurrent` makes for each step, wraps its own method, and reports
    the calls as those of the original layer.
    """

    def __init__(self, path: str, layer: Layer, method: Callable[..., Any], report: Any) -> None:
        self.path, self.layer, self.method, self.report = path, layer, method, report

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(self.path, self.layer, copy.deepcopy(self.method, memo), self.report)


class _ReportAfter(_Wrapper):
    def __call__(self, *inputs: Any, **options: Any) -> Any:
        output = self.method(*inputs, **options)
        self.report(Call(self.path, self.layer, inputs, output))
        return output


class _ReportBefore(_Wrapper):
    def __call__(self, dout: Any, *rest: Any, **options: Any) -> Any:
        self.report(self.path, self.layer, dout)
        return self.method(dout, *rest, **options)
