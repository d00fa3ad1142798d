"""`check_layer`: check all rules and report the result of each."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import basename
from traceback import extract_tb

from ..arrays import ArrayLike, as_array
from ..errors import InvalidTypeError, InvalidValueError, MissingError
from ..layer import Layer, as_layer
from ..random_state import preserve_random_state
from .layer_under_test import LayerUnderTest
from .rule import DoesNotApply, Rule
from .rules import RULES


def check_layer(layer: Layer, *inputs: ArrayLike, excuse: Mapping[str, str] | None = None) -> dict[str, str]:
    """Assert that a layer behaves like netlib's own layers: one line in your test suite.

    The layer's gradients must pass `netlib.check_gradients`. It must preserve dtypes, accept any
    memory layout and batches of one row and of none, leave its arguments unchanged, remember the
    last forward, add to gradients, work in training, in evaluation, in copies and in threads,
    continue sequences if it declares that it can, and raise clear errors. The layer and the inputs
    do not change: the checks run on copies.

    Parameters
    ----------
    layer : Layer
        A layer, a container or a loss.
    *inputs : array_like
        The arguments of forward. Use random numbers away from kinks, in at least two rows, with
        all axes of different lengths.
    excuse : mapping of str to str, optional
        The names of rules that this layer may violate, each with the reason.

    Returns
    -------
    dict of str to str
        For each rule: passed, excused and why, or does not apply and why.

    Raises
    ------
    AssertionError
        Lists all violated rules, each with what was expected, what was found, and how to fix it.
        An excuse for a rule that the layer does not violate is listed too.
    MissingError
        For an excuse for a rule that does not exist.

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
    ...             message = f"got dout of shape {dout.shape}, expected {self.shape}"
    ...             raise nl.ShapeError(message, where=self)
    ...         dout *= 2
    ...         return dout.copy()
    >>> check_layer(Double(), np.random.default_rng(0).normal(size=(4, 3)))
    Traceback (most recent call last):
    AssertionError: Double violates 1 of the 33 rules for layers.
    <BLANKLINE>
      dout unchanged
        expected  backward leaves dout unchanged
        got       dout[0, 0] is -3.47653 instead of -1.73827
        hint      Make a new array: dout * mask, not dout[~mask] = 0. Other code may still use dout.
    """
    __tracebackhide__ = True  # pytest shows the message alone
    layer = as_layer(layer, "check_layer")
    excuse = _as_excuses({} if excuse is None else excuse)
    tested = LayerUnderTest(layer, [as_array(x, "check_layer") for x in inputs])
    with preserve_random_state(layer):
        outcome, failures = _check_rules(tested, excuse)
    if failures:
        n_violated = len(tested.violated - set(excuse))
        name = type(layer).__name__
        head = f"{name} violates {n_violated} of the {len(RULES)} rules for layers."
        raise AssertionError("\n\n".join([head, *failures]))
    return outcome


def _check_rules(tested: LayerUnderTest, excuse: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the result of each rule, and the failures in words."""
    outcome: dict[str, str] = {}
    failures: list[str] = []
    for name, rule in RULES.items():
        try:
            fault = rule.find_fault(tested)
            outcome[name] = "passed"
        except DoesNotApply as reason:
            fault = ""
            outcome[name] = f"does not apply: {reason}"
        except Exception as error:  # any error of the layer is a fault
            fault = _describe_error(error)
        if fault:
            tested.violated.add(name)
            outcome[name] = f"excused: {excuse.get(name)}"
            if name not in excuse:
                failures.append(_describe_failure(name, rule, fault))
                if rule.is_decisive:
                    failures.append("  The rules after this one need it and were not checked.")
                    break
        elif name in excuse:
            failures.append(f"  {name}\n    needs no excuse: {outcome[name]}. Remove the excuse.")
    return outcome, failures


def _as_excuses(excuse: object) -> Mapping[str, str]:
    where = "check_layer"
    if not isinstance(excuse, Mapping):
        hint = 'Write excuse={"batch of 0": "needs one row"}.'
        message = f"excuse is {excuse!r}, expected a dict of rules and reasons"
        raise InvalidTypeError(message, where=where, hint=hint)
    for name, reason in excuse.items():
        if name not in RULES:
            hint = f"The rules are: {', '.join(map(repr, RULES))}."
            raise MissingError(f"there is no rule {name!r} to excuse", where=where, hint=hint)
        if not isinstance(reason, str) or not reason.strip():
            message = f"the excuse for {name!r} is {reason!r}, expected a reason in words"
            raise InvalidValueError(message, where=where)
    return excuse


def _describe_error(error: Exception) -> str:
    last = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({basename(last.filename)}, line {last.lineno})"


def _describe_failure(name: str, rule: Rule, fault: str) -> str:
    lines = [f"  {name}"]
    for label, text in (("expected", rule.expected), ("got", fault), ("hint", rule.hint)):
        lines.append(f"    {label:<8}  {text}".replace("\n", f"\n{' ' * 14}"))
    return "\n".join(lines)
