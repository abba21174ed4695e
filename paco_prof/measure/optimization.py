"""From a loss to updated parameters: gradient scaling, clipping, the optimizer, the learning rate's schedule."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from paco_prof import stages
from paco_prof.paco2.backbone import import_timm
from paco_prof.settings import Workload
from paco_prof.stages import stage

__all__ = ["Optimization"]

# Where nobody says how long the run is: that which the analysis projects, 100 epochs of 1,000 batches.
SCHEDULED_UPDATES = 100_000
WARMUP_SHARE = 0.05
WARMUP_LEARNING_RATE = 1e-6


class Optimization:
    """AdamW over a model's parameters, with whatever of scaling, clipping and scheduling a workload asks for.

    Args:
        model: whose parameters.
        workload: `learning_rate`, `fused_optimizer`, `precision`, `clip_norm` and `schedule` of it.
        device: where the model is.
    """

    def __init__(self, model: nn.Module, workload: Workload, device: torch.device) -> None:
        self._parameters = list(model.parameters())
        # None leaves the implementation to torch, as code does that does not ask for one.
        self.optimizer = torch.optim.AdamW(
            self._parameters, lr=workload.learning_rate, fused=workload.fused_optimizer or None
        )
        self._scaler = torch.amp.GradScaler(device.type) if workload.precision == "float16" else None
        self._clip_norm = workload.clip_norm
        self._has_schedule = workload.schedule == "cosine"
        self._scheduler = _cosine_schedule(self.optimizer, SCHEDULED_UPDATES) if self._has_schedule else None
        self._num_updates = 0

    def schedule_over(self, num_updates: int) -> None:
        """Let the learning rate's schedule, where there is one, come to its end with so many updates."""
        if self._has_schedule:
            self._scheduler = _cosine_schedule(self.optimizer, num_updates)

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Where the optimization stands, for `load_state_dict`."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self._scaler is None else self._scaler.state_dict(),
            "num_updates": self._num_updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where another one stood."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self._scaler is not None:
            self._scaler.load_state_dict(state["scaler"])
        self._num_updates = state["num_updates"]

    @stage(stages.ZERO_GRAD)
    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss to differentiate: scaled up where small gradients would be lost in half precision."""
        return loss if self._scaler is None else self._scaler.scale(loss)

    def update(self) -> None:
        """Update the parameters from their gradients, each part announced as a stage."""
        if self._clip_norm is not None:
            with stage(stages.CLIPPING):
                if self._scaler is not None:
                    self._scaler.unscale_(self.optimizer)
                torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        with stage(stages.OPTIMIZER):
            if self._scaler is None:
                self.optimizer.step()
            else:
                self._scaler.step(self.optimizer)
                self._scaler.update()
        if self._scheduler is not None:
            with stage(stages.SCHEDULE):
                self._num_updates += 1
                self._scheduler.step_update(self._num_updates)


def _cosine_schedule(optimizer: torch.optim.Optimizer, num_updates: int) -> Any:
    """Timm's cosine schedule with a linear warm-up, counted in updates."""
    import_timm()
    from timm.scheduler.cosine_lr import CosineLRScheduler

    return CosineLRScheduler(
        optimizer,
        t_initial=num_updates,
        warmup_t=max(1, round(WARMUP_SHARE * num_updates)),
        warmup_lr_init=WARMUP_LEARNING_RATE,
        warmup_prefix=True,
        t_in_epochs=False,
    )
