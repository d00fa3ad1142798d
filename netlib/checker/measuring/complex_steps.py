"""Derivatives by complex steps, Im f(x + ih) / h, without a subtraction that would lose digits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ...arrays import Array
from ...errors import InvalidValueError
from ..guards import UserCodeError
from ..twin import Twin
from .differences import Differences, Slopes

STEP = 1e-30


def complex_slopes(twin: Twin, other: Twin, douts: Sequence[Array]) -> dict[str, Slopes]:
    """Return the slopes of Σ dout · y by every element; the arrays of `other` become complex.

    Raises
    ------
    InvalidValueError
        If forward rejects complex numbers, drops their imaginary parts, or is not analytic (abs,
        norm, sign), as real differences show.
    """
    weights = np.concatenate([np.asarray(d, float).ravel() for d in douts])
    real = Differences(twin, douts, float(np.finfo(float).eps))
    arrays = _make_complex(other)
    found: dict[str, Slopes] = {}
    for name, array in arrays.items():
        slopes = found[name] = Slopes(array.size, weights.size)
        reference = Slopes(array.size, weights.size)
        real.measure(name, np.arange(array.size), reference)
        flat = array.reshape(-1)
        for i in range(array.size):
            kept = flat[i]
            flat[i] += 1j * STEP
            row = _imaginary_parts(other) / STEP
            flat[i] = kept
            slopes.slope[i] = row @ weights
            slopes.noise[i] = 4 * np.finfo(float).eps * float(np.abs(row) @ np.abs(weights))
            if slopes.jacobian is not None:
                slopes.jacobian[i] = row
        doubtful = np.abs(slopes.slope - reference.slope) > 1e-5 * np.abs(reference.slope).max(initial=0.0) + 4 * reference.noise
        if (doubtful & ~reference.is_kink).any():
            raise _refusal("forward is not analytic: complex steps give another slope than real differences, as through abs, norm or sign")
    return found


def _make_complex(twin: Twin) -> dict[str, Array]:
    """Make the arrays of a twin complex, and return them."""
    for i in twin.float_inputs:
        twin.inputs[i] = twin.inputs[i].astype(complex)
    for parameter in twin.parameters.values():
        parameter.move_to(np.empty(parameter.shape, complex), np.zeros(parameter.shape, complex))
    return {f"input {i}": twin.inputs[i] for i in twin.float_inputs} | {path: p.value for path, p in twin.parameters.items()}


def _imaginary_parts(twin: Twin) -> Array:
    """Return the imaginary parts of all outputs of a forward."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ys = twin.forward()
    except UserCodeError as raised:
        raise _refusal(f"forward does not take complex numbers ({type(raised.error).__name__}: {raised.error})") from None
    return np.concatenate([np.imag(np.asarray(each)).ravel() for each in ys]).astype(float)


def _refusal(why: str) -> InvalidValueError:
    return InvalidValueError(why, where='check_gradients(method="complex")', hint='Use method="difference".')
