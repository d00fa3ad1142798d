"""The few passes over arrays that decide the speed, by name: each in NumPy, and compiled where the `fast` extra is installed.

Layers, losses, plans and optimizers call ``passes_for(dtype).name(…)``. Compiled passes come in when the first optimizer is made, that is,
when a model is about to be trained; whoever only looks at a network never waits for a compiler.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from ..errors import InvalidValueError
from . import numpy_passes

VARIABLE = "NETLIB_ACCELERATOR"
SECONDS_OF_SILENCE = 2.0
_compiled: ModuleType | None = None


def passes_for(dtype: np.dtype[Any]) -> ModuleType:
    """Return the passes in use for arrays of `dtype`: a module with one function a pass."""
    return numpy_passes if _compiled is None or dtype.char not in "fd" else _compiled


def accelerator() -> str:
    """Return what speeds training up: ``"numba"`` where the `fast` extra is installed, else ``"numpy"``.

    The environment variable ``NETLIB_ACCELERATOR=numpy`` switches the compiled passes off; ``numba`` insists on them.

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
        mend = "Install it with: pip install 'netlib[fast]'"
        raise InvalidValueError(f"{VARIABLE} is 'numba', which is not installed", where="netlib.accelerator", mend=mend)
    return "numba" if is_there and wish != "numpy" else "numpy"


def load_compiled() -> None:
    """Bring the compiled passes in, if they are to be used. The first time on a machine that takes a while, and says so."""
    global _compiled  # noqa: PLW0603 - one set of passes for the process, chosen once
    if _compiled is not None or accelerator() == "numpy":
        return
    import sys
    from threading import Timer

    notice = "netlib: compiling its fast passes, once on this machine …\n"
    timer = Timer(SECONDS_OF_SILENCE, lambda: sys.stderr.write(notice))
    timer.daemon = True
    timer.start()
    try:
        from . import numba_passes
    finally:
        timer.cancel()
    _compiled = numba_passes
