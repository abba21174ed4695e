"""Processes of a measurement of growth that are played, on a clock that is theirs alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from builders import CPU, RESNET50
from paco_prof.measure.scaling.beginning import new_survey
from paco_prof.measure.scaling.work import Work
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.surveyor import ScaleOutcome, Surveyor
from paco_prof.measure.timeline import Owner, Span
from paco_prof.measure.worker_handle import MemoryLimit, Ready, WorkerError
from paco_prof.records import (
    Contestant,
    Environment,
    FailureKind,
    MachineState,
    Memory,
    SavedBytes,
    ScalePlan,
    ScaleRecord,
)
from paco_prof.settings import Workload
from paco_prof.variants.contestants import Field
from paco_prof.variants.scaling import parse_factors, scaled

__all__ = ["ROOM", "Lab", "PlayedSize", "survey"]

START_SECONDS = 2.0
# Of the machine on which the search for the largest batch is played.
BYTES_EACH = 10
ROOM = 1000


def survey(
    *vary: str, variants: Sequence[str] = ("baseline", "exact"), base: Field | None = None, **plan: Any
) -> ScaleRecord:
    """A record of which nothing has been measured; batches of 2, 4 and 8 where nothing else is varied."""
    factors = parse_factors(vary or ("batch-size=2,4,8",))
    chosen = {"launches": 1, "steps": 3, **plan}
    contestants = scaled(base or Field(RESNET50), variants, factors)
    return new_survey(contestants, ScalePlan(factors=factors, **chosen), ["paco-prof", "scale"])


def cubic(contestant: Contestant) -> float:
    """Seconds of a step: the baseline's grow with the cube of the batch, another one's with the batch."""
    batch = contestant.workload.batch_size
    return 0.001 * batch**3 if contestant.name == "baseline" else 0.01 * batch


class PlayedMonitor:
    """Watches nothing."""

    def __init__(self, accelerator_uuid: str | None) -> None: ...

    def begin(self, pids: list[int]) -> None: ...

    def end(self) -> MachineState:
        return MachineState(load_average=0.5)


@dataclass
class PlayedSize:
    """A process that takes steps of one variant at one size."""

    lab: Lab
    contestant: Contestant
    limit: MemoryLimit
    pid: int
    steps: int = 0
    closed: bool = False

    @property
    def batch(self) -> int:
        return self.contestant.workload.batch_size

    def ready(self, timeout: float) -> Ready:
        self._ask("start", START_SECONDS)
        told = {"device": "cpu", "feature_map": (2048, 7, 7), "num_parameters": 12_345}
        built = self.lab.build(self.contestant.workload.model_copy(update=told))
        return Ready(
            {
                "contestant": self.contestant.model_copy(update={"workload": built}).model_dump(mode="json"),
                "environment": self.lab.environment_of(self).model_dump(mode="json"),
                "accelerator_uuid": None,
                **({} if self.limit is None else {"room_bytes": self._room(), "room_of_device": self.lab.of_device}),
            }
        )

    def step(self, timeout: float) -> TimedStep:
        seconds = self.lab.seconds(self.contestant)
        self.steps += 1
        self._ask("step", seconds)
        if self.limit is not None and self.batch * BYTES_EACH > self._room():
            raise self.failure("out of memory", "step")
        spans = {
            Owner("backbone", "forward"): Span(seconds / 2, None),
            Owner("loss", "backward"): Span(seconds / 2, None),
        }
        return TimedStep(seconds, spans, dict.fromkeys(spans, 1), {"total": 1.0}, 0.0)

    def memory(self, timeout: float) -> Memory:
        self._ask("memory", 0.0)
        return Memory(process_peak_bytes=self.batch * BYTES_EACH)

    def memory_by_stage(self, timeout: float) -> Memory:
        self._ask("memory by stage", 0.0)
        return Memory(
            process_peak_bytes=self.batch * BYTES_EACH, saved=(SavedBytes(path="backbone", num_bytes=self.batch),)
        )

    def close(self) -> None:
        self.closed = True

    def failure(self, kind: FailureKind, during: str, peak_bytes: int = 99, code: int | None = None) -> WorkerError:
        return WorkerError(self.pid, kind, during, f"it is {kind}", "Do something.", peak_bytes, code)

    def _room(self) -> int:
        return ROOM if isinstance(self.limit, str) or self.limit is None else self.limit

    def _ask(self, what: str, seconds: float) -> None:
        assert not self.closed, "a process that was closed is asked"
        self.lab.events.append((what, self.contestant.name, self.batch))
        self.lab.trouble(self, what)
        self.lab.clock += seconds


@dataclass
class Lab:
    """A clock, and everything that happens in a measurement of growth.

    Attributes:
        seconds: of a contestant's step.
        trouble: called before an answer is given; what it raises is raised by the process.
        environment_of: where a process says that it runs.
        of_device: the memory that runs out is a device's.
        build: what becomes of a workload where it is built.
    """

    seconds: Callable[[Contestant], float] = cubic
    trouble: Callable[[PlayedSize, str], None] = lambda process, what: None
    environment_of: Callable[[PlayedSize], Environment] = lambda process: CPU
    of_device: bool = False
    build: Callable[[Workload], Workload] = lambda workload: workload
    clock: float = 1000.0
    started: list[PlayedSize] = field(default_factory=list)
    events: list[tuple[str, str, int]] = field(default_factory=list)
    saved: list[ScaleRecord] = field(default_factory=list)
    save: Callable[[ScaleRecord], None] = lambda record: None

    def launch(self, contestant: Contestant, *, keep_initial: bool, memory_limit: MemoryLimit = None) -> PlayedSize:
        assert not [process for process in self.started if not process.closed], "two processes at a time"
        self.started.append(PlayedSize(self, contestant, memory_limit, 100 + len(self.started)))
        return self.started[-1]

    def run(
        self, record: ScaleRecord, only: Sequence[Work] | None = None, most_trials: int | None = None
    ) -> ScaleOutcome:
        """The outcome; nothing is left open, and what was saved last is what comes out."""

        def save(record: ScaleRecord) -> None:
            self.save(record)
            self.saved.append(record)

        how = (lambda: self.clock, PlayedMonitor, only, most_trials)
        surveyor = Surveyor(record, self.launch, _Quiet(), save, *how)  # type: ignore[arg-type]
        outcome = surveyor.run()
        assert all(process.closed for process in self.started)
        return outcome

    def taken(self) -> list[tuple[str, int]]:
        """Which variant's process was started with which batch, in order."""
        return [(name, batch) for what, name, batch in self.events if what == "start"]


class _Quiet:
    def begin(self, what: str) -> None: ...

    def update(self, elapsed: float, left: float) -> None: ...
