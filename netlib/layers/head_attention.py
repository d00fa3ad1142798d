from __future__ import annotations

from ..arrays import RNG, Array, ArrayLike, as_common_floats, as_count
from ..errors import ShapeError
from .attention import ScaledDotProductAttention


class HeadAttention(ScaledDotProductAttention):
    """`ScaledDotProductAttention` of each head: the core of `MultiHeadAttention`.

    q (…, T, features), k and v (…, S, features) are cut along the last axis into `heads` parts,
    each of which attends by itself; y (…, T, features) holds their outputs side by side. So the
    gradients of q, k and v hold those of the heads side by side. The mask, if there is one, is the
    last input, and broadcasts to (…, heads, T, S).

    >>> attention = HeadAttention(heads=2)
    >>> attention.forward([[0.0, 9.0]], [[1.0, 1.0], [2.0, 2.0]], [[0.0, 0.0], [1.0, 1.0]]).round(4)
    array([[0.5   , 0.9999]])
    """

    kernel_name = "head_attention"

    def __init__(self, heads: int, causal: bool = False, dropout: float = 0.0, mask: bool = False, *, rng: RNG = None) -> None:
        self.heads = as_count(heads, "heads", "HeadAttention", least=1)
        super().__init__(causal, dropout, mask, rng=rng)

    def forward(self, q: ArrayLike, k: ArrayLike, v: ArrayLike, *mask: ArrayLike) -> Array:
        """Return y, of shape (…, T, features of v). The mask is the last input if there is one."""
        q, k, v = map(self._cut, as_common_floats((q, k, v), self))
        y, p, scale = self._attend(q, k, v, mask)
        return self.remember(_join(y), q, k, v, p, scale)

    def backward(self, dout: ArrayLike) -> tuple[Array, ...]:
        """Return ∂L/∂q, ∂L/∂k and ∂L/∂v."""
        dout, *kept = self.recall(dout)
        return tuple(map(_join, self._attend_backward(self._cut(dout), *kept)))

    def _cut(self, x: Array) -> Array:
        """Return (…, T, features) as (…, heads, T, features of a head), without copying."""
        if x.ndim < 2 or x.shape[-1] % self.heads:
            message = f"got an input of shape {x.shape}, expected (…, positions, features) with features for {self.heads} heads"
            raise ShapeError(message, where=self)
        return x.reshape(*x.shape[:-1], self.heads, x.shape[-1] // self.heads).swapaxes(-2, -3)


def _join(x: Array) -> Array:
    """Return (…, heads, T, features of a head) as (…, T, features)."""
    *lead, heads, t, features = x.shape
    return x.swapaxes(-2, -3).reshape(*lead, t, heads * features)
