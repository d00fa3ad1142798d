"""Whoever is measured: one file each, a class with ``train(case)`` and ``infer(case)``.

Both give a function without arguments: one call is one step, and returns the loss, or is one forward pass, and returns the outputs. A
class is made in a process of its own, with the number of threads; what it lacks makes it raise `UnavailableError`.
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
    """A contender cannot run here, for the reason given."""


class Contender(Protocol):
    """One way to train and to use a perceptron."""

    versions: dict[str, str]
    takes_weights: bool
    """Whether it begins with the case's weights, so that its losses must be everybody's."""

    def train(self, case: Case) -> Step:
        """Return one whole step: forward, softmax cross-entropy, backward, Adam."""

    def infer(self, case: Case) -> Step:
        """Return one forward pass."""


@dataclass(frozen=True)
class Entry:
    """Where a contender is found, and what it is called in a table."""

    title: str
    home: str
    environment: dict[str, str] = field(default_factory=dict)

    def make(self, threads: int) -> Contender:
        """Import it."""
        module, name = self.home.split(".")
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
    "bare-loop": Entry("bare loop", "bare_loop.BareLoop"),
    "loop": Entry("hand-written loop", "epoch.Loop", PURE),
    "fit": Entry("Trainer.fit", "epoch.Fit", PURE),
    "loop-fast": Entry("hand-written loop, fast", "epoch.FastLoop"),
    "fit-fast": Entry("Trainer.fit, fast", "epoch.FastFit"),
}
TITLES = {name: entry.title for name, entry in {**CONTENDERS, **HELPERS}.items()}
