"""Train on handwritten digits with several processes: each computes a share of every batch.

``mpiexec -n 4 python examples/digits_mpi.py`` gives the result of
``python examples/digits_mpi.py``, which needs no MPI.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import netlib as nl

COMMUNICATOR: Any = None
try:
    from mpi4py import MPI

    COMMUNICATOR = MPI.COMM_WORLD
except ImportError:
    pass  # one process


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="number of passes over the digits (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="digits per step, over all processes (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=2e-3, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--checkpoint", metavar="FILE", help="write checkpoints to this .npz file, and resume from it if it exists")
    return parser.parse_args()


def main() -> None:
    """Train on all processes, and print on one."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    x, t = nl.data.digits()
    x_train, x_held_out, t_train, t_held_out = nl.data.train_test_split(x, t, test=0.2, rng=rng)

    model = nl.Sequential(
        nl.Affine(64, 128, bias=False, rng=rng),
        nl.BatchNorm(128),
        nl.ReLU(),
        nl.Affine(128, 10, rng=rng),
    )
    trainer = nl.Trainer(
        model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=args.lr), metrics={"accuracy": nl.accuracy},
        callbacks=[nl.Checkpoint(args.checkpoint)] if args.checkpoint else [], seed=args.seed, communicator=COMMUNICATOR,
    )  # fmt: skip
    trainer.fit(
        x_train, t_train, epochs=args.epochs, batch_size=args.batch_size, validation=(x_held_out, t_held_out), resume=args.checkpoint
    )
    evaluated = trainer.evaluate(x_held_out, t_held_out)  # on all ranks, as fit
    if trainer.rank == 0:
        print(f"held-out accuracy {evaluated['accuracy']:.4f}")


if __name__ == "__main__":
    main()
