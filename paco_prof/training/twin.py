"""The exact twin of the reference loop: the same objective in forms that are affordable for a whole training run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from paco_prof.errors import UsageError
from paco_prof.measure.building import Built, build
from paco_prof.measure.fidelity import measure_fidelity
from paco_prof.measure.job import Job
from paco_prof.measure.training import bare_step
from paco_prof.records import ExactTwin
from paco_prof.settings import Workload, with_settings

__all__ = ["check_twin", "has_loop", "twin_of"]

TWIN = {
    "contrast": "fused",
    "sampling": "batched",
    "matching": "batched",
    "prototypes": "batched",
    "weighting": "batched",
    "parts_dtype": "float64",
}
# The loop takes about a quarter of a second for a thousand distances on a CPU; beyond this a step takes minutes.
MOST_DISTANCES = 150_000
# So few images that the float64 reference is the loop itself.
CHECKED_IMAGES = 8
PAIRS = 3


def has_loop(workload: Workload) -> bool:
    """Whether a workload contrasts parts in the reference loop, with all negatives, and so has an exact twin."""
    return workload.forms.contrast == "loop" and workload.forms.max_negatives is None


def twin_of(workload: Workload) -> Workload:
    """The same objective without the loop."""
    pool = "folded" if workload.forms.pool == "shared" else workload.forms.pool
    return with_settings(workload, {**TWIN, "pool": pool})


def check_twin(contestant: int, job: Job) -> ExactTwin:
    """Hold a twin against the loop: loss and gradient in float64, and the time of steps taken in turns.

    Args:
        contestant: whose twin it is.
        job: of the twin; its base has the loop.

    Raises:
        UsageError: a step of the loop would take minutes.
    """
    loop = job.workload.model_copy(update={"forms": job.base.forms})
    num_anchors = loop.batch_size * loop.num_parts
    if num_anchors * (2 * (loop.batch_size - 1) * num_anchors + 1) > MOST_DISTANCES:
        raise UsageError(
            f"A step of the reference loop takes minutes at a batch of {loop.batch_size}, so it cannot be timed.",
            "Use a smaller --batch-size, or compare with exact in the place of baseline.",
        )
    small = min(CHECKED_IMAGES, loop.batch_size)
    checked = build(_sized(replace(job, base=loop), small))
    fidelity = measure_fidelity(checked.step, checked.job.workload, checked.job.base)
    loop_steps, twin_steps = _steps_in_turns(build(replace(job, workload=loop, base=loop)), build(job))
    return ExactTwin(contestant=contestant, fidelity=fidelity, loop_steps=loop_steps, twin_steps=twin_steps)


def _sized(job: Job, batch_size: int) -> Job:
    workload, base = (each.model_copy(update={"batch_size": batch_size}) for each in (job.workload, job.base))
    return replace(job, workload=workload, base=base)


def _steps_in_turns(loop: Built, twin: Built) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Wall seconds of steps on one batch, the first of either left out."""
    taken: list[tuple[float, float]] = []
    for _ in range(PAIRS + 1):
        first, second = (bare_step(partial(b.step.take, b.step.batch), b.clock) for b in (loop, twin))
        taken.append((first, second))
    loop_steps, twin_steps = zip(*taken[1:], strict=True)
    return loop_steps, twin_steps
