"""Finds what the numbers of a breakdown say: from a record and its view to findings."""

from __future__ import annotations

import math
from collections.abc import Iterator

from paco_prof import stages
from paco_prof.analysis.breakdown import BreakdownView, StageRow
from paco_prof.analysis.fidelity import find_in_fidelity
from paco_prof.analysis.findings import (
    BUSY_CORES,
    BusyMachine,
    DominantStage,
    Finding,
    HostBound,
    LeftOut,
    LossAloneReadsLower,
    NoFidelity,
    NoisyStages,
    NonFiniteLoss,
    NothingToContrast,
    PaCoShare,
    RepeatedFactorization,
    RunEndedEarly,
    StagesOnlyTrace,
    TrainingOverInference,
    UnattributedTime,
    UndividedBackward,
)
from paco_prof.analysis.health import find_in_losses, find_in_parts
from paco_prof.analysis.loading import find_loader_in_steps
from paco_prof.records import BreakdownRecord
from paco_prof.stats.summary import CONFIDENCE, PRECISION, SMALLEST_SHARE, Estimate, median_estimate

__all__ = ["find"]

UNATTRIBUTED_LIMIT = 0.02
# All that plain two-view cross-entropy training does without.
PACO_STAGES = (
    stages.PART_SAMPLING,
    stages.DIM_REDUCTION,
    stages.COVARIANCE,
    stages.MATCHING,
    stages.NEGATIVES_POOL,
    stages.PROTOTYPES,
    f"{stages.LOSS}/{stages.PAC}",
    f"{stages.LOSS}/{stages.SOC}",
)
LOWER_BY = 0.05


def find(record: BreakdownRecord, view: BreakdownView | None) -> tuple[Finding, ...]:
    """All findings: what makes the run void, then what the step shows, then how far the figures carry."""
    step = _about_the_step(record, view) if view else ()
    return (*_about_the_run(record), *step, *_about_the_figures(record, view))


def _about_the_run(record: BreakdownRecord) -> Iterator[Finding]:
    if record.variant.left_out:
        yield LeftOut(record.variant.name, tuple(record.variant.left_out.items()))
    yield from find_in_fidelity(record.variant, record.workload, record.fidelity)
    training = record.training
    num_steps = len(training.steps) if training else 0
    ended_early = [note for note in record.notes if note.code in ("interrupted", "failed")]
    for note in ended_early:
        yield RunEndedEarly(note.code, note.detail, num_steps)
    if not ended_early and training is not None and training.stop_reason == "interrupted":
        # Nobody was left to say so: the process was killed between two checkpoints.
        yield RunEndedEarly("interrupted", "", num_steps)
    if record.parts is not None:
        yield from find_in_parts(record.parts, record.workload)
    if training is None:
        return
    busy_cores = training.other_busy_cores or 0.0
    if busy_cores > BUSY_CORES and record.environment is not None:
        yield BusyMachine(busy_cores, record.environment.cores)
    broken = {name: [v for v in values if not math.isfinite(v)] for name, values in training.losses.items()}
    names = tuple(name for name, values in broken.items() if values)
    if names:
        yield NonFiniteLoss(names, max(len(broken[name]) for name in names), num_steps)
    yield from find_in_losses(training, record.workload)
    if record.workload.batch_size == 1:
        yield NothingToContrast()
    if training.backward_whole:
        yield UndividedBackward(training.backward_whole)


def _about_the_figures(record: BreakdownRecord, view: BreakdownView | None) -> Iterator[Finding]:
    if view is not None and view.share_of == "step":
        yield from _noise(record, view)
    for note in record.notes:
        if note.code == "stages_only_trace":
            yield StagesOnlyTrace(note.number or 0)
        if note.code == "no_fidelity":
            yield NoFidelity(note.detail)


