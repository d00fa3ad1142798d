"""A model at a glance: the table behind `Layer.summary`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import as_count
from .errors import InvalidTypeError, ShapeError
from .parameter import Parameter
from .recording import Call, recorded
from .restoring import preserve_state

if TYPE_CHECKING:
    from .layer import Layer

Shape = tuple[int, ...]
LONGEST = 48


class Row(NamedTuple):
    """One layer, or one parameter that a container holds itself, as `Weight` nodes are."""

    path: str
    text: str
    output_shapes: tuple[Shape, ...]
    parameters: int
    multiply_adds: int


class Summary:
    """A table of layers; printing it shows it.

    Attributes
    ----------
    rows : tuple of Row
        One for each layer, with the parameters that it holds itself; a shared one is counted where it comes first.

    Examples
    --------
    >>> import netlib as nl
    >>> summary = nl.Affine(3, 2).summary((5, 3))
    >>> summary.parameters, summary.multiply_adds, summary.rows[0].output_shapes
    (8, 30, ((5, 2),))
    """

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self.rows = rows

    @property
    def parameters(self) -> int:
        """How many numbers the model learns or holds fixed in parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """How many multiplications with an addition one forward does in matrix products."""
        return sum(row.multiply_adds for row in self.rows)

    def __str__(self) -> str:
        path_width = max((len(row.path) + 2 for row in self.rows if row.path), default=0)
        lines = [("layer", "output shape", "parameters", "multiply-adds")]
        for row in self.rows:
            shapes = ", ".join(map(str, row.output_shapes)) or "not called"
            lines.append((f"{row.path:<{path_width}}{_shortened(row.text)}", shapes, f"{row.parameters:,}", f"{row.multiply_adds:,}"))
        lines.append(("total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in lines]
        rule = "-" * len(table[0])
        return "\n".join([table[0], rule, *table[1:-1], rule, table[-1]])

    __repr__ = __str__


def summarize(model: Layer, input_shape: Any) -> Summary:
    """Return what every layer of `model` makes of an input of this shape, found by sending zeros through it.

    Parameters
    ----------
    model : Layer
    input_shape : int, tuple of int, or list of tuples
        A list where forward takes several inputs.

    Raises
    ------
    InvalidTypeError
        For what is no shape.
    ShapeError
        For negative lengths, and for shapes that the model refuses.
    """
    inputs = [np.zeros(shape, np.float32) for shape in _shapes(input_shape)]
    with preserve_state(model), recorded(model) as calls, np.errstate(all="ignore"):
        model.predict(*inputs)
    return Summary(tuple(_rows(model, calls)))


def _rows(model: Layer, calls: list[Call]) -> list[Row]:
    calls_of: dict[int, list[Call]] = {}
    for call in calls:
        calls_of.setdefault(id(call.layer), []).append(call)
    rows = []
    counted: set[int] = set()
    for path, layer in model.walk():
        own = _uncounted_parameters(layer, counted)
        if layer.as_inlinable() is not None:
            rows += [Row(f"{path}.{name}" if path else name, repr(p), (p.shape,), p.size, 0) for name, p in own]
            continue
        made = calls_of.get(id(layer), [])
        outputs = made[-1].output if made else ()
        shapes = tuple(np.shape(y) for y in (outputs if isinstance(outputs, tuple) else (outputs,)))
        multiply_adds = sum(layer.multiply_adds(*map(np.shape, call.inputs)) for call in made)
        rows.append(Row(path, repr(layer), shapes, sum(p.size for _, p in own), multiply_adds))
    return rows


def _uncounted_parameters(layer: Layer, counted: set[int]) -> list[tuple[str, Parameter]]:
    """Return the parameters that `layer` holds itself and that nobody has counted yet, and count them."""
    own = []
    for name, member in layer.members():
        if isinstance(member, Parameter) and id(member) not in counted:
            counted.add(id(member))
            own.append((name, member))
    return own


def _shapes(given: Any) -> list[Shape]:
    if not isinstance(given, list):
        return [_shape(given)]
    if not all(isinstance(each, tuple) for each in given):
        raise InvalidTypeError(f"input_shape is {given!r}, wanted a tuple", where="summary", hint="A list holds one tuple for each input.")
    return [_shape(each) for each in given]


def _shape(given: Any) -> Shape:
    lengths = given if isinstance(given, tuple) else (given,)
    shape = tuple(as_count(n, "a length in input_shape", "summary", least=-(2**63)) for n in lengths)
    if min(shape, default=0) < 0:
        raise ShapeError(f"input_shape is {given!r}, wanted lengths of at least 0", where="summary")
    return shape


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
