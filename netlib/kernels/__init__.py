"""Kernels: the few functions on arrays that take most of the time.

Each is written in NumPy, and most also as loops that numba compiles if the extra `fast` is
installed. Layers, losses, plans and optimizers import kernels by name from the module of their
family. From the first optimizer on, that is, once training begins, the loops of a family are
compiled when they are first needed for a type. A program that only predicts never starts the
compiler.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

import numpy as np

from ..errors import InvalidValueError
from .kernel import COMPILED, Kernel, Loops

FAMILIES = (
    "activations",
    "adam",
    "attention",
    "bias_relu",
    "convolution",
    "gather",
    "max_pooling",
    "normalization",
    "recurrent",
    "rectify",
    "row_norm",
    "softmax_cross_entropy",
    "team",
    "total",
)
"""The modules that define kernels."""

T = TypeVar("T")

VARIABLE = "NETLIB_ACCELERATOR"
SECONDS_BEFORE_NOTICE = 2.0
_is_loaded = False
_has_failed = False
_works: dict[tuple[str, np.dtype[Any]], bool] = {}
"""Whether the loops of a family could be compiled for a type."""
_lock = Lock()
"""Held while numba compiles, since a dispatcher is switched on for the time."""


def accelerator() -> str:
    """Return which kernels are used: ``"numba"`` if it is installed and works, else ``"numpy"``.

    The environment variable ``NETLIB_ACCELERATOR=numpy`` disables the compiled kernels, and
    ``NETLIB_ACCELERATOR=numba`` requires them. They are compiled when a network first needs them on
    this machine, which takes up to ten seconds for each kind of layer, and later loaded from a
    cache.

    Warns
    -----
    RuntimeWarning
        Once, if numba is installed but does not work, for example with this version of NumPy, or
        because there is no folder for its cache.

    Raises
    ------
    InvalidValueError
        If the variable has another value, or requires numba and it is missing or does not work.

    Examples
    --------
    >>> accelerator() in ("numba", "numpy")
    True
    """
    load_compiled()
    return "numba" if _is_loaded and wants_numba() else "numpy"


def wants_numba() -> bool:
    """Return whether numba is installed and the environment variable allows it."""
    where, requested = "netlib.accelerator", os.environ.get(VARIABLE, "")
    if requested not in ("", "numba", "numpy"):
        message = f"{VARIABLE} is {requested!r}, expected 'numba' or 'numpy'"
        raise InvalidValueError(message, where=where)
    is_installed = find_spec("numba") is not None
    if requested == "numba" and not is_installed:
        hint = "Install it with: pip install 'netlib[fast]'"
        message = f"{VARIABLE} is 'numba', which is not installed"
        raise InvalidValueError(message, where=where, hint=hint)
    return is_installed and requested != "numpy"


def is_loaded() -> bool:
    """Return whether compiled loops are in use, for the types that have them."""
    return _is_loaded


def in_use(dtype: np.dtype[Any], family: str) -> str:
    """Return which version of a family is in use for `dtype`: ``"numpy"`` or ``"numba"``.

    Its loops are compiled now if necessary.
    """
    if not _is_loaded or dtype not in COMPILED:
        return "numpy"
    key = family, dtype
    if key not in _works:
        _works[key] = _compile(family, dtype)
    return "numba" if _works[key] else "numpy"


def every(kind: type[T], families: Iterable[str] = FAMILIES) -> list[T]:
    """Return every `Kernel`, or every `Loops`, of the families.

    Examples
    --------
    >>> every(Kernel)[:3]
    [Kernel(adam), Kernel(add_bias), Kernel(add_bias_relu)]
    """
    modules = (import_module(f".{family}", __name__) for family in families)
    return [each for module in modules for each in vars(module).values() if isinstance(each, kind)]


def load_compiled() -> None:
    """Use compiled kernels from now on if numba is installed and works."""
    global _is_loaded, _has_failed  # noqa: PLW0603 - one choice for the process, made once
    if _is_loaded or _has_failed or not wants_numba():
        return
    _is_loaded = _compile("team", np.dtype(np.float32))  # a small family shows whether numba works
    _has_failed = not _is_loaded
    if _is_loaded:
        for family in FAMILIES:
            for kernel in every(Kernel, [family]):
                kernel.use_loops(partial(_is_compiled, family))


def _is_compiled(family: str, dtype: np.dtype[Any]) -> bool:
    return in_use(dtype, family) == "numba"


def _compile(family: str, dtype: np.dtype[Any]) -> bool:
    """Compile the loops of a family for `dtype`. Return whether that was possible.

    The first time on a machine, it may take a while and print a notice.
    """
    start, has_told = monotonic(), False
    try:
        for loops in every(Loops, [family]):
            with _lock:
                is_new = loops.compile(dtype)
            if is_new and not has_told and monotonic() - start > SECONDS_BEFORE_NOTICE:
                has_told = True
                if sys.stderr is not None:
                    sys.stderr.write(f"netlib: compiling its fast kernels of {family}, once on this machine ...\n")
    except Exception as error:  # a broken installation may raise anything
        _report_failure(error)
        return False
    return True


def _report_failure(error: Exception) -> None:
    problem = f"numba is installed but does not work here ({type(error).__name__}: {error})"
    hint = "Reinstall it: pip install 'netlib[fast]'."
    if "cache" in str(error):
        hint = "Set NUMBA_CACHE_DIR to a writable folder."
    if os.environ.get(VARIABLE) == "numba":
        message = f"{VARIABLE} is 'numba', and {problem}"
        raise InvalidValueError(message, where="netlib.accelerator", hint=hint) from error
    silence = f"{VARIABLE}=numpy silences this warning."
    message = f"netlib trains with NumPy alone: {problem}. {hint} {silence}"
    warnings.warn(message, RuntimeWarning, stacklevel=4)
