"""The matrix products alone, a lower bound for every implementation that consists of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..case import Array, Case
    from ..networks import Network
    from . import Step


@dataclass(frozen=True)
class Product:
    """The arrays of y = x w. Those of its backward are dw = xᵀ y and dx = y wᵀ."""

    x: Array
    w: Array
    y: Array
    dw: Array
    dx: Array


class Products:
    """NumPy's matmul into preallocated arrays, and nothing else.

    A convolution is the product of its patches, one in each row, and its weights. A direct
    convolution makes no such matrix, and may be faster.
    """

    takes_weights = False

    def __init__(self, threads: int) -> None:
        self.versions = {"numpy": np.__version__}

    def train(self, case: Case) -> Step:
        """Return the products of forward and backward, without dL/dx of the first layer."""
        products = products_of(case)

        def step() -> None:
            for p in products:
                np.matmul(p.x, p.w, out=p.y)
            for p in reversed(products):
                np.matmul(p.x.T, p.y, out=p.dw)
                if p is not products[0]:
                    np.matmul(p.y, p.w.T, out=p.dx)

        return step

    def infer(self, case: Case) -> Step:
        """Return the products of forward."""
        products = products_of(case)

        def forward() -> None:
            for p in products:
                np.matmul(p.x, p.w, out=p.y)

        return forward


def products_of(case: Case) -> list[Product]:
    """Return the products of a case. The y of one is the x of the next where it fits."""
    products: list[Product] = []
    y = case.inputs()
    for rows, weight in zip(_rows(case.network, case.batch, case.sample[-1]), case.weights(), strict=True):
        w = weight if weight.ndim == 2 else np.ascontiguousarray(weight.reshape(len(weight), -1).T)
        shape = rows, len(w)
        x, dx = (y, y) if y.shape == shape else (np.ones(shape, case.dtype), np.empty(shape, case.dtype))
        y = np.ones((rows, w.shape[1]), case.dtype)
        products.append(Product(x, w, y, np.empty_like(w), dx))
    return products


def _rows(network: Network, batch: int, size: int) -> Generator[int, None, int]:
    """Yield the number of rows of each product, and return the size of the square images."""
    for layer in network:
        match layer:
            case ["affine", *_]:
                yield batch
            case ["conv", _, _, kernel, stride, padding, _]:
                size = (size + 2 * padding - kernel) // stride + 1
                yield batch * size * size
            case ["max_pool", window]:
                size //= window
            case ["add", main, shortcut]:
                before = size
                size = yield from _rows(main, batch, before)
                yield from _rows(shortcut, batch, before)
    return size
