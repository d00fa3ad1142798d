"""A transformer learns to add two numbers of up to three digits.

It reads a text such as " 12+345=" and continues it with the digits of the sum, the last digit
first: "7530" stands for 0357. In this order, each digit needs only the two in its own place and a
carry, which depends on the place before; in the usual order, the first digit would depend on all
the others. The model is tested on pairs of numbers that never occur in training, in either order.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import netlib as nl

CHARACTERS = "0123456789+= "
PROMPT, ANSWER = 8, 4  # the characters of " 12+345=" and of "7530"
HELD_OUT = 2000


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sums", type=int, default=50_000, help="number of sums to train on, of 500,500 (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1000, help="number of training steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="sums per step (default: %(default)s)")
    parser.add_argument("--width", type=int, default=64, help="features of a character (default: %(default)s)")
    parser.add_argument("--heads", type=int, default=4, help="attention heads of a block (default: %(default)s)")
    parser.add_argument("--blocks", type=int, default=2, help="number of transformer blocks (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=3e-3, help="highest learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="save where the digits look, as .png or .svg; needs the extra 'plot'")
    return parser.parse_args()


def as_ids(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return sums as ids (n, 12), such as those of " 12+345=7530"."""
    texts = [f"{p:3}+{q:3}=" + f"{p + q:04}"[::-1] for p, q in zip(a.tolist(), b.tolist(), strict=True)]
    return np.array([[CHARACTERS.index(character) for character in text] for text in texts])


def transformer(args: argparse.Namespace, rng: np.random.Generator) -> nl.Sequential:
    """Return the model: ids (N, T) to scores (N, T, characters)."""
    return nl.Sequential(
        nl.Embedding(len(CHARACTERS), args.width, rng=rng),
        nl.PositionalEmbedding(PROMPT + ANSWER - 1, args.width, rng=rng),
        *[nl.TransformerBlock(args.width, args.heads, causal=True, rng=rng) for _ in range(args.blocks)],
        nl.LayerNorm(args.width),
        nl.Affine(args.width, len(CHARACTERS), rng=rng),
    )


def right_answers(model: nl.Layer, ids: np.ndarray) -> np.ndarray:
    """Return whether all digits are right (n,), when the model writes them one after another."""
    is_right: np.ndarray = (nl.generate(model, ids[:, :PROMPT], ANSWER, temperature=0) == ids).all(axis=1)
    return is_right


def train(model: nl.Sequential, ids: np.ndarray, held_out: np.ndarray, args: argparse.Namespace, rng: np.random.Generator) -> None:
    """Train on random sums, and print how it goes."""
    loss = nl.SoftmaxCrossEntropy()
    warmup = min(100, args.steps // 2)
    schedule = nl.schedules.Warmup(nl.schedules.Cosine(args.lr, args.steps - warmup), warmup)
    optimizer = nl.AdamW(model, lr=schedule, weight_decay=0.1)
    start, total, every = time.perf_counter(), 0.0, max(args.steps // 10, 1)
    print("step   loss   held-out sums right   seconds")
    for step in range(1, args.steps + 1):
        batch = ids[rng.integers(len(ids), size=args.batch_size)]
        scores = model.forward(batch[:, :-1])
        total += loss.forward(scores[:, PROMPT - 1 :], batch[:, PROMPT:])
        dout = np.zeros_like(scores)  # what follows in the question does not count
        dout[:, PROMPT - 1 :] = loss.backward()
        model.backward(dout, input_gradient=False)
        nl.clip_grad_norm(model, 1.0)
        optimizer.step()
        if step % every == 0:
            right, seconds = right_answers(model, held_out[:500]).mean(), time.perf_counter() - start
            print(f"{step:4} {total / every:6.3f} {right:21.1%} {seconds:9.1f}", flush=True)
            total = 0.0


def save_picture(file: str, model: nl.Sequential, ids: np.ndarray) -> None:
    """Plot where each character of a sum looks, in each block. A row is what looks.

    The suffix of the file determines the format.
    """
    from matplotlib.figure import Figure

    tokens = ["␣" if i == CHARACTERS.index(" ") else CHARACTERS[i] for i in ids[:-1]]
    paths = [f"{i}.attention" for i, layer in enumerate(model) if isinstance(layer, nl.TransformerBlock)]
    figure = Figure(figsize=(14, 4 * len(paths)), layout="constrained")
    for path, ax in zip(paths, figure.subplots(len(paths), squeeze=False)[:, 0], strict=True):
        nl.plot.attention(model, ids[np.newaxis, :-1], path=path, tokens=tokens, ax=ax)
    figure.savefig(file)


def main() -> None:
    """Train, then add pairs of numbers that did not occur in training."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    pairs = np.stack(np.triu_indices(1000), axis=1)  # each pair once
    pairs = rng.permuted(rng.permutation(pairs)[: HELD_OUT + args.sums], axis=1)
    ids = as_ids(*pairs.T)
    held_out, ids = ids[:HELD_OUT], ids[HELD_OUT:]

    model = transformer(args, rng)
    print(model.summary((1, PROMPT + ANSWER - 1)), "\n")
    train(model, ids, held_out, args, rng)

    is_right = right_answers(model, held_out)
    is_short = (pairs[:HELD_OUT] < 100).any(axis=1)
    print(f"\nheld-out sums that are right: {is_right.mean():.2%} of {HELD_OUT}")
    print(f"of those with a number below 100: {is_right[is_short].mean():.2%} of {is_short.sum()}\n")
    written = nl.generate(model, held_out[:8, :PROMPT], ANSWER, temperature=0)
    for row, right in zip(written, is_right, strict=False):
        text = "".join(CHARACTERS[i] for i in row)
        print(f"{text}   {text[:3]} + {text[4:7]} = {text[PROMPT:][::-1]}   {'right' if right else 'wrong'}")
    if args.plot:
        save_picture(args.plot, model, held_out[0])


if __name__ == "__main__":
    main()
