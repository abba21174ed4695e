"""A breakdown record as the rows of a bottleneck table that adds up to the step.

Medians of the rows do not add up to the median of the step, and what they miss would look like time that belongs to
nobody. So every figure of the table is of the *typical step*, the mean over the same steps: those in the middle when
all are ordered by duration. With up to four steps the step's figure is their median. Intervals are of medians.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from statistics import fmean
from typing import get_args

from paco_prof import stages
from paco_prof.records import BreakdownRecord, Overhead, StageSamples, Training
from paco_prof.stages import Phase
from paco_prof.stats.summary import Estimate, median_estimate

__all__ = [
    "BreakdownView",
    "Priority",
    "StageRow",
    "breakdown_view",
    "priority_of",
    "stage_paths",
    "stage_rows",
    "stage_seconds",
    "typical_steps",
    "typical_times",
]

# The analysis's order first, then the stages that it left out, in the order of a step.
ORDER = (
    stages.LOSS,
    f"{stages.LOSS}/{stages.CE}",
    f"{stages.LOSS}/{stages.PAC}",
    f"{stages.LOSS}/{stages.SOC}",
    stages.BACKBONE,
    stages.PART_SAMPLING,
    stages.MATCHING,
    stages.COVARIANCE,
    stages.NEGATIVES_POOL,
    stages.GATHERING,
    stages.DIM_REDUCTION,
    stages.CLASSIFIER,
    stages.PROTOTYPES,
    stages.DATA,
    stages.TRANSFER,
    stages.ZERO_GRAD,
    stages.BUFFER_SYNC,
    stages.AUTOGRAD,
    stages.ALL_REDUCE,
    stages.GRAPH_RELEASE,
    stages.CLIPPING,
    stages.OPTIMIZER,
    stages.SCHEDULE,
)


class Priority(StrEnum):
    """How much a stage is worth working on, by its share of the step."""

    CRITICAL = "CRITICAL"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


# A stage with this share or more has the priority; below all of them it is low.
PRIORITY_THRESHOLDS = ((0.50, Priority.CRITICAL), (0.10, Priority.HIGH), (0.03, Priority.MEDIUM))


def priority_of(share: float) -> Priority:
    """Priority of a stage with that share of the step."""
    return next((priority for least, priority in PRIORITY_THRESHOLDS if share >= least), Priority.LOW)


# Host time over device time from which the device is taken to have waited for the host.
HOST_BOUND_FROM = 0.9


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage, everything inside it included; seconds per step.

    Attributes:
        path: the stage and its parents.
        depth: how many parents.
        calls: entries a step.
        forward, backward, other: by phase; None is not measured.
        total: their sum, step by step; None where an event was lost.
        share: of the whole that `BreakdownView.share_of` names.
        host_bound: phases in which the host took about as long as the device or longer.
        peak_bytes: highest allocation on the device while it ran, where that was measured.
    """

    path: str
    depth: int
    calls: int
    forward: Estimate | None
    backward: Estimate | None
    other: Estimate | None
    total: Estimate | None
    share: float | None
    host_bound: tuple[Phase, ...] = ()
    peak_bytes: int | None = None

    @property
    def seconds(self) -> float:
        """What the row adds to the table; nothing where an event was lost."""
        return 0.0 if self.total is None else self.total.value

    @property
    def priority(self) -> Priority | None:
        return None if self.share is None else priority_of(self.share)


@dataclass(frozen=True, slots=True)
class BreakdownView:
    """What a breakdown says.

    Attributes:
        rows: stages, parents before their children.
        step, forward, backward: the whole step and its two passes, seconds; the rest is in neither.
        share_of: what shares are of: the step, or, where backward was not divided by stage (a quoted record), the
            sum of the stages' forward times, as the analysis has it.
        unattributed: seconds that no row holds, per column; signed.
        inference: seconds per batch.
        batch_size: images per step.
        overhead: what instrumented steps took beyond bare ones, as a share of these; too few pairs tell noise only.
        instrument: what the stage timer itself took in a step, in host seconds.
    """

    rows: tuple[StageRow, ...]
    step: Estimate
    forward: Estimate
    backward: Estimate
    share_of: str
    unattributed: dict[str, float]
    inference: Estimate | None
    batch_size: int
    overhead: Estimate | None
    instrument: float | None

    @property
    def top_rows(self) -> tuple[StageRow, ...]:
        """The rows that are nobody's children."""
        return tuple(row for row in self.rows if row.depth == 0)

    def row(self, path: str) -> StageRow | None:
        """The row of a stage, None if the step never entered it."""
        return next((row for row in self.rows if row.path == path), None)

    @property
    def training_over_inference(self) -> float | None:
        """The step's time over inference's."""
        return None if self.inference is None else self.step.value / self.inference.value


def breakdown_view(record: BreakdownRecord) -> BreakdownView | None:
    """The view of a record; None where no training step was measured."""
    training = record.training
    if training is None or not training.steps:
        return None
    middle = typical_steps(training.steps)
    step, phases = typical_times(training)
    rows = stage_rows(training, _peaks(record))
    is_divided = any(row.backward is not None for row in rows)
    whole = step.value if is_divided else sum(row.seconds for row in rows if row.depth == 0)
    overhead = record.overhead
    return BreakdownView(
        rows=tuple(replace(row, share=None if row.total is None else row.seconds / whole) for row in rows),
        step=step,
        forward=phases["forward"],
        backward=phases["backward"],
        share_of="step" if is_divided else "forward stages",
        unattributed=_unattributed(rows, step, phases),
        inference=median_estimate(record.inference.runs) if record.inference else None,
        batch_size=record.workload.batch_size,
        overhead=None if overhead is None else _overhead(overhead),
        instrument=fmean(training.instrument[index] for index in middle) if training.instrument else None,
    )


