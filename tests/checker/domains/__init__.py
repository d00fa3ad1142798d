"""Correct layers that are defined on a part of all numbers, by a writer who knew no rule of the checker.

Each module has LAYERS, a dict from name to ``make(rng)``, which returns a layer and inputs of its
domain. MOVES says, where that is not everywhere, along what each input may move: rows whose sum
stays, symmetric matrices, unit vectors …; PARAMETER_MOVES the same of parameters. TOLERANCE holds
the errors of forwards that approximate. `referee` proves them with these, without the checker.
"""

from types import ModuleType

from . import (
    approximations,
    contracts,
    finance,
    geometry,
    graphs,
    images,
    interpolation,
    losses_on_probabilities,
    matrices,
    physics,
    quantisation,
    sequences,
    signals,
    statistics,
)

MODULES: dict[str, ModuleType] = {
    module.__name__.rsplit(".", 1)[-1]: module
    for module in (
        approximations, contracts, finance, geometry, graphs, images, interpolation, losses_on_probabilities, matrices, physics,
        quantisation, sequences, signals, statistics,
    )
}  # fmt: skip
