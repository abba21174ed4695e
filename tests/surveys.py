"""Measurements of growth that are made up: stages that follow laws, in launches that differ a little."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from builders import CPU, EXACT, RESNET50, Times, training_of
from paco_prof.analysis.scale import ScaledVariant, ScaleView, scale_view
from paco_prof.records import (
    Contestant,
    Factor,
    Largest,
    MachineState,
    Memory,
    Note,
    SavedBytes,
    ScaleFailure,
    ScalePlan,
    ScalePoint,
    ScaleRecord,
    Trial,
    VariantUsed,
)
from paco_prof.settings import with_settings

__all__ = [
    "BASELINE",
    "RECORDS",
    "Law",
    "baseline",
    "exact",
    "grid_record",
    "point",
    "reference",
    "search_record",
    "survey_record",
    "swept",
    "usual",
]

# Sizes -> seconds of each stage's forward pass; backward takes twice as long.
Law = Callable[[tuple[int, ...]], Mapping[str, float]]

BASELINE = Contestant(name="baseline", workload=RESNET50, base=RESNET50)
FAST = Contestant(
    name="exact",
    workload=with_settings(RESNET50, EXACT),
    base=RESNET50,
    variant=VariantUsed(name="exact", kind="exact", settings=EXACT),
)


def reference(sizes: tuple[int, ...]) -> dict[str, float]:
    """The loop over distances: B^2 (B - 1) of them, where everything else goes with B."""
    batch = sizes[0]
    return {
        "backbone": 0.004 + 0.09 * batch,
        "part_sampling": 0.001 * batch,
        "loss/pac": 0.0028 * batch * batch * (batch - 1),
        "loss/soc": 0.0002 + 0.00003 * batch,
        "optimizer": 0.0361,
    }


def exact(sizes: tuple[int, ...]) -> dict[str, float]:
    """The same loss, factored once for each image."""
    batch = sizes[0]
    return {**reference(sizes), "loss/pac": 0.0011 + 0.00009 * batch**1.5, "optimizer": 0.012}


def point(place: int, sizes: tuple[int, ...], number: int, law: Law, noise: float = 0.01, **changes: Any) -> ScalePoint:
    """A launch of a law, a little slower or faster than it is."""
    draw = random.Random(f"{place} {sizes} {number}")
    stages = []
    for path, seconds in law(sizes).items():
        slower = seconds * math.exp(draw.gauss(0.0, noise))
        is_other = path == "optimizer"
        stages.append(
            Times(path, None if is_other else slower, None if is_other else 2 * slower, slower if is_other else None)
        )
    saved = {"backbone": 41_000_000 * sizes[0], "loss/pac": 3_000 * sizes[0] ** 3}
    return ScalePoint.model_validate(
        {
            "contestant": place,
            "sizes": sizes,
            "round": number,
            "training": training_of(stages, stop_reason="as asked"),
            "memory": Memory(
                process_peak_bytes=round((900_000_000 + sum(saved.values())) * math.exp(draw.gauss(0.0, 0.002))),
                saved=tuple(SavedBytes(path=path, num_bytes=number) for path, number in saved.items()),
            ),
            "environment": CPU,
            "machine": MachineState(load_average=0.3, other_busy_cores=0.02),
            **changes,
        }
    )


def survey_record(**changes: Any) -> ScaleRecord:
    """Baseline and exact at six batches, two launches each, with a target."""
    plan = ScalePlan(factors=(Factor(name="batch_size", sizes=(2, 4, 8, 12, 16, 32)),), launches=2, target=(64,))
    points = [
        point(place, sizes, number, law)
        for number in range(2)
        for sizes in plan.combinations
        for place, law in enumerate((reference, exact))
    ]
    record = ScaleRecord(
        tool_version="0.1.0",
        command=("paco-prof", "scale", "--vary", "batch-size=2,4,8,12,16,32", "--target", "64"),
        created="2026-01-02T03:04:05+00:00",
        plan=plan,
        contestants=(BASELINE, FAST),
        environment=CPU,
        points=tuple(points),
        status="complete",
        measuring_seconds=321.0,
    )
    return record.model_copy(update=changes)


def baseline(record: ScaleRecord) -> ScaledVariant:
    """What a record says of its first variant."""
    return scale_view(record).variants[0]


@cache
def usual() -> ScaleView:
    """The view of the usual record, which is not built again and again."""
    return scale_view(survey_record())


def swept(law: Law, sizes: tuple[int, ...], target: int | None = None, noise: float = 0.01) -> ScaleRecord:
    """The baseline following a law."""
    plan = ScalePlan(
        factors=(Factor(name="batch_size", sizes=sizes),), launches=2, target=None if target is None else (target,)
    )
    points = tuple(point(0, some, n, law, noise) for n in range(2) for some in plan.combinations)
    return survey_record(plan=plan, points=points, contestants=(BASELINE,))


def grid_record() -> ScaleRecord:
    """One variant over batches and parts, of which the loss takes every pair."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        pac = reference(sizes)["loss/pac"] * (sizes[1] / 4) ** 2
        return {"backbone": 0.09 * sizes[0], "loss/pac": pac, "optimizer": 0.036}

    factors = (Factor(name="batch_size", sizes=(2, 4, 8)), Factor(name="num_parts", sizes=(2, 4, 8)))
    plan = ScalePlan(factors=factors, launches=1, target=(16, 4))
    points = tuple(point(0, sizes, 0, law) for sizes in plan.combinations)
    return survey_record(plan=plan, contestants=(BASELINE,), points=points, command=(), measuring_seconds=None)


