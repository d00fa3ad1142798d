"""A picture in words: rules with the names of wires, shapes, and a description."""

from __future__ import annotations

from ..layers.rules import format_shape
from .elements import Line, Node, Reference, Wire
from .picture import Picture

LONGEST_NAME, LONGEST_FORMULA = 28, 34
SIGNS = {"·", " + ", " − ", " ⊙ ", " / "}


def shorten(name: str) -> str:
    """Return a short name unchanged, and a long one without its last arguments or its middle.

    >>> shorten("Affine(2, 2, dtype='float64')"), shorten("a_name_that_goes_on_and_on_and_on")
    ('Affine(2, 2, …)', 'a_name_that_go…and_on_and_on')
    """
    if len(name) <= LONGEST_NAME:
        return name
    kept = name[: LONGEST_NAME - 3].rpartition(", ")[0] if name.endswith(")") else ""
    return f"{kept}, …)" if kept else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 + 1 :]}"


def describe_group(node: Node) -> str:
    """Return the number of layers and parameters in a group, in words."""
    layers = "1 layer" if node.folds == 1 else f"{node.folds} layers"
    parameters = 0 if node.layer is None else sum(p.size for p in node.layer.parameters().values())
    return f"{layers}, {parameters:,} parameters" if parameters else f"{layers} folded"


def as_text(picture: Picture, line: Line) -> str:
    """Return a line of a rule with the names of wires: ``dX = dY·Wᵀ``."""
    result = "" if line.result is None else f"{name_of(picture, line.result, 'd')} = "
    return result + formula(picture, line, "d")


def formula(picture: Picture, line: Line, gradient: str) -> str:
    """Return the formula of a line, with the prefix `gradient` on the name of each gradient."""
    return "".join(part if isinstance(part, str) else name_of(picture, part, gradient) for part in line.parts)


def name_of(picture: Picture, reference: Reference, gradient: str) -> str:
    """Return the name of a wire, with the prefix `gradient` if the gradient is meant."""
    name = shorten(picture.wires[reference.wire].name)
    return f"{gradient if reference.is_grad else ''}{name}{'ᵀ' if reference.is_transposed else ''}"


def fit_of_shapes(picture: Picture, line: Line) -> str:
    """Return the shapes in a line: ``(2×3)(3×2) → (2×2)``; a single one for elementwise lines."""
    if line.result is None:
        return ""
    pieces, shapes = [], []
    for part in line.parts:
        if isinstance(part, str):
            pieces.append(part)
        else:
            shape = picture.wires[part.wire].value.shape
            as_used = (*shape[:-2], *shape[:-3:-1]) if part.is_transposed else shape
            pieces.append(f"({format_shape(as_used)})")
            shapes.append(pieces[-1])
    if not shapes:
        return ""
    result = f"({format_shape(picture.wires[line.result.wire].value.shape)})"
    if set(shapes) == {result} and "·" not in pieces:
        return result
    is_plain = set(pieces) - set(shapes) <= SIGNS
    left = "".join(pieces).replace("·", "") if is_plain else " ".join(dict.fromkeys(shapes))
    return f"{left} → {result}"


def gradient_formula(picture: Picture, wire: Wire) -> str:
    """Return the formula of a wire's gradient for its label: `` = ∂L/∂Y·Wᵀ``.

    A formula that is too long is omitted, or at a fan-out replaced by a few words.
    """
    target = picture.nodes[wire.target]
    if target.kind == "output":
        return " = dout"
    long = f" = sum over {len(target.outputs)} uses" if target.kind == "fan-out" else ""
    for line in target.backward:
        if line.result is not None and line.result.wire == wire.number:
            text = f" = {formula(picture, line, '∂L/∂')}"
            return text if len(text) <= LONGEST_FORMULA else long
    return ""


def describe(picture: Picture) -> str:
    """Return the picture in sentences, for screen readers."""
    sentences = []
    for node in picture.nodes:
        wires = [picture.wires[i] for i in node.outputs]
        if node.kind == "operation":
            taken = ", ".join(picture.wires[i].name for i in node.inputs)
            made = ", ".join(f"{wire.name} of shape {format_shape(wire.value.shape)}" for wire in wires)
            rules = "; ".join(as_text(picture, line) for line in node.forward + node.backward)
            sentences.append(f"{node.title} takes {taken} and gives {made}{f': {rules}' if rules else ''}.")
        elif node.kind == "fan-out":
            sentences.append(f"{node.title} is used {len(wires)} times, so its gradients add up.")
        elif node.kind == "group":
            sentences.append(f"{node.title} stands for {describe_group(node)}.")
        elif node.kind == "output":
            sentences.append(f"{node.title} is an output.")
        elif node.kind == "entry":
            sentences.append(f"{node.title} comes into this part.")
        elif node.kind == "exit":
            sentences.append(f"{node.title} goes out of this part.")
        elif node.kind != "unused":
            sentences.append(f"{node.title} is {'an' if node.kind == 'input' else 'a'} {node.kind}.")
    return " ".join(sentences)
