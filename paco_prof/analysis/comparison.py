"""A comparison record as rows: each variant beside the baseline, judged over launches.

Times that are shown come from all steps of all complete launches together; whether two times differ, and by how much,
comes from the launches alone, one number each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paco_prof import stages
from paco_prof.analysis.breakdown import stage_paths, stage_rows, stage_seconds, typical_times
from paco_prof.analysis.expectation import Expectation, expectation
from paco_prof.analysis.fidelity import FidelityView, fidelity_view
from paco_prof.analysis.pooling import pooled, undivided
from paco_prof.records import ComparisonRecord, Contestant, Design, Failure, Launch, Side, Training
from paco_prof.stats.paired import ALPHA, RatioEstimate, holm, judge, launch_effect, launches_needed
from paco_prof.stats.summary import Estimate

__all__ = ["ComparedVariant", "ComparisonView", "StageChange", "comparison_view", "launch_effects"]


@dataclass(frozen=True, slots=True)
class StageChange:
    """A stage before and after, everything inside it and all phases included; seconds per step.

    Attributes:
        before, after: of the typical step of the baseline and of the variant; None where it does not occur.
        speedup: of the stage, per sample, over launches; None where it is not in every step of both.
        established: whether it differs, all stages of the variant judged together (Holm).
    """

    path: str
    depth: int
    before: Estimate | None
    after: Estimate | None
    speedup: RatioEstimate | None
    established: bool

    @property
    def change(self) -> float:
        """Seconds that it takes more after than before."""
        return (self.after.value if self.after else 0.0) - (self.before.value if self.before else 0.0)


@dataclass(frozen=True, slots=True)
class ComparedVariant:
    """One contestant: the baseline itself, or a variant beside it.

    Attributes:
        place: among the contestants; 0 is the baseline.
        contestant: what it is.
        batch_size: images per step in what is shown, after halving.
        num_launches: complete ones that are judged.
        step, forward, backward: seconds of the typical step; None where there was none.
        before: the baseline's typical step in the same launches.
        speedup: of the step, per sample; None for the baseline, and where there was no launch.
        needed: about how many launches would establish the difference, where these do not; None where nobody can tell.
        peak_bytes: highest memory: the device's, or where it keeps none the process's.
        peak_of: whose.
        fidelity: against float64.
        expectation: what the analysis expects beside the measured gain.
        stages: before and after; empty for the baseline.
        whole_backward: why backward is one stage in them; empty where it is divided.
        unattributed: seconds of no stage, before and after.
        failures: what did not end as planned.
    """

    place: int
    contestant: Contestant
    batch_size: int
    num_launches: int
    step: Estimate | None = None
    forward: Estimate | None = None
    backward: Estimate | None = None
    before: Estimate | None = None
    speedup: RatioEstimate | None = None
    needed: int | None = None
    peak_bytes: int | None = None
    peak_of: str = ""
    fidelity: FidelityView | None = None
    expectation: Expectation | None = None
    stages: tuple[StageChange, ...] = ()
    whole_backward: str = ""
    unattributed: tuple[float, float] = (0.0, 0.0)
    failures: tuple[Failure, ...] = ()

    @property
    def name(self) -> str:
        return self.contestant.name

    @property
    def samples_per_second(self) -> float | None:
        return None if self.step is None else self.batch_size / self.step.value

    @property
    def top_stages(self) -> tuple[StageChange, ...]:
        """The stages that are nobody's children."""
        return tuple(stage for stage in self.stages if stage.depth == 0)


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """What a comparison says.

    Attributes:
        baseline: what the others are held against; its times are of all launches at the whole batch.
        variants: the others, in the record's order.
        is_self: the variant is the baseline itself, so that any difference is noise.
    """

    design: Design
    baseline: ComparedVariant
    variants: tuple[ComparedVariant, ...]

    @property
    def is_self(self) -> bool:
        first, second = self.baseline.contestant, self.variants[0].contestant
        is_same = first.variant.name == second.variant.name and first.revision == second.revision
        return len(self.variants) == 1 and is_same

    @property
    def measured(self) -> tuple[ComparedVariant, ...]:
        """The variants that have a launch."""
        return tuple(variant for variant in self.variants if variant.speedup is not None)

    @property
    def fastest(self) -> ComparedVariant | None:
        """The variant with the largest speed-up that is established; None where none is faster."""
        faster = [v for v in self.measured if v.speedup is not None and v.speedup.established and v.speedup.ratio > 1]
        return max(faster, key=lambda v: v.speedup.ratio if v.speedup else 0.0, default=None)


def comparison_view(record: ComparisonRecord) -> ComparisonView:
    """The view of a record, whatever there is in it."""
    variants = tuple(_variant(record, place) for place in range(1, len(record.contestants)))
    return ComparisonView(record.design, _baseline(record), variants)


def launch_effects(record: ComparisonRecord, place: int) -> dict[int, float]:
    """Round -> log of the speed-up per sample in the variant's launch of that round."""
    return {launch.round: _effect(record, launch) for launch in record.launches_of(place)}


def _effect(record: ComparisonRecord, launch: Launch) -> float:
    before, after = launch.baseline.training.steps, launch.variant.training.steps
    return _per_sample(record, launch) + launch_effect(before, after, not launch.sequential, launch.baseline_first)


def _per_sample(record: ComparisonRecord, launch: Launch) -> float:
    """What turns the log ratio of two times per step into that of two times per sample."""
    sizes = [_batch_size(record.contestants[place], launch.halvings) for place in (0, launch.contestant)]
    return math.log(sizes[1] / sizes[0])


def _batch_size(contestant: Contestant, halvings: int) -> int:
    return contestant.workload.batch_size >> halvings


