"""Rules that name the mistake, from your gradient, the measured one, and what both are made of."""

from __future__ import annotations

import linecache
import re
from itertools import combinations
from typing import Any

import numpy as np

from ..arrays import Array
from .analytic import as_numbers
from .case import Case
from .interventions import right_when_transposed, slopes_by_use
from .numeric import Slopes

PROVEN_BY_PROBES = {"ignores-upstream", "missing-mask", "wrong-formula", "nondeterministic"}
CONSEQUENCE_OF = {"mutates-parameters", "mutates-input", "stale-cache"}


def read_contract(case: Case) -> list[str]:
    """Report gradients that are missing or have the wrong shape, and return the names of those that can be compared."""
    fit = []
    yours = case.yours.by_name
    if case.yours.error is not None:
        _name_the_error(case, case.yours.error)
    elif case.yours.surplus:
        _name_the_count(case)
    shapes = {name: np.shape(g) for name, g in yours.items() if g is not None and as_numbers(g) is not None}
    if _is_swap(case, shapes):
        return [
            name for name in case.slopes if name in shapes and shapes[name] == case.twin.slots[name].shape and name not in _swapped(case)
        ]
    for name in case.slopes:
        if name not in yours:
            continue
        g, slot = yours[name], case.twin.slots[name]
        if g is None:
            _name_the_missing(case, name)
        elif name not in shapes or shapes[name] != slot.shape:
            _name_the_shape(case, name, np.asarray(g) if as_numbers(g) is not None or hasattr(g, "dtype") else np.array(None))
        else:
            fit.append(name)
    return fit


def _is_nothing(case: Case, name: str) -> bool:
    """Return whether the measured gradient is zero wherever it is known."""
    slopes = case.slopes[name]
    known = ~np.isnan(slopes.slope) & ~slopes.is_kink
    return bool((np.abs(slopes.slope[known]) <= 4 * slopes.noise[known]).all())


def _name_the_missing(case: Case, name: str) -> None:
    if _is_nothing(case, name):
        case.report.errors[name] = 0.0
        known = ~np.isnan(case.slopes[name].slope)
        case.report.covered[name] = int(known.sum()), known.size
        return
    case.report.errors[name] = 1.0
    if name.startswith("input"):
        if not any(f.where == name for f in case.report.findings):
            case.find("missing-gradient", name, "backward returns None for it, though the output depends on it", _return(case, name))
    else:
        case.find("missing-gradient", name, "backward adds nothing to its grad, though the output depends on it", case.line(name))


def _return(case: Case, name: str) -> str:
    line = case.line(name)
    if not line:
        return "return the gradient of every input, a tuple where there are several"
    return f"return {line.split(' = ', 1)[1]}" if len(case.twin.float_inputs) == 1 else line


def _name_the_count(case: Case) -> None:
    surplus = case.yours.surplus
    missing = [name for name, g in case.yours.returned.items() if g is None and name in case.slopes]
    if "list" in surplus:
        case.find("wrong-shape", "backward", surplus, "return da, db")
    elif missing:
        for name in missing:
            case.find("missing-gradient", name, f"{surplus}; this one is not among them", _return(case, name))
    else:
        case.find("wrong-shape", "backward", surplus, "one gradient for each input, in their order")


def _swapped(case: Case) -> list[str]:
    return [f.where for f in case.report.findings if f.mistake == "swapped-inputs"]


