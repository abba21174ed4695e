"""The noise floor: a step against itself, over launches of fresh processes, by the same referee that judges variants.

Free of torch; its workers are not.
"""

from __future__ import annotations

from collections.abc import Callable

from paco_prof.measure.comparing import new_comparison
from paco_prof.measure.cores import usable_cores
from paco_prof.measure.progress import Progress
from paco_prof.measure.referee import ComparisonOutcome, Referee
from paco_prof.measure.worker_handle import Launcher
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.records import ComparisonPlan, ComparisonRecord, Contestant, DoctorCheck, Figure
from paco_prof.settings import Workload
from paco_prof.stats.paired import launches_for_exact_test

__all__ = ["LEAST_SECONDS", "check_launches", "measure_noise"]

SUBJECT = "paco_prof.measure.doctor.noise_subject:build_noise_subject"
NAME = "small net"
# Less than a second of steps: beside the start of two processes, which takes two or three, more would tell little more.
NUM_PAIRS = 30
# Of a process that does not come up, or stands still.
TIMEOUT = 20.0
# A launch takes about so long, and is not begun with less.
LEAST_SECONDS = 4.0


def measure_noise(
    device: str,
    threads: int | None,
    seed: int,
    max_seconds: float,
    progress: Progress,
    save: Callable[[ComparisonRecord], None],
    launcher: Launcher | None = None,
) -> ComparisonOutcome:
    """Take launches of the small step against itself until there are enough for the exact test, or the time is up.

    The first launch is taken whatever the time is.

    Args:
        device: as torch names it.
        threads: of the CPU; None is all cores but one.
        save: given the record after every launch.
        launcher: starts its processes; None starts real ones.
    """
    both = (_contestant(device, threads, seed),) * 2
    plan = ComparisonPlan(
        launches=launches_for_exact_test(),
        pairs=NUM_PAIRS,
        max_seconds=max_seconds,
        timeout=TIMEOUT,
        fidelity=False,
        seed=seed,
    )
    return Referee(new_comparison(both, plan), launcher or ProcessLauncher(SUBJECT), progress, save).run()


def check_launches(record: ComparisonRecord) -> DoctorCheck:
    """Whether fresh processes could be started and took their steps."""
    num = len(record.launches_of(1))
    figures = (
        Figure(name="launches", unit="count", measured=num),
        Figure(name="planned", unit="count", measured=record.plan.launches),
    )
    if record.failures:
        failure = record.failures[-1]
        return DoctorCheck(
            group="instrument",
            name="launches",
            status="warning" if num else "failed",
            reason=failure.kind,
            detail=failure.detail,
            figures=figures,
        )
    return DoctorCheck(group="instrument", name="launches", status="ok" if num else "skipped", figures=figures)


def _contestant(device: str, threads: int | None, seed: int) -> Contestant:
    """The step: some 20 ms on one core, a few on a large accelerator."""
    batch_size, image_size = (8, 24) if device == "cpu" else (32, 96)
    if device == "cpu" and threads is None:
        # As check takes its steps: with a thread on every core, whatever else wants one holds all of them up.
        threads = max(1, usable_cores() - 1)
    workload = Workload(
        model=SUBJECT,
        batch_size=batch_size,
        image_size=image_size,
        num_classes=10,
        optimizer="SGD",
        device=device,
        threads=threads,
        seed=seed,
    )
    return Contestant(name=NAME, workload=workload, base=workload)
