"""The check's inputs from the user: which are usable, and which are not."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import signature
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InvalidTypeError, InvalidValueError
from ..layer import Layer
from .twin import Twin


def as_inputs(layer: Layer, inputs: tuple[Any, ...]) -> tuple[Array, ...]:
    """Return copies of the inputs as arrays.

    Raises
    ------
    InvalidTypeError
        If the number of inputs is not that of forward, and for arrays of complex numbers, records
        or objects.
    InvalidValueError
        For lists of different lengths.
    """
    try:
        signature(layer.forward).bind(*inputs)
    except TypeError as error:
        raise InvalidTypeError(f"forward does not take {len(inputs)} inputs: {error}", where=layer) from None
    except ValueError:
        pass  # no signature is known
    given = []
    for i, x in enumerate(inputs):
        try:
            array = np.array(x)
        except ValueError:
            raise InvalidValueError(f"input {i} has rows of different lengths, expected an array", where=layer) from None
        if array.dtype.kind in "cVO":
            raise InvalidTypeError(
                f"input {i} is an array of {array.dtype}, expected real numbers", where=layer, hint=HINTS[array.dtype.kind]
            )
        given.append(array)
    return tuple(given)


HINTS = {
    "c": "Pass the real and the imaginary part as two inputs.",
    "V": "Pass the fields as inputs of their own.",
    "O": "Pass an array of one numeric type.",
}


def non_finite(inputs: Iterable[Any]) -> str:
    """Return, in words, which input has infinities or NaN; "" if none has."""
    for i, x in enumerate(inputs):
        if isinstance(x, np.ndarray) and x.dtype.kind == "f" and not np.isfinite(x).all():
            bad = ~np.isfinite(x)
            what = "NaN" if np.isnan(x).any() else "infinities"
            return f"input {i} has {what} in {int(bad.sum())} of {x.size} elements"
    return ""


def require_usable(layer: Layer, inputs: tuple[Array, ...]) -> None:
    """Raise InvalidValueError for infinities or NaN that reach the output."""
    where = non_finite(inputs)
    if where and not all(np.isfinite(y).all() for y in Twin(layer, inputs).forward()):
        raise InvalidValueError(f"{where}, which reach the output, so nothing can be compared", where=layer, hint="Pass finite numbers.")
