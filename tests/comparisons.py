"""Comparisons built by hand: fixed figures on a fixed machine, nothing measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from builders import CPU, JITTER, ON_CPU, ON_CPU_EXACT, RESNET50, Times, fidelity_of, training_of
from paco_prof.records import (
    ComparisonPlan,
    ComparisonRecord,
    Contestant,
    Design,
    Failure,
    Fidelity,
    Launch,
    MachineState,
    Memory,
    Note,
    Side,
)
from paco_prof.variants.catalogue import TOGGLES
from paco_prof.variants.contestants import Field, ablated, compared

FIELD = Field(RESNET50)
# How much slower than its base a variant's side of a launch is. Any three in a row lie around their middle, so that
# what makes no difference is never established.
LUCK = (1.006, 0.993, 1.002, 0.997, 1.005, 0.995, 1.001, 0.996, 1.004, 0.994, 1.003)
# The machine's drift from round to round, which both sides of a launch share.
DRIFT = 0.002
# The toggles of the one-at-a-time ablation; there is no compiler, so the last one cannot be measured alone.
TOGGLED = ("fused-loss", "max-negatives-16", "channels-last", "efficientnet-b0", "compile")
NO_COMPILER = "torch.compile needs a C++ compiler on a CPU, and there is no g++ (or $CXX)"
QUIET = MachineState(load_average=0.3, other_busy_cores=0.02, stolen_cores=0.0, cpu_mhz=(2450.0, 2449.0))
# Setting, value -> by what stages are multiplied, on a CPU. What is not here makes no difference.
EFFECTS: tuple[tuple[str, Any, dict[str, float]], ...] = (
    ("contrast", "fused", {"loss/pac": 0.001, "autograd": 0.015, "graph_release": 0.04}),
    ("max_negatives", 16, {"loss/pac": 0.31, "autograd": 0.34, "graph_release": 0.35}),
    ("cache_covariance_inverse", True, {"loss/pac": 0.84}),
    ("precision", "bfloat16", {"backbone": 1.36}),
    ("precision", "float16", {"backbone": 1.92}),
    ("channels_last", True, {"backbone": 0.94}),
    ("backbone", "efficientnet_b0", {"backbone": 0.41, "optimizer": 0.22}),
    ("image_size", 192, {"backbone": 0.76, "part_sampling": 0.74}),
    ("pool", "other-images", {"loss/pac": 0.71}),
    ("pool", "folded", {"loss/pac": 0.93}),
    ("sampling", "batched", {"part_sampling": 0.46}),
    ("matching", "batched", {"matching": 0.21}),
    ("fused_optimizer", True, {"optimizer": 0.34}),
)


def comparison_record(*, launches: int = 3, **changes: Any) -> ComparisonRecord:
    """baseline, exact and optimized on a CPU: a complete run in which all differences are established."""
    baseline, exact, optimized = compared(FIELD, ["baseline", "exact", "optimized"])
    left_out = exact.variant.model_copy(
        update={"left_out": {"cudnn_benchmark": "cuDNN runs on NVIDIA GPUs, and this is cpu"}}
    )
    built = optimized.workload.model_copy(update={"feature_map": (1280, 7, 7), "num_parameters": 4_302_313})
    optimized = optimized.model_copy(update={"workload": built})
    contestants = (
        _confirmed(baseline, fidelity_of(2.2e-8, 0.0019)),
        _confirmed(exact, fidelity_of(4.1e-8, 0.0021)).model_copy(update={"variant": left_out}),
        _confirmed(optimized, fidelity_of(3.1e-4, 0.0832, against="own settings", oracle="exact twin")),
    )
    stages = (ON_CPU, ON_CPU_EXACT, times_of(optimized))
    return record_of("compare", contestants, stages, launches, **changes)


def ablation_record(
    design: Design, toggles: Sequence[str] | None = None, *, launches: int = 3, **changes: Any
) -> ComparisonRecord:
    """An ablation on a CPU: cumulative phases, a factorial one in which limiting negatives helps only the slow loss,
    one toggle at a time of which `compile` failed, or the exact preset with one of its toggles left out.

    Args:
        design: its rule.
        toggles: other ones than those of the rule.
    """
    if toggles is None and design == "one-at-a-time":
        toggles = TOGGLED
    contestants = tuple(map(_without_compiler, ablated(FIELD, design, "baseline", toggles)))
    stages = [None if contestant.toggles == ("compile",) else times_of(contestant) for contestant in contestants]
    failures = tuple(
        Failure(contestant=place, round=0, kind="not applicable", during="start", detail=NO_COMPILER)
        for place, found in enumerate(stages)
        if found is None
    )
    return record_of(design, contestants, stages, launches, **{"failures": failures, **changes})


def aa_record(*, launches: int = 3, **changes: Any) -> ComparisonRecord:
    """The baseline against itself: all that differs is noise."""
    contestants = compared(FIELD, ["baseline", "baseline"])
    return record_of("compare", contestants, (ON_CPU, ON_CPU), launches, **changes)


def two_machines_record() -> ComparisonRecord:
    """Four launches of exact and of optimized, two of either on another machine; one of its processes died."""
    other = CPU.model_copy(update={"threads": 2 * CPU.threads, "processor": "Another CPU", "load_average": 3.0})
    record = comparison_record(launches=4)
    placed = [
        launch.model_copy(update={"environment": other if launch.round in (1, 3) else CPU})
        for launch in record.launches
    ]
    failure = Failure(contestant=1, round=4, kind="died", during="step", detail="killed by SIGKILL", environment=other)
    plan = record.plan.model_copy(update={"launches": 5})
    notes = (Note(code="time_is_up", number=1),)
    return record.model_copy(update={"launches": tuple(placed), "failures": (failure,), "plan": plan, "notes": notes})


def unmeasured_record() -> ComparisonRecord:
    """The same as `comparison_record`, ended before its first launch was complete."""
    return comparison_record(launches=0, status="interrupted")


def record_of(
    design: Design,
    contestants: Sequence[Contestant],
    stages: Sequence[Sequence[Times] | None],
    launches: int = 3,
    **changes: Any,
) -> ComparisonRecord:
    """A record of contestants whose steps take these times; None for one without a launch."""
    found = [
        launch_of(place, number, stages[0] or (), own)
        for number in range(launches)
        for place, own in enumerate(stages)
        if place and own is not None
    ]
    names = [contestant.name for contestant in contestants]
    verb = ("compare", *names) if design == "compare" else ("ablate", "--mode", design)
    settings = {
        "tool_version": "0.1.0",
        "command": ("paco-prof", *verb, "--output", "run.json"),
        "created": "2026-01-02T03:04:05+00:00",
        "design": design,
        "plan": ComparisonPlan(launches=max(launches, 1)),
        "contestants": tuple(contestants),
        "environment": CPU,
        "launches": tuple(found),
        "status": "complete",
        "measuring_seconds": 143.0 * len(found),
        **changes,
    }
    return ComparisonRecord.model_validate(settings)


def launch_of(place: int, number: int, before: Sequence[Times], after: Sequence[Times], **changes: Any) -> Launch:
    """A launch of seven pairs; how lucky either side was depends on the contestant and the round alone."""
    drift = 1 + DRIFT * number
    sides = [_side(before, drift), _side(after, drift * LUCK[(place + number) % len(LUCK)])]
    first = tuple((place + number + pair) % 2 == 0 for pair in range(len(JITTER)))
    settings = {
        "contestant": place,
        "round": number,
        "baseline": sides[0],
        "variant": sides[1],
        "baseline_first": first,
        "machine": QUIET,
        **changes,
    }
    return Launch.model_validate(settings)


def times_of(contestant: Contestant) -> tuple[Times, ...]:
    """What a step of `ON_CPU` takes with a contestant's settings."""
    settings = contestant.variant.settings
    factors: dict[str, float] = {}
    for name, value, effect in EFFECTS:
        # With the fused loss there is nothing left that fewer negatives could save.
        idle = name == "max_negatives" and settings.get("contrast") == "fused"
        if settings.get(name) == value and not idle and name not in contestant.variant.left_out:
            factors = {path: factors.get(path, 1.0) * effect.get(path, 1.0) for path in {*factors, *effect}}
    return scaled(ON_CPU, factors)


