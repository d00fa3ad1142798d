"""What is measured: each experiment adds a table to the results."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from .case import BATCHES, CASES, DEPTHS, EPOCH_STEPS, Case
from .crew import ContenderError, Process, processes
from .results import Results

OURS = ("netlib", "netlib-fast")
SWEPT = (*OURS, "jax", "jax-queued", "torch", "torch-fused")


class DisagreementError(Exception):
    """Contenders that began with the same weights came to different losses: one of them does other work."""


@dataclass
class Bench:
    """The contenders that can run, what they are measured on, and where it is written down."""

    contenders: Mapping[str, Process]
    results: Results
    cases: list[Case]
    rounds: int
    threads: int
    tell: Callable[[str], None]

    def chosen(self, names: Iterable[str]) -> dict[str, Process]:
        """Return those of the contenders that are here."""
        return {name: self.contenders[name] for name in names if name in self.contenders}

    def in_turns(self, table: str, case: Case, contenders: Mapping[str, Process], task: str = "train", calls: int = 1) -> None:
        """Measure a round of each contender, in an order of chance, again and again; ``calls`` is how many steps one call makes."""
        loaded = {}
        for name, process in contenders.items():
            try:
                loaded[name] = process.ask("load", task=task, case=case)
            except ContenderError as error:
                self.results.missing[f"{name}, {table} {case.name}"] = str(error)
        refuse_disagreement({name: load["witness"] for name, load in loaded.items() if load["witness"] is not None})
        seconds: dict[str, list[float]] = {name: [] for name in loaded}
        order, chance = list(loaded), random.Random(0)
        for _ in range(self.rounds):
            chance.shuffle(order)
            for name in order:
                seconds[name].append(contenders[name].ask("time", steps=loaded[name]["steps"]))
        for name, values in seconds.items():
            self.results.add(table, case.name, name, *(value / calls * 1e6 for value in values))
            contenders[name].ask("release")
        self.tell(f"{table} {case.name}: " + ", ".join(f"{name} {median(v) / calls * 1e6:,.0f}" for name, v in seconds.items()) + " µs")


def refuse_disagreement(witnesses: Mapping[str, float]) -> None:
    """Raise DisagreementError where a loss is farther than a hundredth from the middle one."""
    middle = median(witnesses.values()) if witnesses else 0.0
    if any(not abs(value - middle) <= 0.01 * max(1.0, abs(middle)) for value in witnesses.values()):
        raise DisagreementError(f"after the same steps from the same weights: {witnesses}")


def training(bench: Bench) -> None:
    """One step of each case: forward, softmax cross-entropy, backward, Adam."""
    for case in bench.cases:
        bench.in_turns("training", case, bench.contenders)


def inference(bench: Bench) -> None:
    """One forward pass of each case, in evaluation mode."""
    for case in bench.cases:
        bench.in_turns("inference", case, bench.contenders, task="infer")


def depth(bench: Bench) -> None:
    """One step of 2 to 64 layers of 64, a batch of 64."""
    for case in DEPTHS:
        bench.in_turns("depth", case, bench.chosen(SWEPT))


def batch(bench: Bench) -> None:
    """One step of small with batches of 1 to 4,096."""
    for case in BATCHES:
        bench.in_turns("batch", case, bench.chosen(SWEPT))


def memory(bench: Bench) -> None:
    """Peak memory of making a model of medium and large and training it for 20 steps, each in a fresh process."""
    for case in (CASES["medium"], CASES["large"]):
        for name in bench.contenders:
            with Process(name, bench.threads) as process:
                answer = process.ask("peak_memory", case=case, steps=20)
            bench.results.add("memory", case.name, name, answer["added"])
            bench.results.add("memory of the process", case.name, name, answer["process"])
        bench.tell(f"memory {case.name}: done")


def fit(bench: Bench) -> None:
    """One step of mnist in Trainer.fit with bar and metric, and in a hand-written loop without either."""
    with processes(("loop", "fit", "loop-fast", "fit-fast"), bench.threads) as (running, _):
        bench.in_turns("fit", CASES["mnist"], running, calls=EPOCH_STEPS)


def floor(bench: Bench) -> None:
    """One step with a batch of one beside the same NumPy calls in a row."""
    with processes(("bare-loop",), bench.threads) as (running, _):
        for name in ("tiny", "small"):
            bench.in_turns("floor", replace(CASES[name], batch=1), running | bench.chosen(OURS))


def growth(bench: Bench) -> None:
    """Bytes by which 2,000 steps of small grow what Python and NumPy hold."""
    for name, process in bench.chosen(OURS).items():
        bench.results.add("growth", "small", name, process.ask("growth", case=CASES["small"], steps=2000))


def agreement(bench: Bench) -> None:
    """Largest difference between parameters with and without the extra `fast` after 100 steps, relative to the largest parameter."""
    ours = bench.chosen(OURS)
    if len(ours) == 2:
        for case in (CASES["small"], replace(CASES["small"], dtype="float64")):
            plain, fast = (np.array(process.ask("parameters_after", case=case, steps=100)) for process in ours.values())
            bench.results.add("agreement", case.dtype, "netlib-fast", float(np.abs(fast - plain).max() / np.abs(plain).max()))


def imports(bench: Bench) -> None:
    """Import time of netlib and of NumPy, and whether numba is there before a model is trained."""
    timed = "from time import perf_counter as now; start = now(); import {}; print((now() - start) * 1e6)"
    seconds: dict[str, list[float]] = {"numpy": [], "netlib": []}
    for _ in range(bench.rounds):
        for package, values in seconds.items():
            values.append(_printed(timed.format(package)))
    for package, values in seconds.items():
        bench.results.add("imports", "time", package, *values)
    early = "import sys, netlib as nl; nl.Sequential(nl.Affine(2, 2)).forward([[1.0, 2.0]]); print(int('numba' in sys.modules))"
    bench.results.add("imports", "numba", "netlib", _printed(early))


def _printed(code: str) -> float:
    environment = {key: value for key, value in os.environ.items() if key != "NETLIB_ACCELERATOR"}
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment).stdout)


EXPERIMENTS = {e.__name__: e for e in (training, inference, depth, batch, memory, fit, floor, growth, agreement, imports)}
