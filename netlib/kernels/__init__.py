"""Kernels: the few functions on arrays that take most of the time.

Each is written in NumPy, and most also as loops that numba compiles if the extra `fast` is
installed. Layers, losses, plans and optimizers import kernels by name from the module of their
family. The loops are compiled when the first optimizer is created, that is, just before training,
and those that take long when a network first needs them. A program that only predicts never starts
the compiler.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
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

SLOW_TO_COMPILE = ("attention", "convolution", "recurrent")
"""The families that are compiled when a network first needs them: 10 to 20 seconds each."""

T = TypeVar("T")

VARIABLE = "NETLIB_ACCELERATOR"
SECONDS_BEFORE_NOTICE = 2.0
_is_loaded = False
_has_failed = False
_works: dict[str, bool] = {}
"""Whether the loops of a family that is slow to compile could be compiled."""


def accelerator() -> str:
    """Return which kernels are used: ``"numba"`` if it is installed and works, else ``"numpy"``.

    The environment variable ``NETLIB_ACCELERATOR=numpy`` disables the compiled kernels, and
    ``NETLIB_ACCELERATOR=numba`` requires them. The first call loads the kernels, or compiles them
    if that has not happened on this machine, except for those of convolutions, recurrent layers and
    attention, which are compiled when a network first needs them.

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


def in_use(dtype: np.dtype[Any], family: str = "") -> str:
    """Return which version of the kernels is in use for `dtype`: ``"numpy"`` or ``"numba"``.

    If `family` is slow to compile, pass it: it is compiled now if necessary.
    """
    if not _is_loaded or dtype not in COMPILED:
        return "numpy"
    if family and family not in _works:
        _works[family] = _compile((family,))
    return "numba" if not family or _works[family] else "numpy"


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
    """Compile the kernels if numba is used, except for those that are slow to compile.

    The first time on a machine, it takes a while and prints a notice.
    """
    global _is_loaded, _has_failed  # noqa: PLW0603 - one choice for the process, made once
    if _is_loaded or _has_failed or not wants_numba():
        return
    _is_loaded = _compile([family for family in FAMILIES if family not in SLOW_TO_COMPILE])
    _has_failed = not _is_loaded


def _compile(families: Sequence[str]) -> bool:
    """Compile the loops of the families and use them. Return whether that was possible."""
    start, has_told = monotonic(), False
    try:
        for loops in every(Loops, families):
            if loops.compile() and not has_told and monotonic() - start > SECONDS_BEFORE_NOTICE:
                has_told = True
                if sys.stderr is not None:
                    what = f" of {families[0]}" if len(families) == 1 else ""
                    sys.stderr.write(f"netlib: compiling its fast kernels{what}, once on this machine ...\n")
    except Exception as error:  # a broken installation may raise anything
        _report_failure(error)
        return False
    for kernel in every(Kernel, families):
        kernel.use_loops()
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
