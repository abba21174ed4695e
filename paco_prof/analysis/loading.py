"""Whether training waits for its images, and how many processes that load them would end the wait."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from paco_prof import stages
from paco_prof.records import DataUsed, Environment, EpochResult, Training
from paco_prof.settings import Workload

__all__ = ["LoaderIsBottleneck", "find_loader_in_epochs", "find_loader_in_steps"]

# Share of an iteration that may be waiting before it is worth saying.
WAITING_SHARE = 0.10


@dataclass(frozen=True, slots=True)
class LoaderIsBottleneck:
    """Training waits for its images; seconds an iteration, which is a step and the wait before it.

    Attributes:
        waiting: until the batch was there.
        step: without waiting.
        loading: what loading a batch takes the process that does it; None where not measured.
        workers: processes that loaded; 0 is the process that trains.
        needed: about how many would hide the wait; None where what loading takes is not known.
        cores: of the machine, where known.
        shares_cores: the step runs on the same cores.
        name: of the variant, where there are several.
    """

    waiting: float
    step: float
    loading: float | None
    workers: int
    needed: int | None
    cores: int | None
    shares_cores: bool
    name: str = ""

    @property
    def share(self) -> float:
        """Of an iteration."""
        return self.waiting / (self.waiting + self.step)

    @property
    def is_too_many(self) -> bool:
        """Whether more processes are needed than there are cores."""
        return self.needed is not None and self.cores is not None and self.needed > self.cores


def find_loader_in_steps(
    trainings: Sequence[Training], workload: Workload, environment: Environment | None, name: str = ""
) -> Iterator[LoaderIsBottleneck]:
    """From measured steps, all of them: with several workers a long wait is followed by short ones, and the typical
    step may be one that never waits.
    """
    num_steps = sum(len(training.steps) for training in trainings)
    if num_steps == 0:
        return
    waiting = sum(sum(_waiting(training)) for training in trainings) / num_steps
    step = sum(sum(training.steps) for training in trainings) / num_steps - waiting
    loading = [seconds for training in trainings for seconds in training.loading]
    on_cpu = workload.device == "cpu"
    yield from _find(
        waiting, step, median(loading) if loading else None, workload.workers or 0, environment, on_cpu, name
    )


def find_loader_in_epochs(
    epochs: Sequence[EpochResult], workload: Workload, data: DataUsed, environment: Environment | None, name: str = ""
) -> Iterator[LoaderIsBottleneck]:
    """From the epochs of a training run; the wait for an epoch's first batch is of another kind, and left out."""
    num_batches = sum(result.num_batches for result in epochs)
    if num_batches == 0:
        return
    waiting = sum(result.waiting_seconds for result in epochs) / num_batches
    step = sum(result.step_seconds for result in epochs) / num_batches
    known = [result.loading_seconds / result.num_batches for result in epochs if result.loading_seconds is not None]
    on_cpu = workload.device == "cpu"
    yield from _find(waiting, step, fmean(known) if known else None, data.workers, environment, on_cpu, name)


def _waiting(training: Training) -> list[float]:
    """Seconds that each step waited, by the host's clock: it is the host that waits."""
    inside = [
        stage.host for stage in training.stages if stage.path == stages.DATA or stage.path.startswith(f"{stages.DATA}/")
    ]
    return [sum(values) for values in zip(*inside, strict=True)]


def _find(
    waiting: float,
    step: float,
    loading: float | None,
    workers: int,
    environment: Environment | None,
    on_cpu: bool,
    name: str,
) -> Iterator[LoaderIsBottleneck]:
    if step <= 0 or waiting <= WAITING_SHARE * (waiting + step):
        return
    if loading is None and workers == 0:
        # Whoever loads by itself waits for as long as it loads.
        loading = waiting
    needed = None if loading is None else max(workers + 1, math.ceil(loading / step))
    cores = None if environment is None else environment.cores
    yield LoaderIsBottleneck(waiting, step, loading, workers, needed, cores, on_cpu, name)
