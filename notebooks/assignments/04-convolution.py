"""The exercises of notebook 4, for python -m netlib.grade."""

import numpy as np

from netlib.grade import Exercise

rng = np.random.default_rng(0)


def convolved(layer, x):
    """Return the product of the kernel and each patch."""
    kernel = layer.weight.value
    return np.lib.stride_tricks.sliding_window_view(x, len(kernel), axis=1) @ kernel


EXERCISES = [
    Exercise("MyConvolution", rng.normal(size=(2, 7)), make=lambda MyConvolution: MyConvolution(3, rng=0), forward=convolved),
    Exercise("MyMaxPool", rng.normal(size=(3, 8)), forward=lambda pool, x: np.maximum(x[:, ::2], x[:, 1::2])),
]
