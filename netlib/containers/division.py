"""Running a program on all cores, each on its share of the batch.

If every operation of a program treats the samples of a batch independently, the batch can be
divided: each core runs all operations on its share of the samples, forward and then backward. Cores
then wait for each other twice in a step instead of at every product, and everything between the
products also runs on all cores.

In training, a share has its own layers, since they cache what backward needs, and parameters over
the same values with their own gradients. The gradients are added up in the order of the shares, so
the result does not depend on which core is faster. In inference, shares need nothing of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Array
from ..errors import stale_cache
from ..execution import execution, without_caching
from ..kernels import is_loaded
from ..kernels.threads import at_most_cores, count_cores, run_parts, split, with_products_on_one_core
from ..layer import Layer
from ..parameter import Parameter
from ..underflow import ignore_underflow
from .plan import Plan, Spec, Specs

if TYPE_CHECKING:
    from .program import Program, Step

MIN_WORK = 50_000_000
"""The multiply-adds of a forward from which on it is worth waking other cores."""
MIN_REUSE = 600
"""The multiply-adds for each parameter from which on it is worth adding up gradients.

With fewer, as in perceptrons, products of large matrices take most of the time, and the matrix
library divides them as well.
"""
ROWWISE = frozenset({"flatten", "identity", "global_avg_pool", "global_max_pool"})
"""The kernel names of layers without a fused kernel that treat samples one by one."""
IN_EVALUATION = ROWWISE | {"dropout"}
"""The same in evaluation mode."""
MAX_SHAPES = 64
"""For how many shapes of inputs a program remembers whether inference is divided."""


class Share:
    """The samples of one core, with its plan and its parameters."""

    def __init__(self, part: slice, plan: Plan, parameters: Sequence[tuple[Parameter, Parameter]]) -> None:
        self.part, self.plan = part, plan
        self.parameters = parameters
        """Pairs of a parameter of the model and the share's own one over the same value."""

    def forward(self, inputs: Sequence[Array]) -> list[Array]:
        """Run the operations on the samples of the share."""
        for parameter, own in self.parameters:
            own.follow(parameter)
        return self.plan.forward([x[self.part] for x in inputs])

    def backward(self, douts: Sequence[Array], input_gradient: bool) -> list[Any]:
        """Run the operations in reverse."""
        return self.plan.backward([dout[self.part] for dout in douts], input_gradient)


class DividedPlan(Plan):
    """A plan that runs a plan for each core, on its share of the batch.

    The model's own layers do not run. If what one of them caches for backward is requested, they
    run once more, on the whole batch.
    """

    def __init__(self, program: Program, inputs: tuple[Spec, ...], specs: Specs, unfused: Plan, shares: Sequence[Share]) -> None:
        super().__init__(program, [], inputs, unfused)
        self._shares = shares
        self._copies = [np.empty(*spec) for spec in inputs]
        self._layers = [step.layer for step in program.steps]
        outputs = [specs[step.target] for step in program.steps]
        self._deferred = [(*spec, Deferred(self, layer), self) for layer, spec in zip(self._layers, outputs, strict=True)]
        self._caches: list[Any] = []
        self.forward = with_products_on_one_core(self._forward)  # type: ignore[method-assign]
        self.backward = with_products_on_one_core(self._backward)  # type: ignore[method-assign]

    def _forward(self, inputs: Sequence[Any]) -> list[Any]:
        for copied, x in zip(self._copies, inputs, strict=True):
            copied[...] = x
        try:
            outputs = self._run_shares(lambda share: share.forward(self._copies))
        except Exception:
            self._whole.forward(inputs)  # raises an error that counts the samples of the whole batch
            raise
        self._set_caches(self._deferred)
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]

    def _backward(self, douts: Sequence[Array], input_gradient: bool) -> list[Any]:
        for step, cache in zip(reversed(self.program.steps), reversed(self._caches), strict=True):
            if step.layer.__dict__.get("_cache") is not cache:
                error = stale_cache(step.layer)
                error.add_location(step.path)
                raise error
        gradients = self._run_shares(lambda share: share.backward(douts, input_gradient))
        for share in self._shares:
            for parameter, own in share.parameters:
                parameter.take_grad(own)
        return [None if parts[0] is None else np.concatenate(parts) for parts in zip(*gradients, strict=True)]

    def _run_shares(self, function: Callable[[Share], list[Any]]) -> list[list[Any]]:
        return _results_of(lambda _, i: function(self._shares[i]), [share.part for share in self._shares])

    @property
    def _whole(self) -> Plan:
        assert self._unfused is not None
        return self._unfused

    def _set_caches(self, caches: list[Any]) -> None:
        self._caches = caches
        for layer, cache in zip(self._layers, caches, strict=True):
            layer.__dict__["_cache"] = cache

    def fill_caches(self) -> None:
        """Run the layers on the whole batch, so that they cache what backward needs."""
        self._whole.forward(self._copies)
        self._caches = [layer.__dict__.get("_cache") for layer in self._layers]


