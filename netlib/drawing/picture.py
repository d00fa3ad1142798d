"""What is drawn: nodes, and the wires between them with what passes along each."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple

from ..arrays import Array
from ..containers.program import as_wirable
from ..layer import Layer
from ..losses import Loss
from .flow import Flow, Operation, added
from .rules import rule_of

MOST_NODES = 40
"""A model of more layers is drawn folded, if need be down to its ends."""
SYMBOLS = {
    "Add": "+", "ResidualAdd": "+", "Subtract": "−", "Multiply": "×", "Divide": "÷", "MatMul": "dot", "Sigmoid": "σ", "Tanh": "tanh",
    "Sum": "Σ",
}  # fmt: skip
SHORT = {"weight": "W", "bias": "B"}


class Reference(NamedTuple):
    """In the text of a rule: what passes along a wire, forward or backward, perhaps transposed."""

    wire: int
    is_grad: bool
    is_transposed: bool = False


@dataclass
class Line:
    """One line of a rule: what it computes, and the text, with references in it, that says how."""

    result: Reference | None
    parts: list[str | Reference]


@dataclass
class Wire:
    """An arrow from one node to another, and what passes along it.

    Attributes
    ----------
    name : str
        ``"X"``, and ``"X(2)"`` for what the second branch of a fan-out carries.
    path : str
        Where the model keeps it, or the layer that makes it.
    source, target : int
        Numbers of nodes.
    value : ndarray
    grad : ndarray or None
        What comes back along this wire. None where nothing was computed.
    """

    number: int
    name: str
    path: str
    source: int
    target: int
    value: Array
    grad: Array | None


@dataclass
class Node:
    """A place where wires end and begin.

    Attributes
    ----------
    kind : {"input", "parameter", "constant", "operation", "group", "fan-out", "output", "unused"}
        A group is several layers folded into one; an output is where the seed gradient enters.
    title : str
        Its name, or the layer as it would be written.
    symbol : str
        What stands in the circle; empty for a box with its title.
    path : str
    layer : Layer or None
        Of the copy that ran.
    inputs, outputs : list of int
        Numbers of wires.
    roles : list of str
        What the layer itself calls its inputs and parameters, in the order of `inputs`.
    forward, backward : list of Line
    folds : int
        How many layers are folded into it.
    """

    kind: str
    title: str
    symbol: str = ""
    path: str = ""
    layer: Layer | None = None
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    forward: list[Line] = field(default_factory=list)
    backward: list[Line] = field(default_factory=list)
    folds: int = 0
    number: int = -1


class Moment(NamedTuple):
    """One step of the way through the picture: the node that works, and the wires on which something new can be seen."""

    phase: str
    node: int
    wires: list[int]


class Picture:
    """The nodes and wires of a flow.

    Parameters
    ----------
    flow : Flow
    folded : bool
        Whether the containers in the model are one node each.

    Attributes
    ----------
    nodes : list of Node
        Numbered in order, sources before those they feed.
    wires : list of Wire
    moments : list of Moment
        The way through it: forward from the left, then backward from the right.

    Examples
    --------
    >>> import netlib as nl, numpy as np
    >>> picture = Picture(Flow(nl.Sequential(nl.Affine(2, 3, rng=0), nl.Tanh()), [np.ones((4, 2))]))
    >>> for wire in picture.wires:
    ...     print(picture.nodes[wire.source].title, "->", picture.nodes[wire.target].title, wire.name, wire.value.shape)
    X -> Affine(2, 3) X (4, 2)
    W -> Affine(2, 3) W (2, 3)
    B -> Affine(2, 3) B (3,)
    Affine(2, 3) -> Tanh() H (4, 3)
    Tanh() -> Y Y (4, 3)
    """

    def __init__(self, flow: Flow, folded: bool = False) -> None:
        self.nodes: list[Node] = []
        self.wires: list[Wire] = []
        self._flow = flow
        parts = _in_order(flow, _layers_and_groups(flow, folded))
        users: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, part in enumerate(parts):
            for place, value in enumerate(part.takes):
                users[value].append((number, place))
        names = _names(flow, [value for part in parts for value in part.makes])
        arriving: dict[tuple[int, int], Wire] = {}
        for number, part in enumerate(parts):
            node = self._add(part.node, [arriving[number, place] for place in range(len(part.takes))])
            node.title = node.title or names[(part.makes or part.takes)[0]]
            for value in part.makes:
                uses = users[value]
                wires = self._wires(value, names[value], node, [parts[user].sent[place] for user, place in uses])
                arriving.update(zip(uses, wires, strict=True))
        for node in self.nodes:
            self._give_rule(node)
        self.moments = self._way()

    def _add(self, node: Node, inputs: list[Wire]) -> Node:
        node.number = len(self.nodes)
        self.nodes.append(node)
        for wire in inputs:
            wire.target = node.number
            node.inputs.append(wire.number)
        return node

    def _wires(self, value: int, name: str, source: Node, gradients: Sequence[Array | None]) -> list[Wire]:
        """Return a wire for each use of a value, through a fan-out where there are several; `gradients` are what the uses send back."""
        if len(gradients) == 1:
            return [self._wire(name, value, source, gradients[0])]
        if not gradients:
            self._add(Node("unused", "not used"), [self._wire(name, value, source, None)])
            return []
        trunk = self._wire(name, value, source, reduce(added, gradients))
        fan_out = self._add(Node("fan-out", name, "•", trunk.path), [trunk])
        return [self._wire(f"{name}({i})", value, fan_out, gradient) for i, gradient in enumerate(gradients, 1)]

    def _wire(self, name: str, value: int, source: Node, grad: Array | None) -> Wire:
        held = self._flow.values[value]
        wire = Wire(len(self.wires), name, held.path, source.number, -1, held.array, grad)
        self.wires.append(wire)
        source.outputs.append(wire.number)
        return wire

    def _give_rule(self, node: Node) -> None:
        """Write the rule of the node, with its wires in the place of the layer's own names."""
        inputs, outputs = [self.wires[i] for i in node.inputs], [self.wires[i] for i in node.outputs]
        if node.kind == "fan-out" and inputs[0].grad is not None:
            shares = [Reference(wire.number, True) for wire in outputs if wire.grad is not None]
            node.backward = [Line(Reference(inputs[0].number, True), _sum_of(shares))]
        if node.kind != "operation" or node.layer is None or len(outputs) != 1:
            return
        shapes = [wire.value.shape for wire in inputs]
        n = len(shapes) - len(node.layer.parameters())
        text = rule_of(node.layer, node.roles[:n], shapes[:n], outputs[0].value.shape)
        output = "L" if "y" in node.roles else "y"
        words = {f"d{name}": Reference(wire.number, True) for name, wire in zip([*node.roles, output], [*inputs, *outputs], strict=True)}
        words |= {name: Reference(wire.number, False) for name, wire in zip([*node.roles, output], [*inputs, *outputs], strict=True)}
        for line in text.splitlines():
            result, equals, formula = line.partition(" = ")
            read = Line(words.get(result.strip()), _parts(formula, words)) if equals else Line(None, _parts(line, words))
            if read.result is None or not read.result.is_grad:
                node.forward.append(read)
            elif self.wires[read.result.wire].grad is not None:
                node.backward.append(read)

    def _way(self) -> list[Moment]:
        """Return the way through the picture: each node in order, then those that a gradient reaches, in reverse."""
        way = [Moment("forward", node.number, node.outputs) for node in self.nodes if node.kind not in ("output", "unused")]
        for node in reversed(self.nodes):
            wires = [i for i in node.inputs if self.wires[i].grad is not None]
            if wires:
                way.append(Moment("backward", node.number, wires))
        return way


