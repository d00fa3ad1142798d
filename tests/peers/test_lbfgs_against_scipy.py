"""L-BFGS beside SciPy's."""

import numpy as np
from scipy.optimize import minimize

import netlib as nl


def evaluations(seed):
    """Return how often netlib and SciPy compute the loss to bring the gradient below 1e-3."""
    rng = np.random.default_rng(seed)
    x, width = rng.normal(size=(60, 4)), (5, 8, 12)[seed % 3]
    t = np.int64(x[:, 0] * np.sin(x[:, 2]) + x[:, 1] * np.sin(x[:, 3]) > 0)
    model = nl.Sequential(nl.Affine(4, width, rng=seed, dtype="float64"), nl.Tanh(), nl.Affine(width, 2, rng=seed, dtype="float64"))
    loss = nl.SoftmaxCrossEntropy()
    optimizer = nl.LBFGS(model, iterations=1000, tolerance=1e-3, weight_decay=0.01)
    (values,) = (flat.values for flat in optimizer._flats)
    start = values.copy()

    def closure():
        value = loss.forward(model.forward(x), t)
        model.backward(loss.backward(1.0))
        return value

    def function(w):
        values[...] = w
        optimizer.zero_grad()
        return closure() + 0.005 * w @ w, optimizer.gradients()[0] + 0.01 * w

    optimizer.step(closure)
    assert np.abs(function(values.copy())[1]).max() <= 1e-3
    peer = minimize(function, start, jac=True, method="L-BFGS-B", options={"maxcor": 10, "gtol": 1e-3, "ftol": 0, "maxiter": 1000})
    return optimizer.evaluations, peer.nfev


def test_it_needs_at_most_5_percent_more_evaluations_than_scipys():
    ours, scipys = np.sum([evaluations(seed) for seed in range(24)], axis=0)
    assert ours <= 1.05 * scipys
