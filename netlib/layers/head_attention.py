from __future__ import annotations

from typing import Any

from ..arrays import RNG, Array, ArrayLike, Shape, as_count
from .attention import ScaledDotProductAttention
from .attention_inputs import scores_shape
from .attention_rule import attention_rule
from .rules import Shapes


class HeadAttention(ScaledDotProductAttention):
    """`ScaledDotProductAttention` of each head: the core of `MultiHeadAttention`.

    q (…, T, features), k and v (…, S, features) are split along the last axis into `heads` parts,
    each of which attends separately; y (…, T, features) holds their outputs side by side. So the
    gradients of q, k and v hold those of the heads side by side. The mask, if any, is the last
    input, and broadcasts to (…, heads, T, S).

    >>> attention = HeadAttention(heads=2)
    >>> attention.forward([[0.0, 9.0]], [[1.0, 1.0], [2.0, 2.0]], [[0.0, 0.0], [1.0, 1.0]]).round(4)
    array([[0.5   , 0.9999]])
    """

    kernel_name = "head_attention"

    def __init__(self, heads: int, causal: bool = False, dropout: float = 0.0, mask: bool = False, *, rng: RNG = None) -> None:
        self.heads = as_count(heads, "heads", "HeadAttention", least=1)
        super().__init__(causal, dropout, mask, rng=rng)

    def _attend(self, q: Array, k: Array, v: Array, mask: ArrayLike | None, past: int = 0) -> tuple[Any, ...]:
        scores_shape(q, k, v, self, self.heads)
        y, *kept = super()._attend(self._cut(q), self._cut(k), self._cut(v), mask, past)
        return _join(y), *kept

    def _attend_backward(self, dy: Array, *kept: Any) -> tuple[Array, ...]:
        return tuple(map(_join, super()._attend_backward(self._cut(dy), *kept)))

    def _cut(self, x: Array) -> Array:
        """Return (…, T, features) as (…, heads, T, features of a head), without copying."""
        return x.reshape(*x.shape[:-1], self.heads, x.shape[-1] // self.heads).swapaxes(-2, -3)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the rule of `ScaledDotProductAttention` on arrays that are split into heads."""
        return attention_rule(self, inputs, output, self.heads)


def _join(x: Array) -> Array:
    """Return (…, heads, T, features of a head) as (…, T, features)."""
    *lead, heads, t, features = x.shape
    return x.swapaxes(-2, -3).reshape(*lead, t, heads * features)
