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

from .case import (
    ATTENTION,
    BATCHES,
    CASES,
    CAUSAL_ATTENTION,
    CHANNELS,
    DEEP,
    DEPTHS,
    EPOCH_STEPS,
    EPOCHS,
    IMAGES,
    LENGTHS,
    SCORES,
    SEQUENCES,
    SIZES,
    SMALL_ATTENTION,
    SMALL_DEEP,
    WIDTHS,
    Case,
)
from .contenders import CONTENDERS
from .processes import ContenderError, Process, processes
from .results import Results

OURS = ("netlib", "netlib-fast")
SWEPT = (*OURS, "jax", "jax-queued", "torch", "torch-fused")
DEEP_MEMORY, DEEP_ARRAYS = "memory of 100 layers", "memory of the arrays of 100 layers"
MORE_THAN_PERCEPTRONS = tuple(name for name in CONTENDERS if name != "sklearn")


class DisagreementError(Exception):
    """Contenders with the same initial weights reached different losses: one does other work."""


@dataclass
class Bench:
    """The contenders that can run, the cases they are measured on, and the results."""

    contenders: Mapping[str, Process]
    results: Results
    cases: list[Case]
    rounds: int
    threads: int
    log: Callable[[str], None]

    def available(self, names: Iterable[str]) -> dict[str, Process]:
        """Return those of the named contenders that can run here."""
        return {name: self.contenders[name] for name in names if name in self.contenders}

    def chosen(self, cases: Mapping[str, Case]) -> list[Case]:
        """Return those of these cases that are measured."""
        return [case for case in self.cases if case.name in cases]

    def measure(self, table: str, case: Case, contenders: Mapping[str, Process], task: str = "train", steps_per_call: int = 1) -> None:
        """Measure the contenders in turns, in a random order in each round."""
        loaded = {}
        for name, process in contenders.items():
            try:
                loaded[name] = process.ask("load", task=task, case=case)
            except ContenderError as error:
                self.results.missing[f"{name}, {table} {case.name}"] = str(error)
        losses = {name: load["loss"] for name, load in loaded.items()}
        require_agreement({name: loss for name, loss in losses.items() if loss is not None})
        seconds: dict[str, list[float]] = {name: [] for name in loaded}
        order, rng = list(loaded), random.Random(0)
        for _ in range(self.rounds):
            rng.shuffle(order)
            for name in order:
                seconds[name].append(contenders[name].ask("time", steps=loaded[name]["steps"]))
        for name, values in seconds.items():
            self.results.add(table, case.name, name, *(value / steps_per_call * 1e6 for value in values))
            contenders[name].ask("release")
        medians = {name: median(values) / steps_per_call * 1e6 for name, values in seconds.items()}
        self.log(f"{table} {case.name}: {', '.join(f'{name} {us:,.0f}' for name, us in medians.items())} µs")


def require_agreement(losses: Mapping[str, float]) -> None:
    """Raise DisagreementError if a loss differs from the median by more than 1 %."""
    middle = median(losses.values()) if losses else 0.0
    if any(not abs(value - middle) <= 0.01 * max(1.0, abs(middle)) for value in losses.values()):
        raise DisagreementError(f"after the same steps from the same weights: {losses}")


def training(bench: Bench) -> None:
    """One step of each perceptron: forward, softmax cross-entropy, backward, Adam."""
    for case in bench.chosen(CASES):
        bench.measure("training", case, bench.contenders)


def inference(bench: Bench) -> None:
    """One forward pass of each perceptron, in evaluation mode."""
    for case in bench.chosen(CASES):
        bench.measure("inference", case, bench.contenders, task="infer")


def images(bench: Bench) -> None:
    """One step and one forward pass of each network with convolutions or batch norm."""
    _train_and_infer(bench, "images", IMAGES)


def sequences(bench: Bench) -> None:
    """One step and one forward pass of each recurrent network, and of a GPT."""
    _train_and_infer(bench, "sequences", SEQUENCES)


def _train_and_infer(bench: Bench, table: str, cases: Mapping[str, Case]) -> None:
    for name, task in (("training", "train"), ("inference", "infer")):
        for case in bench.chosen(cases):
            bench.measure(f"{table}, {name}", case, bench.available(MORE_THAN_PERCEPTRONS), task)


def depth(bench: Bench) -> None:
    """One step of 2 to 64 layers of 64, a batch of 64."""
    for case in DEPTHS:
        bench.measure("depth", case, bench.available(SWEPT))


def batch(bench: Bench) -> None:
    """One step of small with batches of 1 to 4,096."""
    for case in BATCHES:
        bench.measure("batch", case, bench.available(SWEPT))


def channels(bench: Bench) -> None:
    """One step of two convolutions with 8 to 128 channels, 32 images of 16 x 16."""
    for case in CHANNELS:
        bench.measure("channels", case, bench.available(("products", *SWEPT)))


def sizes(bench: Bench) -> None:
    """One step of two convolutions with 16 channels, 32 images of 8 x 8 to 64 x 64."""
    for case in SIZES:
        bench.measure("sizes", case, bench.available(("products", *SWEPT)))


def lengths(bench: Bench) -> None:
    """One step of lstm and of gpt over 16 to 256 ids."""
    _sweep(bench, "lengths", LENGTHS)


