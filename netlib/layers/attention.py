from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import RNG, Array, ArrayLike, Shape, as_common_floats, as_number, as_rng, unbroadcast
from ..errors import no_forward
from ..layer import Layer
from ..underflow import ignore_underflow
from .attention_inputs import as_flag, as_mask, scores_shape
from .attention_rule import attention_rule
from .rows import Rows
from .rules import Shapes


class ScaledDotProductAttention(Layer):
    """``y = p @ v`` with ``p = softmax(q @ kᵀ / √d)``: each query averages the values.

    q is (…, T, d), k (…, S, d), v (…, S, d_v) and y (…, T, d_v). Row i of p weights the S values
    for query i. With ``causal=True``, query i attends to the keys 0 … i only. With ``mask=True``,
    the last input is boolean, broadcasts to (…, T, S), and is True where a query may attend. Where
    a query may attend to no key, y is 0. In training mode, elements of p are dropped with
    probability `dropout`.

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
        self.causal, self.mask = causal, as_flag(mask, where)
        self.dropout = as_number(dropout, "dropout", where, least=0, below=1)
        self.n_nondifferentiable_inputs = int(self.mask)
        self._rng = as_rng(rng, where)

    def forward(self, q: ArrayLike, k: ArrayLike, v: ArrayLike, mask: ArrayLike | None = None) -> Array:
        """Return y, of shape (…, T, d_v). The mask is the last input if the layer has one."""
        q, k, v = as_common_floats((q, k, v), self)
        return self.remember(*self._attend(q, k, v, mask))

    def backward(self, dout: ArrayLike) -> tuple[Array, ...]:
        """Return ∂L/∂q, ∂L/∂k and ∂L/∂v."""
        dout, q, k, v, p, scale = self.recall(dout)
        return self._attend_backward(dout, q, k, v, p, scale)

    @property
    def weights(self) -> Array:
        """The p of the last forward, (…, T, S)."""
        if self._cache is None:
            raise no_forward(self)
        _, _, _, p, _ = self._cache[2]
        return np.array(p)

    @ignore_underflow
    def _attend(self, q: Array, k: Array, v: Array, mask: ArrayLike | None, past: int = 0) -> tuple[Any, ...]:
        """Return y, and what backward needs. The first query is at position `past` of the keys."""
        shape = scores_shape(q, k, v, self)
        allowed = as_mask(mask, self.mask, shape, self)
        if self.causal:
            up_to_now = np.tri(shape[-2], shape[-1], past, dtype=bool)
            allowed = up_to_now if allowed is None else allowed & up_to_now
        p = self._softmax(q / math.sqrt(q.shape[-1]) @ k.swapaxes(-1, -2), allowed)
        if not (self.training and self.dropout):
            return p @ v, q, k, v, p, None
        scale = (self._rng.random(p.shape, np.float32) >= self.dropout) / p.dtype.type(1 - self.dropout)
        return p * scale @ v, q, k, v, p, scale

    @staticmethod
    @np.errstate(over="ignore", under="ignore")
    def _softmax(s: Array, allowed: Array | None) -> Array:
        """Return the softmax of each row over its allowed elements, in the memory of `s`."""
        if allowed is not None:
            np.copyto(s, -np.inf, where=~allowed)
        s -= s.max(axis=-1, keepdims=True, initial=np.finfo(s.dtype).min)  # finite even if none is allowed
        p = np.exp(s, out=s)
        p /= np.maximum(p @ np.ones((p.shape[-1], 1), p.dtype), 1)  # the sum is 0 if none is allowed, else at least 1
        return p

    @ignore_underflow
    def _attend_backward(self, dy: Array, q: Array, k: Array, v: Array, p: Array, scale: Array | None) -> tuple[Array, ...]:
        root = math.sqrt(q.shape[-1])
        dv = (p if scale is None else p * scale).swapaxes(-1, -2) @ dy
        ds = dy @ v.swapaxes(-1, -2)  # ∂L/∂p so far
        if scale is not None:
            ds *= scale
        ds -= np.einsum("...j,...j->...", p, ds)[..., np.newaxis]
        ds *= p
        dq, dk = ds @ (k / root), ds.swapaxes(-1, -2) @ (q / root)
        return unbroadcast(dq, q.shape), unbroadcast(dk, k.shape), unbroadcast(dv, v.shape)

    def forward_next(self, past: tuple[Rows, Rows] | None, q: Array, k: Array, v: Array, mask: Array | None = None) -> Any:
        """Return y at the next positions, and the keys and values so far; causal attention only."""
        if not self.causal or self.mask or q.ndim != 3:
            return NotImplemented
        keys, values = (Rows(k), Rows(v)) if past is None else (past[0].followed_by(k), past[1].followed_by(v))
        return self._attend(q, keys.array, values.array, mask, len(keys) - q.shape[1])[0], (keys, values)

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return the multiply-adds of both products: T · S · (d + d_v) for each leading axis."""
        q, k, v, *_ = shapes
        lead = np.broadcast_shapes(q[:-2], k[:-2], v[:-2])
        return math.prod(lead) * q[-2] * k[-2] * (q[-1] + v[-1])

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the softmax between two products, and its gradients."""
        return attention_rule(self, inputs, output)