def _baseline(record: ComparisonRecord) -> ComparedVariant:
    contestant = record.baseline
    of_all = [launch for place in range(1, len(record.contestants)) for launch in record.launches_of(place)]
    halvings = min((launch.halvings for launch in of_all), default=0)
    launches = [launch for launch in of_all if launch.halvings == halvings]
    batch_size = _batch_size(contestant, halvings)
    fidelity = fidelity_view(contestant.variant.kind, contestant.fidelity)
    if not launches:
        return ComparedVariant(0, contestant, batch_size, 0, fidelity=fidelity)
    step, phases = typical_times(pooled([launch.baseline.training for launch in launches]))
    peak_bytes, peak_of = _peak([launch.baseline for launch in launches])
    return ComparedVariant(
        place=0,
        contestant=contestant,
        batch_size=batch_size,
        num_launches=len({launch.round for launch in launches}),
        step=step,
        forward=phases["forward"],
        backward=phases["backward"],
        peak_bytes=peak_bytes,
        peak_of=peak_of,
        fidelity=fidelity,
    )


def _variant(record: ComparisonRecord, place: int) -> ComparedVariant:
    contestant = record.contestants[place]
    launches = record.launches_of(place)
    failures = tuple(failure for failure in record.failures if failure.contestant == place)
    fidelity = fidelity_view(contestant.variant.kind, contestant.fidelity)
    if not launches:
        claim = None if contestant.claim is None else expectation(contestant.claim, None)
        return ComparedVariant(
            place, contestant, _batch_size(contestant, 0), 0, fidelity=fidelity, expectation=claim, failures=failures
        )
    before, after = _sides(launches)
    step, phases = typical_times(after)
    effects = [_effect(record, launch) for launch in launches]
    speedup = judge(effects)
    peak_bytes, peak_of = _peak([launch.variant for launch in launches])
    changes = _stage_changes(record, launches, before, after)
    return ComparedVariant(
        place=place,
        contestant=contestant,
        batch_size=_batch_size(contestant, launches[0].halvings),
        num_launches=len(launches),
        step=step,
        forward=phases["forward"],
        backward=phases["backward"],
        before=typical_times(before)[0],
        speedup=speedup,
        needed=None if speedup.established else launches_needed(effects),
        peak_bytes=peak_bytes,
        peak_of=peak_of,
        fidelity=fidelity,
        expectation=_expectation(record, contestant, launches, speedup),
        stages=changes,
        whole_backward=before.backward_whole or after.backward_whole,
        unattributed=_unattributed(changes, typical_times(before)[0].value, step.value),
        failures=failures,
    )


def _sides(launches: Sequence[Launch]) -> tuple[Training, Training]:
    """All steps of either side; backward is one stage on both where it is one on either."""
    before = pooled([launch.baseline.training for launch in launches])
    after = pooled([launch.variant.training for launch in launches])
    if before.backward_whole or after.backward_whole:
        return undivided(before), undivided(after)
    return before, after


def _expectation(
    record: ComparisonRecord, contestant: Contestant, launches: Sequence[Launch], speedup: RatioEstimate
) -> Expectation | None:
    claim = contestant.claim
    if claim is None:
        return None
    of_backbone = claim.of == "backbone"
    return expectation(claim, _stage_speedup(record, launches, stages.BACKBONE, ALPHA) if of_backbone else speedup)


def _stage_changes(
    record: ComparisonRecord, launches: Sequence[Launch], before: Training, after: Training
) -> tuple[StageChange, ...]:
    rows = [{row.path: row for row in stage_rows(side)} for side in (before, after)]
    paths = stage_paths([before, after])
    speedups = [_stage_speedup(record, launches, path, ALPHA / len(paths)) for path in paths]
    established = holm([None if speedup is None else speedup.p_value for speedup in speedups])
    totals = [tuple(side[path].total if path in side else None for side in rows) for path in paths]
    return tuple(
        StageChange(path, path.count("/"), total[0], total[1], speedup, is_established)
        for path, total, speedup, is_established in zip(paths, totals, speedups, established, strict=True)
    )


def _stage_speedup(
    record: ComparisonRecord, launches: Sequence[Launch], path: str, alpha: float
) -> RatioEstimate | None:
    """The speed-up of a stage over launches; None where a step of either side did not enter it."""
    effects = []
    for launch in launches:
        sides = [launch.baseline.training, launch.variant.training]
        if any(side.backward_whole for side in sides):
            sides = [undivided(side) for side in sides]
        seconds = [[s for s in stage_seconds(side, path) if s is not None and s > 0] for side in sides]
        if any(len(s) < len(side.steps) for s, side in zip(seconds, sides, strict=True)):
            return None
        effect = launch_effect(seconds[0], seconds[1], not launch.sequential, launch.baseline_first)
        effects.append(_per_sample(record, launch) + effect)
    return judge(effects, alpha)


def _unattributed(changes: Sequence[StageChange], before: float, after: float) -> tuple[float, float]:
    top = [change for change in changes if change.depth == 0]
    return (
        before - sum(change.before.value for change in top if change.before is not None),
        after - sum(change.after.value for change in top if change.after is not None),
    )


def _peak(sides: Sequence[Side]) -> tuple[int | None, str]:
    """The highest of the launches' peaks, and whether it is the device's or the process's."""
    memories = [side.memory for side in sides if side.memory is not None]
    for name, of in (("device_peak_bytes", "device"), ("process_peak_bytes", "process")):
        peaks = [getattr(memory, name) for memory in memories if getattr(memory, name) is not None]
        if peaks:
            return max(peaks), of
    return None, ""
