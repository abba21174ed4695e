"""Where a training run stands, in one file: written atomically, read without running anything that it holds."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from paco_prof.errors import UsageError
from paco_prof.measure.distributed.group import ALONE, Group
from paco_prof.records import TrainingRunRecord
from paco_prof.settings import Workload, changed_settings
from paco_prof.store import write_bytes
from paco_prof.training.epoch import EpochInProgress
from paco_prof.training.trainer import Trainer

__all__ = ["Checkpoint", "read_checkpoint", "restore", "write_checkpoint"]

FORMAT = 2
# Before runs of several devices, what is a rank's own stood beside all else.
READ = (1, FORMAT)
# What a run may have otherwise than its checkpoint: none of it changes what is learned.
CHANGEABLE = {"workers"}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read.

    Attributes:
        record: of the run until then.
        epoch: the one that was under way, as far as this rank had trained it.
        weights: of the model, buffers included.
        optimization: its state.
        peaks: what part sampling keeps from step to step, on this rank.
    """

    record: TrainingRunRecord
    epoch: EpochInProgress
    weights: dict[str, Any]
    optimization: dict[str, Any]
    peaks: dict[str, Any]


def write_checkpoint(path: Path, trainer: Trainer, record: TrainingRunRecord, epoch: EpochInProgress) -> None:
    """Write where a run stands; a reader finds the old file or the new one, never half of one.

    Of several ranks all have to call it, and the first one writes.

    Args:
        epoch: as far as this rank has trained it.

    Raises:
        UsageError: it cannot be written.
    """
    ranks = trainer.group.gathered({"epoch": epoch.state(), "peaks": trainer.kept_peaks()})
    if ranks is None:
        return
    file = io.BytesIO()
    state = {
        "format": FORMAT,
        "record": record.model_dump_json(),
        "ranks": ranks,
        "weights": trainer.model.state_dict(),
        "optimization": trainer.optimization.state_dict(),
    }
    torch.save(state, file)
    write_bytes(path, file.getvalue())


def read_checkpoint(path: Path, group: Group = ALONE) -> Checkpoint:
    """Read a checkpoint: tensors and plain values only, nothing is executed.

    Args:
        group: of the ranks that go on from it, all of which have to call this. The first one reads the file, and gives
            it to the others: on their machines there may be none, or an older one. One that has no part for a rank is
            another run's, as `restore` finds out.

    Raises:
        UsageError: there is none, or it is not one of ours, or of another version.
    """
    content = group.agree(_content(path) if group.is_first else b"")
    try:
        with warnings.catch_warnings():
            # A pickle of another kind is refused all the same.
            warnings.simplefilter("ignore")
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state["format"] not in READ:
            raise UsageError(f"{path} has format {state['format']}; this paco-prof reads {FORMAT}.")
        record = TrainingRunRecord.model_validate_json(state["record"])
        ranks = state.get("ranks", [state])
        mine = ranks[min(group.place.rank, len(ranks) - 1)]
        epoch = EpochInProgress.from_state(mine["epoch"])
        return Checkpoint(record, epoch, state["weights"], state["optimization"], mine["peaks"])
    except UsageError:
        raise
    except Exception as error:  # a reader of pickles fails in any way whatever, depending on a file's first bytes
        raise UsageError(f"{path} is not a checkpoint of paco-prof train.", "It may have been cut off.") from error


def _content(path: Path) -> bytes:
    """The file, as it is."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there.", "Without --resume a new run begins.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Put a trainer where the checkpoint's stood.

    Raises:
        UsageError: the checkpoint is of another architecture, of other settings or of other images.
    """
    mine, theirs = trainer.built.job.workload, checkpoint.record.workload
    differing = _differing(mine, theirs)
    if differing:
        names = ", ".join(differing[:3])
        raise UsageError(
            f"The checkpoint is of another run: {names} differ{'s' if len(differing) == 1 else ''}.",
            "Give the same options, or another --out.",
        )
    images = {"workers": trainer.data.workers}
    if checkpoint.record.data.model_copy(update=images) != trainer.data:
        raise UsageError(
            f"{trainer.data.name} has other images than the checkpoint's run.", "Give it the same, or another --out."
        )
    try:
        trainer.model.load_state_dict(checkpoint.weights)
        trainer.optimization.load_state_dict(checkpoint.optimization)
        trainer.keep_peaks(checkpoint.peaks)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError("The checkpoint's weights are of another architecture.", "Use another --out.") from error


def _differing(mine: Workload, theirs: Workload) -> list[str]:
    fixed = ("seed", "data", "model", "model_args", "step", "world_size")
    others = {name for name in fixed if getattr(mine, name) != getattr(theirs, name)}
    return sorted({*changed_settings(mine, theirs), *others} - CHANGEABLE)
