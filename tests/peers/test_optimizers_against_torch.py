"""PyTorch as referee of optimizers, schedules and clipping."""

import numpy as np
import pytest
import torch

from netlib.layer import Parameter
from netlib.optimizers import SGD, AdaDelta, AdaGrad, Adam, Adamax, AdamW, Lion, NAdam, RAdam, RMSProp, clip_grad_norm, schedules


@pytest.fixture(autouse=True)
def double_precision():
    """PyTorch's NAdam keeps the product of its momenta in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


class PaperLion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al., 2023."""

    def __init__(self, parameters, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), eta, decay = group["betas"], group["lr"], group["weight_decay"]
            for theta in group["params"]:
                m = self.state[theta].setdefault("m", torch.zeros_like(theta))
                c = b1 * m + (1 - b1) * theta.grad
                theta.sub_(eta * (torch.sign(c) + decay * theta))
                self.state[theta]["m"] = b2 * m + (1 - b2) * theta.grad


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
    (AdaDelta, torch.optim.Adadelta, {}),
    (AdaDelta, torch.optim.Adadelta, {"lr": 0.5, "rho": 0.5, "eps": 0.1, "weight_decay": 0.1}),
    (Adamax, torch.optim.Adamax, {}),
    (Adamax, torch.optim.Adamax, {"lr": 0.05, "betas": (0.5, 0.7), "eps": 0.1, "weight_decay": 0.1}),
    (NAdam, torch.optim.NAdam, {}),
    (NAdam, torch.optim.NAdam, {"lr": 0.05, "betas": (0.5, 0.7), "eps": 0.1, "weight_decay": 0.1, "momentum_decay": 0.5}),
    (NAdam, torch.optim.NAdam, {"betas": (0.0, 0.0)}),
    (RAdam, torch.optim.RAdam, {}),
    (RAdam, torch.optim.RAdam, {"lr": 0.05, "betas": (0.5, 0.9), "eps": 0.1, "weight_decay": 0.1}),
    (RAdam, torch.optim.RAdam, {"betas": (0.0, 0.5)}),  # never rectified: the length of the mean is at most 3
    (Lion, PaperLion, {}),
    (Lion, PaperLion, {"lr": 0.05, "betas": (0.5, 0.7), "weight_decay": 0.5}),
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
def test_100_steps_equal_pytorchs(kind, peer, settings, dtype):
    ours, theirs = pairs(dtype)
    optimizer, referee = kind(ours, **settings), peer(theirs, **settings)
    rng = np.random.default_rng(1)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    for _ in range(100):
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
    for name in ("lr", "momentum", "nesterov", "alpha", "rho", "betas", "eps", "momentum_decay", "weight_decay"):
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


@pytest.mark.parametrize(("kind", "peer"), [(SGD, torch.optim.SGD), (AdamW, torch.optim.AdamW), (Lion, PaperLion)])
def test_groups_equal_pytorchs(kind, peer):
    (w, b, _, _), (v, c, _, _) = pairs("float64")
    own = {"lr": 0.5, "weight_decay": 0.3}
    optimizer = kind({"w": w, "b": b}, lr=0.01, weight_decay=0.1, groups={"b": own})
    referee = peer([{"params": [v]}, {"params": [c], **own}], lr=0.01, weight_decay=0.1)
    rng = np.random.default_rng(1)
    for _ in range(100):
        give_gradients((w, b), (v, c), rng)
        optimizer.step()
        referee.step()
    for p, q in ((w, v), (b, c)):
        np.testing.assert_allclose(p.value, q.detach().numpy(), rtol=1e-11)


@pytest.mark.parametrize(("kind", "peer"), [(NAdam, torch.optim.NAdam), (RAdam, torch.optim.RAdam), (Adamax, torch.optim.Adamax)])
@pytest.mark.parametrize("scale", [0.0, 1e-150, 1e4, 1e150])
def test_steps_equal_pytorchs_also_along_extreme_gradients(kind, peer, scale):
    (p, *_), (q, *_) = pairs("float64")
    optimizer, referee = kind(p, lr=0.1), peer([q], lr=0.1)
    rng = np.random.default_rng(1)
    for _ in range(10):
        g = scale * rng.normal(size=p.shape)
        p.grad += g
        q.grad = torch.tensor(g)
        optimizer.step()
        referee.step()
    np.testing.assert_allclose(p.value, q.detach().numpy(), rtol=1e-11)


scheduler = torch.optim.lr_scheduler
SCHEDULES = [
    (schedules.Step(0.5, 7, 0.3), lambda o: scheduler.StepLR(o, 7, 0.3), 40),
    (schedules.Exponential(0.5, 0.9), lambda o: scheduler.ExponentialLR(o, 0.9), 40),
    (schedules.Cosine(0.5, 30, 0.1), lambda o: scheduler.CosineAnnealingLR(o, 30, 0.1), 31),
    (schedules.CosineRestarts(0.5, 7), lambda o: scheduler.CosineAnnealingWarmRestarts(o, 7), 40),
    (schedules.CosineRestarts(0.5, 3, 2, 0.1), lambda o: scheduler.CosineAnnealingWarmRestarts(o, 3, 2, 0.1), 50),
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
