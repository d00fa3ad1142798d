"""The definition of an exercise, and the file with all of them."""

from __future__ import annotations

from collections.abc import Callable
from os.path import abspath
from runpy import run_path
from typing import Any

from ..arrays import Array, as_array
from ..errors import FormatError, InvalidTypeError
from ..layer import Layer


class Exercise:
    """A layer that each student writes.

    Parameters
    ----------
    layer : str
        The name of the class.
    *inputs : array_like
        The arguments of forward. Random numbers, several samples and axes of different lengths
        reveal the most mistakes.
    make : callable, optional
        ``make(cls)`` creates the layer. By default, ``cls()`` does.
    forward : callable, optional
        ``forward(layer, *inputs)`` computes what the layer should return, from its parameters.
        By default, backward is compared with the student's forward, whatever that computes.

    Examples
    --------
    >>> import numpy as np
    >>> import netlib as nl
    >>> exercise = Exercise("MyTanh", np.ones((3, 2)), forward=lambda layer, x: np.tanh(x))
    >>> exercise.forward(nl.Tanh(), *exercise.inputs).shape
    (3, 2)
    """

    def __init__(
        self,
        layer: str,
        *inputs: Any,
        make: Callable[[type[Layer]], Layer] | None = None,
        forward: Callable[..., Any] | None = None,
    ) -> None:
        if not isinstance(layer, str) or not layer.isidentifier():
            hint = 'Write Exercise("MyReLU", x).'
            raise InvalidTypeError(f"layer is {layer!r}, expected the name of a class", where="Exercise", hint=hint)
        where = f"Exercise {layer}"
        if not inputs:
            raise InvalidTypeError("got no inputs, expected the arguments of forward", where=where, hint=f'Write Exercise("{layer}", x).')
        for name, function in (("make", make), ("forward", forward)):
            if function is not None and not callable(function):
                raise InvalidTypeError(f"{name} is {function!r}, expected a function", where=where)
        self.layer = layer
        self.inputs: tuple[Array, ...] = tuple(as_array(x, where) for x in inputs)
        self.make = make
        self.forward = forward


def load_assignment(path: str) -> list[Exercise]:
    """Run an assignment, and return its exercises.

    Raises
    ------
    FormatError
        If the file cannot be run, has no list of exercises, or two for one layer.
    """
    try:
        exercises = run_path(abspath(path)).get("EXERCISES")
    except Exception as error:  # the teacher's own code
        raise FormatError(f"cannot be run: {type(error).__name__}: {error}", where=path) from error
    hint = 'Write EXERCISES = [Exercise("MyReLU", x)].'
    if not isinstance(exercises, list | tuple) or not exercises or not all(isinstance(each, Exercise) for each in exercises):
        raise FormatError(f"EXERCISES is {exercises!r}, expected a list of exercises", where=path, hint=hint)
    names = [exercise.layer for exercise in exercises]
    for name in names:
        if names.count(name) > 1:
            hint = "Give each class its own name."
            raise FormatError(f"there are {names.count(name)} exercises for {name}, expected one", where=path, hint=hint)
    return list(exercises)
