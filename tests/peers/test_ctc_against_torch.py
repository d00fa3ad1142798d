"""PyTorch as referee of CTC."""

import numpy as np
import pytest
import torch

import netlib as nl


@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0, 1e4])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_and_gradients_are_pytorchs_where_a_path_exists(reduction, scale):
    rng = np.random.default_rng(0)
    n_compared = 0
    for _ in range(40):
        n, steps, classes, most = rng.integers(1, 4), rng.integers(1, 9), rng.integers(2, 5), rng.integers(0, 4)
        blank = int(rng.integers(classes))
        y = rng.normal(size=(n, steps, classes)) * scale
        t = rng.choice([label for label in range(classes) if label != blank], size=(n, most))
        frames, labels = rng.integers(1, steps + 1, n), rng.integers(0, most + 1, n)
        logits = torch.tensor(y, requires_grad=True)
        log_p = torch.log_softmax(logits, -1).transpose(0, 1)
        theirs = torch.nn.functional.ctc_loss(
            log_p, torch.tensor(t), torch.tensor(frames), torch.tensor(labels), blank=blank, reduction="none"
        )
        loss = nl.CTC(blank, reduction=reduction)
        if not torch.isfinite(theirs).all():
            with pytest.raises(nl.InvalidValueError, match="no path makes the target"):
                loss.forward(y, t, frames, labels)
            continue
        theirs = torch.nn.functional.ctc_loss(
            log_p, torch.tensor(t), torch.tensor(frames), torch.tensor(labels), blank=blank, reduction=reduction
        )
        theirs.sum().backward()
        np.testing.assert_allclose(loss.forward(y, t, frames, labels), theirs.detach().numpy(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(loss.backward(), logits.grad.numpy(), rtol=1e-9, atol=1e-9)
        n_compared += 1
    assert n_compared > 10
