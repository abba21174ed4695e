"""Estimates built by hand: fixed figures, nothing measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from builders import CPU, EXACT, RESNET50, analysis_record
from paco_prof.analysis.pilots import pilots_of
from paco_prof.records import (
    DataUsed,
    EstimatePlan,
    EstimateRecord,
    EvaluationSeries,
    Note,
    Pilot,
    StepSeries,
    VariantUsed,
)
from paco_prof.settings import with_settings

# How much slower than its base each of five steps is; their mean is one.
JITTER = (1.01, 0.99, 1.02, 0.98, 1.0)
# How much slower than its base a block is; their mean is one.
LEVELS = (1.01, 0.99, 1.0)
DIGITS = DataUsed(name="digits", num_train=1438, num_eval=359, num_classes=10, split="every fifth of a class")


def blocks_of(seconds: float, levels: Sequence[float] = LEVELS) -> tuple[tuple[float, ...], ...]:
    """Blocks of five samples whose overall mean is `seconds`."""
    return tuple(tuple(seconds * level * jitter for jitter in JITTER) for level in levels)


def bare_pilot(name: str = "baseline", step: float = 2.0, batch_size: int = 8, **changes: Any) -> Pilot:
    """Steps of which nobody told how they matched, and nothing else."""
    workload = RESNET50.model_copy(update={"batch_size": batch_size})
    settings = {"name": name, "workload": workload, "steps": (StepSeries(blocks=blocks_of(step)),), **changes}
    return Pilot.model_validate(settings)


def full_pilot(name: str = "baseline", scale: float = 1.0, **changes: Any) -> Pilot:
    """Everything measured: 2 s a step in the warm-up of matching and 1 s after it, a tenth of a second waited for each
    batch, 0.5 s a batch of evaluation, 3 s an evaluation's start, 4 s an epoch's, 0.25 s a checkpoint, 20 s to begin.
    """
    waits = tuple((0.1 * scale,) * len(JITTER) for _ in LEVELS)
    series = tuple(
        StepSeries(during_warmup=during, blocks=blocks_of(step * scale), waiting=waits)
        for during, step in ((True, 2.0), (False, 1.0))
    )
    settings = {
        "name": name,
        "workload": RESNET50.model_copy(update={"data": "digits"}),
        "steps": series,
        "evaluation": EvaluationSeries(blocks=blocks_of(0.5 * scale), batch_size=8, start=(3.0 * scale,)),
        "startup": 20.0 * scale,
        "epoch_start": (4.1 * scale, 3.9 * scale, 4.0 * scale),
        "checkpoint": (0.25 * scale,) * 3,
        **changes,
    }
    return Pilot.model_validate(settings)


def exact_pilot(scale: float = 0.4, **changes: Any) -> Pilot:
    """The exact preset: everything takes so many times what it takes the baseline."""
    settings = {
        "workload": with_settings(RESNET50.model_copy(update={"data": "digits"}), EXACT),
        "variant": VariantUsed(name="exact", kind="exact", settings=EXACT),
        **changes,
    }
    return full_pilot("exact", scale, **settings)


def on_devices(number: int, pilot: Pilot, seconds: float) -> Pilot:
    """Steps of a pilot's variant as a breakdown over ranks has them: each so much longer than those on one device."""
    steps = tuple(
        StepSeries(
            during_warmup=series.during_warmup,
            blocks=tuple(tuple(step + seconds for step in block) for block in series.blocks),
        )
        for series in pilot.steps
    )
    workload = pilot.workload.model_copy(update={"world_size": number})
    return Pilot(name=pilot.name, workload=workload, variant=pilot.variant, origin="breakdown", steps=steps)


def estimate_record(*pilots: Pilot, plan: EstimatePlan | None = None, **changes: Any) -> EstimateRecord:
    """An estimate of pilots, the whole baseline and the whole exact preset where none are given."""
    settings = {
        "tool_version": "0.1.0",
        "command": ("paco-prof", "estimate", "--output", "run.json"),
        "created": "2026-01-02T03:04:05+00:00",
        "plan": plan or EstimatePlan(epochs=10, batches_per_epoch=100),
        "pilots": pilots or (full_pilot(), exact_pilot()),
        "environment": CPU,
        **changes,
    }
    return EstimateRecord.model_validate(settings)


def _everything() -> EstimateRecord:
    plan = EstimatePlan(
        epochs=100, dataset_size=1438, eval_size=359, eval_every=5, gpus=2, price_per_hour=2.5, watts=300.0
    )
    return estimate_record(plan=plan, data=DIGITS, measuring_seconds=93.0)


def _many() -> EstimateRecord:
    names = ("fused-loss", "max-negatives-16+cache-covariance-inverse", "channels-last", "efficientnet-b0")
    others = [bare_pilot(name, 1.9 - place / 3) for place, name in enumerate(names)]
    return estimate_record(bare_pilot(), *others, bare_pilot("batch-16", 3.0, 16))


def _devices(gpus: int) -> EstimateRecord:
    """One and two devices of both, of which two take 60 ms longer for a step."""
    plan = EstimatePlan(epochs=100, dataset_size=1438, eval_size=359, eval_every=5, gpus=gpus, watts=300.0)
    pilots = [pilot for alone in (full_pilot(), exact_pilot()) for pilot in (alone, on_devices(2, alone, 0.06))]
    return estimate_record(*pilots, plan=plan, data=DIGITS)


def _interrupted() -> EstimateRecord:
    return estimate_record(full_pilot(watts=(180.0, 220.0)), notes=(Note(code="interrupted"),))


# One of every sort.
RECORDS: dict[str, Callable[[], EstimateRecord]] = {
    "before and after": estimate_record,
    "everything": _everything,
    "many": _many,
    "quoted": lambda: estimate_record(
        *pilots_of(analysis_record()), plan=EstimatePlan(batches_per_epoch=1000), environment=None
    ),
    "interrupted": _interrupted,
    "two devices": lambda: _devices(2),
    "eight devices": lambda: _devices(8),
    "one of two devices": lambda: estimate_record(on_devices(2, bare_pilot(), 0.06)),
    "uncertain": lambda: estimate_record(
        bare_pilot(), bare_pilot("slower", 2.01, steps=(StepSeries(blocks=blocks_of(2.01, (1.0, 1.3))),))
    ),
}
