"""What a worker measures: a variant's training step, built from a contestant of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from paco_prof.errors import UsageError
from paco_prof.measure.beside_float64 import fidelity_of
from paco_prof.measure.building import build
from paco_prof.measure.device import resolve_device
from paco_prof.measure.distributed.group import Group, device_name, joined
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.fidelity import copy_of_state
from paco_prof.measure.job import Job
from paco_prof.measure.memory import measure_memory
from paco_prof.measure.memory_peak import process_peak_bytes
from paco_prof.measure.saved_bytes import saved_bytes
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.training import timed_step
from paco_prof.ranks import Place, this_place
from paco_prof.records import Contestant, Environment, Fidelity, Memory
from paco_prof.settings import Workload

__all__ = ["Description", "Subject", "TrainingSubject", "build_subject"]


@dataclass(frozen=True)
class Description:
    """What a subject turned out to be once it was built.

    Attributes:
        contestant: with what only building it tells, and without what the device cannot do.
        environment: where.
        accelerator_uuid: of the device, where it has one.
    """

    contestant: Contestant
    environment: Environment
    accelerator_uuid: str | None = None


class Subject(Protocol):
    """Whatever a worker can be asked to measure."""

    def describe(self) -> Description:
        """What it is, and where."""
        ...

    def step(self) -> TimedStep:
        """Take one step."""
        ...

    def memory(self, *, by_stage: bool = False) -> Memory:
        """Peak memory so far; `by_stage` adds what each stage has of it, in passes of its own that come after that."""
        ...

    def fidelity(self) -> Fidelity:
        """Loss and gradient of its initial state against a float64 reference."""
        ...


class TrainingSubject:
    """The training step of a contestant; where it is one of several devices, this is one of as many processes.

    Args:
        contestant: what to build.
        keep_initial: keep a copy of the initial weights in the host's memory, which `fidelity` needs.

    Raises:
        UsageError: it cannot be built here.
    """

    def __init__(self, contestant: Contestant, keep_initial: bool) -> None:
        job = Job(contestant.workload, contestant.base, contestant.variant, frozenset(contestant.optional))
        self._built = build(job, group=_group_of(contestant.workload))
        self._contestant = contestant
        self._initial = copy_of_state(self._built.step.model) if keep_initial else None

    def describe(self) -> Description:
        job, device = self._built.job, self._built.step.device
        user_code = None if self._built.user is None else self._built.user.used()
        built = {"workload": job.workload, "variant": job.variant, "user_code": user_code}
        contestant = self._contestant.model_copy(update=built)
        uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None) if device.type == "cuda" else None
        return Description(contestant, describe_environment(device), None if uuid is None else str(uuid))

    def step(self) -> TimedStep:
        # Several ranks begin together: what each of them was told when, is no part of a step.
        self._built.group.barrier()
        return timed_step(self._built.step.run, self._built.clock)

    def memory(self, *, by_stage: bool = False) -> Memory:
        # The peaks of the steps that were taken; what follows is no part of them.
        memory = Memory(process_peak_bytes=process_peak_bytes(), device_peak_bytes=self._device_peak_bytes())
        if not by_stage:
            return memory
        step = self._built.step
        stages = measure_memory(step.run, step.device).stages
        # Under torch.compile the backbone would be compiled once more, for hooks that nothing else needs.
        saved = () if self._built.job.workload.compile else saved_bytes(step.forward_only, step.model)
        return memory.model_copy(update={"stages": stages, "saved": saved})

    def fidelity(self) -> Fidelity:
        job = self._built.job
        if job.workload.gather_negatives:
            raise UsageError("the loss of one rank is that of its images beside the parts of all ranks")
        return fidelity_of(self._built.of_one_rank, job.workload, job.base, self._initial)

    def _device_peak_bytes(self) -> int | None:
        """Highest allocation on the device, warm-up included."""
        device = self._built.step.device
        if device.type == "cpu":
            return None
        backend = torch.get_device_module(device)
        return int(backend.max_memory_allocated(device)) if hasattr(backend, "max_memory_allocated") else None


def build_subject(contestant: Contestant, keep_initial: bool) -> Subject:
    """The subject that workers build where they are told nothing else."""
    return TrainingSubject(contestant, keep_initial)


def _group_of(workload: Workload) -> Group:
    """The ranks that the workload is of, which torchrun's variables lead to.

    Raises:
        UsageError: there are others.
    """
    place = this_place() if workload.world_size > 1 else Place()
    if place.world_size != workload.world_size:
        raise UsageError(
            f"It trains on {workload.world_size} devices, and here is one process.",
            f"Start it with torchrun --nproc-per-node {workload.world_size} -m paco_prof.",
        )
    return joined(place, resolve_device(device_name(place, workload.device)))