class Deferred:
    """What a layer would have cached, computed on request."""

    def __init__(self, plan: DividedPlan, layer: Layer) -> None:
        self._plan, self._layer = plan, layer

    def __iter__(self) -> Iterator[Any]:
        """Iterate over what the layer's forward passes to `Layer.remember`."""
        self._plan.fill_caches()
        cache = self._layer._cache
        assert cache is not None
        return iter(cache[2])


def can_divide(program: Program, inputs: tuple[Spec, ...], specs: Specs) -> bool:
    """Return whether the samples of the program can be divided among cores, and that pays."""
    parts = _parts_of(inputs)
    return len(parts) > 1 and is_loaded() and _is_rowwise(program, specs, parts[-1].stop) and _is_worth_it(program, specs)


def _parts_of(inputs: Sequence[Spec | Array]) -> list[slice]:
    n_samples = _count_samples(inputs)
    return split(n_samples, count_cores()) if n_samples else []


def _count_samples(inputs: Sequence[Spec | Array]) -> int:
    return inputs[0].shape[0] if inputs and inputs[0].shape else 0


def divide(program: Program, inputs: tuple[Spec, ...], specs: Specs, unfused: Plan,
           make_plan: Callable[..., Plan]) -> DividedPlan:  # fmt: skip
    """Return the plan of a program that can be divided."""
    parts = _parts_of(inputs)
    shares = []
    for i, part in enumerate(parts):
        parameters: dict[int, tuple[Parameter, Parameter]] = {}
        its_program = _copy_program(program, parameters if i else None)
        its_specs = {slot: Spec((part.stop - part.start, *shape[1:]), dtype) for slot, (shape, dtype) in specs.items()}
        with at_most_cores(1):
            plan = make_plan(its_program, tuple(its_specs[slot] for slot in range(len(inputs))), its_specs, unfused)
        shares.append(Share(part, plan, list(parameters.values())))
    return DividedPlan(program, inputs, specs, unfused, shares)


