"""Training from a file of 2 GB: the memory it takes, and its speed beside training from memory.

``python -m benchmarks.memory_map [gigabytes]`` makes the file in a temporary folder and removes it.
"""

from __future__ import annotations

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


def train(x: Any, t: Any, callbacks: list[nl.Callback]) -> tuple[float, float]:
    """Return the time of one epoch, and the CPU time."""
    model = nl.Sequential(nl.Affine(FEATURES, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model), {"accuracy": nl.accuracy}, callbacks=callbacks, seed=0)
    start, cpu = time.perf_counter(), time.process_time()
    trainer.fit(x, t, batch_size=128, progress=False)
    return time.perf_counter() - start, time.process_time() - cpu


def main(gigabytes: float) -> None:
    """Measure and print."""
    n = int(gigabytes * 1e9 / FEATURES / 4)
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        with open(f"{folder}/x", "wb") as file:
            for start in range(0, n, 10_000):
                rng.standard_normal((min(10_000, n - start), FEATURES), np.float32).tofile(file)
        x = np.memmap(f"{folder}/x", np.float32, "r", shape=(n, FEATURES))
        t = rng.integers(0, 10, n)
        before, peak = memory(), Peak()
        train(x, t, [peak])
        print(f"{x.nbytes / 1e9:.2f} GB: {before:.0f} MB of memory before training, at most {peak.megabytes:.0f} MB during it")
        in_ram = np.array(x)
        times = [(train(x, t, []), train(in_ram, t, [])) for _ in range(3)]
        for i, what in enumerate(["time", "CPU time"]):
            disk, in_memory = (min(pair[k][i] for pair in times) for k in (0, 1))
            print(f"{what}: {disk:.3f} s from the file, {in_memory:.3f} s from memory, {disk / in_memory:.2f} times as long")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
