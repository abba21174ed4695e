"""What is inside of a model of somebody's own, and which methods of it are its use."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from paco_prof.errors import UsageError
from paco_prof.measure.user.place import told
from paco_prof.measure.user.wrapping import ABSENT, Slot, is_function, value_of

__all__ = ["barrier", "child", "close_names", "imported", "names_in", "slots_of", "undistributed", "unwrapped", "walk"]

COMPILED = "compiled by torch.compile"
# They hold values; whatever methods they have are not a component's.
DATA = (Tensor, Mapping, Sequence, set, frozenset, int, float, complex, type(None), ModuleType)


def undistributed(model: nn.Module) -> nn.Module:
    """The model inside of what distributes it over devices; itself where nothing does."""
    while isinstance(model, (DataParallel, DistributedDataParallel)):
        model = model.module
    return model


def unwrapped(model: nn.Module) -> tuple[nn.Module, str]:
    """The model inside of what distributes it, and why nobody can see what is inside of that; empty where one can."""
    while isinstance(model, (DataParallel, DistributedDataParallel)):
        if isinstance(model, DataParallel) and len(model.device_ids) > 1:
            return model, f"DataParallel runs copies of the model, on {len(model.device_ids)} devices at a time"
        if barrier(model):
            break
        model = model.module
    reason = barrier(model)
    return model, f"the whole model is {reason}" if reason else ""


def barrier(value: object) -> str:
    """Why what is inside of a component cannot announce anything: `compiled by torch.compile`; empty where it can."""
    if isinstance(value, torch.jit.ScriptModule):
        return "scripted by torch.jit"
    if not isinstance(value, nn.Module):
        return ""
    # Told without torch's compiler, which takes seconds to import.
    is_wrapper = "_orig_mod" in value._modules and "dynamo_ctx" in vars(value)
    forward = vars(value).get("forward", type(value).forward)
    is_compiled = is_wrapper or is_compiled_in_place(value) or hasattr(forward, "_torchdynamo_orig_callable")
    return COMPILED if is_compiled else ""


def is_compiled_in_place(module: nn.Module) -> bool:
    """Whether `module.compile()` has been called: what is called then is not `forward`."""
    return vars(module).get("_compiled_call_impl") is not None


def child(value: object, name: str) -> Any:
    """What one part of a dotted path leads to, an index too; `ABSENT` where it leads nowhere."""
    if isinstance(value, Mapping):
        return value.get(name, ABSENT)
    if isinstance(value, (list, tuple)):
        return value[int(name)] if name.isdecimal() and int(name) < len(value) else ABSENT
    return value_of(value, name)


def walk(root: object, parts: Sequence[str], begin: int) -> tuple[Any, int, str]:
    """Follow all parts of a path but the last; `begin` of them lead to `root`.

    Returns:
        what holds the next part, the index of that part, and why it goes no further where something is in the way.
    """
    holder: Any = root
    last = len(parts) - 1
    for index in range(begin, last + 1):
        found = child(holder, parts[index])
        # A method of what is compiled is not compiled with it.
        if (reason := barrier(holder)) and (index < last or isinstance(found, nn.Module)):
            return holder, index, f"{'.'.join(parts[:index])} is {reason}"
        if found is ABSENT or index == last:
            break
        holder = found
    return holder, index, ""


def imported(parts: Sequence[str]) -> tuple[ModuleType, int] | None:
    """The innermost module that a dotted path begins with, and how many parts name it; None where there is none.

    Raises:
        UsageError: it is there and cannot be imported.
    """
    module: ModuleType | None = None
    for number in range(1, len(parts) + 1):
        name = ".".join(parts[:number])
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise _not_imported(name, error) from error
            return None if module is None else (module, number - 1)
        except (Exception, SystemExit) as error:
            # A script that reads its own command line ends the process where somebody imports it.
            raise _not_imported(name, error) from error
    return None if module is None else (module, len(parts))


def _not_imported(name: str, error: BaseException) -> UsageError:
    return UsageError(f"{name} cannot be imported: {told(error)}.", "See [tool.paco-prof.stages].")


def slots_of(holder: object, name: str, verbs: Iterable[str]) -> list[Slot]:
    """The callables by which a component is used; none where there is no component of that name.

    Args:
        holder: whose attribute or method it is: an object, a class, a module, a list.
        verbs: the methods by which it may be used, beside `forward` and `__call__`.
    """
    value = child(holder, name)
    if is_function(value):
        slot = Slot(holder, name)
        return [slot] if slot.is_replaceable() else []
    return list(_inside(value, tuple(verbs)))


def _inside(value: Any, verbs: tuple[str, ...]) -> Iterator[Slot]:
    if isinstance(value, (nn.ModuleList, nn.ModuleDict)):
        for part in value.children():
            yield from _inside(part, verbs)
    elif isinstance(value, nn.Module):
        forward = "_compiled_call_impl" if is_compiled_in_place(value) else "forward"
        yield from (slot for name in (forward, *verbs) if (slot := Slot(value, name)).is_replaceable())
    elif value is not ABSENT and not isinstance(value, DATA) and not is_function(value):
        own = verbs if isinstance(value, type) else ("forward", "__call__", *verbs)
        yield from (slot for name in own if (slot := Slot(value, name)).is_replaceable())


def names_in(value: object) -> list[str]:
    """What an object, a class or a module has that could be a component: no numbers, no texts, no tensors."""
    if isinstance(value, (list, tuple)):
        return [str(index) for index in range(len(value))]
    classes = value.__mro__ if isinstance(value, type) else type(value).__mro__
    names = [*value._modules] if isinstance(value, nn.Module) else []
    if not isinstance(value, type):
        held = getattr(value, "__dict__", {})
        names += [name for name, part in held.items() if is_function(part) or not isinstance(part, (*DATA, str))]
    for base in classes:
        if base in (nn.Module, object, ModuleType):
            break
        names += [
            name for name, raw in vars(base).items() if isinstance(raw, (FunctionType, staticmethod, classmethod))
        ]
    return [name for name in dict.fromkeys(names) if not name.startswith("__")]


def close_names(wanted: Iterable[str], there: Iterable[str], num: int = 3) -> tuple[str, ...]:
    """The names that are most like those that are wanted, best first."""
    bare = {name: name.strip("_").lower() for name in there}
    near: dict[str, float] = {}
    for want in wanted:
        for name, text in bare.items():
            ratio = difflib.SequenceMatcher(None, want.strip("_").lower(), text).ratio()
            near[name] = max(near.get(name, 0.0), ratio)
    likely = sorted((name for name, ratio in near.items() if ratio >= 0.6), key=lambda name: -near[name])
    return tuple(likely[:num])
