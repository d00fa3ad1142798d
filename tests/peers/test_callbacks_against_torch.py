"""Callbacks beside PyTorch's schedulers and averages."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import netlib as nl


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_plateau_is_pytorchs_on_random_sequences(mode):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        options = {"factor": 0.5, "patience": int(rng.integers(4)), "threshold": 0.05, "cooldown": int(rng.integers(4)), "min_lr": 0.01}
        referee = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        peer = torch.optim.lr_scheduler.ReduceLROnPlateau(referee, mode=mode, eps=0, **options)
        history, callback = nl.History(["loss"]), nl.ReduceOnPlateau("loss", mode=mode, **options)
        trainer = SimpleNamespace(history=history, optimizer=nl.SGD(nl.Parameter([0.0]), lr=1.0))
        callback.on_fit_begin(trainer)
        for value in rng.uniform(0.5, 1, 60) * 0.99 ** np.arange(60):
            history.append({"loss": float(value)})
            callback.on_epoch_end(trainer)
            peer.step(float(value))
            assert trainer.optimizer.lr == referee.param_groups[0]["lr"]


def test_an_average_is_pytorchs():
    model = nl.Affine(3, 2, rng=0, dtype="float64")
    ours = nl.WeightAverage(decay=0.9)
    trainer = SimpleNamespace(model=model, optimizer=nl.SGD(model, lr=0.1))
    net = torch.nn.Linear(3, 2, bias=False, dtype=torch.float64)
    peer = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    ours.on_fit_begin(trainer)
    rng = np.random.default_rng(0)
    for _ in range(20):
        model.weight.grad += rng.normal(size=(3, 2))
        trainer.optimizer.step()
        ours.on_batch_end(trainer)
        with torch.no_grad():
            net.weight.copy_(torch.tensor(model.weight.value.T.copy()))
        peer.update_parameters(net)
    np.testing.assert_allclose(ours.average["weight"].T, peer.module.weight.detach().numpy(), rtol=1e-12)
