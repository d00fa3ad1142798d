"""The information of one check, and queries on it for the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from .analytic import Gradients, as_numbers, gradients
from .conduct.rows import Rows
from .equality import equal
from .measuring.budget import WATCHING
from .measuring.differences import Slopes, relative_error
from .naming.expressions import letter, products, usual_slopes
from .report import Correction, Evidence, Finding, GradientReport
from .tracing.ledger import Logs
from .twin import Twin

if TYPE_CHECKING:
    from .tracing.experiment import Experiment, Explanation


class CheckContext:
    """Your gradients, the measured ones, and the arrays that both are computed from."""

    def __init__(self, twin: Twin, ys: list[Array], douts: list[Array], yours: Gradients, record: Callable[[], tuple[Gradients, Logs]],
                 rows: Rows | None, eps: float, nothing: float, report: GradientReport) -> None:  # fmt: skip
        self.twin = twin
        self.ys = ys
        self.douts = douts
        self.yours = yours
        self.record = record
        self.rows = rows
        self.eps = eps
        self.report = report
        self.slopes: dict[str, Slopes] = {}
        self.relative = relative_error(eps)
        self.nothing = nothing
        """The size below which a gradient is rounding."""
        self.is_sampled = False
        """Whether only some elements were measured."""
        self.watching = WATCHING
        """Seconds left for experiments on forward."""
        self.wrong: dict[str, Array] = {}
        """Which elements differ from the measured ones, and want a name."""
        self.experiments: dict[str, Experiment] = {}
        self.explanations: list[Explanation] = []
        """The explanations that experiments have found so far."""
        self.of_conduct: list[Finding] = []
        """The findings that no difference has shown."""
        self.accepted: set[str] = set()
        """The names whose gradient is right, or excused."""
        self.search: Callable[[CheckContext], list[Correction]] = lambda context: []
        """The search for `corrections`."""
        self._jacobians: dict[str, Array] | None = None

    @cached_property
    def logs(self) -> Logs:
        """The additions of one more backward to each parameter's gradient, in order."""
        return self.record()[1] if self.twin.parameters else {}

    @cached_property
    def corrections(self) -> list[Correction]:
        """Edits of the layer's source with which wrong gradients are right, the widest first."""
        return self.search(self)

    def have_one_correction(self, name: str, other: str) -> bool:
        """Return whether the same line corrects two gradients, or none is known for either."""
        return self.correction(name) is self.correction(other)

    def correction(self, name: str) -> Correction | None:
        """Return the edit with which the gradient of an array is right, if one is known."""
        return next((each for each in self.corrections if name in each.names), None)

    def wrong_names(self) -> set[str]:
        """Return the names of the measured arrays whose gradient is wrong."""
        return {name for name in self.slopes if name not in self.accepted and not self._is_right(name)}

    def _is_right(self, name: str) -> bool:
        yours = self.yours.by_name.get(name)
        numbers = None if yours is None else as_numbers(yours)
        if numbers is None:
            return yours is None and self.yours.error is None and self.is_gradient(np.zeros(self.twin.slots[name].shape), name)
        return self.is_gradient(numbers, name)

    def additions(self, name: str) -> list[tuple[str, Array]]:
        """Return the additions to a parameter's gradient after backward last replaced it."""
        log = self.logs.get(name, [])
        return log[max((i for i, (act, _) in enumerate(log) if act == "="), default=0) :]

    def agrees(self, yours: Array, slopes: Slopes) -> Array:
        """Return which elements are right: near the slope, or between the slopes at a kink.

        Elements without a known slope are not.
        """
        known = np.flatnonzero(~np.isnan(slopes.slope))
        mine, slope = yours[known], slopes.slope[known]
        with np.errstate(all="ignore"):
            larger = np.maximum(np.abs(mine), np.abs(slope))
            largest = float(larger[np.isfinite(larger)].max(initial=0.0))
            allowed = self.relative * larger + 4 * slopes.noise[known] + 1e-9 * largest + self.nothing
            right = np.zeros(slopes.slope.size, bool)
            right[known] = np.isfinite(mine) & (np.abs(mine - slope) <= allowed)
            kinks = np.flatnonzero(slopes.is_kink[known])
            low, high = np.array([slopes.sides.get(i, (0.0, 0.0)) for i in known[kinks].tolist()]).reshape(-1, 2).T
            right[known[kinks]] |= (low - allowed[kinks] <= mine[kinks]) & (mine[kinks] <= high + allowed[kinks])
        return right

    def numeric(self, name: str) -> Array:
        """Return the measured gradient, in the shape of the array."""
        return self.slopes[name].slope.reshape(self.twin.slots[name].shape)

    def is_gradient(self, candidate: Array, name: str) -> bool:
        """Return whether a candidate equals the measured gradient wherever that is known."""
        if candidate.shape != self.twin.slots[name].shape:
            return False
        slopes = self.slopes[name]
        known = ~np.isnan(slopes.slope)
        return bool(known.any()) and bool(self.agrees(np.asarray(candidate, float).ravel(), slopes)[known].all())

    def factor(self, candidate: Array, name: str, where: Array | None = None) -> float | None:
        """Return c if a candidate is c times the measured gradient and c is not 0, else None."""
        slopes = self.slopes[name]
        target = slopes.slope.reshape(self.twin.slots[name].shape)
        if candidate.shape != target.shape:
            return None
        known = ~np.isnan(target) & ~slopes.is_kink.reshape(target.shape)
        known = known if where is None else known & where
        a, t = np.asarray(candidate, float)[known], target[known]
        if not a.size or not np.isfinite(a).all():
            return None
        largest = float(np.abs(t).max())
        if largest <= 100 * self.nothing or largest <= 100 * float(slopes.noise.reshape(target.shape)[known].max()):
            return None
        i = int(np.argmax(np.abs(t)))
        if t.size > 1:
            c = float((a @ t) / (t @ t))
        else:
            c = float(a[i] / t[i])
        noise = slopes.noise.reshape(target.shape)[known]
        if c == 0 or not np.isfinite(c):
            return None
        fits = np.abs(a - c * t) <= abs(c) * (10 * self.relative * np.abs(t) + 8 * noise + 1e-7 * largest)
        return c if fits.all() else None

    def evidence(self, name: str, wrong: Array | None = None, yours: Array | None = None) -> Evidence | None:
        """Return the numbers of an array, or None if your gradient has another shape."""
        mine = self.yours.by_name.get(name) if yours is None else yours
        mine = None if mine is None else as_numbers(mine)
        if mine is None or name not in self.slopes:
            return None
        target = self.numeric(name)
        if mine.shape != target.shape:
            return None
        if wrong is None:
            wrong = (~np.isnan(target)) & ~self.agrees(mine.ravel(), self.slopes[name]).reshape(target.shape) | ~np.isfinite(mine)
        if not wrong.any():
            return None
        return Evidence(mine, target, self.slopes[name].noise.reshape(target.shape), wrong)

    def find(self, mistake: str, name: str, cause: str, hint: str = "", yours: Array | None = None, is_one_slip: bool = False) -> None:
        """Report a mistake, with its numbers if there are any.

        The same cause again is a consequence of the first finding, where `is_one_slip`, unless one
        line does not correct both.
        """
        for known in self.report.findings:
            if is_one_slip and (known.mistake, known.cause) == (mistake, cause) and self.have_one_correction(name, known.where):
                known.consequences.append(name)
                return
        self.report.find(Finding(mistake, name, cause, hint, self.evidence(name, yours=yours)))

    @cached_property
    def operands(self) -> dict[str, Array]:
        """The arrays from which a gradient can be computed, by their names in a program."""
        found: dict[str, Array] = {}
        if len(self.douts) == 1:
            found["dout"] = np.asarray(self.douts[0], float)
        else:
            found |= {f"dout[{i}]": np.asarray(d, float) for i, d in enumerate(self.douts)}
        xs = [i for i, x in enumerate(self.twin.inputs) if isinstance(x, np.ndarray) and x.dtype.kind in "fiu"]
        names = {i: "x" if len(xs) == 1 else letter(i) for i in xs}
        found |= {names[i]: np.asarray(self.twin.inputs[i], float) for i in xs}
        found |= {f"self.{path}.value": np.asarray(p.value, float) for path, p in self.twin.parameters.items()}
        if len(self.ys) == 1:
            found["y"] = np.asarray(self.ys[0], float)
        return found

    def expressions(self, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Array]]:
        """Yield (text, kind, value) of the simple expressions of this shape with dout in them."""
        small = {label: a for label, a in self.operands.items() if a.size <= 1_000_000}
        yield from products({label: d for label, d in small.items() if label.startswith("dout")}, small, shape)

    def explain(self, target: Array, name: str | None = None) -> tuple[str, str] | None:
        """Return text and kind of an expression for `target`, or for the measured gradient."""
        if not np.size(target):
            return None
        for text, kind, value in self.expressions(target.shape):
            if self.is_gradient(value, name) if name is not None else equal(value, target):
                return text, kind
        return None

    def line(self, name: str) -> str:
        """Return the line that computes the right gradient, "" if it is no simple expression."""
        explained = self.explain(self.numeric(name), name) if name in self.slopes else None
        text = explained[0] if explained is not None else self.slope_text(self.numeric(name)) if name in self.slopes else ""
        if not text:
            return ""
        if not name.startswith("input"):
            return f"self.{name}.grad += {text}"
        one = len(self.twin.float_inputs) == 1
        return f"d{'x' if one else letter(int(name[6:]))} = {text}"

    def slope_text(self, gradient: Array) -> str:
        """Return an elementwise gradient as ``dout * (a known function of x or y)``, or ""."""
        d, x, y = (self.operands.get(key) for key in ("dout", "x", "y"))
        if d is None or x is None or y is None or not d.shape == x.shape == y.shape == gradient.shape:
            return ""
        known = ~np.isnan(gradient)
        d, x, y, gradient = d[known], x[known], y[known], gradient[known]
        if x.size < 3:
            return ""
        with np.errstate(all="ignore"):
            slope = gradient / d
            for label, v in (("y", y), ("x", x)):
                for text, value in usual_slopes(label, v):
                    if np.isfinite(value).all() and np.abs(slope - value).max() <= 1e-5 * np.abs(value).max():
                        return f"dout * {text}"
        return ""

    def jacobians(self, name: str) -> tuple[Array, Array] | None:
        """Return (yours, measured), outputs by elements; None if large or partly unknown."""
        measured = self.slopes[name].jacobian
        n_outputs = sum(y.size for y in self.ys)
        if measured is None or np.isnan(measured).any() or n_outputs > 300 or self.yours.error is not None or not self.twin.takes_dout:
            return None
        if self._jacobians is None:
            self._jacobians = self._by_unit_douts(n_outputs)
        yours = self._jacobians.get(name)
        return None if yours is None else (yours, measured.T)

    def _by_unit_douts(self, n_outputs: int) -> dict[str, Array]:
        rows: dict[str, list[Array]] = {}
        for i in range(n_outputs):
            unit = np.zeros(n_outputs)
            unit[i] = 1
            parts = np.split(unit, np.cumsum([y.size for y in self.ys])[:-1])
            douts = [np.asarray(p.reshape(y.shape), d.dtype) for p, y, d in zip(parts, self.ys, self.douts, strict=True)]
            self.twin.forward()
            for name, g in gradients(self.twin, douts).by_name.items():
                size = self.twin.slots[name].size
                rows.setdefault(name, []).append(
                    np.zeros(size) if np.size(g) != size or as_numbers(g) is None else np.asarray(g, float).ravel()
                )
        return {name: np.array(each) for name, each in rows.items()}

    @property
    def numbers_held(self) -> dict[str, float]:
        """The numbers that the layers keep in attributes, such as a probability or a slope."""
        found: dict[str, float] = {}
        for _, layer in self.twin.layer.walk():
            for key, value in vars(layer).items():
                if isinstance(value, float | int | np.floating) and not isinstance(value, bool) and np.isfinite(value):
                    found.setdefault(key.lstrip("_"), float(value))
        return found
