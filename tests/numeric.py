"""Derivatives without calculus: central differences, the referee of every backward."""

import numpy as np


def numeric_gradient(f, x, dout):
    """Return the derivative of Σ dout · f() with respect to each element of `x`, which f reads and which is left as it was.

    f returns a tuple of arrays, dout is a tuple of as many.
    """
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        h = 1e-6 * max(1.0, abs(kept))
        x[i] = above = kept + h
        ys_above = f()
        x[i] = below = kept - h
        ys_below = f()
        x[i] = kept
        differences = (np.sum(d * (np.asarray(a) - b)) for d, a, b in zip(dout, ys_above, ys_below, strict=True))
        gradient[i] = sum(differences) / (above - below)
    return gradient
