"""The few functions on arrays that decide the speed: each in NumPy, and in loops that numba compiles where the `fast` extra is installed.

A kernel is one entry in the file of its family, which layers, losses, plans and optimizers import by name. Compiled loops come in when the
first optimizer is made, that is, when a model is about to be trained; whoever only looks at a network never waits for a compiler.
"""

from __future__ import annotations

from importlib import import_module
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


def accelerator() -> str:
    """Return what speeds training up: ``"numba"`` where the `fast` extra is installed, else ``"numpy"``.

    The environment variable ``NETLIB_ACCELERATOR=numpy`` switches the compiled kernels off; ``numba`` insists on them.

    Raises
    ------
    InvalidValueError
        Where the variable says anything else, or asks for numba and it is not installed.

    Examples
    --------
    >>> accelerator() in ("numba", "numpy")
    True
    """
    import os
    from importlib.util import find_spec

    wish = os.environ.get(VARIABLE, "")
    if wish not in ("", "numba", "numpy"):
        raise InvalidValueError(f"{VARIABLE} is {wish!r}, wanted 'numba' or 'numpy'", where="netlib.accelerator")
    is_there = find_spec("numba") is not None
    if wish == "numba" and not is_there:
        hint = "Install it with: pip install 'netlib[fast]'"
        raise InvalidValueError(f"{VARIABLE} is 'numba', which is not installed", where="netlib.accelerator", hint=hint)
    return "numba" if is_there and wish != "numpy" else "numpy"


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
    global _is_loaded  # noqa: PLW0603 - one choice for the process, made once
    if _is_loaded or accelerator() == "numpy":
        return
    import sys
    from threading import Timer

    notice = "netlib: compiling its fast kernels, once on this machine …\n"
    timer = Timer(SECONDS_OF_SILENCE, lambda: sys.stderr.write(notice))
    timer.daemon = True
    timer.start()
    try:
        for loops in every(Loops):
            loops.compile()
    finally:
        timer.cancel()
    for kernel in every(Kernel):
        kernel.use_loops()
    _is_loaded = True
