"""Examinations built by hand: a healthy machine with a GPU, one of a CPU, and one whose instrument is broken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from builders import CPU, GPU
from paco_prof.records import (
    CheckGroup,
    CheckStatus,
    ComparisonPlan,
    ComparisonRecord,
    Contestant,
    DoctorCheck,
    DoctorRecord,
    Figure,
    FigureUnit,
    Launch,
    Overhead,
    Side,
    Training,
)
from paco_prof.settings import Workload

# Effects of launches of a step against itself, as relative changes.
EFFECTS = (0.004, -0.011, 0.007, 0.013, -0.006, -0.002, 0.009, -0.008)
# What the pairs of every launch do around that.
PAIRS = (0.010, -0.014, 0.003, -0.006, 0.021, -0.002, 0.008, -0.019, 0.005, -0.011)
STEP = 0.0143
STAGES = ("stem", "block", "head", "head/inner")
FORWARD = (0.008, 0.010, 0.006, 0.007)
BACKWARD = (0.012, 0.014, 0.008, 0.010)
UPDATE = "update other"


def figure(name: str, unit: FigureUnit, measured: float | None, *beside: float) -> Figure:
    """A figure; `beside` is what it may be at most, or what it should be and how far it may lie from that."""
    expected, tolerance = beside if len(beside) == 2 else (None, *(beside or (None,)))
    return Figure(name=name, unit=unit, measured=measured, expected=expected, tolerance=tolerance)


def check(
    group: CheckGroup, name: str, status: CheckStatus = "ok", reason: str = "", detail: str = "", *figures: Figure
) -> DoctorCheck:
    return DoctorCheck(group=group, name=name, status=status, reason=reason, detail=detail, figures=figures)


def planted(phase: str, seconds: Sequence[float], extra: float = 0.00004, **others: float | None) -> tuple[Figure, ...]:
    """Stages in which as much was measured as was planted, and a little more; `others` were measured otherwise."""
    return tuple(
        figure(f"{path} {phase}", "seconds", others.get(path, value + extra), value, 0.0005 + 0.03 * value)
        for path, value in zip(STAGES, seconds, strict=True)
    )


UPDATED = figure(UPDATE, "seconds", 0.00401, 0.004, 0.00062)
CALLS = (figure("stem forward", "count", 1, 1.0, 0.0), figure("block forward", "count", 2, 2.0, 0.0))

ON_ANY = (
    check("installation", "python", detail="3.11.7"),
    check("installation", "torch", detail="2.13.0+cu128"),
    check("installation", "torchvision", detail="0.28.0"),
    check("installation", "timm", detail="1.0.31"),
    check("installation", "numpy and scipy", detail="numpy 2.3.5, scipy 1.17.1"),
    check("installation", "torch.compile"),
    check("installation", "records", "ok", "", "", figure("free", "bytes", 82.3e9)),
    check("machine", "threads", "ok", "", "", figure("threads", "count", 16), figure("cores", "count", 16)),
    check("machine", "memory", "ok", "", "", figure("free", "bytes", 24.4e9), figure("total", "bytes", 25.3e9)),
    check("machine", "shared memory", "ok", "", "", figure("free", "bytes", 25.3e9)),
    check(
        "machine",
        "load",
        "ok",
        "",
        "",
        figure("load", "count", 0.12),
        figure("busy", "count", 0.031),
        figure("stolen", "count", 0.0),
        figure("cores", "count", 16),
    ),
    check("machine", "processor clock", "ok", "", "performance", figure("throttled", "count", 0)),
)
INSTRUMENT = (
    check(
        "instrument",
        "clock rate",
        "ok",
        "",
        "",
        figure("rate", "ratio", 1.00000042, 1.0, 0.001),
        figure("over", "seconds", 0.508),
    ),
    check("instrument", "clock steadiness", "ok", "", "", figure("jump", "seconds", 0.0000004, 0.0005)),
    check("instrument", "clock resolution", "ok", "", "", figure("resolution", "seconds", 6e-8, 1e-5)),
    check("instrument", "stages", "ok", "", "", figure("number", "count", 9)),
    check("instrument", "calls", "ok", "", "", *CALLS),
    check("instrument", "order"),
    check("instrument", "readings", "ok", "", "", figure("spans", "count", 91), figure("lost", "count", 0, 0.0, 0.0)),
    check("instrument", "planted forward", "ok", "", "", *planted("forward", FORWARD), UPDATED),
    check("instrument", "planted backward", "ok", "", "", *planted("backward", BACKWARD)),
    check("instrument", "rows", "ok", "", "", figure("sum", "seconds", 0.08512, 0.08519, 0.00135)),
    check(
        "instrument",
        "unattributed",
        "ok",
        "",
        "",
        figure("unattributed", "seconds", 0.00021, 0.0022),
        figure("step", "seconds", 0.0852),
    ),
    check("instrument", "cost", "ok", "", "", figure("cost", "seconds", 0.0000121, 1e-4)),
    check(
        "instrument",
        "own cost",
        "ok",
        "",
        "",
        figure("own", "seconds", 0.00001),
        figure("share", "share", 0.826, 1.0, 0.6),
    ),
    check("instrument", "launches", "ok", "", "", figure("launches", "count", 8), figure("planned", "count", 8)),
)
ON_GPU = (
    check("installation", "cuda", detail="CUDA 12.8, cuDNN 91002, driver 570.86"),
    check("installation", "nvml"),
    check("device", "device", "ok", "", "NVIDIA H200, compute capability 9.0", figure("memory", "bytes", 150.1e9)),
    check("device", "computing", "ok", "", "", figure("error", "share", 0.0003, 0.01)),
    check("device", "bfloat16", "ok", "", "", figure("speed", "ratio", 1.62)),
    check("device", "float16", "ok", "", "", figure("speed", "ratio", 1.41)),
    check("device", "tf32", "ok", "", "matrix products off, convolutions on"),
    check("device", "cudnn.benchmark", "ok", "", "off"),
    check("device", "device memory", "ok", "", "", figure("free", "bytes", 149e9), figure("total", "bytes", 150.1e9)),
    check("device", "other processes", "ok", "", "", figure("others", "count", 0)),
    check("device", "throttling"),
    check(
        "instrument",
        "event time",
        "ok",
        "",
        "",
        figure("ratio", "ratio", 0.99987, 1.0, 0.01),
        figure("host", "seconds", 0.10003),
    ),
    check(
        "instrument",
        "reading",
        "ok",
        "",
        "",
        figure("queueing", "seconds", 0.000031, 0.05),
        figure("working", "seconds", 0.1),
    ),
)
NO_GPU = tuple(
    check(group, name, "skipped", "no gpu")
    for group, name in (
        ("installation", "cuda"),
        ("installation", "nvml"),
        ("device", "tf32"),
        ("device", "cudnn.benchmark"),
        ("device", "other processes"),
        ("device", "throttling"),
    )
)


def noise_record(effects: Sequence[float] = EFFECTS, threads: int | None = None, **changes: Any) -> ComparisonRecord:
    """A small step against itself, one launch for each effect."""
    workload = Workload(model="small:net", batch_size=8, image_size=64, num_classes=10, threads=threads)
    settings = {
        "tool_version": "0.1.0",
        "plan": ComparisonPlan(launches=8, pairs=len(PAIRS), max_seconds=30.0, fidelity=False),
        "contestants": (Contestant(name="small net", workload=workload, base=workload),) * 2,
        "environment": CPU,
        "launches": tuple(_launch(number, effect) for number, effect in enumerate(effects)),
        "status": "complete",
        "measuring_seconds": 3.1 * len(effects),
        **changes,
    }
    return ComparisonRecord.model_validate(settings)


def healthy_record(**changes: Any) -> DoctorRecord:
    """A machine with a GPU on which everything is as it should be."""
    settings = {
        "tool_version": "0.1.0",
        "command": ("paco-prof", "doctor", "--output", "doctor.json"),
        "created": "2026-01-02T03:04:05+00:00",
        "environment": GPU,
        "checks": (*ON_ANY, *ON_GPU, *INSTRUMENT),
        "overhead": Overhead(instrumented=(0.0019, 0.0018), bare=(0.0007, 0.0006)),
        "num_stages": 100,
        "noise": noise_record(),
        "status": "complete",
        "measuring_seconds": 37.2,
        **changes,
    }
    return DoctorRecord.model_validate(settings)


def warned_record(**changes: Any) -> DoctorRecord:
    """A machine without a GPU that works, although not everything is as it should be."""
    return healthy_record(
        environment=CPU,
        noise=noise_record([7 * effect for effect in EFFECTS], threads=1),
        checks=(
            *_without(ON_ANY, "torchvision", "load", "threads", "torch.compile"),
            *NO_GPU,
            check("installation", "torchvision", "warning", "other build", "0.28.0"),
            check("installation", "torch.compile", "skipped", "no compiler", "torch.compile needs a C++ compiler"),
            check(
                "machine",
                "load",
                "warning",
                "busy",
                "",
                figure("load", "count", 2.31),
                figure("busy", "count", 1.24),
                figure("cores", "count", 2),
            ),
            check(
                "machine",
                "threads",
                "warning",
                "oversubscribed",
                "",
                figure("threads", "count", 4),
                figure("cores", "count", 2),
            ),
            check("device", "device", "ok", "", "AMD EPYC 7B13"),
            check("device", "computing", "ok", "", "", figure("error", "share", 0.0000004, 0.01)),
            check("device", "bfloat16", "ok", "", "", figure("speed", "ratio", 1.12)),
            check("device", "float16", "skipped", "unsupported", "RuntimeError: not implemented for 'Half'"),
            check("device", "device memory", "skipped", "host"),
            check("instrument", "event time", "skipped", "one clock"),
            check("instrument", "reading", "skipped", "one clock"),
            *INSTRUMENT,
        ),
        **changes,
    )


def broken_record(**changes: Any) -> DoctorRecord:
    """A GPU whose clock is slow, and a stage timer that loses an event and enters a stage twice."""
    lost = figure("lost", "count", 3, 0.0, 0.0)
    twice = figure("block forward", "count", 4, 2.0, 0.0)
    swapped = planted("backward", BACKWARD, stem=None, block=0.026)
    return healthy_record(
        checks=(
            *ON_ANY,
            *_without(ON_GPU, "event time"),
            check(
                "instrument",
                "event time",
                "failed",
                "differs",
                "",
                figure("ratio", "ratio", 0.9, 1.0, 0.01),
                figure("host", "seconds", 0.1),
            ),
            *_without(INSTRUMENT, "stages", "calls", "readings", "planted backward", "rows", "launches"),
            check("instrument", "stages", "failed", "missing", "stem backward"),
            check("instrument", "calls", "failed", "other number", "", CALLS[0], twice),
            check("instrument", "readings", "failed", "lost", "block forward", figure("spans", "count", 91), lost),
            check("instrument", "planted backward", "failed", "landed elsewhere", "block backward", *swapped),
            check("instrument", "rows", "failed", "lost"),
            check(
                "instrument",
                "launches",
                "failed",
                "died",
                "killed by SIGKILL",
                figure("launches", "count", 0),
                figure("planned", "count", 8),
            ),
        ),
        noise=None,
        **changes,
    )


DOCTORS = {"healthy": healthy_record, "warnings": warned_record, "broken": broken_record}


def _without(checks: Sequence[DoctorCheck], *names: str) -> tuple[DoctorCheck, ...]:
    return tuple(one for one in checks if one.name not in names)


def _launch(number: int, effect: float) -> Launch:
    first = tuple((number + pair) % 2 == 0 for pair in range(len(PAIRS)))
    steps = [STEP * math.exp(0.3 * luck) for luck in PAIRS]
    slower = [step * math.exp(-effect - luck) for step, luck in zip(steps, PAIRS, strict=True)]
    return Launch(contestant=1, round=number, baseline=_side(steps), variant=_side(slower), baseline_first=first)


def _side(steps: Sequence[float]) -> Side:
    nothing = (0.0,) * len(steps)
    phases = {"forward": nothing, "backward": nothing, "other": tuple(steps)}
    return Side(training=Training(steps=tuple(steps), phases=phases, stages=(), stop_reason="as asked"))
