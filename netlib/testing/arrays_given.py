"""What a layer may be given: any floating type, integers, any memory layout, any number of rows."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import NetlibError
from ..inspection import cast_copy
from ..layer import Layer
from .case import Case, DoesNotApply, Rule, backward, difference, douts_for, forward, labelled, named, parameter_gradients, run


def _dtype(case: Case) -> str:
    for kind in (np.float16, np.float32, np.float64):
        layer, inputs = _in_dtype(case.original, kind), [x.astype(kind) if x.dtype.kind == "f" else x for x in case.inputs()]
        if not any(x.dtype == kind for x in inputs):
            raise DoesNotApply("no input is of a floating type")
        try:
            with np.errstate(all="ignore"):
                ys = forward(layer, inputs)
                dxs = backward(layer, douts_for(ys))
        except (NetlibError, TypeError, ValueError):
            continue  # it does not take this type
        for name, a in [*labelled("y", ys), *labelled("dx", dxs)]:
            if isinstance(a, np.ndarray | np.generic) and a.dtype != kind:
                return f"{name} is {a.dtype} where inputs and parameters are {np.dtype(kind)}"
    return ""


def _integer_inputs(case: Case) -> str:
    inputs = case.inputs()
    floats = [i for i, x in enumerate(inputs[: len(inputs) - case.original.n_nondifferentiable_inputs]) if x.dtype.kind == "f"]
    if not floats or not all(np.isfinite(inputs[i]).all() for i in floats):
        raise DoesNotApply("no input is of a floating type, or one is not finite")
    for i in floats:
        inputs[i] = np.sign(inputs[i]) * np.ceil(np.abs(inputs[i]))
    with np.errstate(all="ignore"):
        wanted = forward(case.layer(), [x.copy() for x in inputs])
        if not all(np.isfinite(y).all() for y in wanted):
            raise DoesNotApply("y is not finite at whole numbers")
        for i in floats:
            inputs[i] = inputs[i].astype(np.int64)
        got = forward(case.layer(), inputs)
    return difference(*(named("y", [np.asarray(y).astype(np.float32) for y in ys]) for ys in (got, wanted)))


def _memory_layout(case: Case) -> str:
    wanted = run(case.layer(), case.inputs())
    for name, relaid in LAYOUTS.items():
        layer = case.layer()
        ys = forward(layer, [relaid(x) for x in case.inputs()])
        dxs = backward(layer, [relaid(d) for d in douts_for(ys)])
        wrong = difference({**named("y", ys), **named("dx", dxs), **parameter_gradients(layer)}, wanted)
        if wrong:
            return f"with inputs and dout {name}, {wrong}"
    return ""


def _read_only(case: Case) -> str:
    case.unless("inputs unchanged", "dout unchanged")
    layer, inputs = case.layer(), case.inputs()
    for x in inputs:
        x.flags.writeable = False
    ys = forward(layer, inputs)
    douts = douts_for(ys)
    for d in douts:
        d.flags.writeable = False
    backward(layer, douts)
    return ""


def _batch_of_1(case: Case) -> str:
    return _batch_of(1, case)


def _batch_of_0(case: Case) -> str:
    return _batch_of(0, case)


def _in_dtype(layer: Layer, dtype: Any) -> Layer:
    """Return a copy that computes in another type: its parameters, and arrays of the same type."""
    own = {parameter.dtype for parameter in layer.parameters().values()}
    if len(own) != 1:
        return copy.deepcopy(layer)
    return cast_copy(layer, np.dtype(dtype), "check_layer works on copies", own.pop())


def _batch_of(n: int, case: Case) -> str:
    ys, batched = _rows(case)
    layer, inputs = case.layer(), [x[:n] if i in batched else x for i, x in enumerate(case.inputs())]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a mean of nothing is NaN and a warning
        few = forward(layer, inputs)
        dxs = backward(layer, douts_for(few))
    for (name, y), whole in zip(labelled("y", few), ys, strict=True):
        if np.shape(y) != (n, *whole.shape[1:]):
            return f"{name} of shape {np.shape(y)} in place of {(n, *whole.shape[1:])}"
    for (name, dx), x in zip(labelled("dx", dxs), inputs, strict=False):
        if np.shape(dx) != x.shape:
            return f"{name} of shape {np.shape(dx)} in place of {x.shape}"
    nonzero = [name for name, g in parameter_gradients(layer).items() if n == 0 and g.any()]
    return f"{', '.join(nonzero)} not zero" if nonzero else ""


def _rows(case: Case) -> tuple[list[Array], set[int]]:
    """Return the outputs, and which inputs hold samples in their rows: where row 1 in the place of row 0 does so in y, and no more."""
    layer, inputs = case.layer().eval(), case.inputs()
    ys = [np.array(y) for y in forward(layer, inputs)]
    n = len(ys[0]) if all(y.ndim and len(y) == len(ys[0]) for y in ys) else 0
    wanted = [_with_row_1_in_place_of_row_0(y) for y in ys] if n > 1 else ys
    if difference(named("y", wanted), named("y", ys)):
        same = [i for i, x in enumerate(inputs) if x.ndim and len(x) == n]
        for batched in (set(same), set(same[:1])):
            try:
                got = forward(layer, [_with_row_1_in_place_of_row_0(x) if i in batched else x for i, x in enumerate(case.inputs())])
            except (NetlibError, TypeError, ValueError):
                continue
            if not difference(named("y", got), named("y", wanted)):
                return ys, batched
    raise DoesNotApply("the rows of y are not those of separate samples, or fewer than two, or all the same")


def _with_row_1_in_place_of_row_0(x: Array) -> Array:
    x = x.copy()
    x[:1] = x[1:2]
    return x


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "in Fortran order": lambda x: x.copy(order="F"),
    "not contiguous": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "reversed in memory": lambda x: np.asarray(np.flip(np.flip(x).copy())),
}

RULES = {
    "dtype": Rule(
        "outputs and gradients are of the type of inputs and parameters: float16, float32, float64, unless refused",
        "Give constants x's type: np.asarray(c, x.dtype), np.zeros_like(x). A NumPy float64 scalar counts, a plain 2.0 does not.",
        _dtype,
    ),
    "integer inputs": Rule(
        "integers give what the same numbers as floats give",
        "A result array made like x truncates: say its type, np.empty(x.shape, np.float32), or begin with x = x.astype(np.float32).",
        _integer_inputs,
    ),
    "memory layout": Rule(
        "inputs and dout may lie in memory in any way",
        'Use x.reshape and x.ravel(), which go by the indices, rather than order="K", x.data, or strides.',
        _memory_layout,
    ),
    "read-only inputs": Rule(
        "inputs and dout may be read-only",
        "Do not write into them, even if you put the numbers back.",
        _read_only,
    ),
    "batch of 1": Rule(
        "a batch of one row works without a warning, and its output has one row",
        "Name the axis in np.squeeze, and do not divide by the number of rows less one.",
        _batch_of_1,
    ),
    "batch of 0": Rule(
        "a batch without rows works without a warning: an output without rows, and gradients of zero for the parameters",
        "x.reshape(len(x), -1) fails without rows: name the size. x.mean(axis=0) and x.max(axis=0) need a row: return early without one.",
        _batch_of_0,
    ),
}
