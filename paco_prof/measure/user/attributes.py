"""What the modules of a user's model keep beside weights and buffers: plain attributes, which no `state_dict` holds."""

from __future__ import annotations

import copy
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from torch import Tensor, nn

__all__ = ["PlainAttributes", "TensorsBeside"]

# What every module has: weights, buffers, submodules and hooks, which others see to.
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_CONTAINERS = (dict, list, set, deque)


class PlainAttributes:
    """The plain attributes of a model's modules as they are when this is made, until they are put back.

    A container gets back what was in it, nested ones too, and stays the one that it is: somebody else may hold it.
    Tensors are kept as they are, so that what was written into one stays; and so does what cannot be copied.

    Args:
        model: its modules, but for those of torch itself, whose attributes are torch's affair.
    """

    def __init__(self, model: nn.Module) -> None:
        self._attributes = [(vars(module), _plain(module)) for _, module in _modules(model)]
        self._contents: list[tuple[Any, Any]] = []
        for value in _inside(value for _, plain in self._attributes for value in plain.values()):
            if isinstance(value, _CONTAINERS):
                with suppress(Exception):
                    self._contents.append((value, copy.copy(value)))

    def put_back(self) -> None:
        """Let every module have the attributes that it had, and no other."""
        for held, plain in self._attributes:
            for name in held.keys() - plain.keys() - _OF_EVERY_MODULE:
                del held[name]
            held.update(plain)
        for container, contents in self._contents:
            with suppress(Exception):
                if _is_same(container, contents):
                    continue
                container.clear()
                (container.update if isinstance(container, dict | set) else container.extend)(contents)


class TensorsBeside:
    """The tensors in a model's plain attributes as they are when this is made; later it tells which have changed.

    Args:
        model: its modules, but for those of torch itself.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        # Weak, so that what a model drops is gone.
        self._before = {
            name: [(weakref.ref(tensor), _version(tensor)) for tensor in tensors]
            for name, tensors in _tensors_beside(model)
        }

    def changed(self) -> list[str]:
        """Dotted names of the attributes that hold other tensors than then, or some that were written to.

        What nobody has changed is there again whenever the model is built.
        """
        return [name for name, tensors in _tensors_beside(self._model) if not self._is_as_before(name, tensors)]

    def _is_as_before(self, name: str, tensors: list[Tensor]) -> bool:
        before = self._before.get(name, [])
        return len(tensors) == len(before) and all(
            reference() is tensor and version == _version(tensor)
            for tensor, (reference, version) in zip(tensors, before, strict=True)
        )


def _modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_modules():
        if type(module).__module__.partition(".")[0] != "torch":
            yield name, module


def _plain(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _OF_EVERY_MODULE}


def _inside(values: Iterable[Any]) -> Iterator[Any]:
    """Values, and all that is in the containers among them, however deep; what is in a container comes once."""
    waiting, opened = list(values), set[int]()
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, (*_CONTAINERS, tuple)) and id(value) not in opened:
            opened.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value


def _is_same(container: Any, contents: Any) -> bool:
    """Whether a container holds the very things that it held: nobody's settings are written anew for nothing."""
    now, then = ([*c.keys(), *c.values()] if isinstance(c, dict) else list(c) for c in (container, contents))
    return len(now) == len(then) and all(one is other for one, other in zip(now, then, strict=True))


def _tensors_beside(model: nn.Module) -> Iterator[tuple[str, list[Tensor]]]:
    """Attributes that hold tensors which are no weights and no buffers of the model, by their dotted names."""
    registered = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    for path, module in _modules(model):
        for name, held in _plain(module).items():
            tensors = [v for v in _inside([held]) if isinstance(v, Tensor) and id(v) not in registered]
            if tensors:
                yield f"{path}.{name}" if path else name, tensors


def _version(tensor: Tensor) -> int:
    """How often it was written to; what was made in inference mode does not count."""
    return -1 if tensor.is_inference() else tensor._version
