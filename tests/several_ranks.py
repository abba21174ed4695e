"""Breakdown records of several ranks, made up: what each rank takes in which stage is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builders import JITTER, ON_CPU, Times, cpu_record, training_of
from paco_prof.records import BreakdownRecord, Communication, RankResult, Ranks

__all__ = ["ranks_record"]

BUFFERS, EXPOSED = 0.004, 0.030


def ranks_record(
    slower: Mapping[int, Mapping[str, float]] | None = None,
    num_ranks: int = 3,
    factors: Sequence[float] = JITTER,
    results: Sequence[int] | None = None,
    **workload: object,
) -> BreakdownRecord:
    """A run on a CPU of several ranks, which all end their step at the same time.

    Args:
        slower: seconds by which a rank takes longer, forward, in each of some stages; the others wait for it.
        num_ranks: how many there are.
        factors: of each step's times, the same on all ranks.
        results: ranks whose results are known; all by default.
        workload: settings that differ.
    """
    slower = slower or {}
    delay = max((sum(stages.values()) for stages in slower.values()), default=0.0)
    told = []
    for rank in range(num_ranks) if results is None else results:
        mine = slower.get(rank, {})
        stages = [
            Times(t.path, (t.forward or 0.0) + mine[t.path], t.backward, t.other, t.calls) if t.path in mine else t
            for t in ON_CPU
        ]
        exposed = EXPOSED + delay - sum(mine.values())
        stages += [Times("buffer_sync", forward=BUFFERS), Times("all_reduce", backward=exposed)]
        training = training_of(stages, factors, losses=cpu_record().training.losses, warmup=(9.1, 7.2))
        communication = Communication(
            seconds=tuple((exposed + 0.050) * factor for factor in factors),
            exposed=tuple(exposed * factor for factor in factors),
            buckets=5,
            num_bytes=96_195_620,
        )
        told.append(RankResult(rank=rank, training=training, communication=communication))
    record = cpu_record(training=told[0].training)
    settings = {"world_size": num_ranks, **workload}
    return record.model_copy(
        update={
            "command": ("torchrun", "--nproc-per-node", str(num_ranks), "-m", "paco_prof", "breakdown"),
            "workload": record.workload.model_copy(update=settings),
            "ranks": Ranks(world_size=num_ranks, backend="gloo", results=tuple(told)),
        }
    )
