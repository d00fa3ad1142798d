"""A chain of layers for one shape of input, whose work arrays are used again at every step.

A training loop shows a container the same shape time after time. From the second time on a chain runs by its plan: no check is
repeated, matrix products go straight into arrays that are there already, and an `Affine` runs together with the `ReLU` behind it. The
mathematics is that of the layers, and so is what they keep: each layer's cache is set, so that its own backward works as after its own
forward.

Who may see a work array: the plan, and netlib's own layers, which keep copies and return new arrays. What comes from a caller or
from a user's layer is copied, and what goes to them is new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..kernels import bias_relu, in_use
from ..layers.affine import Affine
from ..layers.relu import ReLU
from .program import gradients_of, locate

if TYPE_CHECKING:
    from ..arrays import Array, Shape
    from ..layer import Layer
    from .program import Program, Step, Zeros


class Op(NamedTuple):
    """What is done for one layer, or for two in one go: the layer that dout reaches first, and the three directions."""

    step: Step
    forward: Callable[[Any], Any]
    backward: Callable[[Any], Any]
    backward_parameters: Callable[[Any], Any]


class Plan:
    """The operations of a chain for inputs of one shape and type. They are made during the first forward, which shows what comes by."""

    def __init__(self, program: Program, shape: Shape, dtype: np.dtype[Any], kernels: str) -> None:
        self.shape, self.dtype, self.kernels = shape, dtype, kernels
        self.is_current = program.is_current
        self._steps = program.steps
        self._ops: list[Op] = []

    def forward(self, x: Array) -> Any:
        """Run the operations and return the output."""
        if not self._ops:
            return self._make(x)
        step = None
        try:
            for op in self._ops:
                step = op.step
                x = op.forward(x)
        except Exception as error:
            locate(error, step)
            raise
        return x

    def backward(self, douts: Sequence[Array], zeros: Zeros, input_gradient: bool) -> list[Any]:
        """Run the operations in reverse; return what `Program.backward` returns."""
        dout: Any = douts[0]
        step = None
        first, *others = self._ops
        try:
            for op in reversed(others):
                step = op.step
                dout = op.backward(dout)
                if dout is None or type(dout) is tuple:
                    (dout,) = gradients_of(step, dout)
                    if dout is None:
                        return [None]
            step = first.step
            dout = first.backward(dout) if input_gradient else first.backward_parameters(dout)
            if type(dout) is tuple and input_gradient:
                (dout,) = gradients_of(step, dout)
        except Exception as error:
            locate(error, step, self._steps)
            raise
        return [dout]

    def _make(self, x: Any) -> Any:
        ops: list[Op] = []
        layers: list[Any] = [step.layer for step in self._steps]
        i, n_before = 0, 0
        while i < len(layers):
            n = _how_many_in_one_go(layers[i : i + 2], x)
            if n and x.shape[1] == layers[i].in_features:
                neighbours = Neighbours(
                    gives_work=n_before > 0,
                    takes_work=i > 0 and is_ours(layers[i - 1]),
                    wants_work=i + n < len(layers) and is_ours(layers[i + n]),
                    sends_work=_how_many_in_one_go(layers[i + n : i + n + 2], x) > 0,
                )
                ops.append(_affine(self._steps[i], self._steps[i + n - 1], x, neighbours))
            else:
                layer = layers[i]
                ops.append(Op(self._steps[i], layer.forward, layer.backward, layer.backward_parameters))
            try:
                x = ops[-1].forward(x)
            except Exception as error:
                locate(error, ops[-1].step)
                raise
            i, n_before = i + (n or 1), n
        self._ops = ops
        return x


class Neighbours(NamedTuple):
    """What stands around an operation: whether its arrays may be work arrays."""

    gives_work: bool
    """x is the same work array every time: the operation before is planned too."""
    takes_work: bool
    """dx may be a work array: the layer before is netlib's own."""
    wants_work: bool
    """y may be a work array: the layer behind is netlib's own."""
    sends_work: bool
    """dout is a work array, of the right shape and type: the operation behind is planned too."""


class Plans:
    """The plans of a program that is a chain, for the few shapes that came by last."""

    MOST = 4

    def __init__(self, program: Program) -> None:
        self._program = program
        self._attributes = [vars(step.layer) for step in program.steps]
        self._plans: list[Plan] = []
        self._seen: list[tuple[Shape, np.dtype[Any]]] = []

    def find(self, x: Any) -> Plan | None:
        """Return the plan for `x`; None when its like is seen for the first time, or where a layer is watched from outside."""
        if type(x) is not np.ndarray:
            return None
        for attributes in self._attributes:
            if "forward" in attributes or "backward" in attributes:
                return None
        kernels = in_use(x.dtype)
        for plan in self._plans:
            if plan.shape == x.shape and plan.dtype is x.dtype and plan.kernels == kernels:
                return plan
        like = x.shape, x.dtype
        if like not in self._seen:
            self._seen = [*self._seen[1 - self.MOST :], like]
            return None
        plan = Plan(self._program, *like, kernels)
        self._plans = [*self._plans[1 - self.MOST :], plan]
        return plan


def is_ours(layer: Layer) -> bool:
    """Whether a layer is one of netlib's own."""
    return type(layer).__module__.startswith("netlib.layers.")


def _how_many_in_one_go(layers: Sequence[Layer], x: Any) -> int:
    affine = layers[0] if layers else None
    if type(affine) is not Affine or type(x) is not np.ndarray or x.ndim != 2 or x.dtype is not affine.dtype or affine.bias is None:
        return 0
    return 2 if type(layers[-1]) is ReLU else 1


def _affine(step: Step, last: Step, like: Array, around: Neighbours) -> Op:
    """Return the operation of an `Affine`, together with the `ReLU` at the step `last` if that is another."""
    affine: Any = step.layer
    relu = last.layer if last is not step else None
    gives_work, takes_work, wants_work, sends_work = around
    shape, dtype = (len(like), affine.out_features), like.dtype
    x = like if gives_work else np.empty_like(like, order="C")
    work = np.empty(shape, dtype) if wants_work else None
    positive = np.empty(shape, np.bool_)
    masked = None if relu is None or sends_work else np.empty(shape, dtype)
    dx = np.empty_like(x) if takes_work else None
    dbias = np.empty(shape[1], dtype)
    x_transposed = x.T
    add_bias, add_bias_relu = bias_relu.add_bias.of(dtype), bias_relu.add_bias_relu.of(dtype)
    sum_rows, relu_backward = bias_relu.sum_rows.of(dtype), bias_relu.relu_backward.of(dtype)
    affine_cache, relu_cache = (shape, dtype, (x,)), (shape, dtype, (positive,))

    def forward(given: Array) -> Array:
        if not gives_work:
            x[...] = given
        y: Array = x.dot(affine.weight.value, work)
        affine._cache = affine_cache
        if relu is None:
            add_bias(y, affine.bias.value)
        else:
            add_bias_relu(y, affine.bias.value, positive)
            relu._cache = relu_cache
        return y

    def backward_parameters(dout: Array) -> Array:
        if not sends_work:
            dout = last.layer._recall(dout)[0]
            dout = dout if dout.flags.carray else dout.copy()
        if relu is None:
            sum_rows(dout, dbias)
        else:
            through = dout if masked is None else masked
            relu_backward(dout, positive, through, dbias)
            dout = through
        affine.weight.add_grad_product(x_transposed, dout)
        affine.bias.add_grad(dbias)
        return dout

    def backward(dout: Array) -> Array:
        return backward_parameters(dout).dot(affine.weight.value.T, dx)

    return Op(last, forward, backward, backward_parameters)
