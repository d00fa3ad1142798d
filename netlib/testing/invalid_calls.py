"""Calls that a layer must reject with a clear error."""

from __future__ import annotations

import numpy as np

from ..arrays import Shape
from ..errors import NetlibError
from .layer_under_test import LayerUnderTest, backward, douts_for, forward, parameter_gradients
from .rule import DoesNotApply, Rule


def _backward_before_forward(tested: LayerUnderTest) -> str:
    douts = douts_for(forward(tested.layer(), tested.inputs()))
    layer = tested.layer()
    for _, each in layer.walk():
        vars(each).pop("_cache", None)
    try:
        backward(layer, douts)
    except Exception as error:
        if _is_clear(error, (RuntimeError, TypeError, ValueError), ("forward",)):
            return ""
        return f"{type(error).__name__}: {error}"
    if _has_run(tested):
        raise DoesNotApply("the layer has run forward before")
    return "no error"


def _wrong_dout_shape(tested: LayerUnderTest) -> str:
    layer = tested.layer()
    douts = douts_for(forward(layer, tested.inputs()))
    for i, d in enumerate(douts):
        accepts_number = layer.n_nondifferentiable_inputs > 0 or hasattr(layer, "reduction")  # a loss: one number for all terms
        for shape in _other_shapes(d.shape, with_scalar=not accepts_number):
            layer = tested.layer()
            forward(layer, tested.inputs())
            try:
                backward(layer, [*douts[:i], np.ones(shape, d.dtype), *douts[i + 1 :]])
            except Exception as error:
                if not _names_shapes(error):
                    return f"{type(error).__name__}: {error}, for a dout of shape {shape} where y has {d.shape}"
                if any(g.any() for g in parameter_gradients(layer).values()):
                    return f"gradients changed by a dout of shape {shape} that was rejected, where y has {d.shape}"
            else:
                return f"no error for a dout of shape {shape} where y has {d.shape}"
    return ""


def _wrong_input_shape(tested: LayerUnderTest) -> str:
    inputs = tested.inputs()
    for i, x in enumerate(inputs):
        if x.ndim:
            larger = np.concatenate([x, x[..., -1:]], axis=-1)
            try:
                forward(tested.layer(), [*inputs[:i], larger, *inputs[i + 1 :]])
            except Exception as error:
                if not _names_shapes(error):
                    return f"{type(error).__name__}: {error}, for input {i} of shape {larger.shape} instead of {x.shape}"
    return ""


def _has_run(tested: LayerUnderTest) -> bool:
    """Return whether each attribute that forward assigns already had a value of the same type."""
    layer = tested.layer()
    before = {path: dict(vars(each)) for path, each in layer.walk()}
    forward(layer, tested.inputs())
    now = {path: vars(each) for path, each in layer.walk()}
    pairs = [(before[path].get(name), new) for path, held in now.items() for name, new in held.items()]
    changed = [(old, new) for old, new in pairs if old is not new]
    return bool(changed) and all(type(old) is type(new) for old, new in changed)


def _other_shapes(shape: Shape, with_scalar: bool) -> list[Shape]:
    """Return shapes that differ from `shape`, among them those that NumPy would broadcast to it."""
    shapes = {shape[1:], (*shape, 1), (2, *shape), (7,)}
    shapes |= {(*shape[:i], 1, *shape[i + 1 :]) for i in range(len(shape))}
    return sorted((shapes | {()} if with_scalar else shapes - {()}) - {shape})


def _names_shapes(error: Exception) -> bool:
    words = ("shape", "dimension", "size", "axis", "axes")
    return _is_clear(error, (TypeError, ValueError), words)


def _is_clear(error: Exception, kinds: tuple[type[Exception], ...], words: tuple[str, ...]) -> bool:
    """Return whether it is netlib's own error, or of one of the kinds and with one of the words."""
    if isinstance(error, NetlibError):
        return True
    return isinstance(error, kinds) and any(word in str(error) for word in words)


RULES = {
    "backward before forward": Rule(
        "backward before any forward raises a NetlibError, or an error that mentions forward",
        'raise nl.OrderError("backward came before any forward", where=self)',
        _backward_before_forward,
    ),
    "wrong dout shape": Rule(
        "a dout whose shape is not y's raises an error that names the shapes, and changes nothing",
        "Begin with: if dout.shape != self.shape: "
        'raise nl.ShapeError(f"got dout of shape {dout.shape}, expected {self.shape}", where=self)',
        _wrong_dout_shape,
    ),
    "wrong input shape": Rule(
        "an input of a shape that the layer does not accept raises an error that names the shapes",
        'raise nl.ShapeError(f"got x of shape {x.shape}, expected (…, {self.features})", where=self)',
        _wrong_input_shape,
    ),
}
