"""Training of a tiny model on a handful of digits, an epoch of which takes a fraction of a second."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from paco_prof.data.digits import digits
from paco_prof.data.images import ImageData
from paco_prof.measure.building import Built
from paco_prof.measure.clock import Clock, clock_for
from paco_prof.measure.workload import build_step
from paco_prof.settings import Workload
from paco_prof.training.trainer import Trainer
from tiny import CPU, TINY, job_of

__all__ = ["BATCH", "FEW", "NUM_BATCHES", "NUM_EVAL", "few_digits", "trainer_of"]

# The last of five batches is not full.
BATCH, NUM_BATCHES = 4, 5
NUM_TRAIN, NUM_EVAL = 18, 10
FEW = TINY.model_copy(
    update={"batch_size": BATCH, "image_size": 64, "num_parts": 2, "window": 1, "num_classes": 10, "data": "digits"}
)


@cache
def few_digits() -> ImageData:
    """The first few of the digits."""
    data = digits()
    train, evaluation = data.train.chosen(range(NUM_TRAIN)), data.evaluation.chosen(range(NUM_EVAL))
    return replace(data, train=train, evaluation=evaluation)


def trainer_of(variant: str = "exact", base: Workload = FEW, clock: Clock | None = None, **overrides: Any) -> Trainer:
    """A trainer of a variant's tiny model; overrides are settings, or fields of the workload that are no settings."""
    fields = {name: overrides.pop(name) for name in ("seed", "data", "world_size") if name in overrides}
    job = job_of(variant, base.model_copy(update=fields), **overrides).on(CPU)
    step, built = build_step(job.workload, CPU, few_digits())
    return Trainer(Built(step, replace(job, workload=built), clock or clock_for(CPU), few_digits()))
