"""The random generators that a layer draws from, and their states."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .inspection import held_objects
from .layer import Layer


def generators(layer: Layer) -> list[Any]:
    """Return the random generators that the layer, those inside it, and their classes hold."""
    found = {id(each): each for each in [*held_generators(layer), *class_generators(layer)]}
    return list(found.values())


def held_generators(layer: Layer) -> list[Any]:
    """Return the random generators that the layer and those inside it hold, each once."""
    return list({id(each): each for each in held_objects(layer) if is_generator(each)}.values())


def class_generators(layer: Layer) -> list[Any]:
    """Return the random generators in class attributes of the layer and those inside it."""
    kinds = {kind: None for _, each in layer.walk() for kind in type(each).__mro__}
    return list({id(each): each for kind in kinds for each in vars(kind).values() if is_generator(each)}.values())


def is_generator(thing: Any) -> bool:
    """Return whether `thing` is a random generator of NumPy, new or legacy."""
    if isinstance(thing, type):
        return False
    return hasattr(thing, "bit_generator") or type(thing).__name__ == "RandomState"


def global_generator() -> Any:
    """Return the generator behind NumPy's global functions."""
    return np.random.mtrand._rand


def same_state(a: Any, b: Any) -> bool:
    """Return whether two states of a random generator are equal."""
    if isinstance(a, dict):
        return all(same_state(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return all(map(same_state, a, b))
    return bool(np.array_equal(a, b))


def state(generator: Any) -> Any:
    """Return the state of a random generator."""
    return generator.bit_generator.state if hasattr(generator, "bit_generator") else generator.get_state(legacy=False)


def set_state(generator: Any, before: Any) -> None:
    """Set a random generator to an earlier state."""
    if hasattr(generator, "bit_generator"):
        generator.bit_generator.state = before
    else:
        generator.set_state(before)


@contextmanager
def preserve_random_state(layer: Layer) -> Iterator[None]:
    """Restore the random generators that a copy of `layer` shares with it.

    These are NumPy's global generator and the generators held by the classes of the layers.
    """
    held = {id(each) for each in held_objects(layer)}
    shared = [global_generator(), *(g for g in generators(layer) if id(g) not in held)]
    before = [copy.deepcopy(state(g)) for g in shared]
    try:
        yield
    finally:
        for generator, kept in zip(shared, before, strict=True):
            set_state(generator, kept)
