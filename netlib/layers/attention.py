from __future__ import annotations

import math

import numpy as np

from ..arrays import RNG, Array, ArrayLike, as_common_floats, as_number, as_rng, unbroadcast
from ..layer import Layer
from ..underflow import ignore_underflow
from .attention_inputs import as_mask, scores_shape


class ScaledDotProductAttention(Layer):
    """``y = p @ v`` with ``p = softmax(q @ kᵀ / √d)``: each query takes a mean of the values.

    q is (…, T, d), k (…, S, d), v (…, S, d_v) and y (…, T, d_v). Row i of p weights the S values
    for query i. `causal` lets query i look at the keys 0 … i alone. With ``mask=True``, the last
    input is boolean, broadcasts to (…, T, S), and is True where a query may look. Where none is
    allowed, y is 0. In training mode, elements of p are dropped with probability `dropout`.

    Two dot nodes, Eqs. (1.20) and (1.30), with a softmax in between. With the scores s = q kᵀ / √d:
    ∂L/∂v = pᵀ ∂L/∂y and ∂L/∂p = ∂L/∂y vᵀ; ∂L/∂s = p (∂L/∂p - Σ_j p_j ∂L/∂p_j), as in `Softmax`;
    ∂L/∂q = ∂L/∂s k / √d; ∂L/∂k = (∂L/∂s)ᵀ q / √d. Vaswani et al., 2017.

    >>> attention = ScaledDotProductAttention(causal=True)
    >>> q = k = v = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> attention.forward(q, k, v).round(4)
    array([[1.    , 0.    ],
           [0.3302, 0.6698]])
    >>> dq, dk, dv = attention.backward([[0.0, 0.0], [1.0, 0.0]])
    >>> dq.round(4).tolist(), dv.round(4).tolist()
    ([[0.0, 0.0], [0.1564, -0.1564]], [[0.3302, 0.0], [0.6698, 0.0]])
    """

    kernel_name = "attention"

    def __init__(self, causal: bool = False, dropout: float = 0.0, mask: bool = False, *, rng: RNG = None) -> None:
        where = type(self).__name__
        self.causal, self.mask = causal, mask
        self.dropout = as_number(dropout, "dropout", where, least=0, below=1)
        self.n_nondifferentiable_inputs = int(mask)
        self._rng = as_rng(rng, where)

    def forward(self, q: ArrayLike, k: ArrayLike, v: ArrayLike, *mask: ArrayLike) -> Array:
        """Return y, of shape (…, T, d_v). The mask is the last input if the layer has one."""
        q, k, v = as_common_floats((q, k, v), self)
        y, p, scale = self._attend(q, k, v, mask)
        return self.remember(y, q, k, v, p, scale)

    def backward(self, dout: ArrayLike) -> tuple[Array, Array, Array]:
        """Return ∂L/∂q, ∂L/∂k and ∂L/∂v."""
        return self._attend_backward(*self.recall(dout))

    @ignore_underflow
    def _attend(self, q: Array, k: Array, v: Array, mask: tuple[ArrayLike, ...], past: int = 0) -> tuple[Array, Array, Array | None]:
        """Return y, p, and the factors of a dropout of p, or None."""
        shape = scores_shape(q, k, v, self)
        allowed = as_mask(mask, self.mask, shape, self)
        if self.causal:
            past_only = np.tri(*shape[-2:], past, dtype=bool)
            allowed = past_only if allowed is None else allowed & past_only
        p = self._softmax(q / math.sqrt(q.shape[-1]) @ k.swapaxes(-1, -2), allowed)
        if not (self.training and self.dropout):
            return p @ v, p, None
        scale = (self._rng.random(p.shape, np.float32) >= self.dropout) / p.dtype.type(1 - self.dropout)
        return p * scale @ v, p, scale

    @staticmethod
    @np.errstate(over="ignore", under="ignore")
    def _softmax(s: Array, allowed: Array | None) -> Array:
        """Return the softmax of each row over its allowed elements, in the memory of `s`."""
        if allowed is not None:
            np.copyto(s, -np.inf, where=~allowed)
        s -= s.max(axis=-1, keepdims=True, initial=np.finfo(s.dtype).min)  # finite even if none is allowed
        p = np.exp(s, out=s)
        p /= np.maximum(p @ np.ones((p.shape[-1], 1), p.dtype), 1)  # below 1, namely 0, only if none is allowed
        return p

    @ignore_underflow
    def _attend_backward(self, dy: Array, q: Array, k: Array, v: Array, p: Array, scale: Array | None) -> tuple[Array, Array, Array]:
        root = math.sqrt(q.shape[-1])
        dv = (p if scale is None else p * scale).swapaxes(-1, -2) @ dy
        ds = dy @ v.swapaxes(-1, -2)
        if scale is not None:
            ds *= scale
        ds -= np.einsum("...j,...j->...", p, ds)[..., np.newaxis]
        ds *= p
        dq, dk = ds @ (k / root), ds.swapaxes(-1, -2) @ (q / root)
        return unbroadcast(dq, q.shape), unbroadcast(dk, k.shape), unbroadcast(dv, v.shape)
