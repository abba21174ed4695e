"""`paco_prof.breakdown`: where a training step's time goes, asked for in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.api.calling import Told, handed_back, in_python, shown_by, split_settings
from paco_prof.api.handed import Handed, hand_over
from paco_prof.data.spec import SYNTHETIC
from paco_prof.errors import UsageError
from paco_prof.planning import base_workload, job_of, planned_variant
from paco_prof.records import BreakdownRecord
from paco_prof.results import Breakdown
from paco_prof.settings import Workload
from paco_prof.store import check_writable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from paco_prof.data.batch import Batch
    from paco_prof.measure.job import Job
    from paco_prof.measure.session import Outcome, Plan

__all__ = ["breakdown"]

# What a record calls a batch that was handed over: `..., the caller's data`.
OF_CALLER = "the caller's"


def breakdown(
    model: nn.Module | Callable[..., Any] | str | None = None,
    *,
    variant: str | None = None,
    model_args: Mapping[str, Any] | None = None,
    step: Callable[..., Any] | str | None = None,
    replace: Mapping[str, Callable[..., Any] | str] | None = None,
    stages: Mapping[str, str] | None = None,
    batch: tuple[Tensor, Tensor, Tensor] | None = None,
    data: str = SYNTHETIC,
    device: str = "auto",
    epoch: int = 0,
    seed: int = 0,
    threads: int | None = None,
    warmup: int | None = None,
    steps: int | None = None,
    max_seconds: float = 60.0,
    fidelity: bool = True,
    trace: str | os.PathLike[str] | None = None,
    progress: Told = None,
    **settings: Any,
) -> Breakdown:
    """Measure where the time of a training step goes, forward and backward, stage by stage.

    It is measured in this process, on a copy of what is handed over; model, threads, random numbers and switches of
    torch are afterwards as before. Ctrl-C returns what was measured until then.

    Args:
        model: what to measure: a model, a class or a function that makes one, or `"module:factory"` or
            `"path/to/file.py:factory"`; None is PaCo-2 as this package has it. A model is called with two views and
            targets, and returns losses, `total` among them.
        variant: of `paco-prof variants`, or several joined by `+`. By default `baseline`; of a model of your own with
            `replace`, `drop-in`.
        model_args: what a factory is called with.
        step: `step(model, x1, x2, targets)` in the place of calling the model.
        replace: drop-ins, by the component whose place they take: criterion, matcher, sampler, pool, or a dotted path.
        stages: dotted paths of your code, and the stages that they are to be; an empty name leaves one alone.
        batch: two views (B, 3, size, size) and class indices (B,) to take every step on.
        data: `synthetic`, `digits` or `folder:PATH`, in the place of a batch.
        device: auto, cpu, cuda[:n], mps or xpu.
        epoch: that the model is told; matching by PaCo-2 changes cost after its warm-up.
        seed: of weights, data and the order of steps.
        threads: of the CPU; None leaves them to torch.
        warmup: steps to leave out; None until they stop getting faster.
        steps: to measure; None until intervals are within 5 % or the time is up.
        max_seconds: for all that is timed; the least that makes a measurement is taken all the same.
        fidelity: compare loss and gradient with a float64 reference.
        trace: a file for a Chrome/Perfetto trace of one more step (.json or .json.gz).
        progress: told what is going on: a function that takes a line, such as `print`, or a
            `paco_prof.measure.progress.Progress`. None is told nothing.
        settings: any that `--set` knows: batch_size, image_size, backbone, num_classes, K, r, d, precision, ...

    Raises:
        UsageError: something that was handed over cannot be; one line says what.
        MeasurementError: the measured code failed; its `result` is what was measured until then.
    """
    with in_python(breakdown):
        explicit, overrides = split_settings(breakdown, settings)
        handed = hand_over(model, model_args, step, replace, stages, {**explicit, **overrides})
        given_batch = None if batch is None else _batch(batch, data, explicit, is_of_paco2=not handed.is_own)
        placed = {"device": device, "epoch": epoch, "seed": seed, "threads": threads}
        base = base_workload(explicit, data=data, **placed, **handed.settings)
        planned = planned_variant(base, handed.variant(variant), overrides, tuple(explicit), handed.variants)
        trace_path = None if trace is None else Path(trace)
        _check(warmup, steps, max_seconds, trace_path)

        from paco_prof.measure.endings import ending
        from paco_prof.measure.session import Plan

        plan = Plan(warmup, steps, max_seconds, trace_path, fidelity)
        outcome = _measured(job_of(planned), plan, handed, given_batch, progress)
        record = outcome.record if batch is None else _of_the_callers_data(outcome.record)
        number = 0 if record.training is None else len(record.training.steps)
        ended = ending(outcome.error, record.notes, number, "measured step")
        return handed_back(Breakdown.of(record), ended, outcome.error)


def _measured(job: Job, plan: Plan, handed: Handed, batch: Batch | None, progress: Told) -> Outcome:
    from paco_prof.measure.process_state import as_it_was
    from paco_prof.measure.session import measure_breakdown
    from paco_prof.measure.user.step import Given
    from paco_prof.user_code import look_in

    given = Given(handed.model, handed.step, batch)
    with as_it_was(job.workload.device):
        look_in(handed.folders)
        return measure_breakdown(job, plan, shown_by(progress), lambda _: None, ("paco_prof.breakdown",), given)


def _check(warmup: int | None, steps: int | None, max_seconds: float, trace: Path | None) -> None:
    """Find out before measuring whether it can be.

    Raises:
        UsageError: it cannot.
    """
    for name, value, least in (("warmup", warmup, 0), ("steps", steps, 1)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise UsageError(f"{name}={value!r} should be a whole number from {least}, or None.")
    if not 0 < max_seconds < float("inf"):
        raise UsageError(f"max_seconds={max_seconds!r} should be a positive number.")
    if trace is not None:
        check_writable(trace)


def _batch(batch: Any, data: str, settings: dict[str, Any], *, is_of_paco2: bool) -> Batch:
    """The caller's batch, copied; its sizes become settings.

    Args:
        is_of_paco2: whether the classes are those of PaCo-2 itself; those of another model only building it tells.

    Raises:
        UsageError: it is no two views and targets, or says something else than a setting or the data.
    """
    import torch

    from paco_prof.data.batch import Batch

    if data != SYNTHETIC:
        raise UsageError(f"batch and data={data!r} both say what a step is taken on.", "Give one.")
    if not (isinstance(batch, tuple | list) and len(batch) == 3 and all(isinstance(t, torch.Tensor) for t in batch)):
        raise UsageError("batch is not two views and targets.", "Give three tensors: (x1, x2, targets).")
    x1, x2, targets = (tensor.detach().cpu().clone() for tensor in batch)
    shapes = f"{tuple(x1.shape)}, {tuple(x2.shape)} and {tuple(targets.shape)}"
    is_square = x1.dim() == 4 and x1.shape[-1] == x1.shape[-2] and x1.shape[1] == 3
    if not is_square or x2.shape != x1.shape or tuple(targets.shape) != (len(x1),) or not len(x1):
        raise UsageError(f"batch has the shapes {shapes}.", "It is (B, 3, size, size), the same again, and (B,).")
    if targets.is_floating_point() or targets.dtype == torch.bool or not x1.is_floating_point():
        raise UsageError(
            f"batch has the types {x1.dtype}, {x2.dtype} and {targets.dtype}.",
            "Views are of floating-point numbers, targets are class indices.",
        )
    num_classes = settings.get("num_classes", Workload.model_fields["num_classes"].default)
    if is_of_paco2 and not 0 <= int(targets.min()) <= int(targets.max()) < num_classes:
        raise UsageError(
            f"batch has other classes than the {num_classes} from 0.", "num_classes says how many there are."
        )
    for name, size in (("batch_size", len(x1)), ("image_size", x1.shape[-1])):
        if settings.setdefault(name, size) != size:
            raise UsageError(f"{name}={settings[name]!r}, and the batch has {size}.", "Leave it away.")
    return Batch(x1, x2, targets)


def _of_the_callers_data(record: BreakdownRecord) -> BreakdownRecord:
    return record.model_copy(update={"workload": record.workload.model_copy(update={"data": OF_CALLER})})
