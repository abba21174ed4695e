"""`paco_prof.estimate`: what a whole training run takes, asked for in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.analysis.estimates import RunSize, estimate_of_pilots, estimate_of_records
from paco_prof.analysis.pilots import Projectable
from paco_prof.analysis.projection import projection_view
from paco_prof.api.calling import Told, handed_back, in_python, shown_by, split_settings
from paco_prof.api.handed import Handed, hand_over
from paco_prof.data.spec import DIGITS
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.planning import COMPARED, base_workload, job_of, planned_variant, refuse_synthetic
from paco_prof.results import Estimate
from paco_prof.store import Record, read_record
from paco_prof.variants.resolve import refuse_unused_drop_ins

if TYPE_CHECKING:
    from torch import nn

    from paco_prof.variants.resolve import Planned

__all__ = ["estimate"]

Source = Record | str | os.PathLike[str]
COMMAND = ("paco_prof.estimate",)


def estimate(
    source: nn.Module | Callable[..., Any] | Source | Sequence[Source] | None = None,
    *,
    variants: Sequence[str] = (),
    epochs: int | None = None,
    batches_per_epoch: int | None = None,
    dataset_size: int | None = None,
    drop_last: bool | None = None,
    eval_size: int | None = None,
    eval_every: int | None = None,
    gpus: int | None = None,
    price_per_hour: float | None = None,
    watts: float | None = None,
    model_args: Mapping[str, Any] | None = None,
    step: Callable[..., Any] | str | None = None,
    replace: Mapping[str, Callable[..., Any] | str] | None = None,
    stages: Mapping[str, str] | None = None,
    data: str | None = None,
    device: str = "auto",
    seed: int = 0,
    threads: int | None = None,
    steps: int | None = None,
    max_seconds: float | None = None,
    progress: Told = None,
    **settings: Any,
) -> Estimate:
    """Tell how long a whole training run takes, before and after: per step, per epoch, in total, with intervals.

    From results or records, at once and without torch; or from a short pilot run of each variant on real data, made
    now and in this process, on a copy of what is handed over. What was not measured is left out, and said: the start-up
    of a pilot in a process that has long begun is. Ctrl-C returns the variants that were measured until then.

    Args:
        source: a result, a record or the path of one (`.json`), or several of them in a list; or else what to try, as
            `model` of `paco_prof.breakdown`. None tries PaCo-2 as this package has it.
        variants: names, the first of which others are held against. By default all that the records hold; of a pilot
            run `baseline` and `exact`, of a model of your own `baseline` and `drop-in`.
        epochs: of the run; None is as an estimate or a training run among the records had it, else 100. Likewise the
            next six.
        batches_per_epoch: of the baseline, on one device; else 1000, or the size of `data`.
        dataset_size: images of an epoch, in the place of `batches_per_epoch`.
        drop_last: leave out a last batch that is not full.
        eval_size: images of an evaluation, 0 for none; else as `data` has them.
        eval_every: epochs between two evaluations; else 1.
        gpus: devices that share an epoch's images; else as many as the first record was measured on. Records of one
            variant on one and on several devices tell how it scales; without them several are taken to scale perfectly.
        price_per_hour: of one device, in your currency.
        watts: power of one device.
        model_args, step, replace, stages, device, seed, threads, progress: as for `paco_prof.breakdown`.
        data: `digits` or `folder:PATH`; None is digits, which stand in for any.
        steps: to try of each variant; None is 20.
        max_seconds: to try each variant; None is 120.
        settings: as for `paco_prof.breakdown`.

    Raises:
        UsageError: something cannot be; one line says what.
        MeasurementError: the measured code failed; its `result` holds the variants that were measured before.
    """
    with in_python(estimate):
        size = RunSize(
            epochs=epochs,
            batches_per_epoch=batches_per_epoch,
            dataset_size=dataset_size,
            drop_last=drop_last or None,
            eval_size=eval_size,
            eval_every=eval_every,
            gpus=gpus,
            price_per_hour=price_per_hour,
            watts=watts,
        )
        names = (variants,) if isinstance(variants, str) else tuple(variants)
        if _is_measured(source):
            _refuse(model_args=model_args, step=step, replace=replace, stages=stages, data=data, threads=threads)
            _refuse(
                device=None if device == "auto" else device, seed=seed or None, steps=steps, max_seconds=max_seconds
            )
            _refuse(**settings)
            return _projected(_records(source), names, size)
        size.check()
        explicit, overrides = split_settings(estimate, settings)
        handed = hand_over(source, model_args, step, replace, stages, {**explicit, **overrides})
        placed = {"device": device, "seed": seed, "threads": threads}
        base = base_workload(explicit, data=data or DIGITS, **placed, **handed.settings)
        refuse_synthetic(base)
        tried = _once(names or COMPARED[handed.is_own])
        refuse_unused_drop_ins(handed.variants, tried)
        planned = [planned_variant(base, name, overrides, tuple(explicit), handed.variants) for name in tried]
        pace = {"steps": steps, "max_seconds": max_seconds}
        return _tried(planned, size, handed, pace, progress, is_of_data=data is not None)


def _is_measured(source: object) -> bool:
    """Whether it is what was measured before, and nothing to measure."""
    if isinstance(source, list | tuple):
        return True
    if isinstance(source, str):
        return source.endswith(".json") or Path(source).is_file()
    return isinstance(source, os.PathLike | Record)


def _refuse(**given: object) -> None:
    """Find arguments for a measurement where nothing is measured.

    Raises:
        UsageError: there is one.
    """
    name = next((name for name, value in given.items() if value is not None), None)
    if name is not None:
        raise UsageError(f"{name} is for a measurement, and source is what was measured.", "Leave one of them away.")


def _records(source: Any) -> dict[str, Projectable]:
    """The records, by what errors call them.

    Raises:
        UsageError: one cannot be read, is none, or stands there twice.
    """
    records: dict[str, Projectable] = {}
    for number, one in enumerate(source if isinstance(source, list | tuple) else [source], 1):
        if isinstance(one, Record):
            name, record = f"The {one.kind} ({number})" if isinstance(source, list | tuple) else f"The {one.kind}", one
        elif isinstance(one, str | os.PathLike):
            name, record = str(one), read_record(Path(one))
        else:
            raise UsageError(f"source holds a {type(one).__name__}, and no record or path of one.")
        if name in records or record in records.values():
            raise UsageError(f"source holds {name} twice.", "Give each record once.")
        records[name] = record
    if not records:
        raise UsageError(
            "source holds no record.", "Give what breakdown, compare, train or estimate returned or wrote."
        )
    return records


def _projected(records: Mapping[str, Projectable], names: Sequence[str], size: RunSize) -> Estimate:
    record = estimate_of_records(records, names, size, COMMAND)
    # A projection that cannot be made is found now.
    projection_view(record)
    return Estimate.of(record)


def _once(names: Sequence[str]) -> Sequence[str]:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise UsageError(f"{twice!r} stands there twice.", "Name each variant once.")
    return names


def _tried(
    planned: Sequence[Planned],
    size: RunSize,
    handed: Handed,
    pace: Mapping[str, Any],
    progress: Told,
    *,
    is_of_data: bool,
) -> Estimate:
    """An estimate from pilot runs made now."""
    expected = size.expected({each.used.name: each.workload for each in planned}, is_of_data)
    for name, value in pace.items():
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name}={value!r} should be a positive number.")

    from paco_prof.measure.endings import ending
    from paco_prof.measure.process_state import as_it_was
    from paco_prof.measure.user.step import Given
    from paco_prof.training.pilot import PilotPlan, measure_pilots
    from paco_prof.user_code import look_in

    chosen = {name: value for name, value in pace.items() if value is not None}
    plan = PilotPlan(epochs=expected.epochs, evaluates=size.evaluates(is_of_data), **chosen)
    jobs, given = [job_of(each) for each in planned], Given(handed.model, handed.step)
    with as_it_was(jobs[0].workload.device):
        look_in(handed.folders)
        outcome = measure_pilots(jobs, plan, shown_by(progress), lambda _: None, given, is_own_process=False)
    record = estimate_of_pilots(
        outcome.pilots,
        size,
        outcome.data,
        is_of_data=is_of_data,
        command=COMMAND,
        environment=outcome.environment,
        measuring_seconds=outcome.seconds,
        notes=outcome.notes,
    )
    ended = ending(outcome.error, outcome.notes, len(outcome.pilots), "measured variant")
    if record is None:
        # Who interrupts a run of which there is nothing yet ends what they were doing.
        interrupted = outcome.error if isinstance(outcome.error, KeyboardInterrupt) else None
        raise interrupted or ended or MeasurementError("No variant was measured.") from None
    return handed_back(Estimate.of(record), ended, outcome.error)
