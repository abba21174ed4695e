"""A subject whose work is known: a step is so many real PaCo-2 training steps of a small model, one after the other."""

from __future__ import annotations

import torch

from paco_prof.measure.clock import HostClock
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.subject import Description
from paco_prof.measure.training import timed_step
from paco_prof.measure.workload import build_step
from paco_prof.records import Contestant, Fidelity, Memory, VariantUsed
from paco_prof.settings import Workload, restored, with_settings
from paco_prof.variants.resolve import find_variant

__all__ = ["PLANTED", "UNITS", "build", "contestant"]

CPU = torch.device("cpu")
# One unit more in twenty is five per cent more work, whatever a unit takes.
UNITS = 20
PLANTED = UNITS + 1
_BASE = Workload(backbone="test_resnet", image_size=64, batch_size=2, num_classes=5, num_parts=3, window=1, dim=8)
_WORKLOAD = restored(with_settings(_BASE, find_variant("exact").settings), _BASE, ["cudnn_benchmark"])


def contestant(units: int, name: str) -> Contestant:
    """A contestant with so many units a step."""
    variant = VariantUsed(name=name, settings={"units": units})
    return Contestant(name=name, workload=_WORKLOAD, base=_WORKLOAD, variant=variant)


class Units:
    """Takes several training steps as one."""

    def __init__(self, contestant: Contestant) -> None:
        self._contestant = contestant
        self._units = int(contestant.variant.settings["units"] or 0)
        self._step, _ = build_step(contestant.workload, CPU)
        self._clock = HostClock()

    def describe(self) -> Description:
        return Description(self._contestant, describe_environment(CPU))

    def step(self) -> TimedStep:
        return timed_step(self._run, self._clock)

    def memory(self) -> Memory:
        return Memory()

    def fidelity(self) -> Fidelity:
        raise NotImplementedError("the same model on both sides")

    def _run(self) -> dict[str, torch.Tensor]:
        for _ in range(self._units - 1):
            self._step.run()
        return self._step.run()


def build(contestant: Contestant, keep_initial: bool) -> Units:
    """The subject of a contestant."""
    return Units(contestant)