def _noise(record: BreakdownRecord, view: BreakdownView) -> Iterator[Finding]:
    training = record.training
    widths = [(row.path, row.total.relative_half_width or 0.0) for row in _large(view) if row.total is not None]
    wide = sorted((w for w in widths if w[1] > PRECISION), key=lambda w: -w[1])
    if wide:
        as_asked = training is not None and training.stop_reason == "as asked"
        yield NoisyStages(tuple(wide), view.step.num_samples, as_asked)
    share = view.unattributed["total"] / view.step.value
    if abs(share) > UNATTRIBUTED_LIMIT:
        yield UnattributedTime(share)


def _about_the_step(record: BreakdownRecord, view: BreakdownView) -> Iterator[Finding]:
    shares = [row for row in view.top_rows if row.share is not None]
    if shares:
        first, *others = sorted(shares, key=lambda row: -(row.share or 0.0))
        share = min(first.share or 0.0, 1.0)
        ceiling = math.inf if share == 1.0 else 1 / (1 - share)
        rival = others[0].path if others and _is_rival(first, others[0]) else ""
        yield DominantStage(first.path, share, ceiling if view.share_of == "step" else None, rival)
    if record.training is not None:
        yield from find_loader_in_steps([record.training], record.workload, record.environment)
    yield from _paco_share(view)
    yield from _factorizations(record)
    if view.inference is not None and view.training_over_inference is not None:
        inference = view.inference.value
        parts = sorted(((row.path, row.seconds / inference) for row in _large(view)), key=lambda part: -part[1])
        ratio = view.training_over_inference
        yield TrainingOverInference(
            ratio=ratio,
            parts=tuple(parts),
            rest=ratio - sum(part for _, part in parts),
            forward_ratio=view.forward.value / inference,
            backward_is_divided=view.share_of == "step",
        )
    yield from _loss_alone(record, view)
    bound = tuple((row.path, row.host_bound) for row in view.rows if row.host_bound)
    if bound:
        yield HostBound(bound)


def _paco_share(view: BreakdownView) -> Iterator[Finding]:
    """Stages are there only where a step entered them; a step without PaCo-2 has no such share."""
    if view.share_of != "step":
        return
    seconds = sum(row.seconds for path in PACO_STAGES if (row := view.row(path)) is not None)
    share = seconds / view.step.value
    if 0 < share < 1:
        yield PaCoShare(share, 1 / (1 - share))


def _large(view: BreakdownView) -> Iterator[StageRow]:
    """Top rows above 1 % of the step."""
    return (row for row in view.top_rows if row.seconds > SMALLEST_SHARE * view.step.value)


def _factorizations(record: BreakdownRecord) -> Iterator[Finding]:
    needed = record.workload.batch_size
    for count in record.operators:
        # What no stage holds has no name to be told by.
        if count.path and count.factorizations > 4 * needed:
            yield RepeatedFactorization(count.path, count.factorizations, needed, count.operators)


def _loss_alone(record: BreakdownRecord, view: BreakdownView) -> Iterator[Finding]:
    loss, test = view.row(stages.LOSS), record.loss_test
    if loss is None or loss.forward is None or test is None:
        return
    in_step, with_graph = loss.forward, median_estimate(test.with_graph)
    without_graph = median_estimate(test.without_graph).value
    if without_graph < (1 - LOWER_BY) * in_step.value:
        yield LossAloneReadsLower(
            in_step=in_step.value,
            with_graph=with_graph.value,
            without_graph=without_graph,
            surroundings=in_step.value - with_graph.value if _is_above(in_step, with_graph) else None,
            backward_in_step=loss.backward.value if loss.backward else None,
        )


def _is_rival(first: StageRow, second: StageRow) -> bool:
    if first.total is None or second.total is None or second.seconds < first.seconds / 2:
        return False
    return not _is_above(first.total, second.total)


def _is_above(one: Estimate, other: Estimate) -> bool:
    """Whether a median is established to be the larger one: two full intervals that do not touch."""
    return min(one.confidence, other.confidence) >= CONFIDENCE and one.low > other.high
