"""What a layer refuses, and in which words."""

from __future__ import annotations

import numpy as np

from ..arrays import Shape
from ..errors import NetlibError
from .case import Case, DoesNotApply, Rule, backward, douts_for, forward, parameter_gradients


def _backward_first(case: Case) -> str:
    douts = douts_for(forward(case.layer(), case.inputs()))
    layer = case.layer()
    for _, each in layer.walk():
        vars(each).pop("_cache", None)
    try:
        backward(layer, douts)
    except Exception as error:
        clear = isinstance(error, NetlibError) or (isinstance(error, RuntimeError | TypeError | ValueError) and "forward" in str(error))
        return "" if clear else f"{type(error).__name__}: {error}"
    if _has_run(case):
        raise DoesNotApply("the layer came with a forward behind it")
    return "no error"


def _wrong_dout_shape(case: Case) -> str:
    layer = case.layer()
    douts = douts_for(forward(layer, case.inputs()))
    for i, d in enumerate(douts):
        for shape in _other_shapes(d.shape, or_a_number=not layer.n_nondifferentiable_inputs):  # a loss takes a number for all terms
            layer = case.layer()
            forward(layer, case.inputs())
            try:
                backward(layer, [*douts[:i], np.ones(shape, d.dtype), *douts[i + 1 :]])
            except Exception as error:
                if not _names_shapes(error):
                    return f"{type(error).__name__}: {error}, for a dout of shape {shape} where y has {d.shape}"
                if any(g.any() for g in parameter_gradients(layer).values()):
                    return f"gradients that a refused dout of shape {shape} has changed, where y has {d.shape}"
            else:
                return f"no error for a dout of shape {shape} where y has {d.shape}"
    return ""


def _wrong_input_shape(case: Case) -> str:
    inputs = case.inputs()
    for i, x in enumerate(inputs):
        if x.ndim:
            larger = np.concatenate([x, x[..., -1:]], axis=-1)
            try:
                forward(case.layer(), [*inputs[:i], larger, *inputs[i + 1 :]])
            except Exception as error:
                if not _names_shapes(error):
                    return f"{type(error).__name__}: {error}, for input {i} of shape {larger.shape} in place of {x.shape}"
    return ""


def _has_run(case: Case) -> bool:
    """Return whether all that forward assigns was there before, and of the same kind."""
    layer = case.layer()
    before = {path: dict(vars(each)) for path, each in layer.walk()}
    forward(layer, case.inputs())
    changed = [(before[path].get(key), value) for path, each in layer.walk() for key, value in vars(each).items()]
    changed = [(old, new) for old, new in changed if old is not new]
    return bool(changed) and all(type(old) is type(new) for old, new in changed)


def _other_shapes(shape: Shape, or_a_number: bool) -> list[Shape]:
    """Return shapes that are not `shape`, among them those that NumPy would broadcast to it."""
    shapes = {shape[1:], (*shape, 1), (2, *shape), (7,), *((*shape[:i], 1, *shape[i + 1 :]) for i in range(len(shape)))}
    return sorted((shapes | {()} if or_a_number else shapes - {()}) - {shape})


def _names_shapes(error: Exception) -> bool:
    words = ("shape", "dimension", "size", "axis", "axes")
    return isinstance(error, NetlibError) or (isinstance(error, TypeError | ValueError) and any(word in str(error) for word in words))


RULES = {
    "backward first": Rule(
        "backward before any forward is refused with a NetlibError, or an error that names forward",
        'raise nl.OrderError("backward came before any forward", where=self)',
        _backward_first,
    ),
    "wrong dout shape": Rule(
        "a dout of another shape than y's is refused, with an error that names the shapes, and changes nothing",
        'Begin with: if dout.shape != self.shape: raise nl.ShapeError(f"got dout of shape {dout.shape}, wanted {self.shape}", where=self)',
        _wrong_dout_shape,
    ),
    "wrong input shape": Rule(
        "an input of a shape that the layer does not take is refused with an error that names the shapes",
        'raise nl.ShapeError(f"got x of shape {x.shape}, wanted (…, {self.features})", where=self)',
        _wrong_input_shape,
    ),
}
