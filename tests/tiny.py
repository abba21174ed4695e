"""A model that is built and run in a moment on a CPU, and variants of it."""

from __future__ import annotations

import torch

from paco_prof.measure.job import Job
from paco_prof.measure.workload import TrainingStep, build_step
from paco_prof.settings import Workload
from paco_prof.variants.resolve import plan_variant

__all__ = ["CPU", "TINY", "job_of", "step_of"]

CPU = torch.device("cpu")
TINY = Workload(
    backbone="test_resnet", batch_size=2, image_size=96, num_classes=5, num_parts=3, window=3, dim=8, threads=1
)


def job_of(variant: str, base: Workload = TINY, **overrides: object) -> Job:
    """The job that a variant and overrides make of a baseline, before a device was asked."""
    planned = plan_variant(base, variant, {name: str(value) for name, value in overrides.items()})
    return Job(planned.workload, planned.base, planned.used, planned.optional)


def step_of(variant: str = "baseline", base: Workload = TINY, **overrides: object) -> TrainingStep:
    """The training step of a variant, built as far as a CPU can do it."""
    return build_step(job_of(variant, base, **overrides).on(CPU).workload, CPU)[0]
