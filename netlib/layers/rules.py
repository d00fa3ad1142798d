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
    """Return axes as displayed in a rule.

    >>> format_axes([1]), format_axes([0, 1])
    ('1', '(0, 1)')
    """
    return str(axes[0]) if len(axes) == 1 else f"({', '.join(map(str, axes))})"


def format_options(**options: str) -> str:
    """Return the options of a function in a rule, without those that have their default value.

    >>> format_options(stride="2×1", border="0", groups="1"), format_options(stride="1")
    ('[stride=2×1]', '')
    """
    named = [f"{name}={text}" for name, text in options.items() if DEFAULTS.get(name, "") != text]
    return f"[{', '.join(named)}]" if named else ""


DEFAULTS = {"stride": "1", "border": "0", "outside": "0", "dilation": "1", "groups": "1", "mode": "constant", "value": "0"}


def format_per_axis(numbers: Sequence[float]) -> str:
    """Return a number for each axis, or one if they are equal.

    >>> format_per_axis((2, 1)), format_per_axis((3, 3))
    ('2×1', '3')
    """
    return _once_or_all([format_number(number) for number in numbers])


def format_widths(widths: Sequence[tuple[int, int]]) -> str:
    """Return the widths of a border before and after each axis, or one number if they are equal.

    >>> format_widths([(1, 1), (1, 1)]), format_widths([(1, 1), (0, 2)])
    ('1', '1×0:2')
    """
    pairs = [[format_number(width) for width in pair] for pair in widths]
    return _once_or_all([before if before == after else f"{before}:{after}" for before, after in pairs])


def _once_or_all(texts: Sequence[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def lift(name: str, axes: int) -> str:
    """Return `name`, an array with a number for each channel, followed by `axes` axes of length 1.

    >>> lift("bias", 2), lift("bias", 0)
    ('bias[:, None, None]', 'bias')
    """
    return f"{name}[{', '.join([':'] + ['None'] * axes)}]" if axes else name


def numbered_names(n: int) -> list[str]:
    """Return names for the inputs of a layer that takes any number of them.

    >>> numbered_names(1), numbered_names(3)
    (['x'], ['x1', 'x2', 'x3'])
    """
    return ["x"] if n == 1 else [f"x{i}" for i in range(1, n + 1)]


def format_shape(shape: Shape) -> str:
    """Return a shape in the notation of the chapter.

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
