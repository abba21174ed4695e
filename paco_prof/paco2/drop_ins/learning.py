"""Learns from a call that the original answers how the fast form is to answer calls of its kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from paco_prof.errors import UsageError
from paco_prof.paco2.drop_ins.answers import holds_tensors
from paco_prof.paco2.drop_ins.arguments import Leaf, buffer_versions, leaves, parameter_names, plain_state, regime
from paco_prof.paco2.drop_ins.fast_forms import FastForm
from paco_prof.paco2.drop_ins.reading import DiffersError, Reading, UndecidedError, read
from paco_prof.stages import Phase, listening, stage

__all__ = ["Learner"]

MAX_KNOWN = 256


class _Deaf:
    """A stage listener that hears nothing: what goes on inside of a drop-in is one stage."""

    def enter(self, name: str, inputs: object) -> None: ...

    def exit(self, outputs: object) -> None: ...

    def enter_phase(self, phase: Phase) -> None: ...

    def take_over(self, name: str) -> None: ...

    def exit_phase(self) -> None: ...


class Learner:
    """A Learner answers calls in place of an original, from which it has learned how.

    The first call of each kind is the original's to answer: of each shape and type of its tensors, each plain argument,
    each plain attribute of the object that the original belongs to.

    Args:
        form: the fast form.
        name: what messages call the drop-in.
        original: what messages call the original.

    Attributes:
        num_answered: calls that the fast form has answered.
        num_asked: calls that the original has answered.
    """

    def __init__(self, form: FastForm, name: str, original: str) -> None:
        self._form = form
        self._name = name
        self._original = original
        self._parameters: tuple[str, ...] | None = None
        # Of each kind of call how it is answered; None is by the original.
        self._known: dict[Hashable, Reading | None] = {}
        self._ignored: set[str] = set()
        self.num_answered = 0
        self.num_asked = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy learns for itself."""
        return Learner, (self._form, self._name, self._original)

    def answer(self, ask: Callable[..., Any], owner: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The answer to a call.

        Args:
            ask: the original.
            owner: the object whose attributes it reads.
            args, kwargs: the call's.

        Raises:
            UsageError: the original's answer to the first call is not what the fast form computes.
        """
        if self._parameters is None:
            self._parameters = parameter_names(ask)
        with stage(self._form.stage, args, kwargs) as scope, listening(_Deaf()):
            call = _Call(ask, owner, args, kwargs, leaves(args, kwargs, self._parameters))
            return scope.outputs(self._answer(call))

    def _answer(self, call: _Call) -> Any:
        kind = regime(call.found, call.owner, self._ignored)
        reading = self._known.get(kind)
        self.num_answered += 1
        if reading is None:
            return self._ask(call) if kind in self._known else self._learn(call, None)
        try:
            answer, left = reading.answer(self._form, call.found, call.owner)
        except DiffersError:
            return self._learn(call, reading)
        for name, value in left.items():
            setattr(call.owner, name, value)
        return answer

    def _ask(self, call: _Call) -> Any:
        """The original's answer, which is none of the fast form's."""
        self.num_answered -= 1
        self.num_asked += 1
        return call.ask()

    def _learn(self, call: _Call, earlier: Reading | None) -> Any:
        """The original's answer, from which it is learned how calls of this kind are answered."""
        inputs = self._form.recognise(call.found)
        if inputs is None:
            if not self._known:
                raise self._refusal(f"it is not called with {self._form.takes}")
            return self._ask(call)
        watched = _Watched(call.owner)
        answer = self._ask(call)
        self._ignored |= watched.counters()
        reading: Reading | None = None
        try:
            watched.check_buffers()
            reading = read(self._form, inputs, call.found, call.owner, answer, watched.left())
            reading = reading if earlier is None else earlier.narrowed(reading)
        except UndecidedError:
            return answer
        except DiffersError as error:
            if not self._known:
                raise self._refusal(str(error)) from error
            warnings.warn(f"{self._refusal(str(error)).message} It answers such calls itself.", stacklevel=2)
            reading = None
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[regime(call.found, call.owner, self._ignored)] = reading
        return answer

    def _refusal(self, reason: str) -> UsageError:
        return UsageError(
            f"{self._name} cannot take the place of {self._original}: {reason}.", "Leave this replacement away."
        )


class _Call(NamedTuple):
    """A call that is to be answered.

    Attributes:
        original: whose call it is.
        owner: the object whose attributes that reads.
        args, kwargs: of the call.
        found: their leaves.
    """

    original: Callable[..., Any]
    owner: object
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    found: list[Leaf]

    def ask(self) -> Any:
        """The original's answer."""
        return self.original(*self.args, **self.kwargs)


class _Watched:
    """What an object has before a call that may change it."""

    def __init__(self, owner: object) -> None:
        self._owner = owner
        self._attributes = dict(getattr(owner, "__dict__", {}))
        self._plain = plain_state(owner)
        self._buffers = buffer_versions(owner)

    def left(self) -> dict[str, Any]:
        """The attributes that hold tensors and were set since."""
        now = getattr(self._owner, "__dict__", {})
        return {
            name: value
            for name, value in now.items()
            if value is not self._attributes.get(name) and holds_tensors(value)
        }

    def counters(self) -> set[str]:
        """The plain attributes that have changed since."""
        now = plain_state(self._owner)
        return {name for name, value in now.items() if name not in self._plain or self._plain[name] != value}

    def check_buffers(self) -> None:
        """Refuse what is written to a buffer, which would stay undone.

        Raises:
            DiffersError: a buffer was written to.
        """
        for name, version in buffer_versions(self._owner).items():
            if self._buffers.get(name) != version:
                raise DiffersError(f"it writes to its buffer {name}")
