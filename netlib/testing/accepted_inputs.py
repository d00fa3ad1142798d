"""Inputs that a layer must accept: floats, integers, any memory layout, any number of rows."""

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
from .differences import copies_by_name, find_difference, with_names
from .layer_under_test import LayerUnderTest, backward, douts_for, forward, parameter_gradients, run
from .rule import DoesNotApply, Rule, skip_if_violated


def _dtype(tested: LayerUnderTest) -> str:
    for kind in (np.float16, np.float32, np.float64):
        layer = _copy_in_dtype(tested.original, kind)
        inputs = [x.astype(kind) if x.dtype.kind == "f" else x for x in tested.inputs()]
        if not any(x.dtype == kind for x in [*inputs, *layer.parameters().values()]):
            raise DoesNotApply("no input and no parameter has a floating type")
        try:
            with np.errstate(all="ignore"):
                ys = forward(layer, inputs)
                dxs = backward(layer, douts_for(ys))
        except (NetlibError, TypeError, ValueError):
            continue  # the layer does not accept this type
        for name, a in [*with_names("y", ys), *with_names("dx", dxs)]:
            if isinstance(a, np.ndarray | np.generic) and a.dtype != kind:
                return f"{name} is {a.dtype}, inputs and parameters are {np.dtype(kind)}"
    return ""


def _integer_inputs(tested: LayerUnderTest) -> str:
    inputs = tested.inputs()
    n_differentiable = tested.original.count_differentiable(len(inputs))
    floats = [i for i, x in enumerate(inputs[:n_differentiable]) if x.dtype.kind == "f"]
    if not floats or not all(np.isfinite(inputs[i]).all() for i in floats):
        raise DoesNotApply("no input has a floating type, or one is not finite")
    for i in floats:
        inputs[i] = np.sign(inputs[i]) * np.ceil(np.abs(inputs[i]))
    with np.errstate(all="ignore"):
        ys = forward(tested.layer(), [x.copy() for x in inputs])
        if not all(np.isfinite(y).all() for y in ys):
            raise DoesNotApply("y is not finite for integers")
        for i in floats:
            inputs[i] = inputs[i].astype(np.int64)
        ys_of_integers = forward(tested.layer(), inputs)
    got, expected = (copies_by_name("y", [np.asarray(y).astype(np.float32) for y in arrays]) for arrays in (ys_of_integers, ys))
    return find_difference(got, expected)


def _memory_layout(tested: LayerUnderTest) -> str:
    expected = run(tested.layer(), tested.inputs())
    for name, in_layout in LAYOUTS.items():
        layer = tested.layer()
        ys = forward(layer, [in_layout(x) for x in tested.inputs()])
        dxs = backward(layer, [in_layout(d) for d in douts_for(ys)])
        got = {**copies_by_name("y", ys), **copies_by_name("dx", dxs), **parameter_gradients(layer)}
        difference = find_difference(got, expected)
        if difference:
            return f"with inputs and dout {name}, {difference}"
    return ""


def _read_only(tested: LayerUnderTest) -> str:
    skip_if_violated(tested, "inputs unchanged", "dout unchanged")
    layer, inputs = tested.layer(), tested.inputs()
    for x in inputs:
        x.flags.writeable = False
    ys = forward(layer, inputs)
    douts = douts_for(ys)
    for d in douts:
        d.flags.writeable = False
    backward(layer, douts)
    return ""


def _batch_of_1(tested: LayerUnderTest) -> str:
    return _batch_of(1, tested)


def _batch_of_0(tested: LayerUnderTest) -> str:
    return _batch_of(0, tested)


def _copy_in_dtype(layer: Layer, dtype: Any) -> Layer:
    """Return a copy that computes in another type: its parameters, and arrays of the same type."""
    own = {parameter.dtype for parameter in layer.parameters().values()}
    if len(own) != 1:
        return copy.deepcopy(layer)
    return cast_copy(layer, np.dtype(dtype), "check_layer works on copies", own.pop())


