"""`paco-prof compare --accuracy`: variants trained on the same data with the same seeds."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof.cli.comparison import Choices
from paco_prof.cli.outputs import Outputs
from paco_prof.cli.own_model import OwnModel, refuse_what_is_nowhere
from paco_prof.cli.planning import refuse_synthetic
from paco_prof.errors import ExitCode, InterruptedRunError, MeasurementError, PacoProfError, UsageError
from paco_prof.ranks import this_place

if TYPE_CHECKING:
    from paco_prof.records import AccuracyRecord

__all__ = ["AccuracyChoices", "compare_accuracy"]

DEFAULT_DATA = "digits"
DEFAULT_SEEDS, DEFAULT_EPOCHS, DEFAULT_MARGIN = 3, 5, 1.0
# What only times are compared with.
OF_TIMES = ("launches", "pairs", "max_minutes", "timeout", "sequential", "retry_smaller", "epoch", "fidelity", "engine")


@dataclass(frozen=True)
class AccuracyChoices:
    """The options that only `--accuracy` has; None is not given.

    Attributes:
        margin, target: in points and per cent.
        twins: whether the loop is trained as its exact twin.
    """

    seeds: int | None = None
    epochs: int | None = None
    margin: float | None = None
    target: float | None = None
    twins: bool = True

    def given(self) -> str:
        """The first option that was given; empty where none was."""
        values = {"--seeds": self.seeds, "--epochs": self.epochs, "--margin": self.margin, "--target": self.target}
        first = next((name for name, value in values.items() if value is not None), "")
        return first or ("" if self.twins else "--no-twin")


def compare_accuracy(
    choices: Choices,
    accuracy: AccuracyChoices,
    names: list[str],
    *,
    resume: Path | None,
    outputs: Outputs,
    silent: bool,
    quiet: bool,
) -> int:
    """Train what is compared, or what is left of it, and report it."""
    if not this_place().is_alone:
        raise UsageError(
            "--accuracy trains every variant by itself, and torchrun has started several processes.",
            "Run it without torchrun.",
        )
    unused = next((option for name, option in choices.given().items() if name in OF_TIMES), None)
    if unused is not None:
        raise UsageError(f"{unused} is for comparing times, and --accuracy trains.", "Leave it away.")
    inputs: tuple[Path, ...] = ()
    if resume is not None:
        outputs = replace(outputs, record=outputs.record or resume)
        inputs = (resume,) if outputs.record != resume else ()
    outputs.check(inputs)
    record = _new(choices, accuracy, names) if resume is None else _resumed(choices, accuracy, names, resume)

    from paco_prof.training.accuracy import AccuracyComparison

    # What a comparison that goes on is of stands in its record, and in no option.
    own = choices.own_model if resume is None else OwnModel(record.contestants[0].workload.model)
    with own.measuring(0.0, silent=silent) as measuring:
        outcome = AccuracyComparison(record, measuring.progress, outputs.save_record).run()
    done = outcome.record
    if not any(run.accuracy is not None for run in done.runs):
        outputs = replace(outputs, plot=None)
    if done.runs:
        outputs.render(done, on_screen=not quiet, is_saved=not isinstance(outcome.error, PacoProfError))
    if isinstance(outcome.error, KeyboardInterrupt):
        number = sum(1 for run in done.runs if not run.failed)
        raise InterruptedRunError(f"Interrupted after {number} run{'s' if number != 1 else ''}.")
    if outcome.error is not None:
        raise outcome.error
    failed = [run for run in done.runs if run.failed]
    if failed:
        name = done.contestants[failed[0].contestant].name
        raise MeasurementError(f"{name}, seed {failed[0].seed + 1}: {failed[0].failed.rstrip('.')}.")
    return ExitCode.DONE


def _new(choices: Choices, accuracy: AccuracyChoices, names: list[str]) -> AccuracyRecord:
    from paco_prof.records import AccuracyPlan, RunPlan
    from paco_prof.variants.contestants import compared

    chosen = replace(choices, data=choices.data or DEFAULT_DATA)
    field = chosen.field()
    refuse_synthetic(field.base)
    contestants = compared(field, names)
    plan = AccuracyPlan(
        seeds=accuracy.seeds or DEFAULT_SEEDS,
        run=RunPlan(epochs=accuracy.epochs or DEFAULT_EPOCHS),
        margin=(accuracy.margin or DEFAULT_MARGIN) / 100,
        target=None if accuracy.target is None else accuracy.target / 100,
        twins=accuracy.twins,
    )
    from paco_prof.measure.shareable import shareable_command
    from paco_prof.training.accuracy import new_accuracy

    return new_accuracy(contestants, plan, shareable_command(["paco-prof", *sys.argv[1:]]))


def _resumed(choices: Choices, accuracy: AccuracyChoices, names: list[str], path: Path) -> AccuracyRecord:
    from paco_prof.records import AccuracyRecord
    from paco_prof.store import read_kind

    fixed = "variants" if names else next(iter(choices.given().values()), "") or accuracy.given()
    if fixed:
        raise UsageError(f"--resume takes what to train from {path}; {fixed} cannot be chosen once more.")
    record = read_kind(path, AccuracyRecord)
    for contestant in record.contestants:
        refuse_what_is_nowhere(contestant.workload, Path.cwd())
    from paco_prof.training.accuracy import resumed_accuracy

    return resumed_accuracy(record)
