from __future__ import annotations

import math
import re
from collections.abc import Sequence
from string import ascii_letters

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_common_floats
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..layer import Layer
from .rules import Shapes, format_axes, format_shape, numbered_names


class Einsum(Layer):
    """``numpy.einsum(equation, a, b, …)``: sums of products, each axis named by a letter.

    ``Einsum("ij,jk->ik")`` is y_ik = Σ_j a_ij b_jk. Without ``->``, the axes of y are the letters
    that occur once, in alphabetical order. ``...`` stands for further axes, which broadcast.

    a_ij is in each y_ik with the factor b_jk, so ∂L/∂a_ij = Σ_k ∂L/∂y_ik b_jk: in the equation,
    y and the operand swap places. ``ik,jk->ij`` of ∂L/∂y and the other operands is ∂L/∂a.

    - A letter that only a has, as j in ``ij->i``: every a_ij has the same factor, and the gradient
      is repeated along j.
    - A letter twice in a, as in the trace ``ii->``: only the diagonal of a is in y, and the
      gradient is 0 elsewhere.

    >>> product = Einsum("ij,jk->ik")
    >>> product.forward([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]])
    array([[13., 16.]])
    >>> product.backward([[1.0, 10.0]])
    (array([[43., 65.]]), array([[ 1., 10.],
           [ 2., 20.]]))
    """

    kernel_name = "einsum"

    def __init__(self, equation: str) -> None:
        self.equation = equation
        self._terms, self._output = _parse(equation)

    def forward(self, *operands: ArrayLike) -> Array:
        """Return the sums, of the operands' common floating type."""
        if len(operands) != len(self._terms):
            raise ShapeError(f"got {len(operands)} operands, expected {len(self._terms)}", where=self)
        xs = as_common_floats(operands, self)
        terms, output = self._name_axes([x.shape for x in xs])
        y = np.array(_einsum([*terms, output], *xs), order="C")
        return self.remember(y, [*terms, output], *xs)

    def backward(self, dout: ArrayLike) -> Array | tuple[Array, ...]:
        """Return ∂L/∂(operand) for each operand."""
        dout, (*terms, output), *xs = self.recall(dout)
        dxs = []
        for i, (x, term) in enumerate(zip(xs, terms, strict=True)):
            others = [output, *terms[:i], *terms[i + 1 :]]
            letters = _distinct(term)
            found = [letter for letter in _long_letters([term], [x.shape]) if letter in "".join(others)]
            dx = _einsum([*others, "".join(found)], dout, *xs[:i], *xs[i + 1 :])
            dx = np.expand_dims(dx, [k for k, letter in enumerate(letters) if letter not in found])
            dxs.append(_on_diagonal(dx, term, x.shape))
        return tuple(dxs) if len(dxs) > 1 else dxs[0]

    def _name_axes(self, shapes: Shapes) -> tuple[list[str], str]:
        """Return the letters of each operand and of y, including the axes of an ellipsis."""
        lengths = [len(shape) - len(term.replace(".", "")) for shape, term in zip(shapes, self._terms, strict=True)]
        for shape, term, n in zip(shapes, self._terms, lengths, strict=True):
            if n < 0 or (n and "." not in term):
                raise ShapeError(f"got an operand of shape {shape} for {term.replace('.', '...')!r}", where=self)
        free = [letter for letter in ascii_letters if letter not in self.equation][: max(lengths)]
        terms = [term.replace(".", "".join(free[len(free) - n :])) for term, n in zip(self._terms, lengths, strict=True)]
        _require_lengths(terms, shapes, self)
        return terms, self._output.replace(".", "".join(free))

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return the number of terms times the number of products in a term."""
        terms, _ = self._name_axes(shapes)
        return math.prod(_long_letters(terms, shapes).values()) * (len(terms) - 1)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the equation, and the equation of each gradient."""
        terms, y = self._name_axes(inputs)
        names, rename = numbered_names(len(terms)), _renaming([*terms, y])
        lines = [f"y = {_write([*terms, y], names, rename)}"]
        for i, (name, term, shape) in enumerate(zip(names, terms, inputs, strict=True)):
            others, letters = [y, *terms[:i], *terms[i + 1 :]], _distinct(term)
            own = _long_letters([term], [shape])
            found = [letter for letter in own if letter in "".join(others)]
            dx = _write([*others, "".join(found)], ["dy", *names[:i], *names[i + 1 :]], rename)
            if own.keys() - _long_letters(others, [output, *inputs[:i], *inputs[i + 1 :]]).keys():
                lost = [k for k, letter in enumerate(letters) if letter not in found]
                dx += f", spread to {format_shape(tuple(shape[term.index(letter)] for letter in letters))}"
                dx += f" along axis {format_axes(lost)}" if lost else ""
                dx = f"({dx})" if letters != term else dx
            lines.append(f"d{name} = {_write([letters, term], [dx], rename) if letters != term else dx}")
        return "\n".join(lines)


