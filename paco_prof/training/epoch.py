"""An epoch while it is trained: what its result will be made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from paco_prof.data.batch import Batch
from paco_prof.records import EpochResult, PartsHealth

__all__ = ["EpochInProgress"]

# PaC so near to alpha is alpha.
AT_ALPHA = 0.01


@dataclass
class EpochInProgress:
    """What has been done of an epoch so far; see `EpochResult`.

    Attributes:
        losses: name -> value of each step, None where it had no loss of that name; on the device until somebody asks.
    """

    epoch: int
    num_batches: int = 0
    num_images: int = 0
    start_seconds: float = 0.0
    waiting_seconds: float = 0.0
    step_seconds: float = 0.0
    loading_seconds: float = 0.0
    checkpoint_seconds: float = 0.0
    evaluation_seconds: float | None = None
    seconds: float = 0.0
    losses: dict[str, list[Tensor | None]] = field(default_factory=dict)
    parts: PartsHealth | None = None

    def add(self, batch: Batch, losses: dict[str, Tensor], waited: float, *, is_first: bool) -> None:
        """Count a step whose batch was waited for so long."""
        if is_first:
            self.start_seconds += waited
        else:
            self.waiting_seconds += waited
        for name in losses:
            self.losses.setdefault(name, [None] * self.num_batches)
        for name, values in self.losses.items():
            values.append(losses.get(name))
        self.num_batches += 1
        self.num_images += len(batch)
        self.loading_seconds += batch.loading_seconds or 0.0

    @classmethod
    def joined(cls, epochs: Sequence[EpochInProgress]) -> EpochInProgress:
        """One epoch out of those of several ranks, each of which took part in every step: images are summed, losses,
        parts and loading averaged, and all other times are the first rank's. A loss of a step is the mean over those
        ranks that had it.
        """
        values = [epoch._values() for epoch in epochs]
        names = dict.fromkeys(name for each in values for name in each)
        lacking: list[float | None] = [None] * epochs[0].num_batches
        return replace(
            epochs[0],
            num_images=sum(epoch.num_images for epoch in epochs),
            loading_seconds=fmean(epoch.loading_seconds for epoch in epochs),
            losses={
                name: [_mean(step) for step in zip(*(v.get(name, lacking) for v in values), strict=True)]
                for name in names
            },
            parts=_parts_of_all([epoch.parts for epoch in epochs]),
        )

    def latest(self) -> dict[str, float]:
        """The losses of the last step; on a device with a queue of its own they are waited for."""
        latest = {name: values[-1] for name, values in self.losses.items()}
        return {name: float(value) for name, value in latest.items() if value is not None}

    def result(self, alpha: float, learning_rate: float, accuracy: float | None) -> EpochResult:
        """The epoch, now that it is over."""
        values = self._values()
        steps = [_known(step) for step in zip(*values.values(), strict=True)]
        at_alpha = [abs(pac - alpha) <= AT_ALPHA * abs(alpha) for pac in _known(values.get("pac", []))]
        return EpochResult(
            epoch=self.epoch,
            num_batches=self.num_batches,
            num_images=self.num_images,
            learning_rate=learning_rate,
            losses={name: _finite_mean(_known(series)) for name, series in values.items()},
            at_alpha=fmean(at_alpha) if at_alpha else 0.0,
            non_finite=sum(1 for step in steps if not all(map(math.isfinite, step))),
            parts=self.parts,
            seconds=self.seconds,
            start_seconds=self.start_seconds,
            waiting_seconds=self.waiting_seconds,
            step_seconds=self.step_seconds,
            loading_seconds=self.loading_seconds,
            evaluation_seconds=self.evaluation_seconds,
            checkpoint_seconds=self.checkpoint_seconds,
            accuracy=accuracy,
        )

    def state(self) -> dict[str, Any]:
        """All of it as plain numbers, for a checkpoint."""
        names = ("losses", "parts")
        numbers = {name: value for name, value in vars(self).items() if name not in names}
        parts = None if self.parts is None else self.parts.model_dump()
        return {**numbers, "losses": self._values(), "parts": parts}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> EpochInProgress:
        """The epoch that `state` was taken of."""
        parts = state["parts"]
        losses = {
            name: [None if value is None else torch.tensor(value) for value in values]
            for name, values in state["losses"].items()
        }
        return cls(**{**state, "losses": losses, "parts": None if parts is None else PartsHealth(**parts)})

    def _values(self) -> dict[str, list[float | None]]:
        """Read together: a device is waited for once a loss, and not once a step."""
        read: dict[str, list[float | None]] = {}
        for name, values in self.losses.items():
            known = iter(torch.stack([value for value in values if value is not None]).tolist())
            read[name] = [None if value is None else next(known) for value in values]
        return read


def _mean(values: Sequence[float | None]) -> Tensor | None:
    """Of one loss of one step over the ranks that have it; None where none has."""
    known = _known(values)
    return torch.tensor(fmean(known), dtype=torch.float64) if known else None


def _parts_of_all(parts: Sequence[PartsHealth | None]) -> PartsHealth | None:
    """How the parts of a batch lie that was dealt to several ranks evenly; None where one of them cannot tell."""
    known = [each for each in parts if each is not None]
    if len(known) < len(parts):
        return None
    return PartsHealth(
        coinciding=fmean(each.coinciding for each in known),
        at_floor=fmean(each.at_floor for each in known),
        # It is the root of a mean.
        spread=math.sqrt(fmean(each.spread**2 for each in known)),
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _finite_mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return fmean(finite) if finite else math.nan