def _batch_of(n: int, tested: LayerUnderTest) -> str:
    ys, batched = _find_batch(tested)
    layer = tested.layer()
    if any(each.needs_several_samples for _, each in layer.walk()):
        layer.eval()
    inputs = [x[:n] if i in batched else x for i, x in enumerate(tested.inputs())]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a mean of no rows is NaN and warns
        few = forward(layer, inputs)
        dxs = backward(layer, douts_for(few))
    for (name, y), whole in zip(with_names("y", few), ys, strict=True):
        if np.shape(y) != (n, *whole.shape[1:]):
            return f"{name} has shape {np.shape(y)} instead of {(n, *whole.shape[1:])}"
    for i, (dx, x) in enumerate(zip(dxs, inputs, strict=False)):
        if dx is not None and np.shape(dx) != x.shape:
            name = "dx" if len(dxs) == 1 else f"dx[{i}]"
            return f"{name} has shape {np.shape(dx)} instead of {x.shape}"
    nonzero = [name for name, g in parameter_gradients(layer).items() if n == 0 and g.any()]
    return f"not zero without rows: {', '.join(nonzero)}" if nonzero else ""


def _find_batch(tested: LayerUnderTest) -> tuple[list[Array], set[int]]:
    """Return the outputs and the numbers of the inputs whose rows are independent samples.

    They are independent if replacing row 0 by row 1 in these inputs replaces row 0 by row 1 in y,
    and changes nothing else.
    """
    layer, inputs = tested.layer().eval(), tested.inputs()
    ys = [np.array(y) for y in forward(layer, inputs)]
    n = len(ys[0]) if all(y.ndim and len(y) == len(ys[0]) for y in ys) else 0
    expected = [_with_row_0_replaced(y) for y in ys] if n > 1 else ys
    if find_difference(copies_by_name("y", expected), copies_by_name("y", ys)):
        same = [i for i, x in enumerate(inputs) if x.ndim and len(x) == n]
        for batched in (set(same), set(same[:1])):
            try:
                changed = [_with_row_0_replaced(x) if i in batched else x for i, x in enumerate(tested.inputs())]
                got = forward(layer, changed)
            except (NetlibError, TypeError, ValueError):
                continue
            if not find_difference(copies_by_name("y", got), copies_by_name("y", expected)):
                return ys, batched
    raise DoesNotApply("the rows of y are not independent samples, fewer than two, or all equal")


def _with_row_0_replaced(x: Array) -> Array:
    """Return a copy whose row 0 is row 1."""
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
        "outputs and gradients have the dtype of inputs and parameters, for every dtype that is accepted",
        "Create constants in x's dtype: np.asarray(c, x.dtype), np.zeros_like(x). "
        "A NumPy float64 scalar promotes the result, a Python float does not.",
        _dtype,
    ),
    "integer inputs": Rule(
        "integers give the same results as the same numbers in floating point",
        "np.empty_like(x) of integers truncates: write np.empty(x.shape, np.float32), or begin with x = x.astype(np.float32).",
        _integer_inputs,
    ),
    "memory layout": Rule(
        "inputs and dout may have any memory layout",
        'Use x.reshape and x.ravel(), which follow the indices, not order="K", x.data, or strides.',
        _memory_layout,
    ),
    "read-only inputs": Rule(
        "inputs and dout may be read-only",
        "Do not write into them, even if you restore the numbers afterwards.",
        _read_only,
    ),
    "batch of 1": Rule(
        "a batch of one row works without a warning, and the output has one row",
        "Pass axis to np.squeeze, and do not divide by the number of rows minus one.",
        _batch_of_1,
    ),
    "batch of 0": Rule(
        "a batch of no rows works without a warning: the output has no rows, parameter gradients are 0",
        "x.reshape(len(x), -1) fails for no rows: pass the size. x.mean(axis=0) and x.max(axis=0) need a row: return early without one.",
        _batch_of_0,
    ),
}
