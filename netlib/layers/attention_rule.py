"""The text of the rule of attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rules import Shape, Shapes, sum_to_shape

if TYPE_CHECKING:
    from .attention import ScaledDotProductAttention

IN_HEADS = {"q": "Q", "k": "K", "v": "V", "dy": "D"}
"""The names of arrays that are cut into heads."""


def attention_rule(layer: ScaledDotProductAttention, inputs: Shapes, output: Shape, heads: int = 0) -> str:
    """Return the rule of `layer`, which splits its inputs into `heads` parts if this is not 0.

    >>> from netlib import ScaledDotProductAttention
    >>> rule = attention_rule(ScaledDotProductAttention(causal=True), [(3, 4)] * 3, (3, 4))
    >>> print(rule.splitlines()[0])
    y = p·v, where p = softmax(q·kᵀ / sqrt(4), tri(3, 3))
    """
    given = {"q": inputs[0], "k": inputs[1], "v": inputs[2], "y": output}
    q, k, v, dy = IN_HEADS.values() if heads else IN_HEADS
    cuts = [f"{cut} = heads({x}, {heads})" for x, cut in IN_HEADS.items()] if heads else []
    root = f"sqrt({given['q'][-1] // (heads or 1)})"
    tri = f"tri({given['q'][-2]}, {given['k'][-2]})"
    allowed = " ⊙ ".join([tri] * bool(layer.causal) + ["mask"] * layer.mask)
    p = f"p = softmax({q}·{k}ᵀ / {root}{', ' if allowed else ''}{allowed})"
    kept = f" ⊙ kept / {1 - layer.dropout:g}" if layer.training and layer.dropout else ""
    w, of_w = ("w", [f"w = p{kept}", p]) if kept else ("p", [p])
    of_ds = ["ds = p ⊙ (dp − sum[axis=-1](p ⊙ dp))", f"dp = {dy}·{v}ᵀ{kept}", p]
    lines = [
        ("y", f"{w}·{v}", [*of_w, *cuts[:3]]),
        ("q", f"ds·{k} / {root}", [*of_ds, *cuts]),
        ("k", f"dsᵀ·{q} / {root}", [*of_ds, *cuts]),
        ("v", f"{w}ᵀ·{dy}", [*of_w, *cuts[:2], *cuts[3:]]),
    ]
    texts = []
    for x, formula, definitions in lines:
        text = sum_to_shape(formula, given[x][:-2], output[:-2])
        texts.append(f"{'' if x == 'y' else 'd'}{x} = {f'joined({text})' if heads else text}, where {', '.join(definitions)}")
    return "\n".join(texts)
