"""The exercises of notebook 2, for python -m netlib.grade."""

import numpy as np

from netlib.grade import Exercise

rng = np.random.default_rng(0)
x = rng.normal(size=(5, 4))


def centred(layer, x):
    """Return x without the mean of each row."""
    return x - x.mean(axis=1, keepdims=True)


EXERCISES = [
    Exercise("MySwish", x, forward=lambda swish, x: x / (1 + np.exp(-x))),
    Exercise("MyScale", x, make=lambda MyScale: MyScale(4), forward=lambda scale, x: x * scale.weight.value),
    Exercise("MyCentre", x, forward=centred),
    Exercise("MyStandardize", x, forward=lambda layer, x: centred(layer, x) / x.std(axis=1, keepdims=True)),
]
