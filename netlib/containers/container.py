"""The base class of containers: a subclass wires its layers, and a program runs them."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np

from ..arrays import as_array
from ..errors import no_forward
from ..execution import execution
from ..layer import Layer
from ..underflow import ignore_underflow
from .division import infer
from .incremental import infer_next
from .program import Program, Wiring, as_gradients


class ProgramCache:
    """The cached program of a container.

    A prediction may create one without changing an attribute of the container.
    """

    __slots__ = ("program",)

    def __init__(self) -> None:
        self.program: Program | None = None


class Container(Layer):
    """A layer made of layers.

    A subclass implements `wire`, `members`, and `text` for its ``repr``.
    """

    _run: Any = None
    _cached: ProgramCache

    def __new__(cls, *_: Any, **__: Any) -> Self:  # noqa: D102 - its docstring would be shown as that of every container
        container = super().__new__(cls)
        # not in __init__, so that a subclass need not call ``super().__init__()``
        container.__dict__["_cached"] = ProgramCache()
        return container

    def wire(self, *sources: int) -> Wiring:
        """Yield how the layers are wired.

        This is a generator. For each layer it yields ``(label, layer, slots of its inputs)`` and is
        sent the slots of the layer's outputs. It returns the slots of the container's outputs.
        """
        raise NotImplementedError

    def program(self, n_inputs: int) -> Program:
        """Return the flat program of this container, rebuilt only if layers have changed."""
        cached = self._cached
        program = cached.program
        if program is None or program.n_inputs != n_inputs or program.structure.has_changed():
            program = cached.program = Program(self, n_inputs)
        return program

    @ignore_underflow
    def forward(self, *inputs: Any) -> Any:
        """Return the output for these inputs, or a tuple of outputs if there are several."""
        program = self.program(len(inputs))
        for x in inputs:
            if type(x) is not np.ndarray:
                inputs = tuple(map(self._as_value, inputs))
                break
        if not execution.keeps:
            outputs = infer(program, inputs)
        else:
            plans = program.thread_local.plans
            try:
                outputs = plans.forward(inputs)
            finally:
                self.__dict__["_run"] = plans.run
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    @ignore_underflow
    def backward(self, dout: Any, input_gradient: bool = True) -> Any:
        """Add to the ``grad`` of every parameter, and return dL/d(input), which is None for ids.

        It belongs to the last forward of this thread. If this thread has run no forward, it belongs
        to the last forward of any thread.

        Parameters
        ----------
        dout : array_like, or tuple of them
            dL/dy, one array for each output.
        input_gradient : bool
            Whether to compute dL/dx of the layers that take the inputs. A training loop does not
            need it. If False, return None.

        Returns
        -------
        ndarray, tuple of ndarray, or None
            A tuple if there are several inputs. The last `n_nondifferentiable_inputs` are left out.

        Raises
        ------
        OrderError
            If there was no forward, or a layer has run another forward since.
        """
        program, run = self._cached.program, self._run
        if program is not None and run is not None:
            run = program.thread_local.plans.run or run
        if run is None:
            raise no_forward(self.short)
        plan, shapes = run
        current = self.program(plan.program.n_inputs)
        if current is not plan.program and not current.is_wired_as(plan.program):
            raise no_forward(self.short)
        dx = plan.backward(as_gradients(dout, shapes, self), input_gradient)
        if not input_gradient:
            return None
        dx = dx[: self.count_differentiable(len(dx))]
        return dx[0] if len(dx) == 1 else tuple(dx)

    @ignore_underflow
    def forward_next(self, past: Any, *inputs: Any) -> Any:
        """Continue sequences, if all layers inside can. See `Layer.forward_next`."""
        following = infer_next(self.program(len(inputs)), past, inputs)
        if following is None:
            return NotImplemented
        outputs, past = following
        return (outputs[0] if len(outputs) == 1 else tuple(outputs)), past

    def _as_value(self, x: Any) -> Any:
        return as_array(x, self.short) if isinstance(x, list | tuple | int | float) else x

    def backward_parameters(self, dout: Any) -> None:
        """Run backward without dL/dx, or the whole backward if a subclass overrides it."""
        if type(self).backward is Container.backward:
            self.backward(dout, input_gradient=False)
        else:
            self.backward(dout)

    def text(self) -> list[str | Layer]:
        """Return the pieces of the container's ``repr``: strings, and layers to insert."""
        raise NotImplementedError

    def __repr__(self) -> str:
        pieces: list[str | Layer] = [self]
        shown = []
        while pieces:
            piece = pieces.pop()
            if isinstance(piece, Container):
                pieces += reversed(piece.text())
            else:
                shown.append(piece if isinstance(piece, str) else repr(piece))
        return "".join(shown)

    @property
    def short(self) -> str:
        """The short name of the container, for messages."""
        return type(self).__name__

    def forget(self) -> None:
        """Discard what the last forward cached."""
        super().forget()
        if self._cached.program is not None:
            self._cached.program.thread_local.plans.run = None

    def for_inference(self) -> Layer:
        """Return itself, since its program runs the layers inside without caching.

        A container that overrides forward is treated as a custom layer.
        """
        return self if self.as_inlinable() is not None else super().for_inference()

    def as_inlinable(self) -> Self | None:
        """Return the container itself, or None if a subclass overrides forward or backward."""
        kind = type(self)
        is_plain = kind.forward is Container.forward and kind.backward is Container.backward
        return self if is_plain else None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key != "_cached"}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        for _, layer in reversed([*self.walk()]):  # inner before outer, to avoid deep recursion
            if isinstance(layer, Container) and id(layer) not in memo:
                memo[id(layer)] = twin = type(layer).__new__(type(layer))
                vars(twin).update(copy.deepcopy(layer.__getstate__(), memo))
        return memo[id(self)]  # type: ignore[no-any-return]
