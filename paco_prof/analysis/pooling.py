"""Steps of several launches as if they were of one: for times that are shown, never for differences that are judged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import get_args

from paco_prof.records import StageSamples, Training
from paco_prof.stages import BACKWARD, Phase

__all__ = ["pooled", "undivided"]


def pooled(trainings: Sequence[Training]) -> Training:
    """All steps in their order; a stage that a launch never entered took no time in it.

    Raises:
        ValueError: there are none.
    """
    if not trainings:
        raise ValueError("there are no steps to pool")
    keys = sorted({(stage.path, stage.phase) for training in trainings for stage in training.stages})
    return Training(
        steps=tuple(chain.from_iterable(training.steps for training in trainings)),
        warmup=tuple(chain.from_iterable(training.warmup for training in trainings)),
        phases={
            phase: tuple(chain.from_iterable(training.phases[phase] for training in trainings))
            for phase in get_args(Phase)
        },
        stages=tuple(_pooled_stage(path, phase, trainings) for path, phase in keys),
        losses={
            name: tuple(chain.from_iterable(training.losses.get(name, ()) for training in trainings))
            for name in trainings[0].losses
        },
        stop_reason=trainings[-1].stop_reason,
        backward_whole=next((training.backward_whole for training in trainings if training.backward_whole), ""),
        instrument=tuple(chain.from_iterable(training.instrument for training in trainings)),
    )


def undivided(training: Training) -> Training:
    """The same with all of backward as one stage, to stand beside a step whose backward could not be divided."""
    backward = StageSamples(
        path=BACKWARD, phase="backward", calls=1, host=training.phases["backward"], device=_device_seconds(training)
    )
    others = tuple(stage for stage in training.stages if stage.phase != "backward")
    return training.model_copy(update={"stages": (*others, backward)})


def _device_seconds(training: Training) -> tuple[float | None, ...] | None:
    """The phase's own clock was the device's where stages were timed by one."""
    on_device = any(stage.device is not None for stage in training.stages)
    return tuple(training.phases["backward"]) if on_device else None


def _pooled_stage(path: str, phase: Phase, trainings: Sequence[Training]) -> StageSamples:
    host: list[float] = []
    device: list[float | None] = []
    calls, on_device = 1, False
    for training in trainings:
        stage = next((stage for stage in training.stages if (stage.path, stage.phase) == (path, phase)), None)
        nothing = (0.0,) * len(training.steps)
        host += nothing if stage is None else stage.host
        device += nothing if stage is None else stage.seconds
        calls = max(calls, 1 if stage is None else stage.calls)
        on_device |= stage is not None and stage.device is not None
    return StageSamples(
        path=path, phase=phase, calls=calls, host=tuple(host), device=tuple(device) if on_device else None
    )
