from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, as_floats
from ...layer import Layer


class Determinant(Layer):
    """The determinants of matrices (…, n, n), as in `numpy.linalg.det`.

    ∂y/∂x is the matrix of cofactors, det(x) x⁻ᵀ. With the singular values s of x = U diag(s) Vᵀ it
    is det(U) det(V) U diag(Π_{j≠i} s_j) Vᵀ, which also holds for singular matrices.

    >>> determinant = Determinant()
    >>> float(determinant.forward([[1.0, 2.0], [2.0, 4.0]])), determinant.backward(1.0).round(6)
    (0.0, array([[ 4., -2.],
           [-2.,  1.]]))
    """

    def forward(self, x: ArrayLike) -> Array:
        """Return the determinants, of shape (…)."""
        x = as_floats(x, where=self)
        return self.remember(np.asarray(np.linalg.det(x)), x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, x = self.recall(dout)
        u, s, vt = np.linalg.svd(x)
        n = s.shape[-1]
        others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(axis=-1)
        cofactors = (u * others[..., None, :]) @ vt
        return ((dout * np.linalg.det(u) * np.linalg.det(vt))[..., None, None] * cofactors).astype(dout.dtype)  # type: ignore[no-any-return]
