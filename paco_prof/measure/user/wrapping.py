"""Callables that announce a stage, put in the place of others and taken back again.

What is called on an object is replaced on that object alone: in its `__dict__`, or, where Python looks at the class
only (`__call__`, `__slots__`), in the class, by a function that looks which object it is called on. What belongs to a
class is replaced in the class, and a function of a module in every module that holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, wraps
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

from paco_prof.stages import stage

__all__ = ["ABSENT", "Slot", "Wrapped", "Wrapping", "is_function", "value_of"]

ABSENT: Any = object()
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A Slot is where a callable is found: an attribute of an object, a class or a module."""

    owner: Any
    name: str

    def key(self) -> tuple[int, str]:
        """What two slots have in common that lead to the same callable."""
        return (id(self.owner), self.name) if self.is_of_one() else self.function_key()

    def function_key(self) -> tuple[int, str]:
        """Which function is found here."""
        _, raw = self.definition()
        return id(raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw), ""

    def is_of_one(self) -> bool:
        """Whether this is one object's alone, and neither a class's nor a module's."""
        return not isinstance(self.owner, (ModuleType, type)) and not isinstance(
            self.definition()[1], (staticmethod, classmethod)
        )

    def is_method(self) -> bool:
        """Whether this is one object's, and defined in its class."""
        return self.is_of_one() and self.definition()[0] is not self.owner

    def definition(self) -> tuple[Any, Any]:
        """Who holds what is found here, and what that is as it is held: the owner, one of its classes, or neither."""
        if isinstance(self.owner, type):
            return _defined(self.owner, self.name)
        held = getattr(self.owner, "__dict__", {})
        return (self.owner, held[self.name]) if self.name in held else _defined(type(self.owner), self.name)

    def changed(self) -> str:
        """The module whose code is changed for everybody by replacing this; empty where one object is, alone."""
        defined_by, raw = self.definition()
        if isinstance(self.owner, ModuleType):
            return self.owner.__name__
        if isinstance(self.owner, type) or isinstance(raw, (staticmethod, classmethod)):
            return str(defined_by.__module__)
        is_seen_in_class = self.name == "__call__" or not hasattr(self.owner, "__dict__")
        return type(self.owner).__module__ if is_seen_in_class and not isinstance(raw, MemberDescriptorType) else ""

    def is_replaceable(self) -> bool:
        """Whether something is here that can be called and replaced: not the value of a property, say."""
        defined_by, raw = self.definition()
        if raw is ABSENT:
            # What answers for others (compiled, scripted) has no definition of its own.
            return callable(value_of(self.owner, self.name))
        if defined_by is nn.Module or defined_by is object or isinstance(raw, (type, nn.Module)):
            return False
        if isinstance(raw, MemberDescriptorType):
            return is_function(value_of(self.owner, self.name))
        if isinstance(self.owner, type):
            return isinstance(raw, (staticmethod, classmethod, FunctionType))
        return not hasattr(type(raw), "__set__") and callable(value_of(self.owner, self.name))


@dataclass(frozen=True, slots=True, eq=False)
class Wrapped:
    """A Wrapped is one component that announces a stage by itself.

    Attributes:
        path: where it was found: `criterion.ce_loss` on the model, `package.module.function` elsewhere.
        stage: what it is announced as; with its parents, if those may not be open.
    """

    path: str
    stage: str
    _counts: list[int] = field(default_factory=list, repr=False)

    @property
    def calls(self) -> int:
        """How often it has been called since: the method of it that was called most often."""
        return max(self._counts, default=0)

    @property
    def is_used(self) -> bool:
        """Whether anything announces it."""
        return bool(self._counts)

    def announcing(self, function: Function) -> Function:
        """A function that does the same, and announces the stage.

        Where torch.compile traces it, it does nothing but the same: a stage inside of a compiled graph is none.
        """
        counts, index = self._counts, len(self._counts)
        counts.append(0)
        announced = stage(self.stage)(function)

        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return function(*args, **kwargs)
            counts[index] += 1
            return announced(*args, **kwargs)

        return counted


