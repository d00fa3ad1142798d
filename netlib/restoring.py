"""Restoring attributes and modes after a model has run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .layer import Layer


@contextmanager
def preserve_state(*layers: Layer) -> Iterator[None]:
    """Restore all attributes at the end: caches, modes, and anything else a layer stores.

    So a prediction may run between a forward and its backward, and frees its memory afterwards.
    Arrays are not copied: what a layer writes into its own arrays, such as running statistics, is
    not undone.

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
    """Restore the mode, training or evaluation, of every layer inside `model` at the end.

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
        for each, mode in modes:  # outer before inner, since assigning sets inner layers too
            if each._mode is not mode:
                each.training = mode


@contextmanager
def temporary_modes(modes: Sequence[tuple[Layer, bool]]) -> Iterator[None]:
    """Set each layer to its mode, frozen or not, and restore its own mode at the end."""
    names = ("_training", "_frozen")
    attributes_of = [vars(layer) for layer, _ in modes]
    before = [{name: held[name] for name in names if name in held} for held in attributes_of]
    try:
        for layer, mode in modes:
            vars(layer).pop("_frozen", None)
            vars(layer)["_training"] = mode
        yield
    finally:
        for attributes, old in zip(attributes_of, before, strict=True):
            for name in names:
                attributes.pop(name, None)
            attributes.update(old)
