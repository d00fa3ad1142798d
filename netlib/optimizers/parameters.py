"""The conversion of the argument ``parameters`` of optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import InvalidTypeError
from ..layer import Layer
from ..parameter import Parameter

Parameters = Layer | Parameter | Mapping[str, Parameter] | Iterable[Parameter]


def as_parameters(thing: Parameters, where: object) -> dict[str, Parameter]:
    """Return the parameters of a layer, a dict, or an iterable, or a single one, by path.

    Each parameter is listed once.

    Examples
    --------
    >>> weight, bias = Parameter([[1.0]]), Parameter([0.0])
    >>> list(as_parameters([weight, bias, weight], "SGD"))
    ['0', '1']
    """
    named: Iterable[tuple[Any, Any]]
    if isinstance(thing, Layer):
        named = thing.parameters().items()
    elif isinstance(thing, Mapping):
        named = thing.items()
    elif isinstance(thing, Parameter):
        named = [("0", thing)]
    elif isinstance(thing, Iterable) and not isinstance(thing, str | bytes | np.ndarray):
        named = [(str(i), each) for i, each in enumerate(thing)]
    else:
        raise _not_parameters(thing, where)
    found: dict[int, tuple[str, Parameter]] = {}
    for path, each in named:
        if not isinstance(each, Parameter) or not isinstance(path, str):
            raise _not_parameters(each, where, f" at {path!r}")
        found.setdefault(id(each), (path, each))
    return dict(found.values())


def _not_parameters(thing: object, where: object, place: str = "") -> InvalidTypeError:
    if isinstance(thing, type):
        hint = f"Write {thing.__name__}(…), with parentheses."
        return InvalidTypeError(f"got the class {thing.__name__}{place}", where=where, hint=hint)
    message = f"got {type(thing).__name__}{place}, expected a layer or parameters by their paths"
    return InvalidTypeError(message, where=where, hint="Pass the layer itself.")
