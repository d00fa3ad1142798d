"""The matrix products alone, a lower bound for every implementation that consists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..networks import parts_of_block

if TYPE_CHECKING:
    from ..case import Array, Case
    from ..networks import Network
    from . import Step

    Product = tuple[Array, Array, Array]


NOTHING = np.empty(0)
"""The y of a layer that is no product. It never fits, so that the next x is not overwritten."""


class Products:
    """NumPy's matmul into preallocated arrays, and nothing else.

    A convolution is the product of its patches, one in each row, and its weights. A direct
    convolution makes no such matrix, and may be faster. So may causal attention that leaves out
    scores which are masked.
    """

    takes_weights = False

    def __init__(self, threads: int) -> None:
        self.versions = {"numpy": np.__version__}

    def train(self, case: Case) -> Step:
        """Return the products of forward and backward, without dL/dx of the first layer."""
        chain = Chain(case)
        return _multiply([*chain.forward, *chain.backward])

    def infer(self, case: Case) -> Step:
        """Return the products of forward."""
        return _multiply(Chain(case).forward)


def _multiply(products: list[Product]) -> Step:
    def step() -> None:
        for a, b, out in products:
            np.matmul(a, b, out=out)

    return step


class Chain:
    """The products of a case, each two arrays and the one that their product is written into.

    The y of one is the x of the next where it fits.
    """

    def __init__(self, case: Case) -> None:
        self.forward: list[Product] = []
        self.backward: list[Product] = []
        self._batch, self._steps, self._image_size = case.batch, case.sample[0], case.sample[-1]
        self._weights = case.weights()
        x = case.inputs()
        self._y = x.reshape(-1, x.shape[-1]) if x.ndim == 3 else x
        self._has_gradient = False
        self._rows = len(self._y)
        self._append(case.network)

    def _append(self, network: Network) -> None:
        for layer in network:
            match layer:
                case ["affine", *_]:
                    self._append_affine(self._rows, next(self._weights))
                case ["conv", _, _, kernel, stride, padding, _]:
                    self._image_size = (self._image_size + 2 * padding - kernel) // stride + 1
                    weight = next(self._weights)
                    patches = np.ascontiguousarray(weight.reshape(len(weight), -1).T)
                    self._append_affine(self._batch * self._image_size**2, patches)
                case ["max_pool", window]:
                    self._image_size //= window
                case ["add", main, shortcut]:
                    before = self._image_size
                    self._append(main)
                    after, self._image_size = self._image_size, before
                    self._append(shortcut)
                    self._image_size = after
                case ["embedding", *_]:
                    self._rows = self._batch * self._steps
                    next(self._weights)
                    self._y, self._has_gradient = NOTHING, True
                case ["positional", *_]:
                    next(self._weights)
                case ["lstm" | "gru", _, _, last]:
                    self._append_recurrence(last)
                case ["attention", _, heads, _]:
                    self._append_attention(heads)
                case ["transformer_block", *numbers]:
                    self._append(parts_of_block(*numbers))

    def _append_affine(self, rows: int, w: Array) -> None:
        """Append y = x w, dw = xᵀ y and dx = y wᵀ."""
        shape = rows, len(w)
        x, dx = (self._y, self._y) if self._y.shape == shape else (np.ones(shape, w.dtype), np.empty(shape, w.dtype))
        y = np.ones((rows, w.shape[1]), w.dtype)
        self.forward.append((x, w, y))
        self.backward[:0] = [(x.T, y, np.empty_like(w)), *([(y, w.T, dx)] if self._has_gradient else [])]
        self._y, self._has_gradient = y, True

    def _append_recurrence(self, last: bool) -> None:
        """Append one product of the inputs, and one of the state at each step but the first."""
        self._append_affine(self._rows, next(self._weights))
        w = next(self._weights)
        h = np.ones((self._steps - 1, self._batch, len(w)), w.dtype)
        a = np.ones((self._steps - 1, self._batch, w.shape[1]), w.dtype)
        dh = np.empty_like(h[0])
        self.forward += [(h_t, w, a_t) for h_t, a_t in zip(h, a, strict=True)]
        dw = h.reshape(-1, h.shape[-1]).T, a.reshape(-1, a.shape[-1]), np.empty_like(w)
        self.backward[:0] = [*((a_t, w.T, dh) for a_t in a[::-1]), dw]
        self._rows = self._batch if last else self._rows
        self._y = NOTHING

    def _append_attention(self, heads: int) -> None:
        """Append query, key and value as one product, the two products of the heads, the output."""
        self._append_affine(self._rows, np.concatenate([next(self._weights) for _ in range(3)], axis=1))
        output = next(self._weights)
        q, k, v, y = (np.ones((self._batch, heads, self._steps, len(output) // heads), output.dtype) for _ in range(4))
        p, dp = (np.ones((self._batch, heads, self._steps, self._steps), output.dtype) for _ in range(2))
        dq, dk, dv = (np.empty_like(q) for _ in range(3))
        self.forward += [(q, k.mT, p), (p, v, y)]
        self.backward[:0] = [(y, v.mT, dp), (p.mT, y, dv), (dp, k, dq), (dp.mT, q, dk)]
        self._append_affine(self._rows, output)
