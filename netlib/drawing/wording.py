"""A picture in words: its rules with the names of its wires, and how their shapes fit."""

from __future__ import annotations

from ..layers.rules import sized
from .picture import Line, Node, Picture, Reference, Wire

LONGEST_NAME, LONGEST_FORMULA = 28, 34
SIGNS = {"·", " + ", " − ", " ⊙ ", " / "}


def shortened(name: str) -> str:
    """Return `name` as it is where it is short; otherwise without its last arguments, or else its middle.

    >>> shortened("Affine(2, 2, dtype='float64')"), shortened("a_name_that_goes_on_and_on_and_on")
    ('Affine(2, 2, …)', 'a_name_that_go…and_on_and_on')
    """
    if len(name) <= LONGEST_NAME:
        return name
    kept = name[: LONGEST_NAME - 3].rpartition(", ")[0] if name.endswith(")") else ""
    return f"{kept}, …)" if kept else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 + 1 :]}"


def folded(node: Node) -> str:
    """Return what is inside a group, in words."""
    layers = "1 layer" if node.folds == 1 else f"{node.folds} layers"
    parameters = 0 if node.layer is None else sum(p.size for p in node.layer.parameters().values())
    return f"{layers}, {parameters:,} parameters" if parameters else f"{layers} folded"


def as_text(picture: Picture, line: Line) -> str:
    """Return a line of a rule with the names of its wires: ``dX = dY·Wᵀ``."""
    result = "" if line.result is None else f"{called(picture, line.result, 'd')} = "
    return result + formula(picture, line, "d")


def formula(picture: Picture, line: Line, gradient: str) -> str:
    """Return what a line computes, with `gradient` before the name of each gradient in it."""
    return "".join(part if isinstance(part, str) else called(picture, part, gradient) for part in line.parts)


def called(picture: Picture, reference: Reference, gradient: str) -> str:
    """Return the name of what a reference stands for, with `gradient` before it where it is one."""
    name = shortened(picture.wires[reference.wire].name)
    return f"{gradient if reference.is_grad else ''}{name}{'ᵀ' if reference.is_transposed else ''}"


def fitting(picture: Picture, line: Line) -> str:
    """Return how the shapes of a line fit: ``(2×3)(3×2) → (2×2)``; just the shape where all are equal, element by element."""
    if line.result is None:
        return ""
    pieces, shapes = [], []
    for part in line.parts:
        if isinstance(part, str):
            pieces.append(part)
        else:
            shape = picture.wires[part.wire].value.shape
            turned = (*shape[:-2], *shape[:-3:-1]) if part.is_transposed else shape
            pieces.append(f"({sized(turned)})")
            shapes.append(pieces[-1])
    if not shapes:
        return ""
    made = f"({sized(picture.wires[line.result.wire].value.shape)})"
    if set(shapes) == {made} and "·" not in pieces:
        return made
    is_plain = set(pieces) - set(shapes) <= SIGNS
    left = "".join(pieces).replace("·", "") if is_plain else " ".join(dict.fromkeys(shapes))
    return f"{left} → {made}"


def formula_at(picture: Picture, wire: Wire) -> str:
    """Return where the gradient of a wire comes from: `` = ∂L/∂Y·Wᵀ``; short or empty where that is too long for a label."""
    target = picture.nodes[wire.target]
    if target.kind == "output":
        return " = dout"
    long = f" = sum over {len(target.outputs)} uses" if target.kind == "fan-out" else ""
    for line in target.backward:
        if line.result is not None and line.result.wire == wire.number:
            text = f" = {formula(picture, line, '∂L/∂')}"
            return text if len(text) <= LONGEST_FORMULA else long
    return ""


def described(picture: Picture) -> str:
    """Return the picture in sentences, for those who hear it."""
    sentences = []
    for node in picture.nodes:
        wires = [picture.wires[i] for i in node.outputs]
        if node.kind == "operation":
            taken = ", ".join(picture.wires[i].name for i in node.inputs)
            made = ", ".join(f"{wire.name} of shape {sized(wire.value.shape)}" for wire in wires)
            rules = "; ".join(as_text(picture, line) for line in node.forward + node.backward)
            sentences.append(f"{node.title} takes {taken} and gives {made}{f': {rules}' if rules else ''}.")
        elif node.kind == "fan-out":
            sentences.append(f"{node.title} is used {len(wires)} times, so its gradients add up.")
        elif node.kind == "group":
            sentences.append(f"{node.title} stands for {folded(node)}.")
        elif node.kind == "output":
            sentences.append(f"{node.title} is an output.")
        elif node.kind == "entry":
            sentences.append(f"{node.title} comes into this part.")
        elif node.kind == "exit":
            sentences.append(f"{node.title} goes out of this part.")
        elif node.kind != "unused":
            sentences.append(f"{node.title} is {'an' if node.kind == 'input' else 'a'} {node.kind}.")
    return " ".join(sentences)