def infer(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """Return the outputs without caching, in evaluation mode computed on all cores if that pays."""
    parts = _parts_of_inference(program, inputs) if execution.evaluates and program.is_named else []
    if len(parts) < 2:
        return program.infer(inputs)

    def infer_share(part: slice, _: int) -> list[Any]:
        with without_caching(evaluates=True), at_most_cores(1):
            return program.infer([x[part] for x in inputs])

    try:
        results = with_products_on_one_core(_results_of)(infer_share, parts)
    except Exception:
        program.infer(inputs)  # raises an error that counts the samples of the whole batch
        raise
    return [np.concatenate(outputs) for outputs in zip(*results, strict=True)]


def _results_of(function: Callable[[slice, int], list[Any]], parts: list[slice]) -> list[list[Any]]:
    """Return ``function(part, i)`` of each part, computed on all cores."""
    results: list[list[Any]] = [[]] * len(parts)

    @ignore_underflow
    def run(part: slice, i: int) -> None:
        results[i] = function(part, i)

    run_parts(run, parts)
    return results


def _parts_of_inference(program: Program, inputs: Sequence[Any]) -> list[slice]:
    """Return the samples of each core, or nothing if they are not independent or too few."""
    if not all(type(x) is np.ndarray for x in inputs):
        return []
    key = is_loaded(), *[(x.shape, x.dtype) for x in inputs]
    known = program.divisible
    is_divisible = known.get(key)
    if is_divisible is None:
        if len(known) == MAX_SHAPES:
            known.clear()
        known[key] = is_divisible = is_loaded() and _can_divide_inference(program, inputs)
    return _parts_of(inputs) if is_divisible else []


def _can_divide_inference(program: Program, inputs: Sequence[Array]) -> bool:
    """Return whether dividing the samples pays, by the shapes of all values for two of them."""
    n = _count_samples(inputs)
    if n < 2 or any(x.shape[:1] != (n,) for x in inputs):
        return False
    try:
        specs = program.specs([x[:2] for x in inputs])
    except Exception:  # which the whole batch raises, too
        return False
    whole = {slot: Spec((n, *shape[1:]), dtype) for slot, (shape, dtype) in specs.items()}
    return _is_rowwise(program, specs, 2) and _is_worth_it(program, whole)


def _is_rowwise(program: Program, specs: Specs, n_samples: int) -> bool:
    """Return whether each sample of each value depends only on that sample of the inputs."""
    others = IN_EVALUATION if execution.evaluates else ROWWISE
    for group in program.groups:
        fusion, xs = group.fusion, [specs[slot] for slot in group.sources]
        if fusion is not None and fusion.fits(group.layers, *xs):
            is_rowwise = fusion.separates_samples(group.layers, *xs)
        else:
            is_rowwise = others.issuperset(step.kernel for step in group.steps)
        if not is_rowwise:
            return False
    has_one_output = all(step.n_outputs == 1 and step.sources and not _draws(step.layer) for step in program.steps)
    return has_one_output and all(spec.shape[:1] == (n_samples,) for spec in specs.values())


def _draws(layer: Layer) -> bool:
    """Return whether the layer drops numbers at random: shares would draw in no fixed order."""
    return getattr(layer, "dropout", 0) > 0 and not execution.evaluates


def _is_worth_it(program: Program, specs: Specs) -> bool:
    work = n_parameters = 0
    for step in program.steps:
        work += step.layer.multiply_adds(*[specs[slot].shape for slot in step.sources])
        n_parameters += sum(parameter.size for parameter in step.layer.parameters().values())
    return work >= MIN_WORK and work >= MIN_REUSE * n_parameters


def _copy_program(program: Program, parameters: dict[int, tuple[Parameter, Parameter]] | None) -> Program:
    """Return the program with copies of the layers, which belong to one share.

    If `parameters` is a dict, it collects the parameters, which have their own gradients.
    """
    twin = copy.copy(program)
    twin.exposed = program.exposed.difference(range(program.n_inputs), program.outputs)  # both are copied
    steps = {id(step): _copy_step(step, parameters, twin) for step in program.steps}
    twin.steps = [steps[id(step)] for step in program.steps]
    twin.groups = []
    for group in program.groups:
        its_steps = tuple(steps[id(step)] for step in group.steps)
        twin.groups.append(group._replace(steps=its_steps, layers=tuple(step.layer for step in its_steps)))
    return twin


def _copy_step(step: Step, parameters: dict[int, tuple[Parameter, Parameter]] | None, program: Program) -> Step:
    twin, layer = copy.copy(step), step.layer
    twin.layer = object.__new__(type(layer))
    held = twin.layer.__dict__
    held.update(layer.__getstate__())
    for name, value in [*held.items()]:
        if isinstance(value, Parameter) and parameters is not None:
            held[name] = parameters.setdefault(id(value), (value, value.with_own_grad()))[1]
    twin.set_flags(program.n_inputs, program.outputs, program.exposed)
    return twin