def _parse(equation: str) -> tuple[list[str], str]:
    """Return the letters of each operand and of y, with a dot for an ellipsis.

    >>> _parse("...ij, jk"), _parse("ii->i")
    ((['.ij', 'jk'], '.ik'), (['ii'], 'i'))
    """
    if not isinstance(equation, str):
        raise InvalidTypeError(f"equation is {equation!r}, expected a text such as 'ij,jk->ik'", where="Einsum")
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    for term in [*terms, output]:
        if not re.fullmatch(r"[A-Za-z]*(\.{3})?[A-Za-z]*", term):
            message = f"equation is {equation!r}, where {term!r} consists of more than letters and one ellipsis"
            raise InvalidValueError(message, where="Einsum", hint="Write it as numpy.einsum does: 'ij,jk->ik'.")
    letters = inputs.replace(",", "").replace(".", "")
    if not arrow:
        output = "..." * ("." in inputs) + "".join(sorted(letter for letter in letters if letters.count(letter) == 1))
    for letter in output.replace(".", ""):
        if output.count(letter) > 1 or letter not in letters:
            message = f"equation is {equation!r}, expected each letter of y to be there once and in an operand, unlike {letter!r}"
            raise InvalidValueError(message, where="Einsum")
    return [term.replace("...", ".") for term in terms], output.replace("...", ".")


def _require_lengths(terms: Sequence[str], shapes: Shapes, where: object) -> None:
    """Raise if a letter has several lengths, or several in one operand; elsewhere 1 broadcasts."""
    found: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        own = dict(zip(term, shape, strict=True))
        for letter, n in zip(term, shape, strict=True):
            if n != own[letter] or (n != 1 and found.setdefault(letter, n) != n):
                listed = " and ".join(map(str, shapes))
                raise ShapeError(f"got shapes {listed}, expected one length for {letter!r} in {','.join(terms)!r}", where=where)


def _einsum(terms: Sequence[str], *xs: Array) -> Array:
    """Return the einsum of `xs`; the last of `terms` has the letters of the result."""
    equation = f"{','.join(terms[:-1])}->{terms[-1]}"
    return np.asarray(np.einsum(equation, *xs, optimize=True))


def _distinct(term: str) -> str:
    """Return the letters of `term`, each once.

    >>> _distinct("iij")
    'ij'
    """
    return "".join(dict.fromkeys(term))


def _long_letters(terms: Sequence[str], shapes: Shapes) -> dict[str, int]:
    """Return the letters whose length is not 1, and their lengths.

    >>> _long_letters(["ij", "jk"], [(2, 1), (3, 1)])
    {'i': 2, 'j': 3}
    """
    axes = [pair for term, shape in zip(terms, shapes, strict=True) for pair in zip(term, shape, strict=True)]
    return {letter: n for letter, n in axes if n != 1}


def _on_diagonal(dx: Array, term: str, shape: Shape) -> Array:
    """Return zeros of `shape` with `dx`, which has each letter once, on the diagonal."""
    letters = _distinct(term)
    if letters == term:
        return np.array(np.broadcast_to(dx, shape), order="C")
    whole = np.zeros(shape, dx.dtype)
    np.einsum(f"{term}->{letters}", whole)[...] = dx
    return whole


def _renaming(terms: Sequence[str]) -> dict[int, str]:
    """Return letters to use instead of x and y, which name arrays in a rule."""
    free = [letter for letter in ascii_letters if letter not in "".join(terms) and letter not in "xy"]
    return str.maketrans(dict(zip("xy", free, strict=False)))


def _write(terms: Sequence[str], names: Sequence[str], rename: dict[int, str]) -> str:
    """Return an einsum as a rule shows it."""
    letters = f"{','.join(terms[:-1])}→{terms[-1]}".translate(rename)
    return f"einsum[{letters}]({', '.join(names)})"
