"""What the rules of several layers share: names, sizes, numbers, and the sum over axes along which an input was spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..arrays import Shape as Shape

Shapes = Sequence[Shape]


def elementwise(forward: str, gradients: Mapping[str, str], inputs: Shapes, output: Shape) -> str:
    """Return the rule of a node whose inputs broadcast: y, and dL/d(input) by its name, summed where that input was spread.

    >>> print(elementwise("a ⊙ b", {"a": "dy ⊙ b", "b": "dy ⊙ a"}, [(2, 3), (3,)], (2, 3)))
    y = a ⊙ b
    da = dy ⊙ b
    db = sum[axis=0](dy ⊙ a)
    """
    pairs = zip(gradients.items(), inputs, strict=True)
    return "\n".join([f"y = {forward}", *(f"d{name} = {summed(gradient, shape, output)}" for (name, gradient), shape in pairs)])


def summed(formula: str, shape: Shape, output: Shape) -> str:
    """Return `formula`, which has the shape of the `output`, summed over the axes along which an array of `shape` was spread to it.

    >>> summed("dy", (1, 3), (2, 4, 3))
    'sum[axis=(0, 1)](dy)'
    """
    ahead = len(output) - len(shape)
    axes = [i for i, n in enumerate(output) if i < ahead or shape[i - ahead] != n]
    return f"sum[axis={listed(axes)}]({formula})" if axes else formula


def listed(axes: Sequence[int]) -> str:
    """Return axes as a rule writes them.

    >>> listed([1]), listed([0, 1])
    ('1', '(0, 1)')
    """
    return str(axes[0]) if len(axes) == 1 else f"({', '.join(map(str, axes))})"


def numbered(n: int) -> list[str]:
    """Return the names of the inputs of a layer that takes any number of them.

    >>> numbered(1), numbered(3)
    (['x'], ['x1', 'x2', 'x3'])
    """
    return ["x"] if n == 1 else [f"x{i}" for i in range(1, n + 1)]


def sized(shape: Shape) -> str:
    """Return a shape as the chapter writes it.

    >>> sized((2, 3)), sized((4,)), sized(())
    ('2×3', '4', 'scalar')
    """
    return "×".join(map(str, shape)) or "scalar"


def written(number: float) -> str:
    """Return a number with all its digits, since a page computes with them.

    >>> written(0.1), written(2.0), written(-1 / 3)
    ('0.1', '2', '−0.3333333333333333')
    """
    return ("−" if number < 0 else "") + repr(abs(float(number))).removesuffix(".0")