@dataclass
class _Part:
    """What becomes a node: the values it takes and makes, and the gradient that it sends to each that it takes."""

    node: Node
    takes: list[int] = field(default_factory=list)
    sent: list[Array | None] = field(default_factory=list)
    makes: list[int] = field(default_factory=list)


def _layers_and_groups(flow: Flow, folded: bool) -> list[_Part]:
    """Return the layers that ran, in order, those of one container together where they are folded."""
    runs: list[tuple[str, list[Operation]]] = []  # the path of a container, or "" for a single layer
    for operation in flow.operations:
        outermost = operation.path.partition(".")[0]
        group = outermost if (folded or len(flow.operations) > MOST_NODES) and _is_container(flow.layers.get(outermost)) else ""
        if group and runs and runs[-1][0] == group:
            runs[-1][1].append(operation)
        else:
            runs.append((group, [operation]))
    if len(runs) > MOST_NODES:
        at_each_end = MOST_NODES // 4
        middle = [operation for _, operations in runs[at_each_end:-at_each_end] for operation in operations]
        runs[at_each_end:-at_each_end] = [("…", middle)]
    read = Counter(value for operation in flow.operations for value in operation.sources) + Counter(flow.outputs)
    return [_group(flow, path, operations, read) if path else _layer(operations[0]) for path, operations in runs]


