"""The all-reduce of gradients, bucket by bucket, while the backward pass goes on."""

# Annotations are left as they are: DistributedDataParallel looks at those of a hook, and wants types, not their names.

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist

from paco_prof import stages
from paco_prof.measure.clock import Clock, Instant
from paco_prof.measure.timeline import Owner
from paco_prof.records import Communication

__all__ = ["Reduced", "Reduction", "communication_of"]

OWNER = Owner(stages.ALL_REDUCE, "backward")


@dataclass(frozen=True, slots=True)
class Reduced:
    """The all-reduce of one step.

    Attributes:
        seconds: time in which at least one bucket was on its way.
        exposed: of that, what came after the last bucket was handed over: backward has nothing left to hide it.
        buckets: how many there were.
        num_bytes: in all of them together.
    """

    seconds: float
    exposed: float
    buckets: int
    num_bytes: int


@dataclass(slots=True)
class _Passage:
    """A bucket on its way: when it was handed over, and when it was back."""

    start: Instant
    end: Instant | None = None
    num_bytes: int = 0


class Reduction:
    """Averages gradients over the ranks, as DistributedDataParallel does by itself, and notes when.

    A bucket is handed over as soon as its gradients are there, while backward goes on; the last one leaves nothing to
    go on with, and from there to its end the pass belongs to the stage `all_reduce`. Nothing is noted but between
    `begin` and `end`.

    Args:
        clock: the device's. What it reads as a bucket is back is, on a device with queues, in that of the all-reduce.
        world_size: how many ranks there are.
    """

    def __init__(self, clock: Clock, world_size: int) -> None:
        self._clock = clock
        self._share = 1 / world_size
        self._passages: list[_Passage] | None = None

    def begin(self) -> None:
        """A step begins whose buckets are to be noted."""
        self._passages = []

    def end(self) -> Reduced | None:
        """The step is over, and the device idle; None where nothing was reduced in it."""
        passages, self._passages = self._passages or [], None
        spans = [(passage.start, passage.end) for passage in passages if passage.end is not None]
        if not passages or len(spans) < len(passages):
            return None
        offsets = _offsets(self._clock, spans)
        last_start = offsets[-1][0]
        exposed = max(0.0, max(end for _, end in offsets) - last_start)
        return Reduced(_union(offsets), exposed, len(passages), sum(passage.num_bytes for passage in passages))

    def hook(self, state: object, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:  # type: ignore[name-defined]
        """A communication hook; see `DistributedDataParallel.register_comm_hook`."""
        if bucket.is_last():
            stages.take_over(stages.ALL_REDUCE)
        buffer = bucket.buffer()
        passage = self._handed_over(buffer)
        # Multiplied before it is summed, as it is without a hook: the same rounding.
        work = dist.all_reduce(buffer.mul_(self._share), async_op=True)
        assert work is not None

        def back(future: torch.futures.Future[list[torch.Tensor]]) -> torch.Tensor:
            if passage is not None:
                passage.end = self._clock.read(OWNER)
            return future.value()[0]

        return work.get_future().then(back)

    def _handed_over(self, buffer: torch.Tensor) -> _Passage | None:
        """A bucket's way as it begins; None where nobody will ask."""
        if self._passages is None:
            return None
        passage = _Passage(self._clock.read(OWNER), num_bytes=buffer.numel() * buffer.element_size())
        self._passages.append(passage)
        return passage


def communication_of(steps: Sequence[Reduced | None]) -> Communication | None:
    """The record of measured steps; None where one of them reduced nothing."""
    reduced = [step for step in steps if step is not None]
    if not reduced or len(reduced) < len(steps):
        return None
    return Communication(
        seconds=tuple(step.seconds for step in reduced),
        exposed=tuple(step.exposed for step in reduced),
        buckets=max(step.buckets for step in reduced),
        num_bytes=max(step.num_bytes for step in reduced),
    )


def _offsets(clock: Clock, spans: Sequence[tuple[Instant, Instant]]) -> list[tuple[float, float]]:
    """Both ends of each span in seconds since the first one began; all on the host's clock where an event was lost."""
    first = spans[0][0]
    readings = [(clock.between(first, start), clock.between(first, end)) for start, end in spans]
    on_device = [
        (start.device, end.device) for start, end in readings if start.device is not None and end.device is not None
    ]
    return on_device if len(on_device) == len(readings) else [(start.host, end.host) for start, end in readings]


def _union(spans: Sequence[tuple[float, float]]) -> float:
    """How long at least one span lasts."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
