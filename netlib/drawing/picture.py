"""The contents of a drawing: nodes, the wires between them, and the arrays on the wires."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from ..arrays import Array
from .elements import Line, Moment, Node, Reference, Wire
from .flow import Flow, add_gradients
from .parts import divide
from .rules import rule_of, symbol_of
from .value_names import name_values

WORD = re.compile(r"([^\W²³ᵀ]+(?:\.[^\W²³ᵀ]+)*)(ᵀ?)")
"""A name in a rule, and the ᵀ that transposes it."""


class Picture:
    """The nodes and wires of a flow.

    Parameters
    ----------
    flow : Flow
    folded : bool
        Whether each container in the model is one node.
    within : str
        The path of a container or layer, to draw only what is inside it; empty for the whole model.

    Attributes
    ----------
    nodes : list of Node
        In topological order.
    wires : list of Wire
    moments : list of Moment
        The steps of the animation: forward from the left, then backward from the right.

    Examples
    --------
    >>> import netlib as nl, numpy as np
    >>> model = nl.Sequential(nl.Affine(2, 3, rng=0), nl.Tanh())
    >>> picture = Picture(Flow(model, [np.ones((4, 2))]))
    >>> for wire in picture.wires:
    ...     source, target = picture.nodes[wire.source], picture.nodes[wire.target]
    ...     print(source.title, "->", target.title, wire.name, wire.value.shape)
    X -> Affine(2, 3) X (4, 2)
    W -> Affine(2, 3) W (2, 3)
    B -> Affine(2, 3) B (3,)
    Affine(2, 3) -> Tanh() H (4, 3)
    Tanh() -> Y Y (4, 3)
    """

    def __init__(self, flow: Flow, folded: bool = False, within: str = "") -> None:
        self.nodes: list[Node] = []
        self.wires: list[Wire] = []
        self._flow = flow
        self._add_parts(folded, within)
        for node in self.nodes:
            self._write_rule(node)
        self.moments = self._find_moments()

    def part(self, path: str) -> Picture:
        """Return the picture of the inside of the container or layer at `path`, of the same run."""
        return Picture(self._flow, within=path)

    def _add_parts(self, folded: bool, within: str) -> None:
        parts = divide(self._flow, folded, within)
        names = name_values(self._flow)
        uses: dict[int, list[tuple[int, int]]] = defaultdict(list)  # (part, input) by value
        for number, part in enumerate(parts):
            for i, value in enumerate(part.inputs):
                uses[value].append((number, i))
        wire_at: dict[tuple[int, int], Wire] = {}
        for number, part in enumerate(parts):
            inputs = [wire_at[number, i] for i in range(len(part.inputs))]
            node = self._add_node(part.node, inputs)
            node.title = node.title or names[(part.outputs or part.inputs)[0]]
            for value in part.outputs:
                gradients = [parts[user].gradients[i] for user, i in uses[value]]
                wires = self._add_wires(value, names[value], node, gradients)
                wire_at.update(zip(uses[value], wires, strict=True))

    def _add_node(self, node: Node, inputs: Iterable[Wire]) -> Node:
        node.number = len(self.nodes)
        self.nodes.append(node)
        for wire in inputs:
            wire.target = node.number
            node.inputs.append(wire.number)
        return node

    def _add_wires(self, value: int, name: str, source: Node, gradients: Sequence[Array | None]) -> list[Wire]:
        """Return a wire for each use of a value; several uses begin at a fan-out node.

        `gradients` has the gradient that each use returns.
        """
        if len(gradients) == 1:
            return [self._add_wire(name, value, source, gradients[0])]
        if not gradients:
            self._add_node(Node("unused", "not used"), [self._add_wire(name, value, source, None)])
            return []
        trunk = self._add_wire(name, value, source, reduce(add_gradients, gradients))
        fan_out = self._add_node(Node("fan-out", name, "•", trunk.path), [trunk])
        return [self._add_wire(f"{name}({i})", value, fan_out, gradient) for i, gradient in enumerate(gradients, 1)]

    def _add_wire(self, name: str, number: int, source: Node, grad: Array | None) -> Wire:
        value = self._flow.values[number]
        wire = Wire(len(self.wires), name, value.path, source.number, -1, value.array, grad)
        self.wires.append(wire)
        source.outputs.append(wire.number)
        return wire

    def _write_rule(self, node: Node) -> None:
        """Write the rule of the node, with its wires instead of the layer's own names."""
        if node.kind == "fan-out":
            self._write_rule_of_fan_out(node)
        elif node.kind == "operation" and node.layer is not None and node.outputs:
            shapes = [self.wires[i].value.shape for i in node.inputs]
            n_inputs = len(shapes) - len(node.layer.parameters())
            output = self.wires[node.outputs[0]].value.shape
            rule = rule_of(node.layer, shapes[:n_inputs], output)
            node.symbol = symbol_of(rule, node.roles[:n_inputs])
            references = _references(node)
            for text in rule.splitlines():
                self._add_line(node, _read_line(text, references))

    def _write_rule_of_fan_out(self, node: Node) -> None:
        trunk = self.wires[node.inputs[0]]
        if trunk.grad is not None:
            branches = [i for i in node.outputs if self.wires[i].grad is not None]
            terms: list[str | Reference] = []
            for i in branches:
                terms += [" + ", Reference(i, True)] if terms else [Reference(i, True)]
            node.backward = [Line(Reference(trunk.number, True), terms)]

    def _add_line(self, node: Node, line: Line) -> None:
        """Add a line to forward or backward; leave out a gradient that was not computed."""
        if line.result is None or not line.result.is_grad:
            node.forward.append(line)
        elif self.wires[line.result.wire].grad is not None:
            node.backward.append(line)

    def _find_moments(self) -> list[Moment]:
        """Return each node in order, then those that a gradient reaches, in reverse."""
        moments = [Moment("forward", node.number, node.outputs) for node in self.nodes if node.kind not in ("output", "exit", "unused")]
        for node in reversed(self.nodes):
            wires = [i for i in node.inputs if self.wires[i].grad is not None]
            if wires:
                moments.append(Moment("backward", node.number, wires))
        return moments


def _references(node: Node) -> dict[str, Reference]:
    """Return the wires by the rule's names for them and for their gradients."""
    y = "L" if "y" in node.roles else "y"
    names = [*node.roles, *([y] if len(node.outputs) == 1 else [f"{y}{i}" for i in range(1, len(node.outputs) + 1)])]
    wires = list(zip(names, [*node.inputs, *node.outputs], strict=True))
    gradients = {f"d{name}": Reference(number, True) for name, number in wires}
    return gradients | {name: Reference(number, False) for name, number in wires}


def _read_line(text: str, references: Mapping[str, Reference]) -> Line:
    result, equals, formula = text.partition(" = ")
    result = result.strip()
    if equals and result in references:
        return Line(references[result], _read_formula(formula, references))
    return Line(None, _read_formula(text, references))


def _read_formula(formula: str, references: Mapping[str, Reference]) -> list[str | Reference]:
    """Return `formula` with references instead of the words that stand for arrays."""
    parts: list[str | Reference] = []
    end = 0
    for match in WORD.finditer(formula):
        word, transposed = match.group(1), bool(match.group(2))
        if word in references:
            reference = references[word]._replace(is_transposed=transposed)
            parts += [formula[end : match.start()], reference]
            end = match.end()
    return [part for part in [*parts, formula[end:]] if part]
