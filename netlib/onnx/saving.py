"""Saving a model as an ONNX file: `save`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_array
from ..containers.graph import Graph
from ..containers.program import Program
from ..containers.sequential import Sequential
from ..data.path import Path, as_path
from ..errors import InvalidTypeError, InvalidValueError, ShapeError, not_installed
from ..files.writing import write_file
from ..layer import Layer, as_layer
from ..layers.identity import Identity
from ..recording import Call, watch_calls
from .translations import TRANSLATIONS
from .writing import BATCH, Dims, GraphBuilder, NotFixedError, Place, Value, free_name

Translation: TypeAlias = Callable[..., Any]
Signature: TypeAlias = tuple[Shape, np.dtype[Any] | None]
Run: TypeAlias = dict[int, tuple[list[Signature], list[Signature]]]
FLOATS = ("float32", "float64")
ROWS = 7, 11
"""How many rows the second run of a model has, whichever differs from the first."""
LARGEST = 2**31 - 2**20
"""How many bytes of parameters fit into an ONNX file without external data."""


def save(model: Layer, path: Path, *inputs: ArrayLike, translations: Mapping[type[Layer], Translation] | None = None) -> None:
    """Write a model, in evaluation mode, to an ONNX file.

    The file takes arrays of the types of `inputs`, and of their shapes except for the first axis,
    the batch, which is free. It is fixed only if the model accepts no other length, or a layer
    computes with this length. The model runs on `inputs`, and again on another number of rows.

    Nodes are named by the paths of their layers, and weights as in `state_dict`. Operators are
    those of ONNX's opset 20. Dropout is left out. The same model gives the same bytes. A failure
    leaves the old file unchanged.

    Parameters
    ----------
    model : Layer
    path : str or path
    *inputs : array_like
        One example of each input of the model.
    translations : dict of type to function, optional
        Your own layer classes: ``translate(layer, graph, *inputs)`` adds nodes to a `GraphBuilder`
        and returns the value of the output, or None if it cannot.

    Raises
    ------
    InvalidTypeError
        If layers have no translation (one message lists all of them), or if the model computes in
        types other than float32 and float64.
    InvalidValueError
        If a layer has a setting that ONNX cannot express, or the file would exceed 2 GiB.
    MissingError
        If onnx is not installed.
    NetlibError
        If the model does not accept the inputs.
    OSError
        If the file cannot be written.

    See Also
    --------
    load

    Examples
    --------
    >>> import netlib as nl, numpy as np, onnx, os, tempfile
    >>> model = nl.Sequential(nl.Affine(4, 8, rng=0), nl.ReLU(), nl.Affine(8, 2, rng=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.onnx")
    ...     nl.onnx.save(model, path, np.zeros((1, 4), np.float32))
    ...     graph = onnx.load(path).graph
    >>> [f"{node.name}: {node.op_type}({', '.join(node.input)})" for node in graph.node]
    ['0: Gemm(x, 0.weight, 0.bias)', '1: Relu(0)', '2: Gemm(1, 2.weight, 2.bias)']
    """
    name = as_path(path, "onnx.save")
    proto = as_onnx(model, inputs, translations or {})
    write_file(name, proto.SerializeToString(deterministic=True))


def as_onnx(model: Layer, inputs: Sequence[ArrayLike], translations: Mapping[type[Layer], Translation] | None = None) -> Any:
    """Return the model as ONNX's own object, a ``ModelProto``. See `save`."""
    try:
        import onnx
    except ImportError:
        raise not_installed("onnx", "onnx", "onnx.save") from None
    as_layer(model, "onnx.save")
    if not inputs:
        hint = "Pass one example of each input: save(model, path, x)."
        raise ShapeError("got no inputs, expected an array for each input of the model", where="onnx.save", hint=hint)
    arrays = [as_array(x, "onnx.save") for x in inputs]
    _require_floats(model, arrays)
    held: list[Any] = [*model.parameters().values(), *model.buffers().values()]
    size = sum(each.value.nbytes for each in held)
    if size > LARGEST:
        hint = "Save it with nl.save, whose files have no limit."
        message = f"the parameters have {size:,} bytes, but a file can have {LARGEST:,}"
        raise InvalidValueError(message, where="onnx.save", hint=hint)
    proto = _translate(model, arrays, {**TRANSLATIONS, **(translations or {})})
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        hint = "A translation of your own adds such a node: see the operator's page in ONNX's documentation."
        raise InvalidValueError(f"onnx refuses the graph: {error}", where="onnx.save", hint=hint if translations else "") from None
    return proto


def _require_floats(model: Layer, arrays: Sequence[Array]) -> None:
    """Raise if a parameter, buffer or input is of a type that few runtimes compute in."""
    held: dict[str, Any] = {**model.parameters(), **model.buffers(), **{f"input {i}": x for i, x in enumerate(arrays)}}
    wrong = [f"{path} is {each.dtype}" for path, each in held.items() if each.dtype.kind == "f" and each.dtype.name not in FLOATS]
    if wrong:
        hint = "Make the model with dtype=np.float32, and copy the weights with load_state_dict."
        raise InvalidTypeError(f"{', '.join(wrong)}, expected float32 or float64", where="onnx.save", hint=hint)


def _translate(model: Layer, arrays: Sequence[Array], translations: Mapping[type[Layer], Translation]) -> Any:
    """Return the model with a free batch axis, or with fixed axes if it can have none."""
    first = _record(model, arrays)
    for free in _candidates(arrays):
        n = len(arrays[free[0]])
        rows = ROWS[n == ROWS[0]]
        others = [np.repeat(x[:1], rows, axis=0) if i in free else x for i, x in enumerate(arrays)]
        try:
            second = _record(model, others)
        except Exception:  # whatever it is, the model does not take another number of rows
            continue
        try:
            return _Walk(model, translations, first, second, (n, rows)).export(arrays, others)
        except NotFixedError:
            continue
    return _Walk(model, translations, first, first, (0, 0)).export(arrays, arrays)


def _candidates(arrays: Sequence[Array]) -> Iterator[tuple[int, ...]]:
    """Yield sets of inputs whose first axis may be the batch, the most likely ones first."""
    lengths = dict.fromkeys(len(x) for x in arrays if x.ndim and len(x))
    for n in lengths:
        same = [i for i, x in enumerate(arrays) if x.ndim and len(x) == n]
        for size in range(len(same), 0, -1):
            yield from combinations(same, size)


def _record(model: Layer, arrays: Sequence[Array]) -> Run:
    """Return the shapes and types of the inputs and outputs of every layer, by its id."""
    run: Run = {}

    def note(call: Call) -> None:
        run.setdefault(id(call.layer), (_signatures(call.inputs), _signatures(_as_tuple(call.output))))

    with watch_calls(model, note):
        model.predict(*arrays)
    return run


def _signatures(arrays: Sequence[Any]) -> list[Signature]:
    return [(np.shape(x), None if type(x) is float else np.asarray(x).dtype.newbyteorder("=")) for x in arrays]


class _Walk:
    """A translator of the layers of a model, in the order in which they run."""

    def __init__(self, model: Layer, translations: Mapping[type[Layer], Translation], first: Run, second: Run, rows: Shape) -> None:
        self.model, self.translations = model, translations
        self.first, self.second, self.rows = first, second, rows
        self.paths = {id(layer): path for path, layer in model.walk()}
        held: dict[str, Any] = {**model.parameters(), **model.buffers()}
        self.graph = GraphBuilder(self.run, self.apply, {id(each): path for path, each in held.items()})
        self.missing: dict[str, dict[str, None]] = {}

    def export(self, arrays: Sequence[Array], others: Sequence[Array]) -> Any:
        """Return the whole model as ONNX's own object."""
        names = _names([node.name for node in self.model.inputs] if isinstance(self.model, Graph) else [None] * len(arrays), "x")
        inputs = [
            Value(self._dims(x.shape, other.shape), x.dtype.newbyteorder("="), name)
            for x, other, name in zip(arrays, others, names, strict=True)
        ]
        outputs = _as_tuple(self.run(self.model, *inputs))
        self._require_complete()
        ends = [node.name for node in self.model.outputs] if isinstance(self.model, Graph) else [None] * len(outputs)
        taken = {*names}
        named = [(free_name(name, taken), y) for name, y in zip(_names(ends, "y"), outputs, strict=True)]
        return self.graph.finish(inputs, named)

    def run(self, layer: Layer, *inputs: Value, dtype: Any = None) -> Any:
        """Translate a layer: a container step by step, any other by its translation."""
        if layer.as_inlinable() is None:
            outputs = self._translate(layer, inputs, dtype)
            return outputs[0] if len(outputs) == 1 else outputs
        program = Program(Sequential(layer), len(inputs))
        values: list[Any] = [*inputs, *[None] * (program.n_slots - len(inputs))]
        for step in program.steps:
            given = [values[slot] for slot in step.sources]
            values[step.target : step.target + step.n_outputs] = self._translate(step.layer, given)
        outputs = tuple([values[slot] for slot in program.outputs])
        return outputs[0] if len(outputs) == 1 else outputs

    def _translate(self, layer: Layer, inputs: Sequence[Value], dtype: Any = None) -> tuple[Value, ...]:
        if not inputs:  # a `Weight` or a `Constant` of a graph
            return (self.graph.value(next(iter(layer.parameters().values()), layer.forward())),)
        place = self._place(layer, inputs, dtype)
        with self.graph.at(place):
            n = layer.count_differentiable(len(inputs)) if place.outputs[0].dtype.kind == "f" else 0
            inputs = [self.graph.cast(x, place.dtype) if i < n else x for i, x in enumerate(inputs)]
            result = self.apply(layer, *inputs)
        if result is None:
            self.missing.setdefault(type(layer).__name__, {})[repr(place.path)] = None
            return tuple(place.outputs)
        values = _as_tuple(result)
        if len(values) != len(place.outputs):
            message = f"the translation returned {len(values)} values, expected {len(place.outputs)}, as many as forward"
            raise InvalidValueError(message, where=f"onnx.save, {type(layer).__name__} at {place.path!r}")
        for value, known in zip(values, place.outputs, strict=True):
            value.fill(known)
        return values

    def _place(self, layer: Layer, inputs: Sequence[Value], dtype: Any) -> Place:
        """Return what is known about this run of a layer: its path, its type, and its outputs."""
        seen, returned = self._signatures(layer, inputs)
        for x, known in zip(inputs, seen, strict=True):
            x.fill(known)
        if dtype is None:
            types = [each.dtype for each in [*returned, *inputs]]
            dtype = next((each for each in types if each.kind == "f"), np.dtype(np.float32))
        else:
            dtype = np.dtype(dtype)
            returned = [Value(y.shape, dtype) for y in returned]
        return Place(self.paths.get(id(layer), ""), dtype, returned)

    def apply(self, layer: Layer, *inputs: Value) -> Any:
        """Return the result of the layer's translation, or None if there is none."""
        translation = translation_of(layer, self.translations)
        return None if translation is None else translation(layer, self.graph, *inputs)

    def _signatures(self, layer: Layer, inputs: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
        """Return the layer's inputs and outputs when the model ran.

        A program adds copies of inputs that are outputs, which are not in the record.
        """
        if id(layer) not in self.first:
            if type(layer) is not Identity:
                hint = "graph.run takes the layers that forward calls."
                raise InvalidValueError("has not run in forward, so its outputs are not known", where=f"onnx.save, {layer}", hint=hint)
            dtype = inputs[0].dtype
            return inputs, [Value(inputs[0].shape, dtype if dtype.kind == "f" else np.dtype(np.float32))]
        runs = zip(self.first[id(layer)], self.second[id(layer)], strict=True)
        took, returned = ([Value(self._dims(a, b), dtype) for (a, dtype), (b, _) in zip(*both, strict=True)] for both in runs)
        for y in returned:
            y.fill(Value(y.shape, inputs[0].dtype))  # a loss is a number, which has no type of its own
        return took, returned

    def _dims(self, shape: Shape, other: Shape) -> Dims:
        """Return the lengths, marking those that depend on the batch."""
        if len(shape) != len(other):
            raise NotFixedError
        return tuple([a if a == b else BATCH if (a, b) == self.rows else None for a, b in zip(shape, other, strict=True)])

    def _require_complete(self) -> None:
        if self.missing:
            listed = "; ".join(f"{kind} at {', '.join(paths)}" for kind, paths in self.missing.items())
            kind = next(iter(self.missing))
            hint = f"Say what it computes: save(…, translations={{{kind}: function}}), where function(layer, graph, *inputs) adds nodes."
            raise InvalidTypeError(f"layers without a translation to ONNX: {listed}", where="onnx.save", hint=hint)


def translation_of(layer: Layer, translations: Mapping[type[Layer], Translation]) -> Translation | None:
    """Return the translation of the layer's class, or of the class that its forward comes from."""
    kind: Any = type(layer)
    for each in kind.__mro__:
        if each in translations:
            is_same = all(getattr(each, name, None) is getattr(kind, name, None) for name in ("forward", "terms"))
            return translations[each] if is_same and "forward" not in vars(layer) else None
    return None


def _names(names: Sequence[str | None], letter: str) -> list[str]:
    """Return the names, with "x", or "x1", "x2" and so on, for those that have none."""
    plain = [letter] if len(names) == 1 else [f"{letter}{i}" for i in range(1, len(names) + 1)]
    return [name or default for name, default in zip(names, plain, strict=True)]


def _as_tuple(y: Any) -> tuple[Any, ...]:
    return y if isinstance(y, tuple) else (y,)
