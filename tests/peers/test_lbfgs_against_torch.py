"""L-BFGS beside PyTorch's, with its strong-Wolfe line search."""

import numpy as np
import torch

import netlib as nl

STEPS = 20


def equal_steps(seed):
    """Return how many of 20 steps, from the first on, are searches that end at once, and assert that these equal PyTorch's.

    The loss is the mean softmax cross-entropy of 40 samples, with a little weight decay.
    """
    rng = np.random.default_rng(seed)
    x, t = torch.tensor(rng.normal(size=(40, 5)) * [1.0, 0.3, 1.5, 0.1, 0.5]), torch.tensor(rng.integers(3, size=40))
    ours, theirs = nl.Parameter(np.zeros((5, 3))), torch.zeros((5, 3), dtype=torch.float64, requires_grad=True)
    optimizer = nl.LBFGS(ours, iterations=1)
    peer = torch.optim.LBFGS([theirs], lr=1, max_iter=1, history_size=10, tolerance_change=0, line_search_fn="strong_wolfe")

    def loss_of(w):
        w.grad = None
        loss = torch.nn.functional.cross_entropy(x @ w, t) + 0.001 * (w * w).sum()
        loss.backward()
        return loss

    def closure():
        w = torch.tensor(ours.value, requires_grad=True)
        loss = loss_of(w)
        ours.grad += w.grad.numpy()
        return loss.item()

    for n in range(STEPS):
        optimizer.step(closure)
        peer.step(lambda: loss_of(theirs))
        if optimizer.evaluations > 2 * (n + 1):
            return n
        np.testing.assert_allclose(ours.value, theirs.detach().numpy(), rtol=1e-8, atol=1e-8)
    return STEPS


def test_where_the_first_step_of_each_search_is_right_the_iterates_are_pytorchs():
    """The directions are the same; the searches differ in where they go on if their first step fails.

    PyTorch looks up to ten times as far outwards, netlib four times, and they interpolate within other
    bounds. Both are right: the conditions leave an interval. The very first step differs, too, if the
    gradient is longer than 1: it is 1 over its length in netlib, and over the sum of the absolute
    values in PyTorch. Here the gradients are short at the start.
    """
    counts = [equal_steps(seed) for seed in range(6)]
    assert min(counts) >= 4
    assert max(counts) == STEPS
