"""What `estimate` projects, and from what: saved records, or a measurement made now."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.cli.outputs import Outputs
from paco_prof.cli.planning import base_workload, job_of, planned_variant, refuse_synthetic
from paco_prof.errors import InterruptedRunError, MeasurementError, PacoProfError, UsageError

if TYPE_CHECKING:
    from paco_prof.measure.job import Job
    from paco_prof.records import DataUsed, EstimatePlan, EstimateRecord, Pilot
    from paco_prof.store import Record
    from paco_prof.training.pilot import PilotOutcome

__all__ = ["Measurement", "Size", "estimate_from_records", "measure_estimate", "raise_what_ended_it"]

DEFAULT_BATCHES = 1000
DEFAULT_DATA = "digits"
DEFAULT_STEPS, DEFAULT_SECONDS = 20, 120.0
DEFAULT_VARIANTS = ("baseline", "exact")
# Options that are not called like what they set.
OPTIONS = {"num_parts": "--parts", "overrides": "--set"}


@dataclass(frozen=True)
class Size:
    """The options that say how long the run is, and what it costs; see `EstimatePlan`. None is not given."""

    epochs: int | None = None
    batches_per_epoch: int | None = None
    dataset_size: int | None = None
    drop_last: bool | None = None
    eval_size: int | None = None
    eval_every: int | None = None
    gpus: int | None = None
    price_per_hour: float | None = None
    watts: float | None = None

    def plan(self, known: dict[str, Any]) -> EstimatePlan:
        """The plan that they make.

        Args:
            known: what the data or a record says, where the options do not.

        Raises:
            UsageError: both sizes, or one that cannot be.
        """
        from pydantic import ValidationError

        from paco_prof.records import EstimatePlan

        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: value for name, value in given.items() if value is not None}
        self.check()
        if {"batches_per_epoch", "dataset_size"} & given.keys():
            known = {k: v for k, v in known.items() if k not in ("batches_per_epoch", "dataset_size", "drop_last")}
        chosen = {**known, **given}
        if chosen.get("batches_per_epoch") is None and chosen.get("dataset_size") is None:
            chosen["batches_per_epoch"] = DEFAULT_BATCHES
        if self.drop_last and chosen.get("dataset_size") is None:
            raise UsageError(
                "--drop-last says what becomes of a last batch that is not full, and there is none in a number of "
                "batches.",
                "Give --dataset-size.",
            )
        try:
            return EstimatePlan.model_validate(chosen)
        except ValidationError as error:
            first = error.errors()[0]
            option = _option(str(first["loc"][0])) if first["loc"] else "The size of the run"
            raise UsageError(f"{option}: {first['msg'].removeprefix('Input ')}.") from error

    def check(self) -> None:
        """Find out before measuring whether both sizes were given.

        Raises:
            UsageError: they were.
        """
        if self.batches_per_epoch is not None and self.dataset_size is not None:
            raise UsageError("--batches-per-epoch and --dataset-size both say how long an epoch is.", "Give one.")


@dataclass(frozen=True)
class Measurement:
    """The options that only a measurement uses; None, or the default, is not given.

    Attributes:
        explicit: settings of the baseline that have options of their own.
        overrides: those that `--set` changes.
    """

    explicit: dict[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    device: str = "auto"
    seed: int = 0
    threads: int | None = None
    steps: int | None = None
    max_seconds: float | None = None
    data: str | None = None
    workers: int | None = None

    def given(self) -> list[str]:
        """The options that were given."""
        default = Measurement()
        names = [f.name for f in fields(self) if getattr(self, f.name) != getattr(default, f.name)]
        return [_option(setting) for name in names for setting in (self.explicit if name == "explicit" else [name])]


def _option(name: str) -> str:
    return OPTIONS.get(name, f"--{name.replace('_', '-')}")


def estimate_from_records(paths: Sequence[Path], names: Sequence[str], size: Size) -> EstimateRecord:
    """An estimate from saved records; nothing is measured, and torch stays out.

    Args:
        paths: of the records.
        names: of the variants to take from them, the baseline first; all where there is none.
        size: of the run; what it leaves open is as in an estimate's own plan, or as a training run had it.

    Raises:
        UsageError: a record that cannot be projected from, one that is given twice, or an unknown variant.
    """
    from paco_prof.analysis.pilots_together import pilots_together
    from paco_prof.store import read_record

    size.check()
    twice = next((p for place, p in enumerate(paths) if p.resolve() in {q.resolve() for q in paths[:place]}), None)
    if twice is not None:
        raise UsageError(f"--from {twice} stands there twice.", "Give each record once.")
    records = {str(path): read_record(path) for path in paths}
    pilots = _selected(pilots_together(records), names)
    first = next(iter(records.values()))
    data = getattr(first, "data", None)
    return _new_record(pilots, size.plan(_known(first)), data=data, environment=first.environment)


def _known(record: Record) -> dict[str, Any]:
    """What a record says of the run's size."""
    from paco_prof.records import EstimateRecord, TrainingRunRecord

    if isinstance(record, EstimateRecord):
        return record.plan.model_dump()
    if isinstance(record, TrainingRunRecord):
        return {**_size_of(record.data), "eval_every": record.plan.eval_every}
    return {}