def _is_swap(case: Case, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Report two gradients that are each other's, by their numbers."""
    names = [name for name in case.yours.returned if name in shapes and name in case.slopes]
    for a, b in combinations(names, 2):
        ga, gb = (as_numbers(case.yours.by_name[n]) for n in (a, b))
        if ga is None or gb is None:
            continue
        if case.is_gradient(ga, b) and case.is_gradient(gb, a) and not (case.is_gradient(ga, a) and case.is_gradient(gb, b)):
            cause = f"the gradient returned for {a} is that of {b}, and the other way round"
            for name in (a, b):
                case.find("swapped-inputs", name, cause, case.line(name) or "return them in the order of the inputs")
            return True
    return False


def _name_the_error(case: Case, error: Exception) -> None:
    """Report a backward that raises, from what it says and the line it stands in."""
    line, at = _raising_line(error)
    said = f"backward raises {type(error).__name__}: {error}" + (f", at `{line}`" if line else "")
    name = _target_of(case, line, at)
    is_product = "matmul" in str(error) or "not aligned" in str(error) or "mismatch in its core dimension" in str(error)
    if is_product:
        case.find("missing-transpose", name, f"{said}: the factors of the product do not fit as they stand", case.line(name))
    elif isinstance(error, ValueError):
        case.find("wrong-shape", name, said, case.line(name))
    else:
        case.find("raises", name, said, case.line(name))
    case.report.errors[name] = np.inf


def _raising_line(error: Exception) -> tuple[str, Any]:
    """Return the last line of the layer's own code on the way to the error, and its frame."""
    found: tuple[str, Any] = ("", None)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "netlib/derivatives/" not in code.co_filename.replace("\\", "/"):
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            found = (line, trace.tb_frame) if line else found
        trace = trace.tb_next
    return found


def _target_of(case: Case, line: str, frame: Any) -> str:
    """Return which gradient the line computes: that of the parameter whose grad it mentions, else the first input's."""
    for path in case.twin.parameters:
        if re.search(rf"\b{re.escape(path.split('.')[-1])}\.(grad|add_grad)", line):
            return path
    name = re.match(r"d_?(\w+)\s*=", line)
    if name:
        for path in case.twin.parameters:
            if path.split(".")[-1].lower().startswith(name.group(1).lower()):
                return path
    return next(iter(case.yours.returned or case.slopes or {"backward": None}))


def _name_the_shape(case: Case, name: str, g: Array) -> None:
    """Report a gradient whose shape is not that of its array."""
    case.report.errors[name] = np.inf
    slot = case.twin.slots[name]
    came = f"the gradient has shape {g.shape}, wanted {slot.shape}"
    line = case.line(name)
    if g.dtype.kind not in "fiub":
        mistake = "dtype-changed" if g.dtype.kind == "c" else "wrong-shape"
        case.find(mistake, name, f"the gradient is an array of {g.dtype}, wanted real numbers", line)
        return
    g = np.asarray(g, float)
    if g.ndim >= 2 and g.shape == slot.shape[::-1] and _finds(case, "missing-transpose", name, g.T, f"{came}: it is transposed", line):
        return
    summed = _unbroadcast(g, slot.shape)
    if summed is not None and g.size != slot.size:
        cause = f"{came}: the copies that broadcasting made must be summed up again"
        if _finds(case, "missing-batch-sum", name, summed, cause, line or "dout.sum(axis=0)"):
            return
        case.find("missing-batch-sum", name, cause, line or "dout.sum(axis=0)")
        return
    if g.size == slot.size and _finds(
        case, "wrong-shape", name, g.reshape(slot.shape), f"{came}; the numbers are right", line or f"….reshape({slot.shape})"
    ):
        return
    for other in case.yours.returned:
        if other != name and other in case.slopes and case.is_gradient(g, other):
            case.find("swapped-inputs", name, f"{came}: it is the gradient of {other}", line)
            return
    explained = case.explain(g)
    if explained and ".sum" in explained[0]:
        case.find("wrong-axis", name, f"{came}: it is {explained[0]}", line)
        return
    known = case.numeric(name)
    if (g.size == 1 and slot.size > 1) or (not np.isnan(known).any() and _is_sum_of(g, known)):
        case.find("wrong-axis", name, f"{came}: too much is summed up", line)
        return
    if g.ndim >= 2 and g.shape == slot.shape[::-1]:
        case.find("missing-transpose", name, f"{came}, the other way round", line)
        return
    case.find("wrong-shape", name, came, line)


def _finds(case: Case, mistake: str, name: str, mended: Array, cause: str, mend: str) -> bool:
    """Report a mistake if the mended gradient is right, or right up to a factor, which is then a mistake of its own."""
    c = 1.0 if case.is_gradient(mended, name) else case.factor(mended, name)
    if c is None:
        return False
    case.find(mistake, name, cause, mend)
    if abs(c - 1) > 1e-5:
        _name_the_factor(case, name, c, mend)
    return True


def _unbroadcast(g: Array, shape: tuple[int, ...]) -> Array | None:
    try:
        if np.broadcast_shapes(g.shape, shape) != g.shape:
            return None
    except ValueError:
        return None
    lead = g.ndim - len(shape)
    axes = *range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1)
    return np.asarray(g.sum(axis=tuple(axes))).reshape(shape)


