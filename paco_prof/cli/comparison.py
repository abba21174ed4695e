"""What `compare` and `ablate` have in common: from their options to a record, a report and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.cli import options
from paco_prof.cli.engines import EngineChoice
from paco_prof.cli.groups import OptionGroup
from paco_prof.cli.outputs import Outputs
from paco_prof.cli.own_model import OwnModel, refuse_what_is_nowhere
from paco_prof.cli.planning import base_workload
from paco_prof.errors import ExitCode, PacoProfError, RankError, UsageError
from paco_prof.ranks import started_by, this_place

if TYPE_CHECKING:
    from paco_prof.measure.referee import ComparisonOutcome
    from paco_prof.records import ComparisonRecord, Contestant, Design
    from paco_prof.variants.contestants import Field

__all__ = ["Choices", "ComparisonOptions", "compare_or_resume"]

DEFAULT_DATA = "synthetic"
# Options that are not called like what they set.
OPTIONS = {"num_parts": "--parts"}
# What a comparison that goes on may have otherwise than it began.
CHANGEABLE = ("launches", "max_minutes", "timeout", "retry_smaller", "engine")


@dataclass(frozen=True)
class Choices:
    """The options of a comparison; None, or the default, is what was not given.

    Attributes:
        explicit: settings of the baseline that have options of their own.
        overrides: those that `--set` changes.
        launches, pairs, timeout, sequential, retry_smaller, fidelity: see `ComparisonPlan`.
        max_minutes: for everything.
        data, workers: see `Workload`.
        own_model: what the options say about a model of the user's own.
        engine: who takes the launches.
    """

    explicit: dict[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    device: str = "auto"
    epoch: int = 0
    seed: int = 0
    threads: int | None = None
    launches: int | None = None
    pairs: int | None = None
    max_minutes: float | None = None
    timeout: float | None = None
    sequential: bool = False
    retry_smaller: bool = False
    fidelity: bool = True
    data: str | None = None
    workers: int | None = None
    own_model: OwnModel = field(default_factory=OwnModel)
    engine: EngineChoice = field(default_factory=EngineChoice)

    def given(self) -> dict[str, str]:
        """What is not as it is by default, and the option that made it so."""
        default = Choices()
        names = [field.name for field in fields(self) if getattr(self, field.name) != getattr(default, field.name)]
        called = {name: f"--{name.replace('_', '-')}" for name in names}
        first = next(iter(self.explicit), "")
        special = {
            "explicit": OPTIONS.get(first, f"--{first.replace('_', '-')}"),
            "overrides": "--set",
            "fidelity": "--no-fidelity",
            "own_model": "--model",
            "engine": self.engine.given(),
        }
        return {name: special.get(name, option) for name, option in called.items()}

    def field(self) -> Field:
        """Where variants come from, and what they are variants of.

        Raises:
            UsageError: a setting that is unknown, or a value that cannot be.
        """
        from paco_prof.settings import canonical
        from paco_prof.variants.contestants import Field
        from paco_prof.variants.resolve import parse_overrides
        from paco_prof.variants.user_file import own_variants

        overrides = {canonical(name): value for name, value in parse_overrides(self.overrides).items()}
        chosen = {**self.explicit, **overrides}
        placed = {name: getattr(self, name) for name in ("device", "epoch", "seed", "threads", "workers")}
        placed["world_size"] = this_place().world_size
        data = self.data or DEFAULT_DATA
        base = base_workload(chosen, data=data, own_model=self.own_model, **placed)
        return Field(base, (*own_variants(Path.cwd()), *self.own_model.variants()), tuple(chosen))


@dataclass(frozen=True)
class ComparisonOptions(OptionGroup):
    """The options that every comparison has."""

    launches: options.Launches = None
    pairs: options.Pairs = "auto"
    max_minutes: options.MaxMinutes = None
    baseline: options.BaselineOptions = field(default_factory=options.BaselineOptions)
    code: options.CodeOptions = field(default_factory=options.CodeOptions)
    data: options.Data = None
    workers: options.Workers = None
    device: options.Device = "auto"
    epoch: options.Epoch = 0
    seed: options.Seed = 0
    threads: options.Threads = None
    gather_negatives: options.GatherNegatives = False
    sequential: options.Sequential = False
    retry_smaller: options.RetrySmaller = False
    timeout: options.Timeout = None
    no_fidelity: options.NoFidelity = False
    engine: EngineChoice = field(default_factory=EngineChoice)

    def choices(self) -> Choices:
        """What they say.

        Raises:
            typer.BadParameter: `--pairs` is neither auto nor a number.
        """
        return Choices(
            explicit=self.baseline.explicit,
            overrides=self.baseline.overrides(gather_negatives=self.gather_negatives),
            device=self.device,
            epoch=self.epoch,
            seed=self.seed,
            threads=self.threads,
            launches=self.launches,
            pairs=options.auto_or_count("--pairs", self.pairs, 1),
            max_minutes=self.max_minutes,
            timeout=self.timeout,
            sequential=self.sequential,
            retry_smaller=self.retry_smaller,
            fidelity=not self.no_fidelity,
            data=self.data,
            workers=self.workers,
            own_model=self.code.own_model,
            engine=self.engine,
        )


def compare_or_resume(
    choices: Choices,
    contestants: Callable[[Field], tuple[Design, tuple[Contestant, ...]]],
    *,
    resume: Path | None,
    names_given: bool,
    minutes_each: float,
    outputs: Outputs,
    silent: bool,
    quiet: bool,
) -> int:
    """Run a comparison, a new one or one that goes on, and report it.

    Args:
        contestants: the design and its contestants, from where variants come from.
        names_given: whether the command line says what to compare, which a comparison that goes on knows already.
        minutes_each: time for each variant, where no --max-minutes was given.
    """
    if not this_place().is_first:
        choices.engine.serve(choices.own_model.folders())
        return ExitCode.DONE
    inputs: tuple[Path, ...] = ()
    if resume is not None:
        outputs = replace(outputs, record=outputs.record or resume)
        inputs = (resume,) if outputs.record != resume else ()
    outputs.check(inputs)
    choices.engine.check()

    from paco_prof.measure.endings import comparison_ending, refusal

    record = _new(choices, contestants, minutes_each) if resume is None else _resumed(choices, resume, names_given)
    outcome = _measured(record, outputs, choices, silent=silent)
    if outcome.error is None and (refused := refusal(outcome.record)) is not None:
        raise refused
    if not any(launch.is_complete for launch in outcome.record.launches):
        # There is nothing to draw.
        outputs = replace(outputs, plot=None)
    is_saved = not isinstance(outcome.error, PacoProfError) or isinstance(outcome.error, RankError)
    outputs.render(outcome.record, on_screen=not quiet, is_saved=is_saved)
    if (error := comparison_ending(outcome)) is not None:
        raise error
    return ExitCode.DONE


def _new(
    choices: Choices, contestants: Callable[[Field], tuple[Design, tuple[Contestant, ...]]], minutes_each: float
) -> ComparisonRecord:
    from paco_prof.measure.comparing import new_comparison
    from paco_prof.measure.shareable import shareable_command
    from paco_prof.records import ComparisonPlan

    design, chosen = contestants(choices.field())
    minutes = choices.max_minutes or minutes_each * (len(chosen) - 1)
    plan = ComparisonPlan(
        launches=choices.launches or 3,
        pairs=choices.pairs,
        max_seconds=60 * minutes,
        timeout=choices.timeout or 600.0,
        sequential=choices.sequential,
        retry_smaller=choices.retry_smaller,
        fidelity=choices.fidelity,
        seed=choices.seed,
    )
    return new_comparison(chosen, plan, design, shareable_command([*started_by(this_place()), *sys.argv[1:]]))


def _resumed(choices: Choices, path: Path, names_given: bool) -> ComparisonRecord:
    from paco_prof.measure.comparing import resumed
    from paco_prof.records import ComparisonRecord
    from paco_prof.store import read_kind

    fixed = [option for name, option in choices.given().items() if name not in CHANGEABLE]
    if names_given or fixed:
        what = "variants" if names_given else fixed[0]
        raise UsageError(
            f"--resume takes what to measure from {path}; {what} cannot be chosen once more.",
            "With it go --launches, --max-minutes, --timeout, --retry-smaller and --engine.",
        )
    record = read_kind(path, ComparisonRecord)
    size, here = record.baseline.workload.world_size, this_place().world_size
    if size != here:
        devices = "devices together" if size > 1 else "device"
        raise UsageError(
            f"{path} is of {size} {devices}, and here {'are' if here > 1 else 'is'} {here}.",
            f"Go on with torchrun --nproc-per-node {size} -m paco_prof." if size > 1 else "Go on without torchrun.",
        )
    for contestant in record.contestants:
        refuse_what_is_nowhere(contestant.workload, Path.cwd())
    return resumed(
        record,
        launches=choices.launches,
        max_seconds=None if choices.max_minutes is None else 60 * choices.max_minutes,
        timeout=choices.timeout,
        retry_smaller=choices.retry_smaller or None,
    )


def _measured(record: ComparisonRecord, outputs: Outputs, choices: Choices, *, silent: bool) -> ComparisonOutcome:
    from paco_prof.cli.progress import BarProgress, SilentProgress

    engine = choices.engine.engine_for(choices.own_model.folders())
    with SilentProgress() if silent else BarProgress(record.plan.max_seconds or 0.0) as progress:
        return engine.compare(record, progress, outputs.save_record)