def typical_times(training: Training) -> tuple[Estimate, dict[Phase, Estimate]]:
    """The typical step, and its phases: seconds."""
    middle = typical_steps(training.steps)
    return _known(training.steps, middle), {p: _known(samples, middle) for p, samples in training.phases.items()}


def stage_rows(training: Training, peaks: Mapping[str, int] | None = None) -> list[StageRow]:
    """The rows of the typical step, parents before their children, without shares."""
    middle = typical_steps(training.steps)
    return [_row(training, path, middle, (peaks or {}).get(path)) for path in stage_paths([training])]


def stage_seconds(training: Training, path: str) -> list[float | None]:
    """Seconds of a stage and all inside it in each step, all phases; None where an event was lost."""
    return _add_up(_phase_sums(training, path).values())


def _overhead(overhead: Overhead) -> Estimate:
    """Instrumented over bare, less one, pair by pair."""
    pairs = zip(overhead.instrumented, overhead.bare, strict=True)
    return median_estimate([timed / bare - 1 for timed, bare in pairs])


def _peaks(record: BreakdownRecord) -> dict[str, int]:
    """Highest allocation of each stage, whichever phase it was in."""
    peaks: dict[str, int] = {}
    for stage in record.memory.stages if record.memory else ():
        peaks[stage.path] = max(peaks.get(stage.path, 0), stage.peak_bytes)
    return peaks


def stage_paths(trainings: Iterable[Training]) -> list[str]:
    """Every stage and parent of one, in the table's order."""
    found: dict[str, None] = {}
    for samples in chain.from_iterable(training.stages for training in trainings):
        parts = samples.path.split("/")
        for depth in range(1, len(parts) + 1):
            found["/".join(parts[:depth])] = None

    def key(path: str) -> tuple[tuple[int, str], ...]:
        parts = path.split("/")
        prefixes = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        return tuple((ORDER.index(p) if p in ORDER else len(ORDER), p) for p in prefixes)

    return sorted(found, key=key)


def typical_steps(steps: Sequence[float]) -> tuple[int, ...]:
    """Which steps are typical: the middle half by duration, at least one; one step at each end is always left out
    where there are three or more.
    """
    by_duration = sorted(range(len(steps)), key=lambda index: steps[index])
    cut = max(1, len(steps) // 4) if len(steps) >= 3 else 0
    return tuple(by_duration[cut : len(steps) - cut])


def _estimate(samples: Sequence[float | None], middle: Sequence[int]) -> Estimate | None:
    """Mean over the typical steps with the interval of the median over all; None where the typical were not read."""
    typical = [value for value in (samples[index] for index in middle) if value is not None]
    measured = [value for value in samples if value is not None]
    return replace(median_estimate(measured), value=fmean(typical)) if typical else None


def _known(samples: Sequence[float], middle: Sequence[int]) -> Estimate:
    """The same for samples none of which can be missing."""
    return replace(median_estimate(samples), value=fmean(samples[index] for index in middle))


def _phase_sums(training: Training, path: str) -> dict[Phase, list[float | None]]:
    """Seconds of a stage and all inside it, per step and phase; None where a part of it could not be read."""
    members = {phase: _members(training, path, phase) for phase in get_args(Phase)}
    return {phase: _add_up(samples.seconds for samples in of) for phase, of in members.items() if of}


def _members(training: Training, path: str, phase: Phase) -> list[StageSamples]:
    """The samples of a stage and of all inside it."""
    return [
        samples
        for samples in training.stages
        if samples.phase == phase and (samples.path == path or samples.path.startswith(f"{path}/"))
    ]


def _add_up(series: Iterable[Sequence[float | None]]) -> list[float | None]:
    """Step by step; None where any is."""
    sums: list[float | None] = []
    for step in zip(*series, strict=True):
        values = [value for value in step if value is not None]
        sums.append(sum(values) if len(values) == len(step) else None)
    return sums


def _row(training: Training, path: str, middle: Sequence[int], peak_bytes: int | None) -> StageRow:
    sums = _phase_sums(training, path)
    estimates = {phase: _estimate(samples, middle) for phase, samples in sums.items()}
    total = _estimate(_add_up(sums.values()), middle)
    own = [s for s in training.stages if s.path == path]
    return StageRow(
        path=path,
        depth=path.count("/"),
        calls=max((s.calls for s in own if s.phase != "backward"), default=1),
        forward=estimates.get("forward"),
        backward=estimates.get("backward"),
        other=estimates.get("other"),
        total=total,
        share=None,
        host_bound=tuple(phase for phase in sums if _is_host_bound(_members(training, path, phase))),
        peak_bytes=peak_bytes,
    )


def _is_host_bound(members: Sequence[StageSamples]) -> bool:
    """The host took about as long as the device, or longer: launch-bound, or waiting for what came before.

    A span of events holds the device's idle time, and ends with the last kernel, a little after the host has gone on.
    """
    if not members or any(samples.device is None for samples in members):
        return False
    device = [value for value in _add_up(samples.seconds for samples in members) if value is not None]
    host = [value for value in _add_up(samples.host for samples in members) if value is not None]
    return bool(device) and median_estimate(host).value >= HOST_BOUND_FROM * median_estimate(device).value > 0


def _unattributed(rows: Sequence[StageRow], step: Estimate, phases: dict[Phase, Estimate]) -> dict[str, float]:
    top = [row for row in rows if row.depth == 0]

    def held(estimates: Iterable[Estimate | None]) -> float:
        return sum(estimate.value for estimate in estimates if estimate is not None)

    return {
        "forward": phases["forward"].value - held(row.forward for row in top),
        "backward": phases["backward"].value - held(row.backward for row in top),
        "total": step.value - sum(row.seconds for row in top),
    }