def widths(bench: Bench) -> None:
    """One step of lstm and of gpt with 32 to 256 features."""
    _sweep(bench, "widths", WIDTHS)


def _sweep(bench: Bench, table: str, networks: Mapping[str, Iterable[Case]]) -> None:
    for network, cases in networks.items():
        for case in cases:
            bench.measure(f"{table}, {network}", case, bench.available(("products", *SWEPT)))


def memory(bench: Bench) -> None:
    """Peak memory of medium, large and lenet, created and trained for 20 steps in new processes."""
    tiny, digits = CASES["tiny"], IMAGES["digits-cnn"]
    measured = (CASES["medium"], tiny, CONTENDERS), (CASES["large"], tiny, CONTENDERS), (IMAGES["lenet"], digits, MORE_THAN_PERCEPTRONS)
    for case, small, names in measured:
        for name in bench.available(names):
            answer = _peak_memory(bench, name, case, small)
            bench.results.add("memory", case.name, name, answer["added"])
            bench.results.add("memory of the process", case.name, name, answer["process"])
        bench.log(f"memory {case.name}: done")


def attention(bench: Bench) -> None:
    """Peak memory of attention with and without a causal mask, in matrices of all its scores."""
    names = *bench.available(MORE_THAN_PERCEPTRONS), *(["torch-math"] if "torch" in bench.contenders else [])
    for case in (ATTENTION, CAUSAL_ATTENTION):
        for name in names:
            added = _peak_memory(bench, name, case, SMALL_ATTENTION)["added"]
            bench.results.add("attention", case.name, name, added / (SCORES * np.dtype(case.dtype).itemsize))
        bench.log(f"memory of {case.name}: done")


def deep(bench: Bench) -> None:
    """One step of 100 layers and its peak memory, plain and in blocks of 10 that are recomputed.

    Memory is measured twice: as the processes run by default, and with a process that gives back
    every array that it frees, so that free memory between arrays does not count.
    """
    names = bench.available((*OURS, "jax", "torch-fused"))
    for case in DEEP.values():
        for name in names:
            for table, variables in ((DEEP_MEMORY, {}), (DEEP_ARRAYS, {"MALLOC_MMAP_THRESHOLD_": "65536"})):
                bench.results.add(table, case.name, name, _peak_memory(bench, name, case, SMALL_DEEP, 4, **variables)["added"])
        bench.log(f"memory of 100 layers, {case.name}: done")
        bench.measure("100 layers", case, names)


def _peak_memory(bench: Bench, contender: str, case: Case, small: Case, steps: int = 20, **environment: str) -> dict[str, int]:
    with Process(contender, bench.threads, **environment) as process:
        answer: dict[str, int] = process.ask("peak_memory", case=case, small=small, steps=steps)
    return answer


def fit(bench: Bench) -> None:
    """One step of mnist in Trainer.fit with bar, metrics and callback, and in a plain loop."""
    with processes(("loop", "fit", "loop-fast", "fit-fast"), bench.threads) as (running, _):
        bench.measure("fit", CASES["mnist"], running, steps_per_call=EPOCHS * EPOCH_STEPS)


def floor(bench: Bench) -> None:
    """One step with a batch of one, and the same NumPy calls without netlib."""
    with processes(("bare-loop",), bench.threads) as (running, _):
        for name in ("tiny", "small"):
            bench.measure("floor", replace(CASES[name], batch=1), running | bench.available(OURS))


def growth(bench: Bench) -> None:
    """Bytes by which the memory of Python and NumPy grows in 2,000 steps of small."""
    for name, process in bench.available(OURS).items():
        bench.results.add("growth", "small", name, process.ask("growth", case=CASES["small"], steps=2000))


def agreement(bench: Bench) -> None:
    """Largest difference of parameters with and without the extra `fast` after 100 steps.

    It is relative to the largest parameter.
    """
    ours = bench.available(OURS)
    if len(ours) == 2:
        for case in (CASES["small"], replace(CASES["small"], dtype="float64")):
            plain, fast = (np.array(process.ask("parameters_after", case=case, steps=100)) for process in ours.values())
            bench.results.add("agreement", case.dtype, "netlib-fast", float(np.abs(fast - plain).max() / np.abs(plain).max()))


def imports(bench: Bench) -> None:
    """Import times of netlib and NumPy, and whether numba is imported before training."""
    timed = "from time import perf_counter as now; start = now(); import {}; print((now() - start) * 1e6)"
    seconds: dict[str, list[float]] = {"numpy": [], "netlib": []}
    for _ in range(bench.rounds):
        for package, values in seconds.items():
            values.append(_output_of(timed.format(package)))
    for package, values in seconds.items():
        bench.results.add("imports", "time", package, *values)
    early = "import sys, netlib as nl; nl.Sequential(nl.Affine(2, 2)).forward([[1.0, 2.0]]); print(int('numba' in sys.modules))"
    bench.results.add("imports", "numba", "netlib", _output_of(early))


def _output_of(code: str) -> float:
    environment = {key: value for key, value in os.environ.items() if key != "NETLIB_ACCELERATOR"}
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment).stdout)


EXPERIMENTS = {
    experiment.__name__: experiment
    for experiment in (
        *(training, inference, depth, batch),
        *(images, channels, sizes),
        *(sequences, lengths, widths, attention),
        *(memory, deep, fit, floor, growth, agreement, imports),
    )
}
