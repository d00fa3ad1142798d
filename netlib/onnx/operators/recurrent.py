"""Recurrent layers, in each direction and layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...initializers import Zeros
from ...layers import GRU, LSTM, RNN, Concatenate, Expand, Multiply, Slice, Squeeze, Stack, Transpose
from ...layers.recurrent_layer import RecurrentLayer
from ...node import Node
from ..layers.reset_first_gru import ResetFirstGRU
from ..operator import Operator
from .arithmetic import number
from .owning import Source, call, known


class Kind(NamedTuple):
    """A recurrent layer: its gates' numbers in ONNX, its activations, and its states' inputs."""

    layer: type[RecurrentLayer]
    gates: tuple[int, ...]
    activations: tuple[str, ...]
    states: tuple[int, ...]


KINDS = {
    "RNN": Kind(RNN, (0,), ("tanh",), (5,)),
    "LSTM": Kind(LSTM, (0, 2, 3, 1), ("sigmoid", "tanh", "tanh"), (5, 6)),  # ONNX has i, o, f, c
    "GRU": Kind(GRU, (1, 0, 2), ("sigmoid", "tanh"), (5,)),  # ONNX has z, r, h
}


def recurrent(op: Operator) -> Any:
    """Translate RNN, LSTM and GRU. The layer has the batch first, ONNX by default the steps."""
    kind, direction = KINDS[op.op_type], op.get("direction", "forward")
    if direction not in ("forward", "reverse", "bidirectional"):
        op.refuse(f"has direction={direction!r}")
    nonlinearity = _nonlinearity(op, kind, 2 if direction == "bidirectional" else 1)
    if "clip" in op.attributes:
        op.refuse("has clip, which netlib's layers do not")
    op.only(input_forget=0)
    if op.has(7) and not (op.is_constant(7) and not op.constant(7).any()):
        op.refuse("has peepholes, which netlib's LSTM does not")
    resets_first = op.op_type == "GRU" and not op.get("linear_before_reset")
    layer_kind = ResetFirstGRU if resets_first else kind.layer
    (in_features,), (hidden,) = known(op, 1, 2), known(op, 2, 2)
    options = {"in_features": in_features, "hidden_features": hidden, "bidirectional": direction != "forward"}
    options |= {"return_state": True, "lengths": op.has(4), "init": Zeros(), **nonlinearity}
    sources: dict[str, Source] = {}
    for suffix, i in {"forward": [("", 0)], "reverse": [("", 0), ("_reverse", 0)]}.get(direction, [("", 0), ("_reverse", 1)]):
        sources |= {name + suffix: source for name, source in _sources(op, kind, i, hidden, layer_kind is GRU).items()}
    inputs = [_batch_first(op, op.node(0)), *_start(op, kind, direction), *([op.node(4)] if op.has(4) else [])]
    outputs = call(op, layer_kind, sources, options, inputs, 1 + len(kind.states))
    return _outputs(op, outputs, direction, hidden)


def _nonlinearity(op: Operator, kind: Kind, n_directions: int) -> dict[str, str]:
    """Return the option for the activations, which must be those of netlib's layers."""
    given = [each.lower() for each in op.get("activations", [])] or list(kind.activations) * n_directions
    if "activation_alpha" in op.attributes or "activation_beta" in op.attributes:
        op.refuse("has activation_alpha or activation_beta")
    if op.op_type == "RNN" and set(given) == {"relu"}:
        return {"nonlinearity": "relu"}
    if given != list(kind.activations) * n_directions:
        op.refuse(f"has activations={op.get('activations')}, expected {', '.join(kind.activations)} in each direction")
    return {}


def _sources(op: Operator, kind: Kind, direction: int, hidden: int, has_bias_h: bool) -> dict[str, Source]:
    """Return where the parameters of one direction come from."""
    n = len(kind.gates)

    def weight(w: Any) -> Any:
        return Transpose()(_gates(Slice(direction)(w), kind.gates, hidden))

    def bias(b: Any) -> Any:
        of_x, of_h = (_gates(Slice((direction, slice(k * n * hidden, (k + 1) * n * hidden)))(b), kind.gates, hidden) for k in (0, 1))
        if not has_bias_h:
            return of_x + of_h
        mixed, candidate = slice(2 * hidden), slice(2 * hidden, None)
        return Concatenate(0)(Slice(mixed)(of_x) + Slice(mixed)(of_h), Slice(candidate)(of_x))

    def bias_h(b: Any) -> Any:
        return Slice((direction, slice(5 * hidden, None)))(b)

    layout = f"{op.op_type} {direction}"
    sources = {"weight_x": Source(1, layout, weight), "weight_h": Source(2, layout, weight)}
    if op.has(3):
        sources["bias"] = Source(3, layout, bias)
        if has_bias_h:
            sources["bias_h"] = Source(3, f"{layout}, of h", bias_h)
    return sources


def _gates(x: Any, order: Sequence[int], hidden: int) -> Any:
    """Return the blocks of rows, one for each gate, in another order."""
    if list(order) == list(range(len(order))):
        return x
    return Concatenate(0)(*[Slice(slice(i * hidden, (i + 1) * hidden))(x) for i in order])


def _batch_first(op: Operator, x: Node) -> Any:
    return x if op.get("layout") else Transpose((1, 0, 2))(x)


def _start(op: Operator, kind: Kind, direction: str) -> list[Any]:
    """Return the states before the first step, (N, hidden), or (N, directions, hidden)."""
    given = {i: op.node(i) for i in kind.states if op.has(i)}
    if not given:
        return []
    first = next(iter(given.values()))
    nodes = [given[i] if i in given else Multiply()(first, number(op, 0)) for i in kind.states]
    if direction == "forward":
        return [Squeeze(1 if op.get("layout") else 0)(node) for node in nodes]
    nodes = [_batch_first(op, node) for node in nodes]
    return [Concatenate(1)(node, node) for node in nodes] if direction == "reverse" else nodes


def _outputs(op: Operator, outputs: Sequence[Node], direction: str, hidden: int) -> tuple[Any, ...]:
    """Return Y and the states after the last step as ONNX lays them out."""
    y, *states = outputs
    has_layout = bool(op.get("layout"))
    if direction == "forward":
        parts, lasts = Expand(2)(y), [Expand(1)(state) for state in states]
    elif direction == "reverse":  # the other direction has the same weights, and is not used
        parts = Expand(2)(Slice((..., slice(hidden, None)))(y))
        lasts = [Slice((slice(None), slice(1, None)))(state) for state in states]
    else:
        ends = slice(None, hidden), slice(hidden, None)
        parts, lasts = Stack(2)(*[Slice((..., end))(y) for end in ends]), list(states)
    if has_layout:
        return parts, *lasts
    return Transpose((1, 2, 0, 3))(parts), *[Transpose((1, 0, 2))(last) for last in lasts]


OPERATORS: dict[str, Callable[[Operator], Any]] = {"RNN": recurrent, "LSTM": recurrent, "GRU": recurrent}
