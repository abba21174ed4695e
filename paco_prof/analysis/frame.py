"""Records as pandas data frames: the table of the report, tidy and in seconds, and the raw samples behind it.

Where a figure was not measured, or does not occur, a frame holds NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from paco_prof.analysis.breakdown import BreakdownView, StageRow, breakdown_view
from paco_prof.analysis.comparison import ComparedVariant, comparison_view
from paco_prof.analysis.machines import by_machine
from paco_prof.analysis.projection import TERMS, ProjectedRun, Term, projection_view
from paco_prof.records import BreakdownRecord, ComparisonRecord, EstimateRecord, Training
from paco_prof.stats.pace import Span
from paco_prof.stats.summary import Estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["breakdown_frame", "comparison_frame", "estimate_frame", "samples_frame"]

HOUR = 3600.0
# What is appended to the name of a figure for the ends of its interval.
ENDS = ("", "_low", "_high")


def breakdown_frame(record: BreakdownRecord) -> pd.DataFrame:
    """One row a stage, in the table's order, one for what belongs to no stage, and one for the step.

    Columns: `stage` (its path), `row` (`stage`, `unattributed` or `step`), `depth` (how many parents), `calls`,
    `forward`, `backward`, `other` (in neither pass) and `total` (everything inside it included), `low` and `high` (the
    interval of the total), `share`, `priority`. In every column of seconds the rows of depth 0 add up to the step's.
    Without training steps the frame is empty.
    """
    view = breakdown_view(record)
    numbers = ("calls", "forward", "backward", "other", "total", "low", "high", "share")
    columns = ("stage", "row", "depth", *numbers, "priority")
    return _frame([] if view is None else _breakdown_rows(view), columns, numbers)


def _breakdown_rows(view: BreakdownView) -> list[tuple[Any, ...]]:
    left, of_step = view.unattributed, view.share_of == "step"
    sums = (left["forward"], left["backward"], left["total"])
    whole = (view.forward.value, view.backward.value, view.step.value)
    share = left["total"] / view.step.value if of_step else None
    return [
        *(_stage_row(row) for row in view.rows),
        ("unattributed", "unattributed", 0, None, *_with_other(*sums), None, None, share, None),
        ("step", "step", 0, 1, *_with_other(*whole), view.step.low, view.step.high, 1.0 if of_step else None, None),
    ]


def _stage_row(row: StageRow) -> tuple[Any, ...]:
    seconds = (_value(row.forward), _value(row.backward), _value(row.other), _value(row.total))
    ends = (None, None) if row.total is None else (row.total.low, row.total.high)
    priority = None if row.priority is None else str(row.priority)
    return (row.path, "stage", row.depth, row.calls, *seconds, *ends, row.share, priority)


def _with_other(forward: float, backward: float, total: float) -> tuple[float, float, float, float]:
    return forward, backward, total - forward - backward, total


def comparison_frame(record: ComparisonRecord) -> pd.DataFrame:
    """One row a variant, the baseline first.

    Columns: `variant`, `kind` (what it claims to be), `batch_size`, `launches` (that are judged), `step`, `forward` and
    `backward` (seconds of the typical step), `samples_per_second`, `speedup` (of a step, per sample), `low` and `high`
    (its interval), `established` (whether there is a difference), `loss_error` and `gradient_error` (relative, against
    float64), `fidelity` (what that says of the kind), `peak_bytes`, `failed` (why there is no launch, or not every
    one), `machine` (from 1; launches of unlike ones are never judged together, so that each has its rows). The baseline
    has no speed-up over itself.
    """
    numbers = ("step", "forward", "backward", "samples_per_second", "speedup", "low", "high")
    errors = ("loss_error", "gradient_error")
    columns = (
        *("variant", "kind", "batch_size", "launches", *numbers),
        *("established", *errors, "fidelity", "peak_bytes", "failed", "machine"),
    )
    views = [comparison_view(part) for part in by_machine(record)]
    rows = [
        (*_variant_row(variant), machine)
        for machine, view in enumerate(views, start=1)
        for variant in (view.baseline, *view.variants)
    ]
    return _frame(rows, columns, (*numbers, *errors, "peak_bytes"))


def _variant_row(variant: ComparedVariant) -> tuple[Any, ...]:
    speedup, fidelity = variant.speedup, variant.fidelity
    judged = (None, None, None) if speedup is None else (speedup.ratio, speedup.low, speedup.high)
    errors: tuple[float | str | None, ...] = (None, None, None)
    if fidelity is not None:
        errors = (fidelity.loss_errors.get("total"), fidelity.measured.gradient_error, fidelity.verdict)
    return (
        variant.name,
        variant.contestant.variant.kind,
        variant.batch_size,
        variant.num_launches,
        *(_value(seconds) for seconds in (variant.step, variant.forward, variant.backward)),
        variant.samples_per_second,
        *judged,
        None if speedup is None else speedup.established,
        *errors,
        variant.peak_bytes,
        "; ".join(dict.fromkeys(f"{failure.kind}: {failure.detail}" for failure in variant.failures)) or None,
    )


def estimate_frame(record: EstimateRecord) -> pd.DataFrame:
    """One row a variant, the baseline first; every column says its unit.

    Columns: `variant`, `batch_size`, `batches_per_epoch` (on each device), `seconds_per_step` and `seconds_per_epoch`,
    each with `_low` and `_high`, `hours` (of the whole run) likewise, one column of hours for each term that they are
    the sum of (`hours_steps`, `hours_waiting`, `hours_epoch_starts`, `hours_evaluation`, `hours_checkpoints`,
    `hours_start_up`), `hours_saved` and `speedup` (beside the baseline) with their ends, `cost` and `watt_hours`; then
    `devices` (of the run), `efficiency` (of each, beside one device alone) with its ends, and `scaling` (where a step
    on so many comes from: `measured`, `interpolated`, `extrapolated` or `assumed`).

    Raises:
        UsageError: an epoch would have no batch.
    """
    columns = ["variant", "batch_size", "batches_per_epoch"]
    columns += [name + end for name in ("seconds_per_step", "seconds_per_epoch", "hours") for end in ENDS]
    columns += [f"hours_{_word(term)}" for term in TERMS]
    columns += [name + end for name in ("hours_saved", "speedup") for end in ENDS]
    columns += ["cost", "watt_hours"]
    efficiency = ["efficiency" + end for end in ENDS]
    numbers = [*columns[3:], *efficiency]
    columns += ["devices", *efficiency, "scaling"]
    return _frame([_run_row(run) for run in projection_view(record).runs], columns, numbers)


def _word(term: Term) -> str:
    return term.replace(" ", "_").replace("-", "_")


def _run_row(run: ProjectedRun) -> tuple[Any, ...]:
    terms = (run.terms[term] for term in TERMS)
    return (
        run.name,
        run.pilot.workload.batch_size,
        run.batches.number,
        *(*_ends(run.step), *_ends(run.epoch), *_ends(run.total, HOUR)),
        *(None if span is None else span.value / HOUR for span in terms),
        *(*_ends(run.saved, HOUR), *_ends(run.speedup)),
        None if run.cost is None else run.cost.value,
        None if run.energy is None else run.energy.watt_hours.value,
        run.scaling.devices,
        *_ends(run.scaling.efficiency),
        run.scaling.source,
    )


def _ends(span: Span | None, unit: float = 1.0) -> tuple[float | None, ...]:
    ends = (None, None, None) if span is None else (span.value, span.low, span.high)
    return tuple(None if end is None else end / unit for end in ends)


def samples_frame(record: BreakdownRecord | ComparisonRecord | EstimateRecord) -> pd.DataFrame:
    """One row a stage, phase and measured step; of an estimate, whose pilots know no stages, one a step.

    Columns: `stage` (its path), `phase`, `step` (from 0), `seconds` (own time, on the device's clock where there is
    one, children excluded), `host_seconds`. Those of a comparison begin with `variant` (the contestant's name),
    `launch` (its place in the record), `round` and `side` (baseline or variant); a step of one side is the partner of
    the step of the same number of the other. Those of an estimate are `variant`, `devices` (that were measured
    together), `during_warmup` (of the matching, where it makes a difference), `block`, `step`, `seconds` and `waiting`
    (for the batch, not in `seconds`). Without training steps the frame is empty.
    """
    columns = ("stage", "phase", "step", "seconds", "host_seconds")
    if isinstance(record, BreakdownRecord):
        return _frame(_samples(record.training), columns, columns[3:])
    if isinstance(record, EstimateRecord):
        return _pilot_samples(record)
    rows = [
        (record.contestants[launch.contestant].name, number, launch.round, side, *row)
        for number, launch in enumerate(record.launches)
        for side, measured in (("baseline", launch.baseline), ("variant", launch.variant))
        for row in _samples(measured.training)
    ]
    return _frame(rows, ("variant", "launch", "round", "side", *columns), columns[3:])


def _samples(training: Training | None) -> list[tuple[Any, ...]]:
    return [
        (samples.path, samples.phase, step, seconds, host)
        for samples in (training.stages if training else ())
        for step, (seconds, host) in enumerate(zip(samples.seconds, samples.host, strict=True))
    ]


def _pilot_samples(record: EstimateRecord) -> pd.DataFrame:
    rows = []
    for pilot in record.pilots:
        for series in pilot.steps:
            for number, block in enumerate(series.blocks):
                waits = series.waiting[number] if series.waiting else (None,) * len(block)
                for step, (seconds, waiting) in enumerate(zip(block, waits, strict=True)):
                    taken = (pilot.name, pilot.workload.world_size, series.during_warmup, number, step)
                    rows.append((*taken, seconds, waiting))
    columns = ("variant", "devices", "during_warmup", "block", "step", "seconds", "waiting")
    return _frame(rows, columns, ("seconds", "waiting"))


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _frame(rows: Iterable[Sequence[Any]], columns: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """A data frame whose numbers are numbers even where none of them was measured."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns)).astype(dict.fromkeys(numbers, float))
