"""What ranks have measured, put together on the first of them."""

from __future__ import annotations

import torch

from paco_prof.measure.distributed.group import Group
from paco_prof.records import Communication, RankResult, Ranks, Training

__all__ = ["RanksSoFar"]


class RanksSoFar:
    """The results of all ranks, once they have been gathered; until then this one's.

    Args:
        group: the ranks.
        device: of this one.
    """

    def __init__(self, group: Group, device: torch.device) -> None:
        self._group = group
        self._device = device
        self._gathered: list[RankResult | None] | None = None

    def gather(self, training: Training | None, communication: Communication | None) -> None:
        """Every rank tells the first one what it has measured. Collective."""
        if not self._group.is_alone:
            self._gathered = self._group.gathered(self._mine(training, communication))

    def record(self, training: Training | None, communication: Communication | None) -> Ranks | None:
        """What is known now of all of them; None of a process that is alone."""
        if self._group.is_alone:
            return None
        results = self._gathered or [self._mine(training, communication)]
        return Ranks(
            world_size=self._group.place.world_size,
            backend=self._group.backend,
            results=tuple(result for result in results if result is not None),
        )

    def _mine(self, training: Training | None, communication: Communication | None) -> RankResult | None:
        if training is None:
            return None
        return RankResult(
            rank=self._group.place.rank,
            node=self._group.node,
            device=str(self._device),
            training=training,
            communication=communication,
        )
