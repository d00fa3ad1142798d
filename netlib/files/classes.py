"""The classes that a file may name: netlib's own, and nothing else."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .. import containers, initializers, layers, losses
from ..initializers import Initializer
from ..layer import Layer


def _classes_in(module: ModuleType, kind: type) -> dict[str, type]:
    return {name: each for name, each in vars(module).items() if isinstance(each, type) and issubclass(each, kind)}


LAYERS: dict[str, type[Layer]] = {
    **_classes_in(layers, Layer),
    **_classes_in(losses, Layer),
    **_classes_in(containers, Layer),
}


def is_own(kind: type) -> bool:
    """Return whether a class of layers is netlib's own, so that a file need only name it."""
    return LAYERS.get(kind.__name__) is kind


INITIALIZERS: dict[str, type[Initializer]] = _classes_in(initializers, Initializer)
BIT_GENERATORS: dict[str, Any] = {
    each.__name__: each for each in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)
}
