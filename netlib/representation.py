"""The ``repr`` of objects as the constructor call that makes them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import inspect

MISSING = object()
"""Stands for an argument that was not kept in an attribute."""


def call_text(thing: object) -> str:
    """Return the constructor call that makes `thing`.

    The arguments are the attributes that are named like the parameters of the constructor.
    Arguments with their default value, optional ones without an attribute, such as ``init``, and
    random generators are omitted. A required argument without an attribute is shown as ``…``.

    Examples
    --------
    >>> import netlib as nl
    >>> nl.Affine(2, 3, bias=False)
    Affine(2, 3, bias=False)
    """
    parts = []
    for parameter, value in arguments_of(thing):
        if value is MISSING:
            if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL:
                parts.append("…")
        elif hasattr(value, "bit_generator"):
            continue
        elif parameter.kind is parameter.VAR_POSITIONAL:
            values = value if isinstance(value, list | tuple) else [value]
            parts += map(_value_text, values)
        elif parameter.default is parameter.empty:
            parts.append(_value_text(value))
        elif not _is_equal(value, parameter.default):
            parts.append(f"{parameter.name}={_value_text(value)}")
    return f"{type(thing).__name__}({', '.join(parts)})"


def arguments_of(thing: object) -> Iterator[tuple[inspect.Parameter, Any]]:
    """Yield the parameters of the constructor of `thing`, each with its argument.

    The argument is the attribute of the same name, possibly with a leading underscore, or `MISSING`
    if there is none. If the default is True or False, it is whether there is such a part, such as a
    bias.

    Examples
    --------
    >>> import netlib as nl
    >>> [(parameter.name, value) for parameter, value in arguments_of(nl.ELU(0.5))]
    [('alpha', 0.5)]
    """
    for parameter in constructor_parameters(type(thing)):  # type: ignore[arg-type]
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        value = getattr(thing, parameter.name, getattr(thing, f"_{parameter.name}", MISSING))
        if getattr(value, "__self__", None) is thing:  # a method
            value = MISSING
        if isinstance(parameter.default, bool) and value is not MISSING and not hasattr(value, "bit_generator"):
            value = value is not None and value is not False
        yield parameter, value


@cache
def constructor_parameters(kind: type) -> tuple[inspect.Parameter, ...]:
    """Return the parameters of the constructor of a class, without self."""
    import inspect

    return tuple(inspect.signature(kind.__init__).parameters.values())[1:]  # type: ignore[misc]


def _value_text(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value.name if isinstance(value, np.dtype) else value)


def _is_equal(value: object, default: object) -> bool:
    if isinstance(value, np.dtype):
        return bool(value == default)
    if isinstance(value, np.ndarray):
        return np.array_equal(value, default)  # type: ignore[arg-type]
    try:
        return type(value) is type(default) and bool(value == default)
    except ValueError:  # an array in a tuple, say
        return False
