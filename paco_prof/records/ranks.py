"""What was measured on each of several devices that train one model together."""

from __future__ import annotations

from pydantic import Field, model_validator

from paco_prof.records.base import Frozen, Samples
from paco_prof.records.training import Training

__all__ = ["Communication", "RankResult", "Ranks"]


class Communication(Frozen):
    """The all-reduce of gradients on one rank, a sample a measured step.

    Attributes:
        seconds: time in which at least one bucket was on its way, waiting for slower ranks included.
        exposed: of that, what came after the last gradient was there: nothing of backward hides it.
        buckets: that a step reduces.
        num_bytes: of gradients that a step reduces.
    """

    seconds: Samples
    exposed: Samples
    buckets: int = Field(default=0, ge=0)
    num_bytes: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _a_sample_a_step(self) -> Communication:
        if len(self.seconds) != len(self.exposed):
            raise ValueError("communication needs both times of every step")
        return self


class RankResult(Frozen):
    """One rank.

    Attributes:
        rank: its number.
        node: the number of its machine, from 0 in the order of ranks.
        device: as torch calls it, `cuda:1`.
        training: its steps; the n-th of every rank are the same step.
        communication: None where gradients were not reduced.
    """

    rank: int = Field(ge=0)
    node: int = Field(default=0, ge=0)
    device: str = "cpu"
    training: Training
    communication: Communication | None = None


class Ranks(Frozen):
    """All ranks of a run that had several.

    Attributes:
        backend: what they talk through, `gloo` or `nccl`.
        results: one a rank, in their order; where a rank had died, those that could still be told.
    """

    world_size: int = Field(ge=2)
    backend: str
    results: tuple[RankResult, ...] = ()
