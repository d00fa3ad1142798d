"""The text of layers' rules: names, shapes, numbers, and sums over broadcast axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..arrays import Shape as Shape

Shapes = Sequence[Shape]


def elementwise_rule(forward: str, gradients: Mapping[str, str], inputs: Shapes, output: Shape) -> str:
    """Return the rule of a layer whose inputs broadcast: y, and dL/d(input) for each input.

    The gradient of an input that was broadcast is summed.

    >>> print(elementwise_rule("a ⊙ b", {"a": "dy ⊙ b", "b": "dy ⊙ a"}, [(2, 3), (3,)], (2, 3)))
    y = a ⊙ b
    da = dy ⊙ b
    db = sum[axis=0](dy ⊙ a)
    """
    lines = [f"y = {forward}"]
    for (name, gradient), shape in zip(gradients.items(), inputs, strict=True):
        lines.append(f"d{name} = {sum_to_shape(gradient, shape, output)}")
    return "\n".join(lines)


def sum_to_shape(formula: str, shape: Shape, output: Shape) -> str:
    """Return `formula`, summed over the axes along which `shape` was broadcast to `output`.

    `formula` itself has the shape `output`.

    >>> sum_to_shape("dy", (1, 3), (2, 4, 3))
    'sum[axis=(0, 1)](dy)'
    """
    ahead = len(output) - len(shape)
    axes = [i for i, n in enumerate(output) if i < ahead or shape[i - ahead] != n]
    return f"sum[axis={format_axes(axes)}]({formula})" if axes else formula


def format_axes(axes: Sequence[int]) -> str:
    """Return axes as a rule shows them.

    >>> format_axes([1]), format_axes([0, 1])
    ('1', '(0, 1)')
    """
    return str(axes[0]) if len(axes) == 1 else f"({', '.join(map(str, axes))})"


def numbered_names(n: int) -> list[str]:
    """Return names for the inputs of a layer that takes any number of them.

    >>> numbered_names(1), numbered_names(3)
    (['x'], ['x1', 'x2', 'x3'])
    """
    return ["x"] if n == 1 else [f"x{i}" for i in range(1, n + 1)]


def format_shape(shape: Shape) -> str:
    """Return a shape as the chapter shows it.

    >>> format_shape((2, 3)), format_shape((4,)), format_shape(())
    ('2×3', '4', 'scalar')
    """
    return "×".join(map(str, shape)) or "scalar"


def format_number(number: float) -> str:
    """Return a number with all its digits, since a drawing's page computes with them.

    >>> format_number(0.1), format_number(2.0), format_number(-1 / 3)
    ('0.1', '2', '−0.3333333333333333')
    """
    return ("−" if number < 0 else "") + repr(abs(float(number))).removesuffix(".0")