class Wrapping:
    """Puts announcing callables in the place of others, one for each, and takes all of them back.

    Args:
        modules: whose globals functions are replaced in.
    """

    def __init__(self, modules: list[ModuleType]) -> None:
        self._modules = modules
        self._undo: list[Callable[[], None]] = []
        # Functions are held in several places, all of which get the same one. Kept, so that identities stay taken.
        self._announcing: dict[int, tuple[Function, Function]] = {}
        self._instances: dict[int, dict[str, Any]] = {}

    def undo(self) -> None:
        """Take back what still is where it was put, the last one first."""
        while self._undo:
            self._undo.pop()()

    def wrap(self, slot: Slot, wrapped: Wrapped) -> None:
        """Replace what is in a slot; `is_replaceable` has said that it can be."""
        owner, name = slot.owner, slot.name
        defined_by, raw = slot.definition()
        if isinstance(owner, ModuleType):
            self._replace_everywhere(owner, raw, self._shared(raw, wrapped))
        elif isinstance(raw, (staticmethod, classmethod)):
            self._in_class(defined_by, name, type(raw)(self._shared(raw.__func__, wrapped)))
        elif isinstance(owner, type):
            self._in_class(defined_by, name, self._shared(raw, wrapped))
        elif isinstance(raw, MemberDescriptorType):
            self._in_slot(owner, name, self._shared(value_of(owner, name), wrapped))
        elif name == "__call__" or not hasattr(owner, "__dict__"):
            self._in_class(type(owner), name, _for_one(owner, getattr(type(owner), name), wrapped))
        else:
            self._in_instance(owner, name, self._bound(owner, defined_by, raw, wrapped, name))

    def _shared(self, function: Function, wrapped: Wrapped) -> Function:
        if id(function) not in self._announcing:
            self._announcing[id(function)] = function, wrapped.announcing(function)
        return self._announcing[id(function)][1]

    def _bound(self, owner: Any, defined_by: Any, raw: Any, wrapped: Wrapped, name: str) -> Function:
        """What stands in an object's `__dict__` from now on.

        A method stays one, so that a copy of the object has its own: `copy.deepcopy` binds it to the copy.
        """
        if defined_by is owner and is_function(raw) and not isinstance(raw, MethodType):
            return self._shared(raw, wrapped)
        function = raw.__func__ if isinstance(raw, MethodType) and raw.__self__ is owner else raw
        if isinstance(function, FunctionType):
            return MethodType(wrapped.announcing(function), owner)
        return wrapped.announcing(value_of(owner, name))

    def _in_instance(self, owner: Any, name: str, value: Any) -> None:
        held = vars(owner)
        if isinstance(owner, nn.Module):
            if id(owner) not in self._instances:
                self._instances[id(owner)] = {}
                self._in_instance_dict(owner, held, "_replicate_for_data_parallel", self._replicating(owner))
            self._instances[id(owner)].setdefault(name, held.get(name, ABSENT))
        self._in_instance_dict(owner, held, name, value)

    def _in_instance_dict(self, owner: Any, held: dict[str, Any], name: str, value: Any) -> None:
        before = held.get(name, ABSENT)
        held[name] = value

        def undo() -> None:
            if held.get(name, ABSENT) is value:
                _restore(held, name, before)

        self._undo.append(undo)

    def _replicating(self, owner: nn.Module) -> Function:
        """`DataParallel` copies a `__dict__` into each replica, whose methods must not be those of the original."""
        patched = self._instances[id(owner)]

        # A bound method is pickled by its name.
        @wraps(nn.Module._replicate_for_data_parallel)
        def replicate(self: nn.Module) -> nn.Module:
            replica: nn.Module = type(self)._replicate_for_data_parallel(self)
            for name, before in (*patched.items(), ("_replicate_for_data_parallel", ABSENT)):
                _restore(vars(replica), name, before)
            return replica

        return MethodType(replicate, owner)

    def _in_class(self, cls: type, name: str, value: Any) -> None:
        before = vars(cls).get(name, ABSENT)
        setattr(cls, name, value)

        def undo() -> None:
            if vars(cls).get(name, ABSENT) is not value:
                return
            if before is ABSENT:
                delattr(cls, name)
            else:
                setattr(cls, name, before)

        self._undo.append(undo)

    def _in_slot(self, owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        object.__setattr__(owner, name, value)

        def undo() -> None:
            if getattr(owner, name, ABSENT) is value:
                object.__setattr__(owner, name, before)

        self._undo.append(undo)

    def _replace_everywhere(self, owner: ModuleType, function: Any, value: Any) -> None:
        for module in {id(module): module for module in (*self._modules, owner)}.values():
            names = [name for name, held in list(vars(module).items()) if held is function]
            for name in names:
                self._in_instance_dict(module, vars(module), name, value)


def is_function(value: object) -> bool:
    """Whether a value is a function, of whatever make: what can be replaced by another without anybody noticing."""
    return isinstance(value, (FunctionType, BuiltinFunctionType, MethodType, partial, torch.jit.ScriptFunction))


def value_of(owner: Any, name: str) -> Any:
    """An attribute; `ABSENT` where it is not there or cannot be had."""
    try:
        return getattr(owner, name, ABSENT)
    except Exception:
        # A property of somebody's own raised: that is nothing that could be called.
        return ABSENT


def _defined(cls: type, name: str) -> tuple[Any, Any]:
    for base in cls.__mro__:
        if name in vars(base):
            return base, vars(base)[name]
    return None, ABSENT


def _for_one(owner: Any, method: Function, wrapped: Wrapped) -> Function:
    """A method of a class that announces the stage where it is called on `owner`."""
    announcing = wrapped.announcing(method)

    @wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return (announcing if self is owner else method)(self, *args, **kwargs)

    return called


def _restore(held: dict[str, Any], name: str, before: Any) -> None:
    if before is ABSENT:
        held.pop(name, None)
    else:
        held[name] = before
