"""What the ranks of a training run do at once, whichever of them has the reason: write a checkpoint, or stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from torch import distributed

from paco_prof.measure.distributed.group import ALONE, Group

__all__ = ["AgreedInterrupt", "Together"]


class AgreedInterrupt(KeyboardInterrupt):
    """An interruption that takes effect on all ranks after the same step, so that they can go on from there."""


class Together:
    """The decisions of several ranks between two steps. A process that is alone decides for itself.

    Args:
        group: the ranks.
    """

    def __init__(self, group: Group = ALONE) -> None:
        self.group = group
        self._is_interrupted = False

    @contextmanager
    def holding_interrupts(self) -> Iterator[None]:
        """Within the block let Ctrl-C wait until all ranks have heard of it; a second one takes effect at once.

        A rank that stopped by itself would leave the others waiting for its gradients, with no step to go on from.

        Raises:
            KeyboardInterrupt: at the end of the block, where nobody has heard of one that was held.
        """
        if self.group.is_alone or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._hold)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        if self._is_interrupted:
            raise KeyboardInterrupt

    def decide(self, is_due: bool) -> bool:
        """After a step, or an epoch: whether a checkpoint is due, which is for rank 0's clock to say. All ranks ask.

        Raises:
            AgreedInterrupt: on all ranks, where one of them has been interrupted.
        """
        if self.group.is_alone:
            return is_due
        told = torch.tensor([is_due and self.group.is_first, self._is_interrupted], dtype=torch.uint8)
        distributed.all_reduce(told, distributed.ReduceOp.MAX, group=self.group.control)
        due, interrupted = told.tolist()
        if interrupted:
            raise AgreedInterrupt
        return bool(due)

    def _hold(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_interrupted:
            raise KeyboardInterrupt
        self._is_interrupted = True
