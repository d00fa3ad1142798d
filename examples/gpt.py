"""Train a small GPT on Alice's Adventures in Wonderland, and let it write.

It reads characters and learns which one comes next: an embedding of characters and one of their
positions, transformer blocks that look back, a norm, and an affine layer that scores every
character. Its loss on the end of the book, which it has not seen, is compared with that of counting
pairs and triples of characters: with seed 0, it was 1.47 nats, and theirs 2.45 and 1.91.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000, help="number of training steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="pieces of text per step (default: %(default)s)")
    parser.add_argument("--context", type=int, default=64, help="characters that the GPT looks back at (default: %(default)s)")
    parser.add_argument("--width", type=int, default=64, help="features of a character (default: %(default)s)")
    parser.add_argument("--heads", type=int, default=4, help="attention heads of a block (default: %(default)s)")
    parser.add_argument("--blocks", type=int, default=2, help="number of transformer blocks (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=5e-3, help="highest learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--prompt", default="Alice ", help="beginning of the text to write (default: %(default)r)")
    parser.add_argument("--length", type=int, default=600, help="number of characters to write (default: %(default)s)")
    parser.add_argument("--temperature", type=float, default=0.7, help="randomness; 0 takes the likeliest character (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--draw", metavar="FILE", help="draw the first head as .html, .svg or .png; .png needs the extra 'draw'")
    return parser.parse_args()


def gpt(vocabulary: int, args: argparse.Namespace, rng: np.random.Generator) -> nl.Sequential:
    """Return the model: ids (N, T) to scores (N, T, vocabulary)."""
    return nl.Sequential(
        nl.Embedding(vocabulary, args.width, rng=rng),
        nl.PositionalEmbedding(args.context, args.width, rng=rng),
        *[nl.TransformerBlock(args.width, args.heads, causal=True, rng=rng) for _ in range(args.blocks)],
        nl.LayerNorm(args.width),
        nl.Affine(args.width, vocabulary, rng=rng),
    )


def pieces(ids: np.ndarray, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces of the text that begin at `starts`, and what follows each character."""
    places = starts[:, np.newaxis] + np.arange(length)
    return ids[places], ids[places + 1]


def held_out_loss(model: nl.Layer, ids: np.ndarray, context: int) -> float:
    """Return the loss per character, given at least half a context of characters before it."""
    half = context // 2
    x, t = pieces(ids, np.arange(0, len(ids) - context, context - half), context)
    return float(nl.SoftmaxCrossEntropy().forward(model.predict(x, batch_size=64)[:, half:], t[:, half:]))


def count_loss(n: int, ids: np.ndarray, held_out: np.ndarray, vocabulary: int) -> float:
    """Return the loss per character of counts: n - 1 characters predict the next one.

    Where there are few counts, the prediction from one character less counts as ten more.
    """
    p = np.full(vocabulary, 1 / vocabulary)
    for length in range(1, n + 1):
        counts = np.zeros((vocabulary,) * length)
        np.add.at(counts, tuple(ids[i : len(ids) - length + 1 + i] for i in range(length)), 1)
        p = (counts + 10 * p) / (counts.sum(axis=-1, keepdims=True) + 10)
    return float(-np.log(p[tuple(held_out[i : len(held_out) - n + 1 + i] for i in range(n))]).mean())


def train(model: nl.Sequential, ids: np.ndarray, held_out: np.ndarray, args: argparse.Namespace, rng: np.random.Generator) -> None:
    """Train on random pieces of the text, and print how it goes."""
    loss = nl.SoftmaxCrossEntropy()
    warmup = min(100, args.steps // 2)
    schedule = nl.schedules.Warmup(nl.schedules.Cosine(args.lr, args.steps - warmup), warmup)
    optimizer = nl.AdamW(model, lr=schedule, weight_decay=0.1)
    start, total, every = time.perf_counter(), 0.0, max(args.steps // 10, 1)
    print("step   loss   held out   seconds")
    for step in range(1, args.steps + 1):
        x, t = pieces(ids, rng.integers(len(ids) - args.context, size=args.batch_size), args.context)
        total += loss.forward(model.forward(x), t)
        model.backward(loss.backward(), input_gradient=False)
        nl.clip_grad_norm(model, 1.0)
        optimizer.step()
        if step % every == 0:
            seconds = time.perf_counter() - start
            print(f"{step:4} {total / every:6.3f} {held_out_loss(model, held_out, args.context):10.3f} {seconds:9.1f}", flush=True)
            total = 0.0


def write(model: nl.Sequential, prompt: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    """Continue the prompt. When the context is full, its second half begins a new one."""
    ids, rng = prompt, np.random.default_rng(args.seed)
    while len(ids) < args.length:
        seen = ids[-(args.context // 2) :]
        steps = min(args.context + 1 - len(seen), args.length - len(ids))
        ids = np.concatenate([ids, nl.generate(model, seen, steps, args.temperature, rng=rng)[len(seen) :]])
    return ids


def draw_head(file: str, model: nl.Sequential, x: np.ndarray, t: np.ndarray) -> None:
    """Save a picture of the first head of the first block, with the gradients of the loss."""
    block: Any = model[2]
    attention = block.attention.attention
    seen: dict[str, np.ndarray] = {}

    def forward(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> Any:
        seen.update(q=q, k=k, v=v)
        return type(attention).forward(attention, q, k, v)

    def backward(dout: np.ndarray) -> Any:
        seen.update(dout=dout)
        return type(attention).backward(attention, dout)

    attention.forward, attention.backward = forward, backward  # its own, which also note what passes
    loss = nl.SoftmaxCrossEntropy()
    loss.forward(model.forward(x), t)
    model.backward(loss.backward(), input_gradient=False)
    size = block.features // block.heads
    first = {name: array[0, :, :size] for name, array in seen.items()}
    nl.draw(nl.ScaledDotProductAttention(causal=True), first["q"], first["k"], first["v"], dout=first["dout"], detail="nodes").save(file)


def main() -> None:
    """Train, compare with counts, and write."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    text = nl.data.text()
    characters = sorted(set(text))
    id_of = {character: i for i, character in enumerate(characters)}
    if not args.prompt or not set(args.prompt) <= set(characters):
        raise SystemExit(f"the prompt may consist of these characters: {''.join(characters[1:])}")
    ids = np.array([id_of[character] for character in text])
    end = int(0.9 * len(ids))
    ids, held_out = ids[:end], ids[end:]

    model = gpt(len(characters), args, rng)
    print(model.summary((1, args.context)))
    train(model, ids, held_out, args, rng)

    print(f"\nloss per character on the last {len(held_out):,} characters of the book")
    for name, loss in [
        ("counts of pairs", count_loss(2, ids, held_out, len(characters))),
        ("counts of triples", count_loss(3, ids, held_out, len(characters))),
        ("GPT", held_out_loss(model, held_out, args.context)),
    ]:
        print(f"{name:20} {loss:.3f}")

    prompt = np.array([id_of[character] for character in args.prompt])
    print(f"\n{''.join(characters[i] for i in write(model, prompt, args))}")
    if args.draw:
        draw_head(args.draw, model, *pieces(held_out, np.array([0]), 8))


if __name__ == "__main__":
    main()
