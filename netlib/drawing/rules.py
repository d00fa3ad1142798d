"""The local rule of each layer: its forward and its backward, in a line each.

A rule is text. Words that are the layer's own names stand for arrays: the inputs as its forward calls them (x1, x2, … where it takes
any number), its parameters by their attributes, the output y (L where an input is called y already), and with a d before them their
gradients; ᵀ after a word transposes. ``·`` is the matrix product, ``⊙`` the product element by element, ``[x > 0]`` is 1 where that
holds and 0 elsewhere. All other words are text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from numpy.lib.array_utils import normalize_axis_tuple

from .. import layers, losses
from ..arrays import Shape
from ..containers.residual import ResidualAdd
from ..layer import Layer


def rule_of(layer: Layer, inputs: Sequence[str], shapes: Sequence[Shape], output: Shape) -> str:
    """Return the rule of `layer` in lines; empty where it has none.

    A layer of one's own says it by an attribute ``rule``.

    Parameters
    ----------
    layer : Layer
    inputs : sequence of str
        What its forward calls its inputs.
    shapes : sequence of tuple of int
        Of the inputs.
    output : tuple of int
        The shape of the output.

    Examples
    --------
    >>> import netlib as nl
    >>> print(rule_of(nl.MatMul(), ["a", "b"], [(2, 2), (2, 3)], (2, 3)))
    y = a·b
    da = dy·bᵀ
    db = aᵀ·dy
    >>> print(rule_of(nl.Add(), ["x1", "x2"], [(2, 3), (3,)], (2, 3)))
    y = x1 + x2
    dx1 = dy
    dx2 = sum[axis=0](dy)

    >>> class Scale(nl.Layer):
    ...     rule = "y = x ⊙ weight; dx = dy ⊙ weight; dweight = sum[axis=0](dy ⊙ x)"
    >>> print(rule_of(Scale(), ["x"], [(2, 3)], (2, 3)))
    y = x ⊙ weight
    dx = dy ⊙ weight
    dweight = sum[axis=0](dy ⊙ x)
    """
    own = getattr(layer, "rule", None)
    if isinstance(own, str):
        return "\n".join(line.strip() for line in own.replace(";", "\n").splitlines() if line.strip())
    rule = RULES.get(type(layer))
    return "" if rule is None else rule(layer, inputs, list(shapes), output)


Rule = Callable[[Any, Sequence[str], list[Shape], Shape], str]


def _fixed(text: str) -> Rule:
    return lambda layer, inputs, shapes, output: text


def _elementwise(forward: str, **backward: str) -> Rule:
    """Return a rule for inputs that broadcast: the gradient of one that was spread is summed over the axes it was spread along."""

    def rule(layer: Layer, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
        return "\n".join([f"y = {forward}", *(_summed(f"d{a}", backward[a], s, output) for a, s in zip(inputs, shapes, strict=True))])

    return rule


def _add(layer: Layer, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    return _elementwise(" + ".join(inputs), **dict.fromkeys(inputs, "dy"))(layer, inputs, shapes, output)


def _summed(gradient: str, formula: str, shape: Shape, output: Shape) -> str:
    """Return the line for an input of `shape` that was broadcast to `output`."""
    ahead = len(output) - len(shape)
    axes = [i for i, n in enumerate(output) if i < ahead or shape[i - ahead] != n]
    if not axes:
        return f"{gradient} = {formula}"
    return f"{gradient} = sum[axis={_listed(axes)}]({formula})"


def _listed(axes: Sequence[int]) -> str:
    return str(axes[0]) if len(axes) == 1 else f"({', '.join(map(str, axes))})"


def _matmul(layer: layers.MatMul, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    a, b = shapes
    remarks = ["", "", ""]
    if len(a) == len(b) == 1:
        return "y = a·b\nda = dy ⊙ b\ndb = dy ⊙ a"
    if len(a) == 1:
        a, output, remarks = (1, *a), (*output[:-1], 1, output[-1]), [", a as row", ", dy as row", ", a and dy as rows"]
    elif len(b) == 1:
        b, output, remarks = (*b, 1), (*output, 1), [", b as column", ", b and dy as columns", ", dy as column"]
    lines = ["y = a·b", _summed("da", "dy·bᵀ", a, (*output[:-1], a[-1])), _summed("db", "aᵀ·dy", b, (*output[:-2], *b[-2:]))]
    return "\n".join(line + remark for line, remark in zip(lines, remarks, strict=True))


def _affine(layer: layers.Affine, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    lines = ["y = x·weight", "dx = dy·weightᵀ", _summed("dweight", "xᵀ·dy", layer.weight.shape, (*output[:-2], *layer.weight.shape))]
    if len(output) == 1:
        lines[-1] += ", x and dy as rows"
    if layer.bias is not None:
        lines[0] += " + bias"
        lines.append(_summed("dbias", "dy", layer.bias.shape, output))
    return "\n".join(lines)


def _leaky_relu(layer: layers.LeakyReLU, *_: object) -> str:
    slope = f"([x > 0] + {layer.negative_slope:g} [x ≤ 0])"
    return f"y = x ⊙ {slope}\ndx = dy ⊙ {slope}"


def _elu(layer: layers.ELU, *_: object) -> str:
    return f"y = max(0, x) + {layer.alpha:g} (exp(min(0, x)) − 1)\ndx = dy ⊙ ([x > 0] + {layer.alpha:g} exp(x) ⊙ [x ≤ 0])"


def _softmax(layer: layers.Softmax, *_: object) -> str:
    along = f"[axis={layer.axis}]"
    return f"y = exp(x) / sum{along}(exp(x))\ndx = y ⊙ (dy − sum{along}(dy ⊙ y))"


def _log_softmax(layer: layers.LogSoftmax, *_: object) -> str:
    along = f"[axis={layer.axis}]"
    return f"y = x − log(sum{along}(exp(x)))\ndx = dy − exp(y) ⊙ sum{along}(dy)"


def _sum(layer: layers.Sum, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    return f"y = sum{_along(layer)}(x)\ndx = dy, {_spread(layer, shapes[0])}"


def _mean(layer: layers.Mean, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    n = prod(shapes[0]) // max(prod(output), 1)
    return f"y = sum{_along(layer)}(x) / {n}\ndx = dy / {n}, {_spread(layer, shapes[0])}"


def _along(layer: layers.Sum) -> str:
    return "" if layer.axis is None else f"[axis={layer.axis}]"


def _spread(layer: layers.Sum, shape: Shape) -> str:
    return f"spread to {sized(shape)}" + ("" if layer.axis is None else f" along axis {layer.axis}")


def _reshape(layer: Layer, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    return f"y = x, reshaped to {sized(output)}\ndx = dy, reshaped to {sized(shapes[0])}"


def _transpose(layer: layers.Transpose, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    n = len(output)
    backwards = tuple(range(n))[::-1]
    order = backwards if layer.axes is None else normalize_axis_tuple(layer.axes, n)
    if n <= 2 and order == backwards:
        return "y = xᵀ\ndx = dyᵀ"
    back = sorted(range(n), key=order.__getitem__)
    return f"y = x, its axes in the order {_listed(order)}\ndx = dy, its axes in the order {_listed(back)}"


def _concatenate(layer: layers.Concatenate, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    ends, lines = 0, []
    for name, shape in zip(inputs, shapes, strict=True):
        begin, ends = ends, ends + shape[layer.axis]
        lines.append(f"d{name} = dy, piece {begin}:{ends} along axis {layer.axis}")
    return "\n".join([f"y = {', '.join(inputs)}, side by side along axis {layer.axis}", *lines])


def _dropout(layer: layers.Dropout, *_: object) -> str:
    if not layer.training or not layer.p:
        return "y = x\ndx = dy"
    return f"y = x ⊙ mask / {1 - layer.p:g}\ndx = dy ⊙ mask / {1 - layer.p:g}"


def _loss(term: str, derivative: str, n_terms: Callable[[Shape], int] = prod) -> Rule:
    """Return a rule for a loss: `term` of y and t for each of its terms, and the derivative of that."""

    def rule(layer: losses.Loss, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
        n = n_terms(shapes[0])
        forward = {"mean": f"sum({term}) / {n}", "sum": f"sum({term})", "none": term}[layer.reduction]
        share = {"mean": f"dL ⊙ ({derivative}) / {n}", "sum": f"dL ⊙ ({derivative})", "none": f"dL ⊙ ({derivative})"}[layer.reduction]
        return f"L = {forward}\ndy = {share}"

    return rule


def _softmax_cross_entropy(layer: losses.SoftmaxCrossEntropy, inputs: Sequence[str], shapes: list[Shape], output: Shape) -> str:
    is_probabilities, share = len(shapes[1]) == len(shapes[0]), layer.label_smoothing
    t = "t" if is_probabilities else "onehot(t)"
    if share:
        t = f"({1 - share:g} {t} + {share:g} / {shapes[0][-1]})"
    total = f" ⊙ sum[axis=-1]({t.strip('()')})" if is_probabilities else ""
    along = "[axis=-1]" if layer.reduction == "none" else ""
    mean = f" / {prod(shapes[0][:-1])}" if layer.reduction == "mean" else ""
    spread = ", dL spread along axis -1" if along and len(shapes[0]) > 1 else ""
    return f"L = −sum{along}({t} ⊙ logsoftmax(y)){mean}\ndy = dL ⊙ (softmax(y){total} − {t}){mean}{spread}"


RULES: dict[type[Layer], Rule] = {
    layers.Add: _add,
    ResidualAdd: _add,
    layers.Subtract: _elementwise("a − b", a="dy", b="−dy"),
    layers.Multiply: _elementwise("a ⊙ b", a="dy ⊙ b", b="dy ⊙ a"),
    layers.Divide: _elementwise("a / b", a="dy / b", b="−dy ⊙ a / b²"),
    layers.MatMul: _matmul,
    layers.Affine: _affine,
    layers.Identity: _fixed("y = x\ndx = dy"),
    layers.ReLU: _fixed("y = max(0, x)\ndx = dy ⊙ [x > 0]"),
    layers.LeakyReLU: _leaky_relu,
    layers.ELU: _elu,
    layers.GELU: _fixed("y = x ⊙ Φ(x)\ndx = dy ⊙ (Φ(x) + x ⊙ φ(x))"),
    layers.SiLU: _fixed("y = x ⊙ σ(x)\ndx = dy ⊙ (σ(x) + y ⊙ (1 − σ(x)))"),
    layers.Sigmoid: _fixed("y = σ(x)\ndx = dy ⊙ y ⊙ (1 − y)"),
    layers.Softplus: _fixed("y = log(1 + exp(x))\ndx = dy ⊙ σ(x)"),
    layers.Tanh: _fixed("y = tanh(x)\ndx = dy ⊙ (1 − y²)"),
    layers.Softmax: _softmax,
    layers.LogSoftmax: _log_softmax,
    layers.Sum: _sum,
    layers.Mean: _mean,
    layers.Flatten: _reshape,
    layers.Reshape: _reshape,
    layers.Transpose: _transpose,
    layers.Concatenate: _concatenate,
    layers.Dropout: _dropout,
    losses.MeanSquaredError: _loss("(y − t)²", "2 (y − t)"),
    losses.MeanAbsoluteError: _loss("|y − t|", "sign(y − t)"),
    losses.Huber: lambda layer, *rest: _loss(
        f"clip(y − t, ±{layer.delta:g}) ⊙ (y − t − clip(y − t, ±{layer.delta:g}) / 2)", f"clip(y − t, ±{layer.delta:g})"
    )(layer, *rest),
    losses.Hinge: _loss("max(0, 1 − t ⊙ y)", "−t ⊙ [1 − t ⊙ y > 0]"),
    losses.SigmoidCrossEntropy: _loss("log(1 + exp(y)) − t ⊙ y", "σ(y) − t"),
    losses.SoftmaxCrossEntropy: _softmax_cross_entropy,
}


def sized(shape: Shape) -> str:
    """Return a shape as the chapter writes it.

    >>> sized((2, 3)), sized((4,)), sized(())
    ('2×3', '4', 'scalar')
    """
    return "×".join(map(str, shape)) or "scalar"