def scaled(stages: Sequence[Times], factors: Mapping[str, float]) -> tuple[Times, ...]:
    """Stages some of which take another time in every phase."""
    return tuple(
        replace(
            stage,
            **{
                phase: seconds * factors.get(stage.path, 1.0)
                for phase in ("forward", "backward", "other")
                if (seconds := getattr(stage, phase)) is not None
            },
        )
        for stage in stages
    )


def _side(stages: Sequence[Times], factor: float) -> Side:
    training = training_of(
        stages,
        [factor * jitter for jitter in JITTER],
        glue={"forward": 0.004, "backward": 0.003, "other": 0.002},
        warmup=(9.1, 7.2),
        losses={name: (value,) * len(JITTER) for name, value in (("total", 5.5), ("ce", 5.3), ("pac", 0.2))},
        other_busy_cores=0.02,
    )
    return Side(training=training, memory=Memory(process_peak_bytes=round(2.86e9 * factor)))


def _confirmed(contestant: Contestant, fidelity: Fidelity) -> Contestant:
    return contestant.model_copy(update={"fidelity": fidelity})


def _without_compiler(contestant: Contestant) -> Contestant:
    """What a contestant is on a machine that cannot compile: with other toggles it goes without."""
    if "compile" not in contestant.optional:
        return contestant
    used = contestant.variant.model_copy(update={"left_out": {"compile": NO_COMPILER}})
    workload = contestant.workload.model_copy(update={"compile": False})
    return contestant.model_copy(update={"variant": used, "workload": workload})


# One of every sort.
# Of unlike machines there is a comparison for each.
TWO_MACHINES = "two machines"
RECORDS: dict[str, Callable[[], ComparisonRecord]] = {
    "compare": comparison_record,
    "one launch": lambda: comparison_record(launches=1),
    "two launches": lambda: comparison_record(launches=2),
    "against itself": aa_record,
    "cumulative": lambda: ablation_record("cumulative"),
    "factorial": lambda: ablation_record("factorial"),
    "long names": lambda: ablation_record(
        "factorial", ["fused-loss", "max-negatives-16", "vectorized-sampling", "efficientnet-b0"]
    ),
    "one at a time": lambda: ablation_record("one-at-a-time"),
    "every toggle": lambda: ablation_record("one-at-a-time", [toggle.name for toggle in TOGGLES]),
    "leave one out": lambda: ablation_record("leave-one-out"),
    "two machines": two_machines_record,
}
