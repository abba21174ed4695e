"""Several ranks as a table over them, the one that the others wait for, and what their communication costs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from paco_prof import stages
from paco_prof.analysis.breakdown import stage_paths, stage_seconds
from paco_prof.records import BreakdownRecord, Communication, RankResult, Training
from paco_prof.stats.summary import CONFIDENCE, Estimate, median_estimate

__all__ = ["CommunicationView", "OverRanks", "RanksView", "Straggler", "own_work", "ranks_view"]

# In these a rank waits for others; its own work is the rest of its step.
WAITS = frozenset({stages.BUFFER_SYNC, stages.GATHERING, stages.ALL_REDUCE})
# A rank that works so much longer than the others is worth a word.
STRAGGLES_FROM = 0.05


@dataclass(frozen=True, slots=True)
class OverRanks:
    """A figure that each rank has: the smallest, the middle and the largest, and whose the largest is."""

    minimum: float
    median: float
    maximum: float
    largest: int


@dataclass(frozen=True, slots=True)
class Straggler:
    """The rank that works longest, beside the median of the others.

    Attributes:
        rank: its number.
        excess: by how much longer it works, as a share, paired step by step; its interval allows for having been chosen
            out of all ranks (95 % confidence for all of theirs together).
        established: whether the interval excludes zero and the excess is worth a word.
        least_steps: how many steps an interval of that confidence takes.
        seconds: by how much longer, in a step.
        stage: in which it loses most of that; empty where that is in no stage.
        stage_seconds: how much.
    """

    rank: int
    excess: Estimate
    established: bool
    least_steps: int
    seconds: float
    stage: str
    stage_seconds: float


@dataclass(frozen=True, slots=True)
class CommunicationView:
    """The all-reduce of gradients: seconds a step, over ranks.

    Attributes:
        total: in which some bucket was on its way, waiting for slower ranks included.
        exposed: of that, what backward does not hide.
        hidden: the share that it does.
        least: exposed on the rank that came last in each step, and so waited for nobody: the network's own part.
        buckets, num_bytes: in a step.
    """

    total: OverRanks
    exposed: OverRanks
    hidden: OverRanks
    least: float
    buckets: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class RanksView:
    """What ranks say together.

    Attributes:
        world_size: how many there were.
        numbers: of those whose steps are known.
        backend, devices, machines: what they talked through, what they ran on, and how many machines.
        num_steps: that all of them took.
        rows: (path, depth, calls, seconds over ranks), in the order of the bottleneck table.
        step, work: the step, and what of it a rank does not spend waiting for others.
        straggler: None where only one rank's steps are known.
        communication: None where it was not measured, or only one rank's is known.
    """

    world_size: int
    numbers: tuple[int, ...]
    backend: str
    devices: tuple[str, ...]
    machines: int
    num_steps: int
    rows: tuple[tuple[str, int, int, OverRanks], ...]
    step: OverRanks
    work: OverRanks
    straggler: Straggler | None
    communication: CommunicationView | None


def ranks_view(record: BreakdownRecord) -> RanksView | None:
    """The view of a record; None of a process that was alone, or where no rank took a step."""
    ranks = record.ranks
    if ranks is None or not ranks.results:
        return None
    results = sorted(ranks.results, key=lambda result: result.rank)
    trainings = [result.training for result in results]

    def over(seconds: Callable[[Training], Sequence[float | None]]) -> OverRanks:
        return _over(results, [_middle(seconds(training)) for training in trainings])

    return RanksView(
        world_size=ranks.world_size,
        numbers=tuple(result.rank for result in results),
        backend=ranks.backend,
        devices=tuple(dict.fromkeys(result.device for result in results)),
        machines=len({result.node for result in results}),
        num_steps=min(len(training.steps) for training in trainings),
        rows=tuple(
            (path, path.count("/"), _calls(trainings[0], path), over(partial(_of_stage, path)))
            for path in stage_paths(trainings)
        ),
        step=over(lambda training: training.steps),
        work=over(own_work),
        straggler=_straggler(results) if len(results) > 1 else None,
        communication=_communication(results) if len(results) > 1 else None,
    )


def own_work(training: Training) -> list[float]:
    """Seconds of each step in which a rank did not wait for others."""
    waits = [seconds for path, seconds in _own_times(training).items() if path.rpartition("/")[2] in WAITS]
    return _less(training.steps, waits)


def _less(steps: Sequence[float], parts: Sequence[Sequence[float]]) -> list[float]:
    """What parts leave of each step."""
    return [step - sum(part[index] for part in parts) for index, step in enumerate(steps)]


def _of_stage(path: str, training: Training) -> list[float | None]:
    return stage_seconds(training, path)


def _own_times(training: Training) -> dict[str, list[float]]:
    """Seconds of each stage in each step, all phases, stages inside it excluded."""
    times: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(training.steps))
    for samples in training.stages:
        # Where an event was lost the host's clock is the better guess.
        known = [host if value is None else value for value, host in zip(samples.seconds, samples.host, strict=True)]
        times[samples.path] = [one + other for one, other in zip(times[samples.path], known, strict=True)]
    return times


def _straggler(results: Sequence[RankResult]) -> Straggler:
    """The rank with the largest excess over the median of the others, each step beside the same step.

    It is chosen out of W ranks for being the largest, so that each has an interval of 1 - 0.05 / W confidence
    (Bonferroni): in at most one run of twenty is somebody named of whom chance alone made a straggler.
    """
    work = [own_work(result.training) for result in results]
    confidence = 1 - (1 - CONFIDENCE) / len(results)
    excesses = [
        median_estimate([mine / others - 1 for mine, others in _beside_the_others(work, index)], confidence)
        for index in range(len(results))
    ]
    worst = max(range(len(results)), key=lambda index: excesses[index].median)
    excess = excesses[worst]
    times = [_own_times(result.training) for result in results]
    for result, each in zip(results, times, strict=True):
        each[""] = _less(result.training.steps, list(each.values()))
    losses = {
        path: _lost([each.get(path, [0.0] * len(w)) for each, w in zip(times, work, strict=True)], worst)
        for path in times[worst]
        if path.rpartition("/")[2] not in WAITS
    }
    stage = max(losses, key=lambda path: losses[path])
    return Straggler(
        rank=results[worst].rank,
        excess=excess,
        established=excess.confidence >= confidence and excess.low > 0 and excess.median > STRAGGLES_FROM,
        least_steps=1 + math.ceil(-math.log2(1 - confidence)),
        seconds=_lost(work, worst),
        stage=stage,
        stage_seconds=losses[stage],
    )


def _beside_the_others(series: Sequence[Sequence[float]], index: int) -> list[tuple[float, float]]:
    """One rank's value and the median of the others', step by step."""
    # A rank that died may have been a step behind.
    steps = zip(*series, strict=False)
    return [(step[index], median(value for other, value in enumerate(step) if other != index)) for step in steps]


def _lost(series: Sequence[Sequence[float]], index: int) -> float:
    return median(mine - others for mine, others in _beside_the_others(series, index))


def _communication(results: Sequence[RankResult]) -> CommunicationView | None:
    known = [result.communication for result in results if result.communication is not None]
    if len(known) < len(results) or not all(each.seconds for each in known):
        return None
    hidden = [_hidden(each) for each in known]
    return CommunicationView(
        total=_over(results, [median(each.seconds) for each in known]),
        exposed=_over(results, [median(each.exposed) for each in known]),
        hidden=_over(results, hidden),
        least=median(min(step) for step in zip(*(each.exposed for each in known), strict=False)),
        buckets=known[0].buckets,
        num_bytes=known[0].num_bytes,
    )


def _hidden(communication: Communication) -> float:
    """The share of the all-reduce that backward hides, in the median step."""
    steps = zip(communication.seconds, communication.exposed, strict=True)
    return median(1 - exposed / total if total > 0 else 0.0 for total, exposed in steps)


def _over(results: Sequence[RankResult], values: Sequence[float]) -> OverRanks:
    largest = max(range(len(values)), key=lambda index: values[index])
    return OverRanks(min(values), median(values), values[largest], results[largest].rank)


def _middle(seconds: Sequence[float | None]) -> float:
    known = [value for value in seconds if value is not None]
    return median(known) if known else 0.0


def _calls(training: Training, path: str) -> int:
    return max((samples.calls for samples in training.stages if samples.path == path), default=1)