def _is_sum_of(g: Array, known: Array) -> bool:
    for axis in range(known.ndim):
        total = known.sum(axis=axis)
        if total.shape == g.shape and np.allclose(total, g, rtol=1e-5):
            return True
    return False


def name_the_mistake(case: Case, name: str, wrong: Array) -> None:
    """Report why the gradient of one array differs from the measured one."""
    for finding in case.report.findings:
        if finding.where == name and finding.mistake in PROVEN_BY_PROBES:
            finding.evidence = finding.evidence or case.evidence(name, wrong)
            if finding.mistake == "ignores-upstream":
                _besides(case, name)
            return
    yours = np.asarray(case.yours.by_name[name], float)
    for rule in RULES:
        if rule(case, name, yours, wrong):
            return
    for finding in case.report.findings:
        if finding.mistake in CONSEQUENCE_OF:
            finding.evidence = finding.evidence or case.evidence(name, wrong)
            return
    case.find("wrong-formula", name, _pattern(case, name, yours, wrong), case.line(name))


def _besides(case: Case, name: str) -> None:
    """Look for a second mistake in a gradient that ignores dout: compare it with what a dout of ones gives."""
    slopes = case.slopes[name]
    if slopes.jacobian is None or np.isnan(slopes.jacobian).any():
        return
    plain = Slopes(slopes.slope.size, slopes.jacobian.shape[1])
    plain.slope, plain.noise = slopes.jacobian.sum(axis=1), slopes.noise
    yours = np.asarray(case.yours.by_name[name], float)
    case.slopes[name] = plain
    try:
        wrong = ~case.agrees(yours.ravel(), plain).reshape(yours.shape)
        if wrong.any():
            any(rule(case, name, yours, wrong) for rule in (_zero, _scale, _transpose, _mask, _targets))
    finally:
        case.slopes[name] = slopes


