"""Neural networks out of explicit layers: a backward pass that can be read, checked and seen.

Names are imported when they are first used, so that ``import netlib`` costs nothing; `__init__.pyi` lists the same names for
type checkers and editors.

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
    "containers": "Constant Graph Input Residual Sequential Weight",
    "drawing": "Drawing draw",
    "derivatives": "Finding GradientReport Note check_gradients jacobian",
    "errors": ("FormatError InvalidTypeError InvalidValueError MissingError NetlibError NonFiniteError OrderError ShapeError"),
    "initializers": "Glorot He Initializer LeCun Normal Orthogonal Uniform Xavier Zeros",
    "kernels": "accelerator",
    "layer": "Layer Parameter",
    "layers": (
        "Add Affine Concatenate Divide Dot Dropout ELU Flatten GELU Identity LeakyReLU LogSoftmax MatMul Mean Multiply "
        "ReLU Reshape SiLU Sigmoid Softmax Softplus Subtract Sum Tanh Transpose"
    ),
    "losses": "Hinge Huber Loss MeanAbsoluteError MeanSquaredError SigmoidCrossEntropy SoftmaxCrossEntropy",
    "node": "Node",
    "optimizers": "AdaGrad Adam AdamW Optimizer RMSProp SGD clip_grad_norm grad_norm schedules",
    "training": "Callback EarlyStopping History LayerStatistics Trainer accuracy confusion_matrix mean_absolute_error r2_score",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
_MODULES = ("containers", "data", "derivatives", "layers", "losses", "optimizers", "plot", "testing", "training")

__all__ = [*_HOME, "data"]  # noqa: PLE0604 - names are strings; they come out of the table above


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif name in _MODULES:
        return import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module 'netlib' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
