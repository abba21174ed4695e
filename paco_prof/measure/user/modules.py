"""What is the user's own code, and where it has covariances."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import torch

from paco_prof.conventions import says_covariance
from paco_prof.measure.user.place import is_user_file
from paco_prof.measure.user.wrapping import Slot

__all__ = ["UserModules"]

# Whoever builds upon them has not written them; what is ours announces its stages itself.
LIBRARIES = {"torch", "torchvision", "timm", "numpy", "scipy", "paco_prof"}


class UserModules:
    """The modules that the user has written: neither the standard library nor anything installed.

    An installed package is the user's own where the model is of it.

    Args:
        model: the class of the model.
    """

    def __init__(self, model: type) -> None:
        self._own = _package(model.__module__)

    def wrote(self, module: str) -> bool:
        """Whether the user has written a module that has been imported."""
        found = sys.modules.get(module)
        if not isinstance(found, ModuleType) or _package(module) in LIBRARIES:
            return False
        if module == "__main__" or _package(module) == self._own:
            return True
        file = vars(found).get("__file__")
        return isinstance(file, str) and is_user_file(file)

    def may_change(self, module: str, asked: bool) -> bool:
        """Whether what a module holds may be replaced for everybody: the user's own, or what they have asked for."""
        package = _package(module)
        return self.wrote(module) or (asked and package not in LIBRARIES and package not in sys.stdlib_module_names)

    def modules(self) -> list[ModuleType]:
        """All modules that the user has written, of those that have been imported."""
        return [module for name, module in list(sys.modules.items()) if self.wrote(name)]

    def classes(self, types: Iterable[type]) -> list[type]:
        """What the user has written of classes and what they inherit from."""
        bases = (base for cls in types for base in cls.__mro__)
        return [base for base in dict.fromkeys(bases) if self.wrote(base.__module__)]

    def covariances(self, classes: Iterable[type]) -> Iterator[tuple[str, Slot]]:
        """Functions and methods whose name says covariance, with their paths.

        Args:
            classes: it is looked for in the modules in which the user has written them, and in the user's modules that
                those import.
        """
        nearby = {cls.__module__: None for cls in self.classes(classes)}
        for name in list(nearby):
            nearby |= dict.fromkeys(self._imported_by(sys.modules[name]))
        for module in (sys.modules[name] for name in nearby):
            for name, value in list(vars(module).items()):
                if isinstance(value, type) and value.__module__ in nearby:
                    yield from _covariances_of(value)
                elif self._is_function(value) and (says_covariance(name) or says_covariance(_name(value))):
                    yield f"{module.__name__}.{name}", Slot(module, name)

    def _imported_by(self, module: ModuleType) -> Iterator[str]:
        for value in list(vars(module).values()):
            if isinstance(value, ModuleType):
                name: Any = value.__name__
            elif isinstance(value, (type, FunctionType)):
                name = value.__module__
            else:
                continue
            if isinstance(name, str) and self.wrote(name):
                yield name

    def _is_function(self, value: object) -> bool:
        if isinstance(value, torch.jit.ScriptFunction):
            return True
        return inspect.isfunction(value) and self.wrote(value.__module__)


def _covariances_of(cls: type) -> Iterator[tuple[str, Slot]]:
    for name, raw in list(vars(cls).items()):
        if says_covariance(name) and isinstance(raw, (FunctionType, staticmethod, classmethod)):
            yield f"{cls.__module__}.{cls.__qualname__}.{name}", Slot(cls, name)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _name(function: Any) -> str:
    return getattr(function, "__name__", "")
