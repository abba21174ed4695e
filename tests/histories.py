"""Folders of records built by hand: one step that takes a given time at each of many commits, nothing measured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from builders import CPU, GPU, JITTER, RESNET50, Times, analysis_record, cpu_record, training_of
from comparisons import QUIET
from paco_prof.analysis.history import HistoryView, history_view
from paco_prof.records import (
    YARDSTICK,
    BreakdownRecord,
    Check,
    CheckRecord,
    ComparisonRecord,
    Contestant,
    Launch,
    Side,
    Training,
    VariantUsed,
)
from paco_prof.store import Record

FIRST_DAY = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
YARDSTICK_SECONDS = 0.05


def commit(number: int) -> str:
    """The hash of a commit, 12 digits of it."""
    return whole(number)[:12]


def whole(number: int) -> str:
    """The same hash, all of it."""
    return hashlib.sha1(str(number).encode()).hexdigest()


def day(number: int) -> str:
    """When the n-th record was made."""
    return (FIRST_DAY + timedelta(days=number)).isoformat(timespec="seconds")


def training(seconds: float, num_steps: int = len(JITTER)) -> Training:
    """Steps that take that long, more or less."""
    jitter = [JITTER[number % len(JITTER)] for number in range(num_steps)]
    return training_of((Times("backbone", seconds * 0.3, seconds * 0.7),), jitter)


def step_record(number: int, seconds: float, **changes: Any) -> BreakdownRecord:
    """A breakdown at the n-th commit."""
    settings = {
        "created": day(number),
        "environment": CPU.model_copy(update={"commit": commit(number)}),
        "training": training(seconds),
        **changes,
    }
    return cpu_record(**settings)


def named(records: Sequence[Record]) -> list[tuple[str, Record]]:
    """Each with the name of a file."""
    return [(f"{number:03}.json", record) for number, record in enumerate(records)]


def noisy(levels: Sequence[float], noise: float, seed: int = 0) -> list[float]:
    """The levels with independent relative noise."""
    factors = np.exp(noise * np.random.default_rng(seed).standard_normal(len(levels)))
    return [float(level * factor) for level, factor in zip(levels, factors, strict=True)]


def breakdowns(seconds: Sequence[float]) -> list[tuple[str, Record]]:
    """A breakdown a commit."""
    return named([step_record(number, value) for number, value in enumerate(seconds)])


def launch(number: int, before: float, after: float, place: int = 1, **changes: Any) -> Launch:
    """A launch of seven pairs."""
    sides = [Side(training=training(seconds)) for seconds in (before, after)]
    settings = {
        "contestant": place,
        "round": number,
        "baseline": sides[0],
        "variant": sides[1],
        "baseline_first": (True,) * len(JITTER),
        "machine": QUIET,
        **changes,
    }
    return Launch.model_validate(settings)


def contestant(name: str = "baseline", **changes: Any) -> Contestant:
    """A contestant of the default workload."""
    settings = {"name": name, "workload": RESNET50, "base": RESNET50, "variant": VariantUsed(name=name), **changes}
    return Contestant.model_validate(settings)


def beside_yardstick(number: int, seconds: float, pace: float = 1.0, launches: int = 3) -> ComparisonRecord:
    """The step and a yardstick in the same launches, on a machine that is so many times slower on that day."""
    found = [launch(one, seconds * pace, YARDSTICK_SECONDS * pace) for one in range(launches)]
    return ComparisonRecord(
        tool_version="0.1.0",
        created=day(number),
        contestants=(contestant(), contestant(YARDSTICK)),
        environment=CPU.model_copy(update={"commit": commit(number)}),
        launches=tuple(found),
        status="complete",
    )


def gate_record(number: int, comparisons: Sequence[ComparisonRecord]) -> CheckRecord:
    """A gate that has taken comparisons."""
    check = Check(name="step", kind="budget", quantity="step", subject="baseline", at_most=1.0)
    return CheckRecord(
        tool_version="0.1.0", created=day(number), checks=(check,), comparisons=tuple(comparisons), status="complete"
    )


def changing_view() -> HistoryView:
    """Thirty commits of a step that becomes slower and then faster, some of another variant, and much that is left
    out.
    """
    seconds = noisy([0.103] * 12 + [0.115] * 10 + [0.098] * 8, 0.012)
    records: list[Record] = [step_record(number, value) for number, value in enumerate(seconds)]
    edited = CPU.model_copy(update={"commit": f"{commit(3)}+"})
    records.append(step_record(3, 0.104, environment=edited, created=day(31)))
    exact = VariantUsed(name="exact")
    records += [step_record(number, 0.051, variant=exact, created=day(32 + number)) for number in (27, 29)]
    records.append(step_record(29, 0.063, variant=VariantUsed(name="fused-loss"), created=day(70)))
    records += [
        step_record(number, 0.009, environment=GPU.model_copy(update={"commit": commit(number)})) for number in (1, 2)
    ]
    records += [analysis_record(), step_record(4, 0.1, training=None)]
    return history_view(named(records), [whole(number) for number in range(29)], ["benchmarks.json"])


def yardstick_view() -> HistoryView:
    """Twelve commits beside a yardstick, on a machine whose pace drifts; one has no commit to its name."""
    levels = noisy([0.1] * 7 + [0.112] * 5, 0.004)
    records = [beside_yardstick(n, value, 1 + 0.03 * (n % 5)) for n, value in enumerate(levels)]
    unnamed = records[4].model_copy(update={"environment": CPU.model_copy(update={"commit": None})})
    return history_view(named([*records[:4], unnamed, *records[5:]]))


def short_view() -> HistoryView:
    """Three commits: too few for a change."""
    return history_view(breakdowns([0.103, 0.104, 0.101]))
