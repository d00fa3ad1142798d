"""Ten broken layers and three gradient checkers: netlib's, gradcheck (PyTorch), check_grads (JAX).

Run ``python -m benchmarks.checkers`` (extra `bench`) for the table in
docs/ten-ways-to-get-backward-wrong.md. PyTorch gets each layer of `examples/broken_layers.py` as a
custom autograd function, JAX as a function with a custom vjp; both call the forward and backward
that netlib checks.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
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


def as_tuple(arrays: Any) -> tuple[Any, ...]:
    """Return the arrays as a tuple, also if there is only one."""
    return arrays if isinstance(arrays, tuple) else (arrays,)


def as_function(layer: nl.Layer, inputs: tuple[Any, ...]) -> tuple[Callable[..., Any], list[Any]]:
    """Return the layer as a function of all that has a gradient, and the arrays to call it with."""
    n = len(inputs) - layer.n_nondifferentiable_inputs
    parameters = list(layer.parameters().values())

    def function(arrays: list[Any], *douts: Any) -> list[Any]:
        """Return the outputs; with upstream gradients, the gradients of the arrays instead."""
        for parameter, value in zip(parameters, arrays[n:], strict=True):
            parameter.value = value
        outputs = layer.forward(*arrays[:n], *inputs[n:])
        if not douts:
            return [np.array(y) for y in as_tuple(outputs)]
        layer.zero_grad()
        gradients = layer.backward(douts if layer.n_outputs > 1 else douts[0])
        return [np.array(g) for g in (*as_tuple(gradients)[:n], *(p.grad for p in parameters))]

    return function, [*inputs[:n], *(p.value.copy() for p in parameters)]


def check_by_torch(layer: nl.Layer, *inputs: Any) -> str:
    """Return the result of PyTorch's checker."""
    import torch

    function, arrays = as_function(layer, inputs)

    class Function(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            return tuple(torch.from_numpy(y) for y in function([t.detach().numpy() for t in tensors]))

        @staticmethod
        def backward(ctx: Any, *douts: Any) -> Any:
            arrays = [t.detach().numpy() for t in ctx.saved_tensors]
            return tuple(torch.from_numpy(g) for g in function(arrays, *(d.numpy() for d in douts)))

    try:
        torch.autograd.gradcheck(Function.apply, [torch.tensor(a, requires_grad=True) for a in arrays])
    except Exception as error:
        return str(error)
    return "passes"


def check_by_jax(layer: nl.Layer, *inputs: Any) -> str:
    """Return the result of JAX's checker."""
    import jax
    from jax.test_util import check_grads

    function, arrays = as_function(layer, inputs)
    n = len(arrays)

    def callback(*arguments: Any) -> Any:
        xs_and_douts = [np.array(a) for a in arguments]
        return function(xs_and_douts[:n], *xs_and_douts[n:])

    def forward(*xs: Any) -> Any:
        return jax.pure_callback(callback, outputs, *xs)

    def backward(xs: Any, douts: Any) -> Any:
        return tuple(jax.pure_callback(callback, gradients, *xs, *douts))

    with_vjp = jax.custom_vjp(forward)
    with_vjp.defvjp(lambda *xs: (with_vjp(*xs), xs), backward)
    try:
        with jax.enable_x64(True):
            example = function(arrays)
            outputs = [jax.ShapeDtypeStruct(y.shape, y.dtype) for y in example]
            gradients = [jax.ShapeDtypeStruct(g.shape, g.dtype) for g in function(arrays, *example)]
            check_grads(with_vjp, arrays, order=1, modes=["rev"])
    except Exception as error:
        return str(error)
    return "passes"


def check_by_netlib(layer: nl.Layer, *inputs: Any) -> str:
    """Return the result of netlib's checker."""
    report = nl.check_gradients(layer, *inputs)
    return "passes" if report.ok else "\n".join(finding.message for finding in report.findings)


def shorten(text: str) -> str:
    """Return the first lines of a long message."""
    lines = text.splitlines()
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
