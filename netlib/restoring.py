"""Running a model without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .layer import Layer


@contextmanager
def preserve_state(*layers: Layer) -> Iterator[None]:
    """Give every layer, and all inside it, back the attributes it had: caches, modes, whatever a user's layer keeps.

    So a prediction may come between a forward and its backward, and holds on to no memory afterwards. Arrays are not copied: a
    layer that writes into one it holds, as running statistics do, is not undone.

    Examples
    --------
    >>> import numpy as np, netlib as nl
    >>> add = nl.Add()
    >>> y = add.forward(np.ones((2, 3)), np.ones(3))
    >>> with preserve_state(add):
    ...     y = add.eval().forward(1.0, 2.0)
    >>> add.training, [dx.shape for dx in add.backward(np.ones((2, 3)))]
    (True, [(2, 3), (3,)])
    """
    kept = [(each, dict(vars(each))) for layer in layers for _, each in layer.walk()]
    try:
        yield
    finally:
        for each, attributes in kept:
            vars(each).clear()
            vars(each).update(attributes)


@contextmanager
def preserve_modes(model: Layer) -> Iterator[None]:
    """Give every layer inside `model` back the mode, training or evaluation, that it had.

    Examples
    --------
    >>> import netlib as nl
    >>> frozen, model = nl.Add().eval(), nl.Sequential(nl.Add())
    >>> with preserve_modes(frozen):
    ...     frozen.train().training
    True
    >>> frozen.training
    False
    """
    modes = [(each, each._mode) for _, each in model.walk()]
    try:
        yield
    finally:
        for each, mode in modes:  # outer before inner, since assigning reaches inwards
            if each._mode is not mode:
                each.training = mode


@contextmanager
def in_modes(modes: Sequence[tuple[Layer, bool]]) -> Iterator[None]:
    """Put each layer into its mode, frozen or not, and give back afterwards what it had."""
    names = ("_training", "_frozen")
    before = [(vars(layer), {name: vars(layer)[name] for name in names if name in vars(layer)}) for layer, _ in modes]
    try:
        for layer, mode in modes:
            vars(layer).pop("_frozen", None)
            vars(layer)["_training"] = mode
        yield
    finally:
        for attributes, had in before:
            for name in names:
                attributes.pop(name, None)
            attributes.update(had)