def _layer(operation: Operation) -> _Part:
    kind = type(operation.layer).__name__
    node = Node("operation", repr(operation.layer), SYMBOLS.get(kind, ""), operation.path, operation.layer, roles=operation.roles)
    return _Part(node, operation.sources, operation.sent, operation.targets)


def _group(flow: Flow, path: str, operations: list[Operation], read: Counter[int]) -> _Part:
    """Return several operations as one: it takes what comes from outside, and makes what others read.

    Parameters and constants that nobody else reads are folded into it.
    """
    inside = Counter(value for operation in operations for value in operation.sources)
    sent: dict[int, Array | None] = {}
    for operation in operations:
        for value, gradient in zip(operation.sources, operation.sent, strict=True):
            sent[value] = added(sent.get(value), gradient)
    made = dict.fromkeys(value for operation in operations for value in operation.targets)
    makes = [value for value in made if read[value] > inside[value]]
    is_own = {value: read[value] == inside[value] and flow.values[value].kind in ("parameter", "constant") for value in inside}
    takes = [value for value in sent if value not in made and not is_own[value]]
    title = f"{len(operations)} layers" if path == "…" else type(flow.layers[path]).__name__
    node = Node("group", title, path=path, layer=flow.layers.get(path), folds=len(operations))
    return _Part(node, takes, [sent[value] for value in takes], makes)


def _in_order(flow: Flow, parts: list[_Part]) -> list[_Part]:
    """Return `parts` with what they begin from, and what they end in: each parameter just before its first user."""
    ordered = [_Part(Node("input", ""), makes=[value]) for value in flow.inputs]
    begun = set(flow.inputs)
    for part in parts:
        for value in part.takes:
            held = flow.values[value]
            if held.kind != "made" and value not in begun:
                begun.add(value)
                ordered.append(_Part(Node(held.kind, "", path=held.path), makes=[value]))
        ordered.append(part)
    return ordered + [_Part(Node("output", ""), [value], [seed]) for value, seed in zip(flow.outputs, flow.seeds, strict=True)]


def _names(flow: Flow, values: Sequence[int]) -> dict[int, str]:
    """Return a name for each value: the given one, else the chapter's letter, with a number where several would have it."""
    given = Counter(flow.values[value].name for value in values)
    names = {value: flow.values[value].name for value in values if flow.values[value].name and given[flow.values[value].name] == 1}
    letters = {value: _letter(flow, value) for value in values if value not in names}
    taken = set(names.values())
    several = Counter(letters.values())
    numbers: Counter[str] = Counter()
    for value, letter in letters.items():
        name = letter
        while name in taken or (name == letter and several[letter] > 1):
            numbers[letter] += 1
            name = f"{letter}{numbers[letter]}"
        taken.add(name)
        names[value] = name
    return names


def _letter(flow: Flow, value: int) -> str:
    """Return what a value would be called if it were the only one: X, W, B, H, Y or L."""
    held = flow.values[value]
    if held.name:
        return held.name
    if held.kind == "parameter":
        own = held.path.rpartition(".")[-1]
        return SHORT.get(own, own)
    if held.kind == "input":
        return "X"
    if value not in flow.outputs:
        return "H"
    makers = [operation.layer for operation in flow.operations if value in operation.targets]
    return "L" if held.array.ndim == 0 or isinstance(makers[0], Loss) else "Y"


def _parts(formula: str, words: dict[str, Reference]) -> list[str | Reference]:
    """Return `formula` with references in the place of the words that stand for arrays."""
    parts: list[str | Reference] = []
    end = 0
    for match in re.finditer(r"([^\W²³ᵀ]+(?:\.[^\W²³ᵀ]+)*)(ᵀ?)", formula):
        word, transposed = match.group(1), bool(match.group(2))
        if word in words:
            parts += [formula[end : match.start()], words[word]._replace(is_transposed=transposed)]
            end = match.end()
    return [part for part in [*parts, formula[end:]] if part]


def _sum_of(references: Iterable[Reference]) -> list[str | Reference]:
    parts: list[str | Reference] = []
    for reference in references:
        parts += [" + ", reference] if parts else [reference]
    return parts


def _is_container(layer: Layer | None) -> bool:
    return layer is not None and as_wirable(layer) is not None
