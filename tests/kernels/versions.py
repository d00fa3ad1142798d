"""Which version of the kernels is in use, for the time of a test."""

from functools import cache
from itertools import product

import numpy as np

import netlib as nl
from netlib import kernels
from netlib.kernels.kernel import COMPILED, Kernel, Loops

IN_USE = ["numpy", "numba"] if nl.accelerator() == "numba" else ["numpy"]
VERSIONS = ["loops in Python", *IN_USE]
"""The mutation test changes loops in Python, which can be tested without numba."""


def in_python(loops):
    """The loops as they are written, refusing what the compiled ones refuse."""

    def run(*arguments):
        for argument in arguments:
            if isinstance(argument, np.ndarray) and not (argument.flags.c_contiguous and argument.flags.aligned):
                raise TypeError("No matching definition: not C-contiguous")
        return loops.__wrapped__(*arguments)

    return run if loops.signature else loops.__wrapped__


@cache
def compiled(loops):
    twin = Loops(loops.__wrapped__, loops.signature)
    for dtype in COMPILED:
        twin.compile(dtype)
    return twin.run


def use(version, monkeypatch):
    """Let every kernel be run in a version until the test ends."""
    monkeypatch.setattr(kernels, "_is_loaded", version == "numba")
    monkeypatch.setattr(kernels, "_works", dict.fromkeys(product(kernels.FAMILIES, COMPILED), True))
    for loops in kernels.every(Loops):
        monkeypatch.setattr(loops, "run", compiled(loops) if version == "numba" else in_python(loops))
    for kernel in kernels.every(Kernel):
        monkeypatch.setattr(kernel, "of", kernel.of)
        if version == "numpy":
            kernel.use_numpy()
        else:
            kernel.use_loops(lambda dtype: True)
