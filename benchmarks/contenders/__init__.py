"""The libraries that are measured, one file each: a class with ``train(case)`` and ``infer(case)``.

Both return a function without arguments. A call runs one training step and returns the loss, or
one forward pass and returns the outputs. The class is instantiated in its own process with the
number of threads; it raises `UnavailableError` if a package is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..case import Case

    Step = Callable[[], Any]


class UnavailableError(Exception):
    """A contender cannot run here; the message is the reason."""


class Contender(Protocol):
    """One way to train and evaluate a network."""

    versions: dict[str, str]
    takes_weights: bool
    """Whether it starts from the case's weights and so must reach the same losses as the others."""

    def train(self, case: Case) -> Step:
        """Return a training step: forward, softmax cross-entropy, backward, Adam."""

    def infer(self, case: Case) -> Step:
        """Return a forward pass."""


@dataclass(frozen=True)
class Entry:
    """The class of a contender, and its title in tables."""

    title: str
    path: str
    environment: dict[str, str] = field(default_factory=dict)

    def make(self, threads: int) -> Contender:
        """Import and instantiate it."""
        module, name = self.path.split(".")
        try:
            contender: Contender = getattr(import_module(f".{module}", __name__), name)(threads)
        except ImportError as error:
            raise UnavailableError(f"{error}; pip install -e '.[bench]'") from error
        return contender


PURE = {"NETLIB_ACCELERATOR": "numpy"}
CONTENDERS = {
    "products": Entry("bare products", "products.Products"),
    "netlib": Entry("netlib, NumPy", "netlib_.Pure", PURE),
    "netlib-fast": Entry("netlib, fast", "netlib_.Fast"),
    "jax": Entry("JAX jit", "jax_.Jit"),
    "jax-queued": Entry("JAX jit, queued", "jax_.Queued"),
    "torch-fused": Entry("PyTorch fused Adam", "torch_.Fused"),
    "torch": Entry("PyTorch", "torch_.Eager"),
    "torch-compiled": Entry("PyTorch compiled", "torch_.Compiled", {"TORCHINDUCTOR_COMPILE_THREADS": "1"}),
    "sklearn": Entry("scikit-learn", "sklearn_.PartialFit"),
}
HELPERS = {
    "torch-math": Entry("PyTorch, scores in memory", "torch_.Math"),
    "bare-loop": Entry("bare loop", "bare_loop.BareLoop"),
    "loop": Entry("hand-written loop", "epoch.Loop", PURE),
    "fit": Entry("Trainer.fit", "epoch.Fit", PURE),
    "loop-fast": Entry("hand-written loop, fast", "epoch.FastLoop"),
    "fit-fast": Entry("Trainer.fit, fast", "epoch.FastFit"),
}
TITLES = {name: entry.title for name, entry in {**CONTENDERS, **HELPERS}.items()}
