"""Learning rates over time, by hand."""

import copy
import math

import numpy as np
import pytest

from netlib import InvalidTypeError, InvalidValueError
from netlib.layer import Parameter
from netlib.optimizers import SGD, schedules
from netlib.optimizers.schedules import Chain, Constant, Cosine, CosineRestarts, Exponential, OneCycle, Step, Warmup


def rates(schedule, n):
    return [schedule(step) for step in range(n)]


def test_constant_is_constant():
    assert rates(Constant(0.5), 3) == [0.5] * 3


def test_step_is_a_staircase():
    assert rates(Step(8.0, 2, gamma=0.5), 6) == [8, 8, 4, 4, 2, 2]


def test_exponential_is_a_geometric_sequence():
    assert rates(Exponential(8.0, 0.5), 4) == [8, 4, 2, 1]


def test_cosine_falls_by_half_at_half_time_and_stays_down():
    assert rates(Cosine(2.0, 4, min_lr=1.0), 8) == pytest.approx([2, 1.5 + math.sqrt(0.125), 1.5, 1.5 - math.sqrt(0.125), 1, 1, 1, 1])


def test_cosine_restarts_fall_anew_in_equal_or_growing_times():
    assert rates(CosineRestarts(1.0, 2), 5) == pytest.approx([1, 0.5, 1, 0.5, 1])
    longer = [1, 0.5 + math.sqrt(3) / 4, 0.75, 0.5, 0.25, 0.5 - math.sqrt(3) / 4]
    assert rates(CosineRestarts(1.0, 3, growth=2), 10) == pytest.approx([1, 0.75, 0.25, *longer, 1])


def test_warmup_rises_in_a_straight_line():
    assert rates(Warmup(1.0, 4, start_factor=0.5), 6) == [0.5, 0.625, 0.75, 0.875, 1, 1]


def test_warmup_starts_what_follows_at_its_own_beginning():
    assert rates(Warmup(Step(1.0, 1, gamma=0.5), 2, start_factor=0), 5) == [0, 0.5, 1, 0.5, 0.25]


def test_one_cycle_goes_up_and_down_and_stays_down():
    cycle = OneCycle(1.0, 10, pct_start=0.5, div_factor=10, final_div_factor=10)
    assert (cycle(0), cycle(2), cycle(4)) == pytest.approx((0.1, 0.55, 1.0))
    assert (cycle(9), cycle(10), cycle(99)) == pytest.approx((0.01, 0.01, 0.01))


def test_one_cycle_is_half_way_down_in_the_middle_of_its_fall():
    cycle = OneCycle(1.0, 10, pct_start=0.4, div_factor=10, final_div_factor=10)
    assert rates(cycle, 10)[3::3] == pytest.approx([1, (1 + 0.01) / 2, 0.01])
    assert cycle(8) == pytest.approx(0.01 + 0.99 * (1 - math.sqrt(0.75)) / 2)


def test_one_cycle_without_a_rise_begins_at_the_top():
    assert rates(OneCycle(1.0, 3, pct_start=0), 3) == pytest.approx([1, (1 + 1 / 25 / 1e4) / 2, 1 / 25 / 1e4])


def test_one_cycle_may_begin_near_the_top_and_end_where_it_began():
    assert rates(OneCycle(3.0, 5, pct_start=0.6, div_factor=1.5, final_div_factor=1), 5) == pytest.approx([2, 2.5, 3, 2.5, 2])


def test_the_defaults_are_the_usual_ones():
    # Those of PyTorch's StepLR, CosineAnnealingLR, LinearLR and OneCycleLR.
    assert Step(1.0, 1)(1) == 0.1
    assert Cosine(1.0, 1)(1) == 0
    assert Warmup(1.0, 1)(0) == pytest.approx(1 / 3)
    assert OneCycle(1.0, 10)(0) == pytest.approx(1 / 25)
    assert OneCycle(1.0, 10)(2) == pytest.approx(1)
    assert OneCycle(1.0, 10)(9) == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("pct_start", [0.0, 0.3, 0.99])
