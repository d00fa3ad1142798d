"""Derivatives by complex steps: Im f(x + ih) / h, without any subtraction and so without its rounding."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InvalidValueError
from .numeric import Differences, Slopes
from .twin import Twin

STEP = 1e-30


def complex_slopes(twin: Twin, douts: Sequence[Array]) -> dict[str, Slopes]:
    """Return the slopes of Σ dout · y by every element.

    Raises
    ------
    InvalidValueError
        Where forward refuses complex numbers, drops their imaginary parts, or is not analytic (abs, norm, sign): the real difference tells.
    """
    weights = np.concatenate([np.asarray(d, float).ravel() for d in douts])
    real = Differences(twin, douts, float(np.finfo(float).eps))
    found: dict[str, Slopes] = {}
    for name, array in twin.slots.items():
        slopes = found[name] = Slopes(array.size, weights.size)
        reference = Slopes(array.size, weights.size)
        real.measure(name, np.arange(array.size), reference, np.inf)
        for i in range(array.size):
            row = _complex_row(twin, name, i) / STEP
            slopes.slope[i] = row @ weights
            slopes.noise[i] = 4 * np.finfo(float).eps * float(np.abs(row) @ np.abs(weights))
            if slopes.jacobian is not None:
                slopes.jacobian[i] = row
        doubtful = np.abs(slopes.slope - reference.slope) > 1e-5 * np.abs(reference.slope).max(initial=0.0) + 4 * reference.noise
        if (doubtful & ~reference.is_kink).any():
            raise _refusal("forward is not analytic: complex steps give another slope than real differences, as through abs, norm or sign")
    return found


def _complex_row(twin: Twin, name: str, i: int) -> Array:
    """Return the imaginary parts of all outputs when element i of an array has an imaginary part of one step."""
    twin.reset()
    inputs: list[Any] = list(twin.inputs)
    parameter = twin.parameters.get(name)
    moved = np.array(twin.slots[name], complex)
    moved.reshape(-1)[i] += 1j * STEP
    kept = None
    try:
        if parameter is None:
            inputs[int(name.removeprefix("input "))] = moved
        else:
            kept, parameter._value = parameter._value, moved
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            y = twin.layer.forward(*inputs)
    except Exception as error:
        raise _refusal(f"forward does not take complex numbers ({type(error).__name__}: {error})") from None
    finally:
        if parameter is not None and kept is not None:
            parameter._value = kept
    ys = y if isinstance(y, tuple | list) else [y]
    return np.concatenate([np.imag(np.asarray(each)).ravel() for each in ys]).astype(float)


def _refusal(why: str) -> InvalidValueError:
    return InvalidValueError(why, where='check_gradients(method="complex")', mend='Use method="difference".')