def _size_of(data: DataUsed) -> dict[str, Any]:
    return {"dataset_size": data.num_train, "drop_last": data.drop_last, "eval_size": data.num_eval}


def _selected(pilots: Sequence[Pilot], names: Sequence[str]) -> tuple[Pilot, ...]:
    """The pilots of those names, in their order; all of them where no name is given."""
    known = {pilot.name: pilot for pilot in pilots}
    for place, name in enumerate(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"Did you mean {', '.join(near)}?" if near else f"There are {', '.join(known)}."
            raise UsageError(f"The records hold no variant {name!r}.", hint)
        if name in names[:place]:
            raise UsageError(f"{name!r} stands there twice.", "Name each variant once.")
    return tuple(known[name] for name in names) if names else tuple(pilots)


def _new_record(pilots: Sequence[Pilot], plan: EstimatePlan, **settings: Any) -> EstimateRecord:
    from datetime import UTC, datetime

    from paco_prof import __version__
    from paco_prof.measure.shareable import shareable_command
    from paco_prof.records import EstimateRecord

    return EstimateRecord(
        tool_version=__version__,
        command=shareable_command(["paco-prof", *sys.argv[1:]]),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        plan=plan,
        pilots=tuple(pilots),
        **settings,
    )


def measure_estimate(
    names: Sequence[str], size: Size, options: Measurement, outputs: Outputs, *, silent: bool
) -> tuple[EstimateRecord | None, BaseException | None]:
    """An estimate from a measurement made now, saved after every variant.

    Returns:
        The record of what was measured, None where that is nothing, and what ended the measurement early.
    """
    size.check()
    jobs = _jobs(list(names) or list(DEFAULT_VARIANTS), options)
    expected = _checked_plan(jobs, size, options)

    from paco_prof.cli.progress import BarProgress, SilentProgress
    from paco_prof.training.pilot import PilotPlan, measure_pilots

    seconds = options.max_seconds or DEFAULT_SECONDS
    evaluates = size.eval_size != 0 and (size.eval_size is not None or options.data is not None)
    plan = PilotPlan(
        steps=options.steps or DEFAULT_STEPS, max_seconds=seconds, epochs=expected.epochs, evaluates=evaluates
    )
    # The size of data that somebody chose is that of the run; that of the data which stand in for any is not.
    sized = options.data is not None

    def save(outcome: PilotOutcome) -> None:
        record = _measured(outcome, size, sized)
        if record is not None:
            outputs.save_record(record)

    with SilentProgress() if silent else BarProgress(seconds * len(jobs)) as progress:
        outcome = measure_pilots(jobs, plan, progress, save)
    return _measured(outcome, size, sized), outcome.error


def _checked_plan(jobs: Sequence[Job], size: Size, options: Measurement) -> EstimatePlan:
    """The plan, as far as it is known before the data are; whatever is wrong with it is found before measuring."""
    from paco_prof.analysis.epochs import epoch_images, training_batches

    is_of_data = options.data is not None and size.dataset_size is None and size.batches_per_epoch is None
    plan = size.plan({"dataset_size": 1} if is_of_data else {})
    if not is_of_data:
        images = epoch_images(plan, jobs[0].workload.batch_size)
        for job in jobs:
            training_batches(plan, images, job.workload.batch_size, job.variant.name)
    return plan


def _measured(outcome: PilotOutcome, size: Size, sized: bool) -> EstimateRecord | None:
    if not outcome.pilots:
        return None
    return _new_record(
        outcome.pilots,
        size.plan(_size_of(outcome.data) if sized and outcome.data is not None else {}),
        data=outcome.data,
        environment=outcome.environment,
        measuring_seconds=outcome.seconds,
        notes=tuple(outcome.notes),
    )


def _jobs(names: Sequence[str], options: Measurement) -> list[Job]:
    """The variants, planned before torch is loaded."""
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise UsageError(f"{twice!r} stands there twice.", "Name each variant once.")
    placed = {name: getattr(options, name) for name in ("device", "seed", "threads", "workers")}
    base = base_workload(options.explicit, data=options.data or DEFAULT_DATA, **placed)
    refuse_synthetic(base)
    planned = [planned_variant(base, name, options.overrides, options.explicit) for name in names]

    # The profiler's library is told before it is loaded that its notes are not for our users.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    return [job_of(each) for each in planned]


def raise_what_ended_it(record: EstimateRecord | None, error: BaseException | None) -> None:
    """Turn what ended a measurement early into an error with an exit code."""
    number = 0 if record is None else len(record.pilots)
    if isinstance(error, KeyboardInterrupt):
        raise InterruptedRunError(f"Interrupted after {number} measured variant{'s' if number != 1 else ''}.")
    if isinstance(error, PacoProfError):
        raise error
    if error is not None:
        notes = record.notes if record is not None else ()
        detail = next((note.detail for note in notes if note.code == "failed"), type(error).__name__)
        raise MeasurementError(f"The measured code failed: {detail}.")
    if record is None:
        raise MeasurementError("No variant was measured.")
