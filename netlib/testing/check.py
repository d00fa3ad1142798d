"""`check_layer`: all rules, one after the other, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import basename
from traceback import extract_tb

from ..arrays import ArrayLike, as_array
from ..errors import InvalidTypeError, InvalidValueError, MissingError
from ..layer import Layer, as_layer
from ..random_state import preserve_random_state
from .case import Case, DoesNotApply, Rule
from .rules import RULES


def check_layer(layer: Layer, *inputs: ArrayLike, excuse: Mapping[str, str] | None = None) -> dict[str, str]:
    """Assert that a layer keeps everything that a well-behaved layer keeps: one line in a test of one's own.

    Its gradients are those of `netlib.check_gradients`. It keeps types, takes arrays of any memory layout, batches of one and of none,
    leaves alone what belongs to others, remembers the last forward, adds to gradients, works in training and in evaluation, in
    copies and in threads, and refuses clearly. The layer that is handed over, and the inputs, stay as they are: copies are asked.

    Parameters
    ----------
    layer : Layer
        One layer or a container; losses too.
    *inputs : array_like
        What forward takes. Best are random numbers away from kinks, in at least two rows, with all sizes different.
    excuse : mapping of str to str, optional
        Rules that this layer may break, by name, each with the reason.

    Returns
    -------
    dict of str to str
        For each rule what became of it: kept, excused, or that it does not apply and why.

    Raises
    ------
    AssertionError
        Names all broken rules together, each with what was wanted, what came, and how to fix it. A rule that is excused though
        the layer keeps it is named too.
    MissingError
        For an excuse from a rule that does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> import netlib as nl
    >>> class Double(nl.Layer):
    ...     def forward(self, x):
    ...         self.shape = x.shape
    ...         return 2 * x
    ...     def backward(self, dout):
    ...         if not hasattr(self, "shape"):
    ...             raise nl.OrderError("backward came before any forward", where=self)
    ...         if dout.shape != self.shape:
    ...             raise nl.ShapeError(f"got dout of shape {dout.shape}, wanted {self.shape}", where=self)
    ...         dout *= 2
    ...         return dout.copy()
    >>> check_layer(Double(), np.random.default_rng(0).normal(size=(4, 3)))
    Traceback (most recent call last):
    AssertionError: Double breaks 1 of the 32 rules of a well-behaved layer.
    <BLANKLINE>
      dout unchanged
        wanted  backward leaves dout as it is
        got     dout[0, 0] is -3.47653 in place of -1.73827
        hint    Make a new array: dout * mask, not dout[~mask] = 0; it may be the gradient of somebody else too.
    """
    __tracebackhide__ = True  # in pytest, the message is what there is to see
    layer = as_layer(layer, "check_layer")
    excuse = _as_excuses({} if excuse is None else excuse)
    case = Case(layer, [as_array(x, "check_layer") for x in inputs])
    with preserve_random_state(layer):
        outcome, failures = _looked_at(case, excuse)
    if failures:
        n_broken = len(case.broken - set(excuse))
        head = f"{type(layer).__name__} breaks {n_broken} of the {len(RULES)} rules of a well-behaved layer."
        raise AssertionError("\n\n".join([head, *failures]))
    return outcome


def _looked_at(case: Case, excuse: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return what became of each rule, and the failures in words."""
    outcome: dict[str, str] = {}
    failures: list[str] = []
    for name, rule in RULES.items():
        try:
            got = rule.find_fault(case)
            outcome[name] = "kept"
        except DoesNotApply as why:
            got = ""
            outcome[name] = f"does not apply: {why}"
        except Exception as error:  # whatever a layer raises is an answer
            got = _raised(error)
        if got:
            case.broken.add(name)
            outcome[name] = f"excused: {excuse.get(name)}"
            if name not in excuse:
                failures.append(_failure(name, rule, got))
                if rule.is_decisive:
                    failures.append("  The rules after this one were not looked at: they need it.")
                    break
        elif name in excuse:
            failures.append(f"  {name}\n    is excused needlessly: {outcome[name]}. Take the excuse away.")
    return outcome, failures


def _as_excuses(excuse: object) -> Mapping[str, str]:
    if not isinstance(excuse, Mapping):
        hint = 'Write excuse={"batch of 0": "needs one row"}.'
        raise InvalidTypeError(f"excuse is {excuse!r}, wanted rules with reasons", where="check_layer", hint=hint)
    for name, reason in excuse.items():
        if name not in RULES:
            hint = f"The rules are: {', '.join(map(repr, RULES))}."
            raise MissingError(f"there is no rule {name!r} to excuse", where="check_layer", hint=hint)
        if not isinstance(reason, str) or not reason.strip():
            raise InvalidValueError(f"the excuse for {name!r} is {reason!r}, wanted a reason in words", where="check_layer")
    return excuse


def _raised(error: Exception) -> str:
    last = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({basename(last.filename)}, line {last.lineno})"


def _failure(name: str, rule: Rule, got: str) -> str:
    told = [("wanted", rule.wanted), ("got", got), ("hint", rule.hint)]
    return "\n".join([f"  {name}", *(f"    {label:<6}  {text}".replace("\n", f"\n{' ' * 12}") for label, text in told)])
