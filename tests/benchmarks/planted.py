"""A subject whose work is known: a step is so many passes through the exact PaCo-2 loss, forward and backward."""

from __future__ import annotations

import torch

from paco_prof import stages
from paco_prof.measure.clock import HostClock
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.loss_test import capture_call
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.subject import Description
from paco_prof.measure.training import timed_step
from paco_prof.measure.workload import build_step
from paco_prof.records import Contestant, Fidelity, Memory, VariantUsed
from paco_prof.settings import Workload, restored, with_settings
from paco_prof.variants.resolve import find_variant

__all__ = ["PLANTED", "UNITS", "Units", "build", "contestant"]

CPU = torch.device("cpu")
# One unit more in twenty is five per cent more work, whatever a unit takes.
UNITS = 20
PLANTED = UNITS + 1
_BASE = Workload(backbone="test_resnet", image_size=96, batch_size=4, num_classes=5, num_parts=3, window=3, dim=16)
_WORKLOAD = restored(with_settings(_BASE, find_variant("exact").settings), _BASE, ["cudnn_benchmark"])


def contestant(units: int, name: str) -> Contestant:
    """A contestant with so many units a step."""
    variant = VariantUsed(name=name, settings={"units": units})
    return Contestant(name=name, workload=_WORKLOAD, base=_WORKLOAD, variant=variant)


class Units:
    """Takes several forward and backward passes of the criterion as one step."""

    def __init__(self, contestant: Contestant) -> None:
        self._contestant = contestant
        self._units = int(contestant.variant.settings["units"] or 0)
        # So little work is done fastest, and most steadily, by one.
        torch.set_num_threads(1)
        step, _ = build_step(contestant.workload, CPU)
        self._criterion = step.model.get_submodule("criterion")
        with capture_call(self._criterion) as inputs:
            step.forward_only()
        self._inputs = {name: _leaf(value) for name, value in inputs.items()}
        self._clock = HostClock()

    def describe(self) -> Description:
        return Description(self._contestant, describe_environment(CPU))

    def step(self) -> TimedStep:
        return timed_step(self.run, self._clock)

    def memory(self) -> Memory:
        return Memory()

    def fidelity(self) -> Fidelity:
        raise NotImplementedError("the same model on both sides")

    def run(self) -> dict[str, torch.Tensor]:
        """One step."""
        for _ in range(self._units):
            with stages.phase("forward"):
                result = self._criterion(**self._inputs)
            with stages.phase("backward"):
                result["total"].backward()
        return {"total": result["total"].detach()}


def _leaf(value: object) -> object:
    """The same value, detached from the model that computed it."""
    if isinstance(value, torch.Tensor):
        return value.detach().requires_grad_(value.is_floating_point())
    return value


def build(contestant: Contestant, keep_initial: bool) -> Units:
    """The subject of a contestant."""
    return Units(contestant)
