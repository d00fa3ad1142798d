"""The few functions on arrays that decide the speed: each in NumPy, and in loops that numba compiles where the `fast` extra is installed.

A kernel is one entry in the file of its family, which layers, losses, plans and optimizers import by name. Compiled loops come in when the
first optimizer is made, that is, when a model is about to be trained; whoever only looks at a network never waits for a compiler.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from time import monotonic
from typing import Any, TypeVar

import numpy as np

from ..errors import InvalidValueError
from .kernel import COMPILED, Kernel, Loops

FAMILIES = ("adam", "bias_relu", "softmax_cross_entropy", "total")
"""The modules that kernels stand in."""

T = TypeVar("T")

VARIABLE = "NETLIB_ACCELERATOR"
SECONDS_OF_SILENCE = 2.0
_is_loaded = False
_has_failed = False


def accelerator() -> str:
    """Return what speeds training up: ``"numba"`` where the `fast` extra is installed and works, else ``"numpy"``.

    The environment variable ``NETLIB_ACCELERATOR=numpy`` switches the compiled kernels off; ``numba`` insists on them. The first call
    loads the kernels, or compiles them where that has not been done on this machine.

    Warns
    -----
    RuntimeWarning
        Once, where numba is installed and does not work: for this NumPy, or for want of a folder for its cache.

    Raises
    ------
    InvalidValueError
        Where the variable says anything else, or asks for numba and it is not installed or does not work.

    Examples
    --------
    >>> accelerator() in ("numba", "numpy")
    True
    """
    load_compiled()
    return "numba" if _is_loaded and wants_numba() else "numpy"


def wants_numba() -> bool:
    """Return whether the environment variable and what is installed call for the compiled kernels."""
    choice = os.environ.get(VARIABLE, "")
    if choice not in ("", "numba", "numpy"):
        raise InvalidValueError(f"{VARIABLE} is {choice!r}, wanted 'numba' or 'numpy'", where="netlib.accelerator")
    is_installed = find_spec("numba") is not None
    if choice == "numba" and not is_installed:
        hint = "Install it with: pip install 'netlib[fast]'"
        raise InvalidValueError(f"{VARIABLE} is 'numba', which is not installed", where="netlib.accelerator", hint=hint)
    return is_installed and choice != "numpy"


def is_loaded() -> bool:
    """Return whether compiled loops are in use, for the types that there are any for."""
    return _is_loaded


def in_use(dtype: np.dtype[Any]) -> str:
    """Return which versions are in use for arrays of `dtype`: ``"numpy"`` or ``"numba"``."""
    return "numba" if _is_loaded and dtype in COMPILED else "numpy"


def every(kind: type[T]) -> list[T]:
    """Return every `Kernel` of the families, or all `Loops`.

    Examples
    --------
    >>> every(Kernel)[:3]
    [Kernel(adam), Kernel(add_bias), Kernel(add_bias_relu)]
    """
    modules = (import_module(f".{family}", __name__) for family in FAMILIES)
    return [each for module in modules for each in vars(module).values() if isinstance(each, kind)]


def load_compiled() -> None:
    """Compile the kernels, if that is wanted. The first time on a machine that takes a while, and says so."""
    global _is_loaded, _has_failed  # noqa: PLW0603 - one choice for the process, made once
    if _is_loaded or _has_failed or not wants_numba():
        return
    start, was_silent = monotonic(), True
    try:
        for loops in every(Loops):
            if loops.compile() and was_silent and monotonic() - start > SECONDS_OF_SILENCE:
                sys.stderr.write("netlib: compiling its fast kernels, once on this machine …\n")
                was_silent = False
    except Exception as error:  # a broken installation raises anything, from its import on
        _report_failure(error)
        _has_failed = True
        return
    for kernel in every(Kernel):
        kernel.use_loops()
    _is_loaded = True


def _report_failure(error: Exception) -> None:
    what = f"numba is installed but does not work here ({type(error).__name__}: {error})"
    hint = "Set NUMBA_CACHE_DIR to a folder that can be written." if "cache" in str(error) else "Reinstall it: pip install 'netlib[fast]'."
    if os.environ.get(VARIABLE) == "numba":
        raise InvalidValueError(f"{VARIABLE} is 'numba', and {what}", where="netlib.accelerator", hint=hint) from error
    message = f"netlib trains with NumPy alone: {what}. {hint} NETLIB_ACCELERATOR=numpy silences this warning."
    warnings.warn(message, RuntimeWarning, stacklevel=4)
