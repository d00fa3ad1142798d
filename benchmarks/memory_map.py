"""Training from a file of 2 GB: the memory it takes, and its speed beside training from memory.

``python -m benchmarks.memory_map [gigabytes]`` makes the file in a temporary folder and removes it.
``mpiexec -n 2 python -m benchmarks.memory_map`` says how much memory each rank takes that trains
from the one file.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import netlib as nl

FEATURES = 784


def memory() -> float:
    """Return the resident memory of this process in megabytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Peak(nl.Callback):
    """Writes down the most memory at the end of a batch."""

    def __init__(self) -> None:
        self.megabytes = 0.0

    def on_batch_end(self, trainer: nl.Trainer) -> None:
        """Compare with the most so far."""
        self.megabytes = max(self.megabytes, memory())


def train(x: Any, t: Any, callbacks: list[nl.Callback], communicator: Any = None) -> tuple[float, float]:
    """Return the time of one epoch, and the CPU time."""
    model = nl.Sequential(nl.Affine(FEATURES, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
    trainer = nl.Trainer(
        model, nl.SoftmaxCrossEntropy(), nl.Adam(model), {"accuracy": nl.accuracy},
        callbacks=callbacks, seed=0, communicator=communicator,
    )  # fmt: skip
    start, cpu = time.perf_counter(), time.process_time()
    trainer.fit(x, t, batch_size=128, progress=False)
    return time.perf_counter() - start, time.process_time() - cpu


def write(path: str, n: int) -> None:
    """Write n rows of random numbers, a part at a time."""
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        for start in range(0, n, 10_000):
            rng.standard_normal((min(10_000, n - start), FEATURES), np.float32).tofile(file)


def opened(path: str, n: int) -> tuple[Any, Any]:
    """Return the rows of the file, which stay there, and random classes."""
    return np.memmap(path, np.float32, "r", shape=(n, FEATURES)), np.random.default_rng(1).integers(0, 10, n)


def report_memory(x: Any, t: Any, who: str, communicator: Any = None) -> None:
    """Train for an epoch, and print the memory before it and during it."""
    before, peak = memory(), Peak()
    train(x, t, [peak], communicator)
    print(
        f"{x.nbytes / 1e9:.2f} GB, {who}: {before:.0f} MB of memory before training, at most {peak.megabytes:.0f} MB during it", flush=True
    )


def main(n: int) -> None:
    """Measure and print: memory, and the time beside that from memory."""
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/x", n)
        x, t = opened(f"{folder}/x", n)
        report_memory(x, t, "alone")
        in_ram = np.array(x)
        times = [(train(x, t, []), train(in_ram, t, [])) for _ in range(3)]
        for i, what in enumerate(["time", "CPU time"]):
            disk, in_memory = (min(pair[k][i] for pair in times) for k in (0, 1))
            print(f"{what}: {disk:.3f} s from the file, {in_memory:.3f} s from memory, {disk / in_memory:.2f} times as long")


def main_of_rank(n: int, communicator: Any) -> None:
    """Measure and print the memory of this rank."""
    with tempfile.TemporaryDirectory() as own:
        folder = communicator.bcast(own)
        if communicator.rank == 0:
            write(f"{folder}/x", n)
        communicator.Barrier()
        report_memory(*opened(f"{folder}/x", n), f"rank {communicator.rank} of {communicator.size}", communicator)
        communicator.Barrier()


def ranks() -> Any:
    """Return the communicator of an MPI job of several ranks, or None.

    Without `mpiexec`, mpi4py is not imported: it takes 15 MB.
    """
    if not {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"} & os.environ.keys():
        return None
    from mpi4py import MPI

    return MPI.COMM_WORLD if MPI.COMM_WORLD.size > 1 else None


if __name__ == "__main__":
    rows = int((float(sys.argv[1]) if len(sys.argv) > 1 else 2.0) * 1e9 / FEATURES / 4)
    if communicator := ranks():
        main_of_rank(rows, communicator)
    else:
        main(rows)
