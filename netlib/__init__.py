"""Neural networks out of explicit layers: a backward pass that can be read, checked and seen.

Names are imported on first use, so that ``import netlib`` is fast. `__init__.pyi` has the same
names for type checkers and editors. `layers/__init__.py` and `losses/__init__.py` list the layers
and losses.

Examples
--------
>>> import netlib as nl
>>> model = nl.Sequential(nl.Affine(64, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
>>> model.forward([[0.0] * 64] * 5).shape
(5, 10)
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "containers": "Constant Graph Input Recompute Residual Sequential Weight",
    "drawing": "Drawing draw",
    "derivatives": "Finding GradientReport Note check_gradients jacobian",
    "errors": ("FormatError InvalidTypeError InvalidValueError MissingError NetlibError NonFiniteError OrderError ShapeError"),
    "initializers": "Glorot He Initializer LeCun Normal Orthogonal Uniform Xavier Zeros",
    "kernels": "accelerator",
    "layer": "Layer",
    "node": "Node",
    "optimizers": "AdaGrad Adam AdamW Optimizer RMSProp SGD clip_grad_norm grad_norm schedules",
    "parameter": "Buffer Parameter",
    "training": ("Callback EarlyStopping History LayerStatistics Trainer accuracy confusion_matrix mean_absolute_error r2_score"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
_LISTS = ("layers", "losses")  # their own `__init__` lists what they export
_MODULES = (
    "containers", "data", "derivatives", "layers", "losses", "optimizers", "plot", "testing",
    "training",
)  # fmt: skip


def _listed() -> dict[str, type]:
    """Return every layer and every loss by its name."""
    rooms = [vars(import_module(f".{room}", __name__)) for room in _LISTS]
    return {name: member for room in rooms for name, member in room.items() if isinstance(member, type)}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [*_HOME, *_listed(), "data"]
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif name.startswith("_") or name not in (listed := _listed()):
        raise AttributeError(f"module 'netlib' has no attribute {name!r}")
    else:
        value = listed[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_listed(), *_MODULES, "__all__"})
