"""Make up first names, letter by letter, with an LSTM.

It reads a list of names as one text, one name per line, and learns which letter comes next. The
names that it makes up are compared with the list: a model that had only memorized it would write
nothing new. A tenth of the names is held out, so some of these may be made up, too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

import netlib as nl

CHARACTERS = "\nabcdefghijklmnopqrstuvwxyz"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="number of training steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="pieces of the text per step (default: %(default)s)")
    parser.add_argument("--length", type=int, default=32, help="characters in a piece (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=128, help="features of the LSTM's state (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=5e-3, help="initial learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--names", type=int, default=40, help="number of names to make up (default: %(default)s)")
    parser.add_argument("--start", default="", help="letters that all of them begin with")
    parser.add_argument("--temperature", type=float, default=0.8, help="randomness; 0 takes the likeliest letter (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def as_ids(names: Sequence[str]) -> np.ndarray:
    """Return the names as one text of ids, each name between two ends of lines."""
    return np.array([CHARACTERS.index(character) for character in "\n" + "".join(f"{name.lower()}\n" for name in names)])


def pieces(ids: np.ndarray, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces of the text that begin at `starts`, and what follows each character."""
    places = starts[:, np.newaxis] + np.arange(length)
    return ids[places], ids[places + 1]


def loss_on(model: nl.Layer, ids: np.ndarray, length: int) -> float:
    """Return the loss per character, given at least half a piece of characters before it."""
    half = length // 2
    x, t = pieces(ids, np.arange(0, len(ids) - length, length - half), length)
    return float(nl.SoftmaxCrossEntropy().forward(model.predict(x)[:, half:], t[:, half:]))


def train(model: nl.Sequential, ids: np.ndarray, held_out: np.ndarray, args: argparse.Namespace, rng: np.random.Generator) -> None:
    """Train on random pieces of the text, and print how it goes."""
    loss = nl.SoftmaxCrossEntropy()
    optimizer = nl.Adam(model, lr=nl.schedules.Cosine(args.lr, args.steps))
    start, total, every = time.perf_counter(), 0.0, max(args.steps // 6, 1)
    print("step   loss   held out   seconds")
    for step in range(1, args.steps + 1):
        x, t = pieces(ids, rng.integers(len(ids) - args.length, size=args.batch_size), args.length)
        total += loss.forward(model.forward(x), t)
        model.backward(loss.backward(), input_gradient=False)
        nl.clip_grad_norm(model, 1.0)
        optimizer.step()
        if step % every == 0:
            seconds = time.perf_counter() - start
            print(f"{step:4} {total / every:6.3f} {loss_on(model, held_out, args.length):10.3f} {seconds:9.1f}", flush=True)
            total = 0.0


def make_up(model: nl.Sequential, args: argparse.Namespace) -> list[str]:
    """Return names: continuations of an end of line, up to the next one."""
    prompt = [CHARACTERS.index(character) for character in "\n" + args.start.lower()]
    rows = nl.generate(model, [prompt] * args.names, steps=15, temperature=args.temperature, rng=args.seed)
    lines = ["".join(CHARACTERS[i] for i in row[1:]).split("\n")[0] for row in rows]
    return [line.title() for line in lines]


def main() -> None:
    """Train, make up names, and say which of them exist."""
    args = arguments()
    if not set(args.start.lower()) <= set(CHARACTERS[1:]):
        raise SystemExit("--start may consist of the letters a to z")
    rng = np.random.default_rng(args.seed)
    names = rng.permutation(nl.data.names()).tolist()
    held_out, names = names[: len(names) // 10], names[len(names) // 10 :]

    model = nl.Sequential(
        nl.Embedding(len(CHARACTERS), 32, rng=rng),
        nl.LSTM(32, args.hidden, rng=rng),
        nl.Dropout(0.2, rng=rng),
        nl.Affine(args.hidden, len(CHARACTERS), rng=rng),
    )
    train(model, as_ids(names), as_ids(held_out), args, rng)

    print()
    groups: dict[str, list[str]] = {"in the list": [], "held out": [], "new": []}
    for name in make_up(model, args):
        groups["in the list" if name in names else "held out" if name in held_out else "new"].append(name)
    for group, members in groups.items():
        print(f"{len(members):3} {group}{':' if members else ''} {', '.join(members)}".rstrip())


if __name__ == "__main__":
    main()
