"""The table of a model's layers that `Layer.summary` returns."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import Array, as_count
from .errors import InvalidTypeError, NetlibError, ShapeError
from .parameter import Parameter
from .recording import Call, record_calls
from .restoring import preserve_state

if TYPE_CHECKING:
    from .layer import Layer

Shape = tuple[int, ...]
LONGEST = 48


class Row(NamedTuple):
    """One layer, or one parameter held by a container itself, such as a `Weight` node's."""

    path: str
    text: str
    output_shapes: tuple[Shape, ...]
    parameters: int
    multiply_adds: int


class Summary:
    """A table of layers, shown by ``print``.

    Attributes
    ----------
    rows : tuple of Row
        One row per layer, with the parameters that the layer itself holds. Shared parameters are
        counted in the first row.

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
        """The number of elements of all parameters, trainable or not."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """The number of multiply-adds in the matrix products of one forward."""
        return sum(row.multiply_adds for row in self.rows)

    def __str__(self) -> str:
        path_width = max((len(row.path) + 2 for row in self.rows if row.path), default=0)
        lines = [("layer", "output shape", "parameters", "multiply-adds")]
        for row in self.rows:
            shapes = ", ".join(map(str, row.output_shapes)) or "not called"
            layer = f"{row.path:<{path_width}}{_shorten(row.text)}"
            lines.append((layer, shapes, f"{row.parameters:,}", f"{row.multiply_adds:,}"))
        lines.append(("total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))

        a, b, c, d = (max(map(len, column)) for column in zip(*lines, strict=True))
        table = [f"{w:<{a}}  {x:<{b}}  {y:>{c}}  {z:>{d}}" for w, x, y, z in lines]
        rule = "-" * len(table[0])
        return "\n".join([table[0], rule, *table[1:-1], rule, table[-1]])

    __repr__ = __str__


def summarize(model: Layer, input_shape: Any) -> Summary:
    """Return the summary of `model`, found by running it on zeros of this shape.

    Their types are the first that the model accepts: floats, integers (for ids and lengths), or
    booleans (for masks).

    Parameters
    ----------
    model : Layer
    input_shape : int, tuple of int, or list of tuples
        A list for several inputs.

    Raises
    ------
    InvalidTypeError
        If `input_shape` is not a shape.
    ShapeError
        If a length is negative, or the model does not accept the shape.
    """
    shapes = _shapes(input_shape)
    error: Exception | None = None
    for dtypes in product((np.float32, np.int64, np.bool_), repeat=len(shapes)):
        inputs: list[Array] = [np.zeros(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        try:
            with preserve_state(model), record_calls(model) as calls, np.errstate(all="ignore"):
                model.predict(*inputs)
        except Exception as refusal:  # any error of a user's layer may be about the type
            if isinstance(refusal, NetlibError) and not isinstance(refusal, InvalidTypeError):
                raise
            error = error or refusal
        else:
            return Summary(tuple(_rows(model, calls)))
    assert error is not None
    raise error


def _rows(model: Layer, calls: list[Call]) -> list[Row]:
    calls_of: dict[int, list[Call]] = {}
    for call in calls:
        calls_of.setdefault(id(call.layer), []).append(call)
    rows = []
    counted: set[int] = set()
    for path, layer in model.walk():
        own = _uncounted_parameters(layer, counted)
        if layer.as_inlinable() is not None:
            prefix = f"{path}." if path else ""
            rows += [Row(prefix + name, repr(p), (p.shape,), p.size, 0) for name, p in own]
            continue
        calls = calls_of.get(id(layer), [])
        outputs = calls[-1].output if calls else ()
        shapes = tuple(map(np.shape, outputs if isinstance(outputs, tuple) else (outputs,)))
        multiply_adds = sum(layer.multiply_adds(*map(np.shape, call.inputs)) for call in calls)
        rows.append(Row(path, repr(layer), shapes, sum(p.size for _, p in own), multiply_adds))
    return rows


def _uncounted_parameters(layer: Layer, counted: set[int]) -> list[tuple[str, Parameter]]:
    """Return the parameters that `layer` itself holds, without those in `counted`, and add them."""
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
        message = f"input_shape is {given!r}, expected a tuple"
        raise InvalidTypeError(message, where="summary", hint="A list holds one tuple for each input.")
    return [_shape(each) for each in given]


def _shape(given: Any) -> Shape:
    lengths = given if isinstance(given, tuple) else (given,)
    shape = tuple(as_count(n, "a length in input_shape", "summary", least=-(2**63)) for n in lengths)
    if min(shape, default=0) < 0:
        raise ShapeError(f"input_shape is {given!r}, expected lengths of at least 0", where="summary")
    return shape


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
