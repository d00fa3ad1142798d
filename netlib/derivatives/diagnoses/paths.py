"""The gradient is the sum over all paths to the output: which one of them is not as it should be."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ...arrays import Array
from ..case import Case
from ..paths import paths, repetition

N_DIRECTIONS = 4

EACH_TIME = {2.0: ("double-counted", "counts twice"), 0.0: ("missing-term", "is missing"), -1.0: ("wrong-sign", "has the wrong sign")}
"""What a factor is that an operand in a loop counts with."""


def path(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Report a path that is missing, counted twice, or wrong by a factor: look at each one alone, along random directions."""
    target, slopes = case.numeric(name), case.slopes[name]
    usable = ~np.isnan(target) & ~slopes.is_kink.reshape(target.shape) & np.isfinite(yours)
    rng = np.random.default_rng(0)
    directions = [rng.choice([-1.0, 1.0], yours.shape) * rng.uniform(0.5, 1.5, yours.shape) * usable for _ in range(N_DIRECTIONS)]
    mine, right = (np.array([(g[usable] * v[usable]).sum() for v in directions]) for g in (yours, target))
    if not usable.any():
        return False
    largest = max(float(np.abs(target[usable]).max()), float(np.abs(yours[usable]).max()))
    allowed = (1e-5 * largest + 8 * float(slopes.noise.max())) * float(np.sqrt(usable.sum()))
    found = [each for each in paths(case, name, directions) if float(np.abs(each.part).max()) > 100 * allowed]

    def is_right_but_for(part: Array, factor: float) -> bool:
        return float(np.abs(mine - right - (factor - 1) * part).max()) <= allowed

    for one in found:
        if is_right_but_for(one.part, 0):
            return _missing(case, name, f"the path through {one.text} is missing")
        if is_right_but_for(right - one.part, 0):
            return _missing(case, name, f"only the path through {one.text} is there")
    parts = [(one.text, one.part) for one in found] + [(f"all but {one.text}", right - one.part) for one in found]
    for text, part in parts:
        if is_right_but_for(part, 2):
            case.find("double-counted", name, f"the path through {text} is in it twice", case.line(name) or "each path once")
            return True
        if is_right_but_for(part, -1):
            case.find("wrong-sign", name, f"the path through {text} has the wrong sign", case.line(name))
            return True
    for a, b in combinations(found, 2):
        if is_right_but_for(a.part + b.part, 0):
            return _missing(case, name, f"the paths through {a.text} and through {b.text} are missing")
    for text, part in parts:
        c = 1 + float((mine - right) @ part / (part @ part))
        if is_right_but_for(part, c) and yours.size > 1 and np.ptp(yours[wrong] / target[wrong]) > 1e-3:
            case.find("wrong-scale", name, f"the path through {text} is {c:.6g} times what it should be", case.line(name))
            return True
    text, factor = repetition(case, name, directions, mine, allowed, EACH_TIME)
    if text:
        mistake, what = EACH_TIME[factor]
        case.find(mistake, name, f"the path through {text} {what} each time it runs", case.line(name))
    return bool(text)


def _missing(case: Case, name: str, what: str) -> bool:
    case.find("missing-term", name, f"{what}; the gradients of all paths add up", case.line(name))
    return True