def test_one_cycle_of_few_steps_stays_within_its_bounds(steps, pct_start):
    assert all(1 / 25 / 1e4 * (1 - 1e-12) <= rate <= 1 for rate in rates(OneCycle(1.0, steps, pct_start), 4))


def test_chain_runs_each_part_from_its_own_step_0():
    assert rates(Chain((Exponential(4.0, 0.5), 2), (0.25, 1), Step(1.0, 2)), 6) == [4, 2, 0.25, 1, 1, 0.1]


def test_schedules_nest():
    inner = Chain((1.0, 1), Exponential(0.5, 0.5))
    assert rates(Warmup(Chain((inner, 3), lambda step: 10.0 + step), 1, start_factor=0), 6) == [0, 1, 0.5, 0.25, 10, 11]


EVERY = [
    Constant(0.1),
    Step(0.1, 30),
    Exponential(0.1, 0.9),
    Cosine(0.1, 100),
    CosineRestarts(0.1, 10, growth=2),
    Warmup(0.1, 5),
    OneCycle(0.1, 50),
    Chain((0.1, 10), Cosine(0.1, 100)),
]


@pytest.mark.parametrize("schedule", EVERY, ids=lambda s: type(s).__name__)
def test_a_schedule_is_a_function_of_the_step_alone_and_shows_its_call(schedule):
    assert rates(schedule, 60) == rates(copy.deepcopy(schedule), 60) == rates(schedule, 60)
    assert all(type(rate) is float and rate >= 0 for rate in rates(schedule, 60))
    assert schedule(np.int64(3)) == schedule(3)
    assert repr(eval(repr(schedule), vars(schedules))) == repr(schedule)
    assert SGD(Parameter([1.0]), lr=schedule).lr == schedule(0)


def test_every_public_schedule_is_tested():
    kinds = {kind for kind in vars(schedules).values() if isinstance(kind, type) and issubclass(kind, schedules.Schedule)}
    assert set(map(type, EVERY)) == kinds - {schedules.Schedule}


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Constant(-1), InvalidValueError, "lr"),
        (lambda: Constant("1"), InvalidTypeError, "lr"),
        (lambda: Step(0.1, 0), InvalidValueError, "step_size"),
        (lambda: Step(0.1, 2.5), InvalidTypeError, "step_size"),
        (lambda: Step(0.1, 2, gamma=-1), InvalidValueError, "gamma"),
        (lambda: Exponential(0.1, math.nan), InvalidValueError, "gamma"),
        (lambda: Cosine(0.1, 0), InvalidValueError, "steps"),
        (lambda: Cosine(0.1, 10, min_lr=-1), InvalidValueError, "min_lr"),
        (lambda: CosineRestarts(0.1, 10, growth=0), InvalidValueError, "growth"),
        (lambda: CosineRestarts(0.1, 10, min_lr=-1), InvalidValueError, "min_lr"),
        (lambda: Warmup(0.1, 0), InvalidValueError, "steps"),
        (lambda: Warmup("0.1", 3), InvalidTypeError, "lr"),
        (lambda: Warmup(Cosine, 3), InvalidTypeError, r"Cosine\(…\)"),
        (lambda: Warmup(0.1, 3, start_factor=-1), InvalidValueError, "start_factor"),
        (lambda: OneCycle(0.1, 10, pct_start=1.0), InvalidValueError, "pct_start"),
        (lambda: OneCycle(0.1, 10, div_factor=0), InvalidValueError, "div_factor"),
        (Chain, InvalidValueError, "got nothing"),
        (lambda: Chain(0.1, 0.2), InvalidTypeError, "pair"),
        (lambda: Chain((0.1, 0), 0.2), InvalidValueError, "steps"),
        (lambda: Chain((0.1, 3), (0.2, 3)), InvalidTypeError, "lr"),
    ],
)
def test_an_invalid_schedule_is_refused(make, error, said):
    with pytest.raises(error, match=said):
        make()
