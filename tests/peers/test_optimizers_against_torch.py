"""PyTorch as referee of optimizers, schedules and clipping."""

import numpy as np
import pytest
import torch

from netlib.layer import Parameter
from netlib.optimizers import SGD, AdaGrad, Adam, AdamW, RMSProp, clip_grad_norm, schedules

CASES = [
    (SGD, torch.optim.SGD, {"lr": 0.05}),
    (SGD, torch.optim.SGD, {"lr": 0.05, "weight_decay": 0.1}),
    (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.5, "nesterov": True, "weight_decay": 0.1}),
    (AdaGrad, torch.optim.Adagrad, {}),
    (AdaGrad, torch.optim.Adagrad, {"lr": 0.5, "eps": 0.1, "weight_decay": 0.1}),
    (RMSProp, torch.optim.RMSprop, {}),
    (RMSProp, torch.optim.RMSprop, {"lr": 0.05, "alpha": 0.5, "eps": 0.1, "weight_decay": 0.1}),
    (RMSProp, torch.optim.RMSprop, {"alpha": 0.0}),
    (Adam, torch.optim.Adam, {}),
    (Adam, torch.optim.Adam, {"lr": 0.05, "betas": (0.5, 0.7), "eps": 0.1, "weight_decay": 0.1}),
    (Adam, torch.optim.Adam, {"betas": (0.0, 0.0)}),
    (AdamW, torch.optim.AdamW, {}),
    (AdamW, torch.optim.AdamW, {"lr": 0.05, "betas": (0.5, 0.7), "eps": 0.1, "weight_decay": 0.5}),
]
IDS = [f"{ours.__name__}-{settings}" for ours, _, settings in CASES]


def pairs(dtype, seed=0):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in [(3, 4), (4,), (), (2, 1, 2)]]
    return [Parameter(a) for a in arrays], [torch.nn.Parameter(torch.tensor(a)) for a in arrays]


def give_gradients(ours, theirs, rng):
    for p, q in zip(ours, theirs, strict=True):
        g = np.asarray(rng.normal(size=p.shape) * 10.0 ** rng.integers(-6, 3), p.dtype)
        p.grad += g
        q.grad = torch.tensor(g)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "peer", "settings"), CASES, ids=IDS)
def test_30_steps_equal_pytorchs(kind, peer, settings, dtype):
    ours, theirs = pairs(dtype)
    optimizer, referee = kind(ours, **settings), peer(theirs, **settings)
    rng = np.random.default_rng(1)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    for _ in range(30):
        give_gradients(ours, theirs, rng)
        optimizer.step()
        referee.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.value, q.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("kind", "peer", "settings"), CASES, ids=IDS)
def test_defaults_are_pytorchs_except_sgds_rate(kind, peer, settings):
    ours, theirs = pairs("float64")
    defaults = peer(theirs, **({"lr": 0.01} if kind is SGD else {})).defaults
    state = kind(ours).state_dict()
    for name in ("lr", "momentum", "nesterov", "alpha", "betas", "eps", "weight_decay"):
        if name in state and name in defaults:
            assert state[name] == defaults[name]


def test_a_parameter_unfrozen_later_is_corrected_as_pytorch_does():
    ours, theirs = pairs("float64")
    optimizer, referee = Adam(ours), torch.optim.Adam(theirs)
    rng = np.random.default_rng(1)
    ours[1].trainable = False
    for step in range(10):
        if step == 5:
            ours[1].trainable = True
        give_gradients(ours, theirs, rng)
        if step < 5:
            theirs[1].grad = None
        optimizer.step()
        referee.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.value, q.detach().numpy(), rtol=1e-12)


scheduler = torch.optim.lr_scheduler
SCHEDULES = [
    (schedules.Step(0.5, 7, 0.3), lambda o: scheduler.StepLR(o, 7, 0.3), 40),
    (schedules.Exponential(0.5, 0.9), lambda o: scheduler.ExponentialLR(o, 0.9), 40),
    (schedules.Cosine(0.5, 30, 0.1), lambda o: scheduler.CosineAnnealingLR(o, 30, 0.1), 31),
    (schedules.Warmup(0.5, 12), lambda o: scheduler.LinearLR(o, total_iters=12), 40),
    (schedules.Warmup(0.5, 12, 0.1), lambda o: scheduler.LinearLR(o, 0.1, total_iters=12), 40),
    (schedules.OneCycle(0.5, 40), lambda o: scheduler.OneCycleLR(o, 0.5, 40), 40),
    (
        schedules.OneCycle(0.5, 40, 0.25, 10, 100),
        lambda o: scheduler.OneCycleLR(o, 0.5, 40, pct_start=0.25, div_factor=10, final_div_factor=100),
        40,
    ),
    (
        schedules.Chain((schedules.Warmup(0.5, 5, 0.1), 5), schedules.Cosine(0.5, 30)),
        lambda o: scheduler.SequentialLR(o, [scheduler.LinearLR(o, 0.1, total_iters=5), scheduler.CosineAnnealingLR(o, 30)], [5]),
        35,
    ),
]


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@pytest.mark.parametrize(("schedule", "peer", "steps"), SCHEDULES, ids=[repr(s) for s, _, _ in SCHEDULES])
def test_schedules_equal_pytorchs(schedule, peer, steps):
    referee = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    beside = peer(referee)
    optimizer = SGD(Parameter([0.0]), lr=schedule)
    for step in range(steps):
        assert optimizer.lr == pytest.approx(referee.param_groups[0]["lr"], rel=1e-9, abs=1e-12), step
        optimizer.step()
        referee.step()
        if step < steps - 1:
            beside.step()


@pytest.mark.parametrize("limit", [0.01, 1.0, 1e6])
def test_clipping_equals_pytorchs_but_for_its_epsilon(limit):
    ours, theirs = pairs("float64")
    give_gradients(ours, theirs, np.random.default_rng(1))
    norm = clip_grad_norm(SGD(ours), limit)
    assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs, limit)), rel=1e-12)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-6)
