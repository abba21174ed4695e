"""What a record measured of training steps, whatever its kind: of which code, of which workload, on which machine."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from paco_prof.analysis.machines import by_machine
from paco_prof.records import (
    YARDSTICK,
    BreakdownRecord,
    CheckRecord,
    ComparisonRecord,
    Contestant,
    Environment,
    Launch,
    Training,
)
from paco_prof.settings import Workload
from paco_prof.stages import Phase
from paco_prof.stats.paired import launch_effect
from paco_prof.store import Record

__all__ = ["MeasuredSteps", "is_quoted", "measured_steps"]

# What only building a workload tells.
_BUILT = {"matching_cost": "", "feature_map": None, "num_parameters": None}
# Digits by which the environment names a commit.
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class MeasuredSteps:
    """Steps of one code, workload and variant out of one record.

    Attributes:
        file: the record's name.
        created: when it was made, as the record says.
        commit: whose code it was, with `+` where the checkout had changes; None where nothing tells.
        workload: as it was asked for, without what only building it told, at the batch that was run.
        variant: its name.
        trainings: one a launch, without stages.
        num_launches: fresh processes that they are from.
        yardstick: workload and variant of the reference step in the same launches; None where there was none.
        ratios: step over yardstick, one a launch; empty where there was none.
    """

    file: str
    created: str
    environment: Environment | None
    commit: str | None
    workload: Workload
    variant: str
    trainings: tuple[Training, ...]
    num_launches: int
    yardstick: tuple[Workload, str] | None = None
    ratios: tuple[float, ...] = ()


def is_quoted(record: Record) -> bool:
    """Whether its figures are somebody else's, of a machine and a code that nobody here has."""
    return isinstance(record, BreakdownRecord) and record.source.kind == "quoted"


def measured_steps(file: str, record: Record) -> tuple[MeasuredSteps, ...]:
    """All that a record measured of steps; empty for a record that holds none, or that is quoted."""
    if is_quoted(record):
        return ()
    if isinstance(record, BreakdownRecord):
        return _of_breakdown(file, record)
    if isinstance(record, ComparisonRecord):
        return tuple(
            steps
            for part in by_machine(record)
            for steps in _of_comparison(file, part, record.created, part.environment)
        )
    if isinstance(record, CheckRecord):
        return tuple(
            steps
            for one in record.comparisons
            for steps in _of_comparison(file, one, one.created or record.created, one.environment or record.environment)
        )
    return ()


def _of_breakdown(file: str, record: BreakdownRecord) -> tuple[MeasuredSteps, ...]:
    if record.training is None:
        return ()
    environment = record.environment
    commit = None if environment is None else environment.commit
    steps = MeasuredSteps(
        file=file,
        created=record.created,
        environment=environment,
        commit=commit,
        workload=_as_asked(record.workload),
        variant=record.variant.name,
        trainings=(_steps_alone(record.training),),
        num_launches=1,
    )
    return (steps,)


def _of_comparison(
    file: str, record: ComparisonRecord, created: str, environment: Environment | None
) -> Iterable[MeasuredSteps]:
    """Each contestant but the yardstick, once for each batch that it was run at."""
    names = [contestant.name for contestant in record.contestants]
    yardstick = names.index(YARDSTICK) if YARDSTICK in names else None
    for place, contestant in enumerate(record.contestants):
        if place == yardstick:
            continue
        launches = _launches_with(record, place)
        for halvings in sorted({launch.halvings for launch in launches}):
            mine = [launch for launch in launches if launch.halvings == halvings]
            ratios = () if yardstick is None else _ratios(record, place, yardstick, halvings)
            yield MeasuredSteps(
                file=file,
                created=created,
                environment=environment,
                commit=_commit_of(contestant, environment),
                workload=_as_asked(contestant.halved(halvings).workload),
                variant=contestant.variant.name,
                trainings=tuple(_steps_alone(_training(launch, place)) for launch in mine),
                num_launches=len({launch.round for launch in mine}),
                yardstick=None if yardstick is None or not ratios else _identity(record.contestants[yardstick]),
                ratios=ratios,
            )


def _launches_with(record: ComparisonRecord, place: int) -> list[Launch]:
    """The complete launches that a contestant took part in, the baseline in all of them."""
    places = [place] if place else range(1, len(record.contestants))
    return [launch for other in places for launch in record.launches_of(other)]


def _training(launch: Launch, place: int) -> Training:
    return launch.variant.training if place else launch.baseline.training


def _ratios(record: ComparisonRecord, place: int, yardstick: int, halvings: int) -> tuple[float, ...]:
    """Step over yardstick in each round that has both, through the baseline where neither of the two is it."""
    steps, references = (_over_baseline(record, one, halvings) for one in (place, yardstick))
    return tuple(math.exp(steps[number] - references[number]) for number in sorted(steps.keys() & references.keys()))


def _over_baseline(record: ComparisonRecord, place: int, halvings: int) -> dict[int, float]:
    """Round -> log of the step's time over the baseline's in the same launch."""
    launches = [launch for launch in _launches_with(record, place) if launch.halvings == halvings]
    return {launch.round: -_effect(launch) if place else 0.0 for launch in launches}


def _effect(launch: Launch) -> float:
    before, after = launch.baseline.training.steps, launch.variant.training.steps
    return launch_effect(before, after, not launch.sequential, launch.baseline_first)


def _commit_of(contestant: Contestant, environment: Environment | None) -> str | None:
    """A revision that the contestant's code was taken from, or else what the run was started in."""
    if contestant.revision is None:
        return None if environment is None else environment.commit
    match = re.fullmatch(r"([0-9a-f]{12,})(\+?)", contestant.revision)
    return contestant.revision if match is None else match[1][:_DIGITS] + match[2]


def _identity(contestant: Contestant) -> tuple[Workload, str]:
    return _as_asked(contestant.workload), contestant.variant.name


def _as_asked(workload: Workload) -> Workload:
    return workload.model_copy(update=_BUILT)


def _steps_alone(training: Training) -> Training:
    """What the typical step needs: to pool the stages of hundreds of records would take long, and show nothing."""
    nothing = (0.0,) * len(training.steps)
    phases = {phase: training.phases.get(phase, nothing) for phase in get_args(Phase)}
    return Training(steps=training.steps, phases=phases, stages=(), stop_reason=training.stop_reason)