def search_record() -> ScaleRecord:
    """Too few sizes and too little time, a size that ran out of memory, and a search for the largest batch."""
    plan = ScalePlan(
        factors=(Factor(name="batch_size", sizes=(8, 16, 64)),), launches=2, find_largest=True, largest_up_to=256
    )
    points = tuple(point(0, (size,), 0, reference) for size in (8, 16))
    trials = (
        Trial(size=32, steps=3, fits=True, peak_bytes=3_100_000_000),
        Trial(size=64, fits=False, reason="out of memory", detail="not enough memory: you tried to allocate 2.1 GB"),
        Trial(size=40, steps=20, fits=True, peak_bytes=3_700_000_000),
        Trial(size=41, fits=False, reason="out of memory", detail="not enough memory: you tried to allocate 2.1 GB"),
    )
    return survey_record(
        plan=plan,
        contestants=(BASELINE, FAST),
        points=points,
        failures=(
            ScaleFailure(
                contestant=0,
                sizes=(64,),
                kind="out of memory",
                during="step",
                detail="not enough memory: you tried to allocate 2.1 GB",
                peak_bytes=3_900_000_000,
            ),
        ),
        largest=(
            Largest(
                contestant=0,
                size=40,
                next_size=41,
                limit_bytes=4_000_000_000,
                peak_bytes=3_700_000_000,
                confirmed_steps=20,
                trials=trials,
            ),
            Largest(contestant=1, size=256, reason="as asked", limit_bytes=4_000_000_000, peak_bytes=2_000_000_000),
        ),
        status="interrupted",
        notes=(Note(code="time_is_up", number=8),),
    )


def two_machines_record() -> ScaleRecord:
    """The second launch of every size on another machine."""
    record = survey_record()
    other = CPU.model_copy(update={"processor": "Intel Xeon 8481C", "cores": 4})
    points = tuple(p if p.round == 0 else p.model_copy(update={"environment": other}) for p in record.points)
    return record.model_copy(update={"points": points, "contestants": record.contestants})


RECORDS: dict[str, Callable[[], ScaleRecord]] = {
    "batch": survey_record,
    "grid": grid_record,
    "search": search_record,
    "two machines": two_machines_record,
}