def _non_finite(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    if np.isfinite(yours[wrong]).all():
        return False
    n = int((~np.isfinite(yours)).sum())
    case.find("non-finite", name, f"{n} of {yours.size} elements are infinite or NaN, where the slope is a plain number",
              "a form that neither overflows nor divides by zero: subtract the largest before exp, work with logarithms")  # fmt: skip
    return True


def _zero(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    if yours.any():
        return False
    cause = "the gradient is zero everywhere, though the output depends on it"
    case.find("zero-gradient" if name.startswith("input") else "missing-gradient", name, cause, case.line(name))
    return True


def _scale(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    c = case.factor(yours, name)
    if c is None or abs(c - 1) < 1e-5:
        return False
    if yours.size == 1 and sum(y.size for y in case.ys) > 1 and not _factor_name(case, c) and abs(c + 1) > 1e-5:
        return False  # one number is in proportion to any other
    counted = _counted_twice(case, name)
    if counted:
        case.find("double-counted", name, counted, "each path once")
        return True
    _name_the_factor(case, name, c, case.line(name))
    return True


def _counted_twice(case: Case, name: str) -> str:
    """Return what was added to a parameter's gradient twice, from the log of its additions."""
    added = [value for _, value in case.logs.get(name, ()) if value.shape == case.twin.slots[name].shape]
    if 2 <= len(added) <= 6:
        for n in range(1, len(added)):
            for part in combinations(added, n):
                if case.is_gradient(np.asarray(sum(part)), name):
                    return f"backward adds to its grad {len(added)} times, and {n} of these are the gradient already"
    return ""


def _name_the_factor(case: Case, name: str, c: float, line: str) -> None:
    if c < 0:
        case.find("wrong-sign", name, "the sign is wrong everywhere: minus your gradient is right" if abs(c + 1) < 1e-5
                  else f"the sign is wrong everywhere, and the size by a factor of {-c:.6g}", line)  # fmt: skip
        c = -c
    if abs(c - 1) < 1e-5:
        return
    known_as = _factor_name(case, c)
    is_what = f" = {known_as}" if known_as else ""
    much = f"{c:.6g} times too large" if c > 1 else f"only {c:.6g} of what it should be"
    mend = line
    if not mend and known_as.startswith("1/N"):
        mend = "a sum over the samples in place of a mean: the loss alone divides by N"
    elif not mend:
        mend = f"divide by {known_as.split(',')[0]}" if known_as else f"divide by {c:.6g}"
    case.find("wrong-scale", name, f"the gradient is {much} everywhere, factor {c:.6g}{is_what}", mend)


def _factor_name(case: Case, c: float) -> str:
    """Return what a factor is, in the sizes and numbers at hand."""
    names: dict[str, float] = {}
    arrays = [*(x for x in case.twin.inputs if isinstance(x, np.ndarray)), *case.ys]
    for a in arrays:
        if a.ndim >= 1:
            names.setdefault("N, the batch size", a.shape[0])
        if a.ndim >= 2:
            names.setdefault("C, the number of classes or features", a.shape[-1])
            names.setdefault("N·C, the number of elements", a.size)
    names |= {"2": 2.0, "3": 3.0, "4": 4.0}
    for a in [*arrays, *case.twin.slots.values()]:
        for n in a.shape:
            names.setdefault(f"{n}, the length of an axis", n)
        names.setdefault(f"{a.size}, the number of elements", a.size)
    found: list[tuple[str, float]] = []
    for key, value in case.numbers_held.items():
        if value not in (0.0, 1.0):
            found += [(f"{key}", value), (f"1 − {key}", 1 - value), (f"{key}²", value**2), (f"(1 − {key})²", (1 - value) ** 2)]
    for label, value in [*names.items(), *found]:
        if value in (0.0, 1.0):
            continue
        if abs(c / value - 1) < 2e-5:
            return label
        if abs(c * value - 1) < 2e-5:
            short, _, rest = label.partition(",")
            return f"1/({short})" if " " in short else f"1/{short}" + (f", {rest.strip()}" if rest else "")
        if value > 0 and abs(c * c / value - 1) < 2e-5:
            return f"√({label.split(',')[0]})"
        if value > 0 and abs(c * c * value - 1) < 2e-5:
            return f"1/√({label.split(',')[0]})"
    return ""


def _transpose(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    if yours.ndim < 2:
        return False
    line = case.line(name)
    if yours.shape[-1] == yours.shape[-2]:
        cause = "it is the transpose of the right gradient; only a square array lets that pass"
        if _finds(case, "missing-transpose", name, yours.swapaxes(-1, -2), cause, line):
            return True
    if yours.ndim == 2:
        reshaped = yours.reshape(yours.shape[::-1]).T
        cause = "its numbers are right but in another order: reshape does not transpose"
        if _finds(case, "missing-transpose", name, reshaped, cause, line):
            return True
    written, right = case.explain(yours), case.explain(case.numeric(name), name)
    if written and right and written[1] == right[1] and "@" in written[1]:
        case.find("missing-transpose", name, f"it is {written[0]}, which should be {right[0]}", line)
        return True
    target = case.numeric(name)
    if _is_reordering(case.slopes[name].jacobian) and np.allclose(np.sort(yours, axis=None), np.sort(target, axis=None), rtol=1e-5):
        cause = "its numbers are right but in another order: what forward does to the order, backward must undo"
        case.find("missing-transpose", name, cause, line or "np.transpose(dout, np.argsort(axes)), or the inverse of forward's reordering")
        return True
    return False


def _is_reordering(jacobian: Array | None) -> bool:
    """Return whether forward puts the elements in another order and does nothing else."""
    if jacobian is None or jacobian.shape[0] != jacobian.shape[1] or np.isnan(jacobian).any():
        return False
    ones = np.abs(jacobian - 1) < 1e-6
    return bool((ones.sum(axis=0) == 1).all() and (ones.sum(axis=1) == 1).all() and np.abs(jacobian[~ones]).max(initial=0.0) < 1e-6)


def _transposed_weight(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    path = right_when_transposed(case, name)
    if path:
        case.find("missing-transpose", name, f"with self.{path}.value transposed in backward it is right", f"… @ self.{path}.value.T")
    return bool(path)


def _mask(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    slopes = case.slopes[name]
    target = case.numeric(name)
    known = ~np.isnan(target) & ~slopes.is_kink.reshape(target.shape)
    largest = max(float(np.abs(target[known]).max(initial=0.0)), float(np.abs(yours[known]).max(initial=0.0)))
    zero = np.abs(target) <= np.maximum(1e-9 * largest, 4 * slopes.noise.reshape(target.shape))
    silent = np.abs(yours) <= 1e-12 * largest
    extra, lost = known & zero & ~silent, known & ~zero & silent
    mend = "keep the mask in forward (self.mask = …), and multiply dout by it in backward"
    if extra.any() and lost.any() and not (known & (zero == silent)).any():
        case.find("inverted-mask", name, "it is zero exactly where it should not be, and not zero where it should be", mend)
        return True
    if extra.any() and not lost.any():
        c = case.factor(yours, name, where=~zero)
        if c is not None:
            case.find("missing-mask", name, f"{int(extra.sum())} elements that do not reach the output get a gradient", mend)
            if abs(c - 1) > 1e-5:
                _name_the_factor(case, name, c, "")
            return True
    return _masked_sum(case, name, yours) or _two_slopes(case, name, yours, target, known & ~zero & ~silent, mend)


def _masked_sum(case: Case, name: str, yours: Array) -> bool:
    """Masks in a sum over samples, as in the gradient of a slope."""
    x, d = case.operands.get("x"), case.operands.get("dout")
    if x is None or d is None or x.shape != d.shape or name.startswith("input"):
        return False
    masks = {"1": np.ones(x.shape), "(x > 0)": x > 0, "(x < 0)": x < 0}
    for base in (d, d * x):
        sums = {label: _unbroadcast(base * mask, yours.shape) for label, mask in masks.items()}
        right = [label for label, total in sums.items() if total is not None and case.is_gradient(total, name)]
        mine = [label for label, total in sums.items() if total is not None and np.allclose(total, yours, rtol=1e-6)]
        if right and mine and right != mine and right[0] != "1":
            cause = f"the factor {right[0]} of forward is missing" if mine == ["1"] else f"it counts {mine[0]} in place of {right[0]}"
            case.find("missing-mask" if mine == ["1"] else "inverted-mask", name, cause, f"dout * … * {right[0]}, then the sum")
            return True
    return False


def _two_slopes(case: Case, name: str, yours: Array, target: Array, known: Array, mend: str) -> bool:
    """Masks that choose between two slopes, as of a leaky ReLU."""
    if len(case.douts) != 1 or case.douts[0].shape != yours.shape or int(known.sum()) < 3:
        return False
    mine, right = (np.round(a[known] / np.asarray(case.douts[0], float)[known], 6) for a in (yours, target))
    values = np.unique(right)
    if len(values) != 2 or not np.isin(mine, values).all():
        return False
    if (mine != right).all():
        case.find("inverted-mask", name, f"the slopes {values[0]:g} and {values[1]:g} are exchanged", mend)
        return True
    if len(np.unique(mine)) == 1:
        if values[0] == -values[1]:
            case.find("wrong-sign", name, "the sign is wrong where the input has the other sign: the factor np.sign(x) is missing")
        else:
            case.find(
                "missing-mask", name, f"the slope is {mine[0]:g} everywhere, though it should be {values[0]:g} at some elements", mend
            )
        return True
    return False


def _axis(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    line = case.line(name)
    for _, value in case.logs.get(name, ()):
        if value.shape != yours.shape and value.size < yours.size:
            case.find("wrong-axis", name, f"what backward adds has shape {value.shape}, and is repeated to fill {yours.shape}", line)
            return True
    written = case.explain(yours)
    right = case.explain(case.numeric(name), name)
    if written and right and written[0] != right[0] and written[1] == right[1] and ".sum" in written[1]:
        case.find("wrong-axis", name, f"it is {written[0]}, which should be {right[0]}", line)
        return True
    target = case.numeric(name)
    if yours.size < 2 or np.isnan(target).any():
        return False
    for axis in [*range(yours.ndim), None]:
        total = target.sum(axis=axis, keepdims=True)
        if np.ptp(yours, axis=axis).max() > 1e-9 * np.abs(yours).max():
            continue
        n = target.size // total.size
        if n == 1:
            continue
        for divided in (1,) if name.startswith("input") else (1, n):
            if np.allclose(yours, total / divided, rtol=1e-5, atol=1e-6 * np.abs(target).max()):
                which = "everything" if axis is None else f"axis {axis}"
                case.find(
                    "wrong-axis",
                    name,
                    f"it is the same along {which}: {'a mean' if divided > 1 else 'a sum'} was taken over that, too",
                    line,
                )
                return True
    return False


def _jacobian(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Look at the pattern of ∂y/∂x: what couples with what."""
    both = case.jacobians(name)
    if both is None:
        return False
    mine, right = both
    big = float(np.abs(right).max(initial=0.0))
    if big == 0:
        return False
    is_mine, is_right = np.abs(mine) > 1e-8 * float(np.abs(mine).max(initial=0.0)), np.abs(right) > 1e-7 * big
    if len(case.ys) == 1 and case.ys[0].shape == yours.shape and _coupling(case, name, both, is_mine, is_right):
        return True
    kept = is_mine & is_right
    is_part = kept.any() and (is_right & ~is_mine).any() and not (is_mine & ~is_right).any()
    if is_part and np.allclose(mine[kept], right[kept], rtol=1e-5, atol=1e-6 * big):
        used = [i for i, rows in enumerate(np.split(is_mine, np.cumsum([y.size for y in case.ys])[:-1])) if rows.any()]
        cause, mend = "some of the paths to the output are right, the others are missing", ""
        if len(used) < len(case.ys):
            cause = f"only dout of output {', '.join(map(str, used))} is used, though all outputs depend on it"
        elif (is_right.sum(axis=0) > 1).any():
            mend = "add up over all uses: np.add.at(dx, index, dout) where an index comes twice, a sum over samples or places elsewhere"
        case.find("missing-term", name, cause, case.line(name) or mend)
        return True
    return False


def _coupling(case: Case, name: str, both: tuple[Array, Array], is_mine: Array, is_right: Array) -> bool:
    """Compare which elements of y each element of x moves, where both have one shape."""
    mine, right = both
    y, big = case.ys[0], float(np.abs(right).max())
    here, there = _coupled_axes(is_mine, y.shape), _coupled_axes(is_right, y.shape)
    diagonal = np.eye(y.size, dtype=bool)
    if there and not is_mine[~diagonal].any():
        axes = ", ".join(map(str, sorted(there)))
        is_kept = np.allclose(mine[diagonal], right[diagonal], rtol=1e-5, atol=1e-6 * big)
        is_reordered = not is_right[diagonal].any()
        if is_reordered:
            return False
        if is_kept or _is_softmax(y, there):
            case.find("diagonal-only", name, f"only ∂y_i/∂x_i is there; each x moves every y along axis {axes}, so all ∂y_i/∂x_j count",
                      "for softmax: y * (dout - (dout * y).sum(axis, keepdims=True))")  # fmt: skip
        else:
            case.find("missing-term", name, f"the paths through what is shared along axis {axes} (a mean, a sum, a variance) are missing",
                      "differentiate the mean and the variance as well: they depend on x, too")  # fmt: skip
        return True
    if here - there:
        shown = ", ".join(map(str, sorted(here))), ", ".join(map(str, sorted(there))) or "none"
        case.find("wrong-axis", name, f"your gradient mixes elements along axis {shown[0]}, forward along axis {shown[1]}", case.line(name))
        return True
    return False


def _coupled_axes(is_there: Array, shape: tuple[int, ...]) -> set[int]:
    """Return the axes along which output and input differ somewhere in a Jacobian's pattern."""
    rows, columns = np.nonzero(is_there)
    a, b = np.unravel_index(rows, shape), np.unravel_index(columns, shape)
    return {axis for axis, (i, j) in enumerate(zip(a, b, strict=True)) if (i != j).any()}


def _is_softmax(y: Array, axes: set[int]) -> bool:
    return bool((y > 0).all()) and np.allclose(y.sum(axis=tuple(axes)), 1)


def _term(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Look for a path too few or too many."""
    target = case.numeric(name)
    if np.isnan(target).any():
        return False
    gap = target - yours
    noise = case.slopes[name].noise.reshape(gap.shape)
    allowed = 1e-5 * max(float(np.abs(target).max()), float(np.abs(yours).max())) + 8 * float(noise.max())
    for text, _, value in case.expressions(gap.shape):
        if text.startswith("-") or float(np.abs(value).max(initial=0.0)) <= 10 * allowed:
            continue
        if np.abs(gap - value).max() <= allowed:
            case.find("missing-term", name, f"exactly {text} is missing: one path from it to the output was forgotten", f"… + {text}")
            return True
        if np.abs(gap + value).max() <= allowed:
            case.find("double-counted", name, f"{text} is in it once too often", f"add {text} once only")
            return True
    if len(case.twin.float_inputs) and any(True for _ in case.twin.layer.members()):
        written = case.explain(yours)
        if written and written[0] == "dout":
            case.find(
                "missing-term", name, "it is dout alone: the path through the layers inside is missing", "dout + self.….backward(dout)"
            )
            return True
    counted = _counted_twice(case, name)
    if counted:
        case.find("double-counted", name, counted, "each path once")
        return True
    if _beside_dout(case, name, yours, target, allowed) or _targets(case, name, yours, wrong) or _uses(case, name, yours, target, allowed):
        return True
    if _shares_of(case, name, yours, gap, allowed):
        return True
    operands = case.operands
    x, y = operands.get("x"), operands.get("y")
    if x is not None and y is not None and x.shape == y.shape == gap.shape == operands["dout"].shape:
        with np.errstate(all="ignore"):
            other = operands["dout"] * y / x
        for part in (gap, yours):
            if np.isfinite(other).all() and np.abs(part - other).max() <= allowed:
                case.find("missing-term", name, "one term of the product rule is missing: (x · f)' = f + x · f'")
                return True
    return False


def _beside_dout(case: Case, name: str, yours: Array, target: Array, allowed: float) -> bool:
    """Take dout, the gradient of a skip, off both: the rest may be the inner path by a factor."""
    d = case.operands.get("dout")
    if d is None or d.shape != yours.shape or not any(True for _ in case.twin.layer.members()):
        return False
    mine, right = (yours - d).ravel(), (target - d).ravel()
    if np.abs(right).max() <= 100 * allowed:
        return False
    c = float(mine @ right / (right @ right))
    if np.abs(mine - c * right).max() > allowed * max(1.0, abs(c)) or abs(c) < 1e-6:
        return False
    if abs(c - 2) < 1e-4:
        case.find("double-counted", name, "the path through the layers inside is in it twice", "dout + self.….backward(dout), once")
    elif abs(c + 1) < 1e-4:
        case.find("wrong-sign", name, "the path through the layers inside has the wrong sign", "dout + self.….backward(dout)")
    else:
        case.find(
            "wrong-scale", name, f"the path through the layers inside is {c:.6g} times what it should be", "dout + self.….backward(dout)"
        )
    return True


def _targets(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Look whether what is missing, or too much, is in proportion to the targets of a loss."""
    target = case.numeric(name)
    gap = target - yours
    if np.isnan(gap).any() or not gap.size:
        return False
    for t in case.twin.inputs[case.twin.n_given :]:
        if not isinstance(t, np.ndarray):
            continue
        known = np.asarray(t, float)
        if t.dtype.kind in "iu" and t.shape == gap.shape[:-1] and t.size and t.min() >= 0 and t.max() < gap.shape[-1]:
            known = np.eye(gap.shape[-1])[t]
        if known.shape != gap.shape or not known.any():
            continue
        c = float((gap * known).sum() / (known * known).sum())
        if c and np.abs(gap - c * known).max() <= 1e-5 * np.abs(gap).max() + 8 * float(case.slopes[name].noise.max()):
            case.find("missing-term", name, f"what is missing is {c:.6g} times the target: the term with t was forgotten", "… - t")
            return True
    return False


def _uses(case: Case, name: str, yours: Array, target: Array, allowed: float) -> bool:
    """Look at each use of a parameter in forward on its own: the gradient is the sum over the uses."""
    if name not in case.twin.parameters:
        return False
    parts = slopes_by_use(case, name)
    if not 2 <= len(parts) <= 8:
        return False
    for n in range(1, len(parts)):
        for some in combinations(range(len(parts)), n):
            total = np.asarray(sum(parts[i] for i in some))
            if np.abs(yours - total).max() <= allowed + 1e-6 * np.abs(total).max():
                those = ", ".join(str(i + 1) for i in some)
                cause = f"forward uses it {len(parts)} times, and only use {those} is in the gradient; the uses add up"
                case.find("missing-term", name, cause, f"self.{name}.grad += …, once for each use")
                return True
            if np.abs(yours - target - total).max() <= allowed:
                those = ", ".join(str(i + 1) for i in some)
                case.find("double-counted", name, f"forward uses it {len(parts)} times, and use {those} is in the gradient twice")
                return True
    return False


def _shares_of(case: Case, name: str, yours: Array, gap: Array, allowed: float) -> bool:
    """Look whether what is missing is the same along an axis, or proportional to something known: a path through a mean or variance."""
    for axis in range(gap.ndim):
        if gap.shape[axis] < 3 or np.abs(gap).max() <= 10 * allowed:
            continue
        if np.ptp(gap, axis=axis).max() <= 2 * allowed and np.ptp(yours, axis=axis).max() > 100 * allowed:
            case.find("missing-term", name, f"what is missing is the same along axis {axis}: the path through the mean or the sum over it",
                      f"subtract the mean over axis {axis} (keepdims=True)")  # fmt: skip
            return True
        for label in ("x", "y"):
            known = case.operands.get(label)
            if known is None or known.shape != gap.shape:
                continue
            for centred in (known, known - known.mean(axis=axis, keepdims=True)):
                along = (gap * centred).sum(axis=axis, keepdims=True) / np.maximum((centred**2).sum(axis=axis, keepdims=True), 1e-300)
                if np.abs(gap - along * centred).max() <= 2 * allowed:
                    cause = f"what is missing is in proportion to {label} along axis {axis}: the path through a norm or a variance over it"
                    case.find("missing-term", name, cause)
                    return True
    return False


def _others(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Look whether it is the gradient of another input."""
    for other in case.yours.returned:
        if other != name and name.startswith("input") and other in case.slopes and case.is_gradient(yours, other):
            case.find("swapped-inputs", name, f"it is the gradient of {other}", case.line(name))
            return True
    return False


def _pattern(case: Case, name: str, yours: Array, wrong: Array) -> str:
    """Return what can be said of a gradient that is wrong in no known way."""
    target = case.numeric(name)
    usable = wrong & (np.abs(target) > 1e-6 * np.abs(target[~np.isnan(target)]).max(initial=0.0)) & np.isfinite(yours)
    if not usable.any():
        return "it is not zero where it should be"
    with np.errstate(all="ignore"):
        ratio = yours / target
    written, right = case.slope_text(yours), case.slope_text(target)
    if written:
        return f"it is {written}" + (f", where forward's derivative gives {right}" if right else ", which is not forward's derivative")
    for label, known in case.operands.items():
        for text, factor in (
            (label, known),
            (f"1/{label}", np.divide(1.0, known, out=np.full_like(known, np.nan), where=known != 0)),
            (f"(1 - {label}**2)", 1 - known**2),
            (f"{label} * (1 - {label})", known * (1 - known)),
            (f"(1 - {label})", 1 - known),
        ):
            if not _fits_into(factor.shape, ratio.shape):
                continue
            fits = np.abs(ratio * factor - 1)[usable]
            if factor.size > 1 and fits.size > 1 and np.isfinite(fits).all() and fits.max() < 1e-5:
                return f"it lacks the factor {text}: yours times that is right"
    values = ratio[usable]
    where = _where(wrong)
    if np.ptp(values) < 1e-5 * np.abs(values).max():
        return f"it is {values.flat[0]:.6g} times the right one at {where}, and right elsewhere"
    varies = [axis for axis in range(ratio.ndim) if ratio.shape[axis] > 1 and not _is_constant(ratio, axis)]
    only = f"; the ratio changes along axis {varies[0]} only" if len(varies) == 1 and ratio.ndim > 1 else ""
    span = f"from {values.min():.4g} to {values.max():.4g}"
    return f"yours over measured goes {span} at {where}{only}: another formula than forward's derivative"


def _fits_into(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False


def _is_constant(ratio: Array, axis: int) -> bool:
    spread = np.ptp(ratio, axis=axis)
    known = np.isfinite(spread)
    return bool(known.any() and spread[known].max() < 1e-5 * np.abs(ratio[np.isfinite(ratio)]).max())


def _where(wrong: Array) -> str:
    """Return in words which elements are meant."""
    if wrong.all():
        return "all elements"
    for axis in range(wrong.ndim):
        hit = np.flatnonzero(wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis)))
        if len(hit) == 1 and wrong.ndim > 1:
            return f"index {hit[0]} of axis {axis}"
    return f"{int(wrong.sum())} of {wrong.size} elements"


RULES = (_non_finite, _zero, _scale, _transpose, _mask, _axis, _others, _jacobian, _term, _transposed_weight)
