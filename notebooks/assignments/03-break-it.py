"""The exercises of notebook 3, for python -m netlib.grade."""

import numpy as np

from netlib.grade import Exercise

rng = np.random.default_rng(0)
x = rng.normal(size=(5, 4))

EXERCISES = [
    Exercise("Patient1", x, forward=lambda layer, x: np.maximum(x, 0)),
    Exercise("Patient2", x, forward=lambda layer, x: x + np.tanh(x @ layer.weight.value)),
    Exercise("Patient3", x, forward=lambda layer, x: x @ layer.weight.value),
    Exercise("Patient4", x),
    Exercise("Patient5", x, forward=lambda layer, x: 1 / (1 + np.exp(-x))),
]
