"""The ``repr`` of objects as the constructor call that makes them."""

from __future__ import annotations

import numpy as np


def call_text(thing: object) -> str:
    """Return the constructor call that makes `thing`.

    The arguments are the attributes that are named like the parameters of the constructor. Left out
    are arguments with their default value, optional ones that were not kept in an attribute, such
    as ``init``, and random generators. A required argument without an attribute shows as ``…``.

    Examples
    --------
    >>> import netlib as nl
    >>> nl.Affine(2, 3, bias=False)
    Affine(2, 3, bias=False)
    """
    import inspect

    parts = []
    _, *parameters = inspect.signature(type(thing).__init__).parameters.items()  # the first is self
    for name, parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        value = getattr(thing, name, thing)
        if value is thing or getattr(value, "__self__", None) is thing:  # no attribute, or a method
            is_required = parameter.default is parameter.empty
            if is_required and parameter.kind is not parameter.VAR_POSITIONAL:
                parts.append("…")
            continue
        if hasattr(value, "bit_generator"):
            continue
        if isinstance(parameter.default, bool):
            value = value is not None and value is not False  # an optional part, such as a bias
        if parameter.kind is parameter.VAR_POSITIONAL:
            values = value if isinstance(value, list | tuple) else [value]
            parts += map(_value_text, values)
        elif parameter.default is parameter.empty:
            parts.append(_value_text(value))
        elif not _is_equal(value, parameter.default):
            parts.append(f"{name}={_value_text(value)}")
    return f"{type(thing).__name__}({', '.join(parts)})"


def _value_text(value: object) -> str:
    return repr(value.name if isinstance(value, np.dtype) else value)


def _is_equal(value: object, default: object) -> bool:
    if isinstance(value, np.dtype):
        return bool(value == default)
    if isinstance(value, np.ndarray):
        return np.array_equal(value, default)  # type: ignore[arg-type]
    return type(value) is type(default) and bool(value == default)
