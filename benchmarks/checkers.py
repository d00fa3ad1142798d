"""Ten broken layers and three gradient checkers: netlib's, gradcheck (PyTorch), check_grads (JAX).

Run ``python -m benchmarks.checkers`` (extra `bench`) for the table in
docs/ten-ways-to-get-backward-wrong.md. PyTorch gets each layer of `examples/broken_layers.py` as a
custom autograd function, JAX as a function with a custom vjp; both call the forward and backward
that netlib checks.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import netlib as nl

TEN = ("Affine1", "Affine2", "Affine3", "Affine4", "ReLU1", "ReLU2", "Sigmoid1", "Softmax1", "Dropout2", "Block2")


def exercises() -> ModuleType:
    """Return the module of broken layers, which is not part of a package."""
    path = Path(__file__).parents[1] / "examples" / "broken_layers.py"
    spec = importlib.util.spec_from_file_location("broken_layers", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["broken_layers"] = module
    spec.loader.exec_module(module)
    return module


def run(layer: nl.Layer, arrays: list[Any], dout: Any = None) -> Any:
    """Return y for an input and values of the parameters; with a dout, all gradients instead."""
    x, *values = arrays
    parameters = list(layer.parameters().values())
    for parameter, value in zip(parameters, values, strict=True):
        parameter.value = value
    y = layer.forward(x)
    if dout is None:
        return y
    layer.zero_grad()
    dx = layer.backward(dout)
    return [np.asarray(dx), *(p.grad.copy() for p in parameters)]


def check_by_torch(layer: nl.Layer, x: Any) -> str:
    """Return the result of PyTorch's checker."""
    import torch

    class Function(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            return torch.from_numpy(np.array(run(layer, [t.detach().numpy() for t in tensors])))

        @staticmethod
        def backward(ctx: Any, dout: Any) -> Any:
            arrays = [t.detach().numpy() for t in ctx.saved_tensors]
            return tuple(torch.from_numpy(np.array(g)) for g in run(layer, arrays, dout.numpy()))

    arrays = [x, *(p.value for p in layer.parameters().values())]
    try:
        torch.autograd.gradcheck(Function.apply, [torch.tensor(a, requires_grad=True) for a in arrays])
    except Exception as error:
        return str(error)
    return "passes"


def check_by_jax(layer: nl.Layer, x: Any) -> str:
    """Return the result of JAX's checker."""
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    arrays = [x, *(p.value.copy() for p in layer.parameters().values())]
    shape = jax.ShapeDtypeStruct(np.shape(run(layer, arrays)), np.float64)
    shapes = [jax.ShapeDtypeStruct(a.shape, np.float64) for a in arrays]

    def forward(*xs: Any) -> Any:
        return jax.pure_callback(lambda *given: np.asarray(run(layer, [*map(np.array, given)])), shape, *xs)

    def backward(xs: Any, dout: Any) -> Any:
        return jax.pure_callback(lambda d, *given: run(layer, [*map(np.array, given)], np.array(d)), shapes, dout, *xs)

    function = jax.custom_vjp(forward)
    function.defvjp(lambda *xs: (function(*xs), xs), lambda xs, dout: tuple(backward(xs, dout)))
    try:
        check_grads(function, arrays, order=1, modes=["rev"])
    except Exception as error:
        return str(error)
    return "passes"


def check_by_netlib(layer: nl.Layer, x: Any) -> str:
    """Return the result of netlib's checker."""
    report = nl.check_gradients(layer, x)
    return "passes" if report.ok else "\n".join(finding.message for finding in report.findings)


def shorten(text: str) -> str:
    """Return the first lines of a long message, or the last line of a traceback."""
    lines = text.splitlines()
    if "Traceback" in lines[0]:
        return next(line for line in lines if "Error: " in line)
    return "\n".join(lines if len(lines) < 12 else [*lines[:2], f"… and {len(lines) - 2} lines more"])


def main() -> None:
    """Print the message of each checker for each layer."""
    by_name = {exercise.layer.__name__: exercise for exercise in exercises().EXERCISES}
    for name in TEN:
        exercise = by_name[name]
        (x,) = exercise.arrays(0)
        print(f"## {name}: {exercise.layer.__doc__}\n")
        for who, check in (("netlib", check_by_netlib), ("PyTorch", check_by_torch), ("JAX", check_by_jax)):
            print(f"{who}\n\n```text\n{shorten(check(exercise.layer(), x).strip())}\n```\n")


if __name__ == "__main__":
    main()
