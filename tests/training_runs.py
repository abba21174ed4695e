"""Records of training runs built by hand: fixed figures, nothing measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from builders import CPU, fidelity_of
from paco_prof.records import DataUsed, EpochResult, Note, PartsHealth, RunPlan, TrainingRunRecord, VariantUsed
from paco_prof.settings import Workload

DIGITS = DataUsed(
    name="digits", num_train=1438, num_eval=359, num_classes=10, split="every fifth image of a class is held out"
)
HEALTHY_PARTS = PartsHealth(coinciding=0.03, at_floor=0.0, spread=0.42)
SAME_PARTS = PartsHealth(coinciding=1.0, at_floor=1.0, spread=2.1e-4)
RESNET18 = Workload(
    backbone="resnet18",
    image_size=96,
    num_classes=10,
    batch_size=32,
    window=3,
    feature_map=(512, 3, 3),
    num_parameters=11_214_410,
    learning_rate=3e-4,
    schedule="cosine",
    data="digits",
    workers=0,
)


def epoch_of(epoch: int, **changes: Any) -> EpochResult:
    """An epoch of a healthy run: losses fall, accuracy rises, loading is a twentieth of the time."""
    settings = {
        "epoch": epoch,
        "num_batches": 45,
        "num_images": 1438,
        "learning_rate": 3e-4 / (1 + epoch),
        "losses": {
            "total": 2.81 * 0.55**epoch + 0.09,
            "ce": 2.36 * 0.5**epoch + 0.03,
            "pac": 0.171 * 0.8**epoch + 0.02,
            "soc": 1.94 * 0.4**epoch + 0.06,
        },
        "at_alpha": 0.02,
        "parts": HEALTHY_PARTS,
        "seconds": 12.0,
        "start_seconds": 0.25,
        "waiting_seconds": 0.5,
        "step_seconds": 9.75,
        "loading_seconds": 0.72,
        "evaluation_seconds": 1.25,
        "checkpoint_seconds": 0.15,
        "accuracy": round(359 * (1 - 0.3 * 0.4**epoch)) / 359,
        **changes,
    }
    return EpochResult.model_validate(settings)


def run_of(*epochs: EpochResult, **changes: Any) -> TrainingRunRecord:
    """A complete run of these epochs, four seconds of which went before the first and one beside them."""
    settings = {
        "tool_version": "0.1.0",
        "command": ("paco-prof", "train", "--data", "digits", "--epochs", str(len(epochs)), "--backbone", "resnet18"),
        "created": "2026-01-02T03:04:05+00:00",
        "workload": RESNET18,
        "environment": CPU,
        "data": DIGITS,
        "plan": RunPlan(epochs=max(1, len(epochs))),
        "epochs": epochs,
        "startup_seconds": 4.0,
        "total_seconds": 5.0 + sum(result.seconds for result in epochs),
        "status": "complete",
        **changes,
    }
    return TrainingRunRecord.model_validate(settings)


def healthy_run(num_epochs: int = 5, **changes: Any) -> TrainingRunRecord:
    """A run that learns, with a fidelity that confirms its kind."""
    return run_of(*map(epoch_of, range(num_epochs)), fidelity=fidelity_of(3.1e-8, 0.002), **changes)


def collapsed_run(num_epochs: int = 6, since: int = 1, **changes: Any) -> TrainingRunRecord:
    """A run whose parts are all the same from an epoch on, and whose accuracy is that of guessing."""
    losses = {"total": 2.523, "ce": 2.303, "pac": 0.2, "soc": 4.1e-6}
    settings = {"losses": losses, "at_alpha": 1.0, "parts": SAME_PARTS, "accuracy": 36 / 359}
    epochs = [epoch_of(epoch, **(settings if epoch >= since else {})) for epoch in range(num_epochs)]
    return run_of(*epochs, **changes)


def waiting_run() -> TrainingRunRecord:
    """A run on an accelerator that two workers cannot feed, evaluated every other epoch, with losses that broke."""
    epochs = [
        epoch_of(
            epoch,
            waiting_seconds=7.5,
            step_seconds=4.5,
            loading_seconds=23.0,
            seconds=14.0,
            evaluation_seconds=None if epoch % 2 == 0 and epoch < 3 else 1.25,
            accuracy=None if epoch % 2 == 0 and epoch < 3 else 0.61,
            non_finite=3 if epoch == 1 else 0,
        )
        for epoch in range(4)
    ]
    return run_of(
        *epochs,
        data=DIGITS.model_copy(update={"name": "folder:birds", "workers": 2, "drop_last": True, "split": ""}),
        environment=CPU.model_copy(update={"accelerator": "NVIDIA H200", "cores": 16, "threads": 16}),
        workload=RESNET18.model_copy(update={"device": "cuda:0", "precision": "float16", "workers": 2}),
        variant=VariantUsed(name="optimized", kind="different", settings={"precision": "float16"}),
    )


def run_of_devices(**settings: Any) -> TrainingRunRecord:
    """A healthy run of two devices."""
    return healthy_run(2, workload=RESNET18.model_copy(update={"world_size": 2, **settings}))


def broken_run() -> TrainingRunRecord:
    """A run that failed in its second epoch after it had been resumed, without a finite loss."""
    nothing = dict.fromkeys(("total", "ce", "pac", "soc"), math.nan)
    first = epoch_of(0, losses=nothing, non_finite=45, at_alpha=0.0, accuracy=36 / 359, parts=None)
    notes = (Note(code="failed", detail="RuntimeError: out of memory."), Note(code="no_fidelity", detail="it failed"))
    return run_of(first, plan=RunPlan(epochs=3), status="failed", processes=2, notes=notes, total_seconds=21.0)


RECORDS: dict[str, Callable[[], TrainingRunRecord]] = {
    "healthy": healthy_run,
    "collapsed": collapsed_run,
    "waiting": waiting_run,
    "broken": broken_run,
    "a hundred epochs": lambda: healthy_run(100),
    "two devices": run_of_devices,
    "one epoch": lambda: healthy_run(1),
    "nothing yet": lambda: run_of(status="running", total_seconds=0.0, startup_seconds=0.0, plan=RunPlan(epochs=5)),
}
