"""The record of an estimate: from what is known of a run's size, and from pilots, measured now or saved before."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from pydantic import ValidationError

from paco_prof import __version__
from paco_prof.analysis.epochs import epoch_images, training_batches
from paco_prof.analysis.pilots import Projectable
from paco_prof.analysis.pilots_together import pilots_together
from paco_prof.errors import UsageError
from paco_prof.records import (
    BreakdownRecord,
    ComparisonRecord,
    DataUsed,
    EstimatePlan,
    EstimateRecord,
    Note,
    Pilot,
    TrainingRunRecord,
)
from paco_prof.settings import Workload

__all__ = ["RunSize", "estimate_of_pilots", "estimate_of_records"]

DEFAULT_BATCHES = 1000


@dataclass(frozen=True)
class RunSize:
    """What somebody says of how long the run is, and of what it costs; see `EstimatePlan`. None is not said."""

    epochs: int | None = None
    batches_per_epoch: int | None = None
    dataset_size: int | None = None
    drop_last: bool | None = None
    eval_size: int | None = None
    eval_every: int | None = None
    gpus: int | None = None
    price_per_hour: float | None = None
    watts: float | None = None

    def plan(self, known: Mapping[str, Any]) -> EstimatePlan:
        """The plan that it makes.

        Args:
            known: what the data or a record says, where nobody says otherwise.

        Raises:
            UsageError: both sizes, or one that cannot be.
        """
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
            option = f"--{str(first['loc'][0]).replace('_', '-')}" if first["loc"] else "The size of the run"
            raise UsageError(f"{option}: {first['msg'].removeprefix('Input ')}.") from error

    def check(self) -> None:
        """Find out before measuring whether both sizes were given.

        Raises:
            UsageError: they were.
        """
        if self.batches_per_epoch is not None and self.dataset_size is not None:
            raise UsageError("--batches-per-epoch and --dataset-size both say how long an epoch is.", "Give one.")

    def expected(self, workloads: Mapping[str, Workload], is_of_data: bool) -> EstimatePlan:
        """The plan, as far as it is known before the data are; what is wrong with it is found before measuring.

        Args:
            workloads: by the names of the variants, the baseline's first.
            is_of_data: whether somebody chose the data, whose size is then the run's.

        Raises:
            UsageError: as for `plan`, or an epoch would have no batch.
        """
        says_nothing = self.dataset_size is None and self.batches_per_epoch is None
        if is_of_data and says_nothing:
            return self.plan({"dataset_size": 1})
        plan = self.plan({})
        images = epoch_images(plan, next(iter(workloads.values())).batch_size)
        for name, workload in workloads.items():
            training_batches(plan, images, workload.batch_size, name)
        return plan

    def evaluates(self, is_of_data: bool) -> bool:
        """Whether the run evaluates."""
        return self.eval_size != 0 and (self.eval_size is not None or is_of_data)


def estimate_of_records(
    records: Mapping[str, Projectable], names: Sequence[str], size: RunSize, command: Sequence[str] = ()
) -> EstimateRecord:
    """An estimate from records; nothing is measured.

    Args:
        records: by the names that errors call them.
        names: of the variants to take from them, the baseline first; all where there is none.
        size: of the run; what it leaves open is as in the first record: in an estimate's own plan, or as a training run
            had it; the devices are those that it was measured on.

    Raises:
        UsageError: a record that cannot be projected from, or an unknown variant.
    """
    size.check()
    pilots = _selected(pilots_together(records), names)
    first = next(iter(records.values()))
    plan = size.plan(_known(first))
    found = {"data": getattr(first, "data", None), "environment": first.environment}
    return _new_record(pilots, plan, command, notes=_left_out(records.values()), **found)


def estimate_of_pilots(
    pilots: Sequence[Pilot],
    size: RunSize,
    data: DataUsed | None,
    *,
    is_of_data: bool,
    command: Sequence[str] = (),
    **found: Any,
) -> EstimateRecord | None:
    """An estimate from pilots that were measured just now; None where there is none.

    Args:
        data: that they were measured on.
        is_of_data: whether somebody chose them: their size is then the run's, and that of data which stand in for any
            is not.
        found: what else the record keeps.
    """
    if not pilots:
        return None
    known = _size_of(data) if is_of_data and data is not None else {}
    return _new_record(pilots, size.plan(known), command, data=data, **found)


def _left_out(records: Iterable[Projectable]) -> tuple[Note, ...]:
    """That launches of other machines than a comparison's own are in no pilot."""
    comparisons = [record for record in records if isinstance(record, ComparisonRecord)]
    places = [(record, launch.environment) for record in comparisons for launch in record.launches]
    number = sum(not record.is_of_this_machine(environment) for record, environment in places)
    return (Note(code="other_machines", number=number),) if number else ()


def _known(record: Projectable) -> dict[str, Any]:
    """What a record says of the run's size."""
    if isinstance(record, EstimateRecord):
        return record.plan.model_dump()
    if isinstance(record, TrainingRunRecord):
        devices = record.workload.world_size
        return {**_size_of(record.data), "eval_every": record.plan.eval_every, "gpus": devices}
    if isinstance(record, BreakdownRecord):
        return {"gpus": record.workload.world_size}
    return {"gpus": record.baseline.workload.world_size} if isinstance(record, ComparisonRecord) else {}


def _size_of(data: DataUsed) -> dict[str, Any]:
    return {"dataset_size": data.num_train, "drop_last": data.drop_last, "eval_size": data.num_eval}


def _selected(pilots: Sequence[Pilot], names: Sequence[str]) -> tuple[Pilot, ...]:
    """The pilots of those names, in their order; all of them where no name is given."""
    known: dict[str, list[Pilot]] = {}
    for pilot in pilots:
        known.setdefault(pilot.name, []).append(pilot)
    for place, name in enumerate(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"Did you mean {', '.join(near)}?" if near else f"There are {', '.join(known)}."
            raise UsageError(f"The records hold no variant {name!r}.", hint)
        if name in names[:place]:
            raise UsageError(f"{name!r} stands there twice.", "Name each variant once.")
    return tuple(chain.from_iterable(known[name] for name in names)) if names else tuple(pilots)


def _new_record(pilots: Sequence[Pilot], plan: EstimatePlan, command: Sequence[str], **found: Any) -> EstimateRecord:
    return EstimateRecord(
        tool_version=__version__,
        command=tuple(command),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        plan=plan,
        pilots=tuple(pilots),
        **found,
    )
