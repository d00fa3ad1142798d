"""Weak scaling over MPI, and what a network would give: ``python -m benchmarks.mpi``.

Each rank has one thread and the same number of samples, however many ranks there are. Perfect
scaling keeps the time of a step. Needs the extra ``mpi``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import netlib as nl

NETWORKS = {"small": (64, 128, 10), "medium": (784, 512, 512, 10), "large": (1024, 2048, 2048, 10)}
BATCHES, EPOCHS = 20, 15
LENGTHS = [1, 100, 1_000, 10_000, 100_000, 669_706, 6_000_000]
"""The numbers of float32 in the messages that are timed."""


def steps(name: str, samples: int) -> dict[str, float]:
    """Return the time of a step in µs, the median over epochs, and that of its two messages."""
    from mpi4py import MPI

    communicator, widths = MPI.COMM_WORLD, NETWORKS[name]
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[communicator.rank % len(cores)]})
    rng = np.random.default_rng(0)
    n = samples * communicator.size * BATCHES
    x, t = rng.standard_normal((n, widths[0]), np.float32), rng.integers(0, widths[-1], n)
    layers: list[nl.Layer] = []
    for a, b in pairwise(widths):
        layers += [nl.Affine(a, b, rng=rng), nl.ReLU()]
    model = nl.Sequential(*layers[:-1])
    optimizer = nl.Adam(model)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), optimizer, seed=0, communicator=communicator)
    history = trainer.fit(x, t, epochs=EPOCHS, batch_size=samples * communicator.size, progress=False)
    gradient = np.concatenate(optimizer.gradients())
    return {
        "parameters": gradient.size,
        "step": median(history["seconds"][3:]) / BATCHES * 1e6,
        "sum": _time_of_sum(communicator, gradient),
        "agreement": _time_of_sum(communicator, np.zeros(8)),
    }


def sums() -> dict[str, float]:
    """Return the time of adding up arrays of several lengths over all ranks in µs."""
    from mpi4py import MPI

    return {str(n): _time_of_sum(MPI.COMM_WORLD, np.ones(n, np.float32)) for n in LENGTHS}


def _time_of_sum(communicator: Any, array: Any) -> float:
    from mpi4py import MPI

    times: list[float] = []
    for _ in range(60):
        communicator.Barrier()
        start = MPI.Wtime()
        communicator.Allreduce(MPI.IN_PLACE, array)
        times.append(MPI.Wtime() - start)
    return median(times[10:]) * 1e6


def run(n_ranks: int, *arguments: Any) -> dict[str, float]:
    """Return what rank 0 of a job prints."""
    command = [Path(sys.executable).with_name("mpiexec"), "-n", n_ranks, sys.executable, "-m", "benchmarks.mpi", "--job", *arguments]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def scaling(rounds: int) -> dict[str, dict[str, float]]:
    """Print weak scaling on two ranks against one, in turns, and return the steps of one rank."""
    print("weak scaling, one thread a rank, medians of", rounds, "rounds")
    print(f"{'network':8} {'parameters':>10} {'samples':>8} {'1 rank, µs':>11} {'2 ranks':>12} {'efficiency':>11} {'sum':>8} {'agree':>8}")
    alone = {}
    for name, samples in [("small", 128), ("medium", 128), ("medium", 512), ("large", 512)]:
        found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
        for _ in range(rounds):
            for n_ranks in found:
                found[n_ranks].append(run(n_ranks, name, samples))
        one, two = (median(each["step"] for each in found[n_ranks]) for n_ranks in found)
        efficiency = median(a["step"] / b["step"] for a, b in zip(found[1], found[2], strict=True))
        messages = [median(each[what] for each in found[2]) for what in ("sum", "agreement")]
        parameters = found[1][0]["parameters"]
        figures = f"{one:11.0f} {two:12.0f} {efficiency:11.0%} {messages[0]:8.0f} {messages[1]:8.1f}"
        print(f"{name:8} {parameters:10.0f} {samples:8} {figures}", flush=True)
        alone[f"{name}, {samples}"] = {"step": one, "parameters": parameters, "samples": samples}
    return alone


def time_of_sum(n_bytes: float, n_ranks: int, latency: float, seconds_per_byte: float) -> float:
    """Return the time that adding up takes by the model of latency and bandwidth.

    Reduce-scatter and allgather by halves send ``2 (p - 1) / p`` times the bytes in ``2 log2 p``
    messages (Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations
    in MPICH", 2005).

    >>> time_of_sum(1e6, 2, latency=0.0, seconds_per_byte=1e-9)
    0.001
    """
    rounds = float(np.log2(n_ranks))
    return 2 * rounds * latency + 2 * (n_ranks - 1) / n_ranks * n_bytes * seconds_per_byte


def model(alone: dict[str, dict[str, float]]) -> None:
    """Print the model beside measured sums on 2 and 4 ranks, and what networks would give."""
    measured = {n_ranks: run(n_ranks, "sums") for n_ranks in (2, 4)}
    latency = measured[2]["1"] / 2 * 1e-6
    per_byte = measured[2][str(LENGTHS[-1])] * 1e-6 / (4 * LENGTHS[-1])
    print(f"\nmodel from two ranks: {latency * 1e6:.1f} µs a message, {1e-9 / per_byte:.1f} GB/s")
    print(f"{'float32':>10} " + " ".join(f"{f'{n} ranks, µs':>13} {'model':>9}" for n in measured))
    for length in LENGTHS:
        pairs = [(times[str(length)], time_of_sum(4 * length, n, latency, per_byte) * 1e6) for n, times in measured.items()]
        print(f"{length:10} " + " ".join(f"{time:13.1f} {predicted:9.1f}" for time, predicted in pairs))
    networks = {"10 Gbit/s, 30 µs": (30e-6, 0.8e-9), "100 Gbit/s, 3 µs": (3e-6, 0.08e-9)}
    ranks = [8, 32, 128, 512, 1024]
    print("\non paper: efficiency of weak scaling, the step of one rank / (that + the sum)")
    print(f"{'network':18} {'model':13} " + " ".join(f"{n:>6}" for n in ranks) + "  ranks")
    for name, (delay, rate) in networks.items():
        for case, found in alone.items():
            step = found["step"] * 1e-6
            shares = [step / (step + time_of_sum(4 * found["parameters"], n, delay, rate)) for n in ranks]
            print(f"{name:18} {case:13} " + " ".join(f"{share:6.0%}" for share in shares))
    large = alone["medium, 512"]
    work = large["step"] * 1e-6 / large["parameters"] / large["samples"]
    print("\non paper: the least number of parameters from which 64 ranks give 80 %, if a sample and a parameter")
    print(f"take {work * 1e9:.3f} ns as in medium with 512 samples")
    for name, (delay, rate) in networks.items():
        for samples in (32, 128, 512):
            spare = samples * work / 4 - 2 * 63 / 64 * 4 * rate  # a quarter of the computation may be communication
            text = f"{2 * 6 * delay / spare:12,.0f}" if spare > 0 else "       never"
            print(f"{name:18} {samples:5} samples a rank: {text}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.mpi", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--only-scaling", action="store_true", help="leave out the model")
    parser.add_argument("--job", nargs="*", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        found = sums() if args.job == ["sums"] else steps(args.job[0], int(args.job[1]))
        from mpi4py import MPI

        if MPI.COMM_WORLD.rank == 0:
            print(json.dumps(found))
        return
    alone = scaling(args.rounds)
    if not args.only_scaling:
        model(alone)


if __name__ == "__main__":
    main()
