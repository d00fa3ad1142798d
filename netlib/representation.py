"""How an object is shown: as the call that made it."""

from __future__ import annotations

import numpy as np


def call_text(thing: object) -> str:
    """Return the call that makes `thing`, read off its constructor's signature and the attributes of the same names.

    Arguments that still have their default are left out; so are optional ones that were used up and not kept, such as
    ``init``; and random generators, which no text can make. A required one that was not kept shows as ``…``.

    Examples
    --------
    >>> import netlib as nl
    >>> nl.Affine(2, 3, bias=False)
    Affine(2, 3, bias=False)
    """
    import inspect

    parts = []
    _, *parameters = inspect.signature(type(thing).__init__).parameters.items()  # whatever the first is called, it is self
    for name, parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        value = getattr(thing, name, thing)
        if value is thing or getattr(value, "__self__", None) is thing:  # not kept, or a method that goes by the same name
            parts += ["…"] if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL else []
            continue
        if hasattr(value, "bit_generator"):
            continue
        if isinstance(parameter.default, bool):
            value = value is not None and value is not False  # an optional part, like a bias, is there or is not
        if parameter.kind is parameter.VAR_POSITIONAL:
            parts += [_value_text(each) for each in (value if isinstance(value, list | tuple) else [value])]
        elif parameter.default is parameter.empty:
            parts.append(_value_text(value))
        elif not _same(value, parameter.default):
            parts.append(f"{name}={_value_text(value)}")
    return f"{type(thing).__name__}({', '.join(parts)})"


def _value_text(value: object) -> str:
    return repr(value.name if isinstance(value, np.dtype) else value)


def _same(value: object, default: object) -> bool:
    if isinstance(value, np.dtype):
        return bool(value == default)
    if isinstance(value, np.ndarray):
        return np.array_equal(value, default)  # type: ignore[arg-type]
    return type(value) is type(default) and bool(value == default)
