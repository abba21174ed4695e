"""The exact twin of the reference loop: the same objective in forms that are affordable for a whole training run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from paco_prof.errors import UsageError
from paco_prof.forms import Forms
from paco_prof.measure.building import Built, build
from paco_prof.measure.fidelity import MAX_LOOPED_DISTANCES, measure_fidelity
from paco_prof.measure.job import Job
from paco_prof.measure.training import bare_step
from paco_prof.records import ExactTwin
from paco_prof.settings import Workload, with_settings

__all__ = ["check_twin", "has_loop", "require_loop_in_time", "twin_of"]

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
# At most; fewer where the float64 reference would not be the loop itself.
CHECKED_IMAGES = 8
PAIRS = 3


def has_loop(workload: Workload) -> bool:
    """Whether a workload contrasts parts in the reference loop, with all negatives, and so has an exact twin; of a
    model of the user's own nobody has one.
    """
    return workload.model is None and workload.forms.contrast == "loop" and workload.forms.max_negatives is None


def twin_of(workload: Workload) -> Workload:
    """The same objective without the loop."""
    pool = "folded" if workload.forms.pool == "shared" else workload.forms.pool
    # Greedy matching is another objective, and stays.
    matching = "greedy" if workload.forms.matching == "greedy" else TWIN["matching"]
    return with_settings(workload, {**TWIN, "pool": pool, "matching": matching})


def require_loop_in_time(workload: Workload) -> None:
    """Find out before training whether the loop can be timed.

    Raises:
        UsageError: a step of it would take minutes.
    """
    if _num_distances(workload, workload.batch_size) > MOST_DISTANCES:
        raise UsageError(
            f"A step of the reference loop takes minutes at a batch of {workload.batch_size}, so it cannot be timed.",
            "Use a smaller --batch-size, or compare with exact in the place of baseline.",
        )


def check_twin(contestant: int, job: Job, loop_forms: Forms) -> ExactTwin:
    """Hold a twin against the loop: loss and gradient in float64, and the time of steps taken in turns.

    Args:
        contestant: whose twin it is.
        job: of the twin.
        loop_forms: those of whose twin it is.

    Raises:
        UsageError: a step of the loop would take minutes.
    """
    require_loop_in_time(job.workload)
    loop = job.workload.model_copy(update={"forms": loop_forms})
    small = min(CHECKED_IMAGES, loop.batch_size)
    while small > 2 and _num_distances(loop, small) > MAX_LOOPED_DISTANCES:
        small -= 1
    checked = build(_sized(replace(job, base=loop), small))
    fidelity = measure_fidelity(checked.step, checked.job.workload, checked.job.base)
    loop_steps, twin_steps = _steps_in_turns(build(replace(job, workload=loop, base=loop)), build(job))
    return ExactTwin(contestant=contestant, fidelity=fidelity, loop_steps=loop_steps, twin_steps=twin_steps)


def _num_distances(workload: Workload, num_images: int) -> int:
    """Distances that a step of the loop takes: from each part to its match and to all parts of the other images."""
    num_anchors = num_images * workload.num_parts
    return num_anchors * (2 * (num_images - 1) * num_anchors + 1)


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
