"""What to measure, and what is left of it where a device cannot do everything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from paco_prof.errors import UsageError
from paco_prof.measure.applicability import inapplicable
from paco_prof.records import VariantUsed
from paco_prof.settings import Workload, restored

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes:
        workload: the model and the way its step is carried out, the variant's settings among it.
        base: the baseline that it is a variant of.
        variant: its name, its kind, and what it sets.
        optional: settings that are left out where the device or the backbone cannot do them; any other ends the run.
    """

    workload: Workload
    base: Workload
    variant: VariantUsed = field(default_factory=VariantUsed)
    optional: frozenset[str] = frozenset()

    @classmethod
    def baseline(cls, workload: Workload) -> Job:
        """A workload as it is, a variant of nothing."""
        return cls(workload, workload)

    def on(self, device: torch.device) -> Job:
        """The job as the device can do it.

        Raises:
            UsageError: the device or the backbone cannot do what is not optional.
        """
        # Of several ranks each has a number of its own, and what one has built is built again on all of them.
        name = str(device) if self.workload.world_size == 1 else device.type
        workload = self.workload.model_copy(update={"device": name})
        reasons = inapplicable(workload, device)
        for setting, reason in reasons.items():
            if setting not in self.optional:
                raise UsageError(f"{setting} is not applicable: {reason}.", "Leave it away, or choose another variant.")
        kept = {name: value for name, value in self.variant.settings.items() if name not in reasons}
        variant = self.variant.model_copy(update={"settings": kept, "left_out": reasons})
        return replace(self, workload=restored(workload, self.base, reasons), variant=variant)
