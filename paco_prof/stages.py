"""The names of a training step's stages, and the hook through which code announces them.

Code that is to be timed says where a stage begins and ends, and never who listens:

    with stage("matching", Z1, Z2) as scope:
        permutation = scope.outputs(solve(Z1, Z2))

    @stage("covariance")
    def covariance(Z): ...

Nobody listening, a stage costs well under a microsecond and does nothing. This module imports neither torch
nor anything else of the package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, ParamSpec, Protocol, TypeVar

__all__ = ["Phase", "StageListener", "listening", "phase", "stage", "take_over"]

P = ParamSpec("P")
R = TypeVar("R")

# A step's time is spent in the forward pass, in the backward pass, or in neither (transfer, optimizer).
Phase = Literal["forward", "backward", "other"]

# One name a stage; a nested stage is known by its path, "loss/pac".
DATA = "data"
TRANSFER = "transfer"
ZERO_GRAD = "zero_grad"
BACKBONE = "backbone"
CLASSIFIER = "classifier"
PART_SAMPLING = "part_sampling"
DIM_REDUCTION = "dim_reduction"
COVARIANCE = "covariance"
MATCHING = "matching"
NEGATIVES_POOL = "negatives_pool"
PROTOTYPES = "prototypes"
LOSS = "loss"
CE = "ce"
PAC = "pac"
SOC = "soc"
AUTOGRAD = "autograd"
GRAPH_RELEASE = "graph_release"
# Where several devices train one model: buffers that all get from the first, parts of the other ranks' images, and what
# is left of the gradients' all-reduce once the last gradient is there.
BUFFER_SYNC = "buffer_sync"
GATHERING = "gathering"
ALL_REDUCE = "all_reduce"
CLIPPING = "clipping"
OPTIMIZER = "optimizer"
SCHEDULE = "schedule"
# All of the backward pass, where it cannot be divided.
BACKWARD = "backward"


class StageListener(Protocol):
    """Whoever wants to know about stages: the stage timer, a memory probe, a tracer."""

    def enter(self, name: str, inputs: object) -> None:
        """A stage begins; `inputs` is any nesting of what it was given."""

    def exit(self, outputs: object) -> None:
        """The innermost open stage ends; `outputs` is any nesting of what it returns."""

    def enter_phase(self, phase: Phase) -> None:
        """The forward or the backward pass begins."""

    def take_over(self, name: str) -> None:
        """All that is left of the pass is the stage `name`, which has no end of its own."""

    def exit_phase(self) -> None:
        """The pass that was entered last is over."""


_listener: StageListener | None = None


@contextmanager
def listening(listener: StageListener) -> Iterator[None]:
    """Install `listener` for the duration of the block; the one before it comes back afterwards."""
    global _listener
    before = _listener
    _listener = listener
    try:
        yield
    finally:
        _listener = before


class stage:
    """A stage, as a context manager or as a decorator.

    Args:
        name: the stage's own name; the stages that are open around it become its parents.
        inputs: tensors that the stage starts from, in any nesting of dicts, lists and tuples. They let the
            backward pass be divided where the forward stages met; without them backward time may be counted
            for a neighbour. The decorator takes them from the call.
    """

    __slots__ = ("_inputs", "_outputs", "name")

    def __init__(self, name: str, *inputs: object) -> None:
        self.name = name
        self._inputs = inputs
        self._outputs: object = None

    def __enter__(self) -> stage:
        if _listener is not None:
            _listener.enter(self.name, self._inputs)
        return self

    def outputs(self, value: R) -> R:
        """Announce what the stage produced, and hand it back."""
        self._outputs = value
        return value

    def __exit__(self, *exc: object) -> None:
        if _listener is not None:
            _listener.exit(self._outputs)
        self._outputs = None

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        name = self.name

        @functools.wraps(function)
        def announced(*args: P.args, **kwargs: P.kwargs) -> R:
            listener = _listener
            if listener is None:
                return function(*args, **kwargs)
            listener.enter(name, (args, kwargs))
            outputs: R | None = None
            try:
                outputs = function(*args, **kwargs)
                return outputs
            finally:
                listener.exit(outputs)

        return announced


@contextmanager
def phase(name: Phase) -> Iterator[None]:
    """Announce the forward or the backward pass.

    In the forward pass stages announce themselves. What runs in the backward pass belongs to the stages whose
    outputs are differentiated.
    """
    listener = _listener
    if listener is None:
        yield
        return
    listener.enter_phase(name)
    try:
        yield
    finally:
        listener.exit_phase()


def take_over(name: str) -> None:
    """Announce that all that is left of the pass is the stage `name`.

    For the backward pass, in which nobody enters and leaves stages: once the last gradient is there, what is left of it
    is waiting for other devices.
    """
    if _listener is not None:
        _listener.take_over(name)
