"""What each stage's forward pass keeps for the backward pass, on whatever device."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from paco_prof.measure.tracker import OpenStages
from paco_prof.records import SavedBytes
from paco_prof.stages import Phase, listening

__all__ = ["saved_bytes"]


class _Kept:
    """A tensor that autograd has saved, as long as it keeps it."""

    def __init__(self, tensor: Tensor, path: str) -> None:
        self.tensor = tensor
        self.path = path


class _Watcher:
    """Notes which stage is open; a stage listener."""

    def __init__(self) -> None:
        self._open = OpenStages()

    @property
    def path(self) -> str:
        return self._open.path

    def enter(self, name: str, inputs: object) -> None:
        if not self._open.is_elsewhere():
            self._open.enter(name)

    def exit(self, outputs: object) -> None:
        if not self._open.is_elsewhere():
            self._open.exit()

    def enter_phase(self, phase: Phase) -> None: ...

    def take_over(self, name: str) -> None: ...

    def exit_phase(self) -> None: ...


def saved_bytes(forward: Callable[[], object], model: nn.Module) -> tuple[SavedBytes, ...]:
    """Bytes that are kept from a forward pass for its backward pass, by the stage that saved them first.

    Each storage counts once and as a whole, with views of it that others have saved; parameters and buffers do not:
    they are there anyway. What no stage has saved is at the empty path.

    Args:
        forward: the pass; what it returns holds its graph.
        model: whose parameters and buffers do not count.
    """
    watcher = _Watcher()
    kept: list[weakref.ref[_Kept]] = []

    def pack(tensor: Tensor) -> _Kept:
        # Without its graph: a node that saves its own result would keep itself alive through it.
        one = _Kept(tensor.detach(), watcher.path)
        kept.append(weakref.ref(one))
        return one

    with listening(watcher), saved_tensors_hooks(pack, lambda one: one.tensor):
        result = forward()
    counted = {_storage(tensor) for tensor in (*model.parameters(), *model.buffers())}
    num_bytes: dict[str, int] = {}
    # What belonged to a part of the graph that nothing depends on any more is gone already.
    for one in filter(None, (reference() for reference in kept)):
        if (storage := _storage(one.tensor)) not in counted:
            counted.add(storage)
            num_bytes[one.path] = num_bytes.get(one.path, 0) + one.tensor.untyped_storage().nbytes()
    del result
    return tuple(SavedBytes(path=path, num_bytes=number) for path, number in num_bytes.items())


def _storage(tensor: Tensor) -> int:
    """Where its storage is: all of them live, so no two have one place."""
    return tensor.untyped_storage().data_ptr()
