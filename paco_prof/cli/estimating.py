"""What `estimate` projects, and from what: saved records, or a measurement made now."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.cli.outputs import Outputs
from paco_prof.cli.own_model import OwnModel
from paco_prof.cli.planning import base_workload, job_of, planned_variant, refuse_synthetic
from paco_prof.errors import MeasurementError, UsageError

if TYPE_CHECKING:
    from paco_prof.analysis.estimates import RunSize
    from paco_prof.measure.job import Job
    from paco_prof.records import EstimateRecord
    from paco_prof.training.pilot import PilotOutcome

__all__ = ["Measurement", "estimate_from_records", "measure_estimate", "raise_what_ended_it"]

DEFAULT_DATA = "digits"
DEFAULT_STEPS, DEFAULT_SECONDS = 20, 120.0
# Options that are not called like what they set.
OPTIONS = {"num_parts": "--parts", "overrides": "--set", "own_model": "--model"}


@dataclass(frozen=True)
class Measurement:
    """The options that only a measurement uses; None, or the default, is not given.

    Attributes:
        explicit: settings of the baseline that have options of their own.
        overrides: those that `--set` changes.
        own_model: what the options say about a model of the user's own.
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
    own_model: OwnModel = field(default_factory=OwnModel)

    def given(self) -> list[str]:
        """The options that were given."""
        default = Measurement()
        names = [f.name for f in fields(self) if getattr(self, f.name) != getattr(default, f.name)]
        return [_option(setting) for name in names for setting in (self.explicit if name == "explicit" else [name])]


def _option(name: str) -> str:
    return OPTIONS.get(name, f"--{name.replace('_', '-')}")


def estimate_from_records(paths: Sequence[Path], names: Sequence[str], size: RunSize) -> EstimateRecord:
    """An estimate from saved records; nothing is measured, and torch stays out.

    Args:
        paths: of the records.
        names: of the variants to take from them, the baseline first; all where there is none.
        size: of the run; what it leaves open is as in an estimate's own plan, or as a training run had it.

    Raises:
        UsageError: a record that cannot be projected from, one that is given twice, or an unknown variant.
    """
    from paco_prof.analysis.estimates import estimate_of_records
    from paco_prof.store import read_record

    size.check()
    twice = next((p for place, p in enumerate(paths) if p.resolve() in {q.resolve() for q in paths[:place]}), None)
    if twice is not None:
        raise UsageError(f"--from {twice} stands there twice.", "Give each record once.")
    return estimate_of_records({str(path): read_record(path) for path in paths}, names, size, _command())


def _command() -> tuple[str, ...]:
    from paco_prof.measure.shareable import shareable_command

    return shareable_command(["paco-prof", *sys.argv[1:]])


def measure_estimate(
    names: Sequence[str], size: RunSize, options: Measurement, outputs: Outputs, *, silent: bool
) -> tuple[EstimateRecord | None, BaseException | None]:
    """An estimate from a measurement made now, saved after every variant.

    Returns:
        The record of what was measured, None where that is nothing, and what ended the measurement early.

    Raises:
        UsageError: something cannot be measured.
    """
    from paco_prof.planning import COMPARED

    size.check()
    jobs = _jobs(list(names) or list(COMPARED[options.own_model.is_given]), options)
    # The size of data that somebody chose is that of the run; that of the data which stand in for any is not.
    is_of_data = options.data is not None
    expected = size.expected({job.variant.name: job.workload for job in jobs}, is_of_data)

    from paco_prof.training.pilot import PilotPlan, measure_pilots

    seconds = options.max_seconds or DEFAULT_SECONDS
    plan = PilotPlan(
        steps=options.steps or DEFAULT_STEPS,
        max_seconds=seconds,
        epochs=expected.epochs,
        evaluates=size.evaluates(is_of_data),
    )

    def save(outcome: PilotOutcome) -> None:
        record = _measured(outcome, size, is_of_data)
        if record is not None:
            outputs.save_record(record)

    with options.own_model.measuring(seconds * len(jobs), silent=silent) as measuring:
        outcome = measure_pilots(jobs, plan, measuring.progress, save)
    return _measured(outcome, size, is_of_data), outcome.error


def _measured(outcome: PilotOutcome, size: RunSize, is_of_data: bool) -> EstimateRecord | None:
    from paco_prof.analysis.estimates import estimate_of_pilots

    return estimate_of_pilots(
        outcome.pilots,
        size,
        outcome.data,
        is_of_data=is_of_data,
        command=_command(),
        environment=outcome.environment,
        measuring_seconds=outcome.seconds,
        notes=outcome.notes,
    )


def _jobs(names: Sequence[str], options: Measurement) -> list[Job]:
    """The variants, planned before torch is loaded."""
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise UsageError(f"{twice!r} stands there twice.", "Name each variant once.")
    placed = {name: getattr(options, name) for name in ("device", "seed", "threads", "workers")}
    own = options.own_model
    base = base_workload(options.explicit, data=options.data or DEFAULT_DATA, own_model=own, **placed)
    refuse_synthetic(base)
    from paco_prof.variants.resolve import refuse_unused_drop_ins

    refuse_unused_drop_ins(own.variants(), names)
    planned = [planned_variant(base, name, options.overrides, options.explicit, own) for name in names]

    # The profiler's library is told before it is loaded that its notes are not for our users.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    return [job_of(each) for each in planned]


def raise_what_ended_it(record: EstimateRecord | None, error: BaseException | None) -> None:
    """Turn what ended a measurement early into an error with an exit code."""
    from paco_prof.measure.endings import ending

    notes, number = (record.notes, len(record.pilots)) if record is not None else ((), 0)
    ended = ending(error, notes, number, "measured variant")
    if ended is not None:
        raise ended
    if record is None:
        raise MeasurementError("No variant was measured.")
