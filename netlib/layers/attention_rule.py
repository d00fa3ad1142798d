"""The text of the rule of attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rules import Shape, Shapes, format_axes, format_shape, sum_to_shape

if TYPE_CHECKING:
    from .attention import ScaledDotProductAttention


def attention_rule(layer: ScaledDotProductAttention, inputs: Shapes, output: Shape, heads: int = 0) -> str:
    """Return the rule of `layer`, which cuts its inputs into so many `heads`, if any.

    >>> from netlib import ScaledDotProductAttention
    >>> rule = attention_rule(ScaledDotProductAttention(causal=True), [(3, 4)] * 3, (3, 4))
    >>> print(rule.splitlines()[0])
    y = p·v, where p = softmax(q·kᵀ / sqrt(4), tri(3, 3))
    """
    given = dict(zip(("q", "k", "v", "y"), [*inputs[:3], output], strict=True))
    q, k, v, dy = ("Q", "K", "V", "D") if heads else ("q", "k", "v", "dy")
    cuts = [f"{name} = {_cut(x, given[x[-1]], heads)}" for name, x in zip((q, k, v, dy), ("q", "k", "v", "dy"), strict=True) if heads]
    root = f"sqrt({given['q'][-1] // (heads or 1)})"
    tri = f"tri({given['q'][-2]}, {given['k'][-2]})"
    allowed = " ⊙ ".join([tri] * bool(layer.causal) + ["mask"] * bool(layer.mask))
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
    broadcast = {x: (*output[:-2], *shape[-2:]) for x, shape in given.items()}
    texts = []
    for x, formula, definitions in lines:
        text = _join(formula, given[x], broadcast[x], heads) if heads else sum_to_shape(formula, given[x], broadcast[x])
        texts.append(f"{'' if x == 'y' else 'd'}{x} = {text}, where {', '.join(definitions)}")
    return "\n".join(texts)


def _cut(name: str, shape: Shape, heads: int) -> str:
    """Return the formula of the heads of x, (…, T, features)."""
    *lead, t, features = shape
    return f"({name}, reshaped to {format_shape((*lead, t, heads, features // heads))}, its axes in the order {_swapped(len(lead))})"


def _join(formula: str, shape: Shape, broadcast: Shape, heads: int) -> str:
    """Return the formula of x from that of its heads, summed where x was broadcast."""
    summed = sum_to_shape(formula, (*shape[:-2], heads, *shape[-2:]), (*broadcast[:-2], heads, *shape[-2:]))
    return f"{summed}, its axes in the order {_swapped(len(broadcast) - 2)}, reshaped to {format_shape(shape)}"


def _swapped(n_lead: int) -> str:
    return format_axes([*range(n_lead), n_lead + 1, n_lead, n_lead + 2])
