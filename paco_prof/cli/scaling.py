"""From the options of `paco-prof scale` to a record, a report and an exit code."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.cli.engines import EngineChoice
from paco_prof.cli.outputs import Outputs
from paco_prof.cli.own_model import OwnModel, refuse_what_is_nowhere
from paco_prof.cli.planning import base_workload
from paco_prof.errors import ExitCode, PacoProfError, UsageError

if TYPE_CHECKING:
    from paco_prof.measure.surveyor import ScaleOutcome
    from paco_prof.records import ScaleRecord

__all__ = ["ScaleOptions", "scale_or_resume"]

DEFAULT_LAUNCHES, DEFAULT_MINUTES, DEFAULT_TIMEOUT, DEFAULT_LARGEST = 2, 10.0, 600.0, 4096
# Options that are not called like what they set.
OPTIONS = {"num_parts": "--parts", "overrides": "--set", "own_model": "--model", "variants": "--variant"}
# What a measurement that goes on may have otherwise than it began.
CHANGEABLE = ("launches", "max_minutes", "timeout", "target", "find_largest", "largest_up_to", "engine")


@dataclass(frozen=True)
class ScaleOptions:
    """The options of a measurement of growth; None, or the default, is what was not given.

    Attributes:
        vary: factors and their sizes, as they were written.
        variants: names; none is the default.
        target: a size of each factor, as it was written.
        find_largest, largest_up_to, launches, steps, timeout: see `ScalePlan`.
        memory_limit: as it was written.
        max_minutes: for everything.
        explicit: settings of the baseline that have options of their own.
        overrides: those that `--set` changes.
        own_model: what the options say about a model of the user's own.
        engine: who takes the launches.
    """

    vary: Sequence[str] = ()
    variants: Sequence[str] = ()
    target: str | None = None
    find_largest: bool = False
    largest_up_to: int | None = None
    memory_limit: str | None = None
    launches: int | None = None
    steps: int | None = None
    max_minutes: float | None = None
    timeout: float | None = None
    explicit: dict[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    device: str = "auto"
    epoch: int = 0
    seed: int = 0
    threads: int | None = None
    own_model: OwnModel = field(default_factory=OwnModel)
    engine: EngineChoice = field(default_factory=EngineChoice)

    def given(self) -> dict[str, str]:
        """What is not as it is by default, and the option that made it so."""
        default = ScaleOptions()
        names = [each.name for each in fields(self) if getattr(self, each.name) != getattr(default, each.name)]
        first = next(iter(self.explicit), "")
        called = {name: first if name == "explicit" else name for name in names}
        return {name: OPTIONS.get(known, f"--{known.replace('_', '-')}") for name, known in called.items()}

    def planned(self) -> ScaleRecord:
        """The record of what they ask for, in which nothing has been measured yet.

        Raises:
            UsageError: something that cannot be.
        """
        from paco_prof.measure.scaling.beginning import new_survey
        from paco_prof.measure.shareable import shareable_command
        from paco_prof.records import ScalePlan
        from paco_prof.settings import canonical
        from paco_prof.variants.contestants import Field
        from paco_prof.variants.resolve import parse_overrides
        from paco_prof.variants.scaling import parse_factors, parse_target, scaled
        from paco_prof.variants.user_file import own_variants

        factors = parse_factors(self.vary)
        target = None if self.target is None else parse_target(self.target, factors)
        self._refuse_what_goes_with_a_search(self.find_largest)
        limit = None if self.memory_limit is None else _bytes(self.memory_limit)
        overrides = {canonical(name): value for name, value in parse_overrides(self.overrides).items()}
        options = {**self.explicit, **overrides}
        placed = {name: getattr(self, name) for name in ("device", "epoch", "seed", "threads")}
        base = base_workload(options, data="synthetic", own_model=self.own_model, **placed)
        variants = Field(base, (*own_variants(Path.cwd()), *self.own_model.variants()), tuple(options))
        plan = ScalePlan(
            factors=factors,
            launches=self.launches or DEFAULT_LAUNCHES,
            steps=self.steps,
            max_seconds=60 * (self.max_minutes or DEFAULT_MINUTES),
            timeout=self.timeout or DEFAULT_TIMEOUT,
            seed=self.seed,
            target=target,
            find_largest=self.find_largest,
            largest_up_to=self.largest_up_to or DEFAULT_LARGEST,
            memory_limit_bytes=limit,
        )
        contestants = scaled(variants, self.variants or self._usual_variants(), factors)
        return new_survey(contestants, plan, shareable_command(["paco-prof", *sys.argv[1:]]))

    def gone_on(self, path: Path) -> ScaleRecord:
        """The record of a measurement that stopped, with what they change of its plan.

        Raises:
            UsageError: it cannot go on, or something that was decided is to be chosen once more.
        """
        from paco_prof.measure.scaling.beginning import resumed_survey
        from paco_prof.records import ScaleRecord
        from paco_prof.store import read_kind
        from paco_prof.variants.scaling import parse_target

        fixed = [option for name, option in self.given().items() if name not in CHANGEABLE]
        if fixed:
            raise UsageError(
                f"--resume takes what to measure from {path}; {fixed[0]} cannot be chosen once more.",
                "With it go --launches, --max-minutes, --timeout, --target, --find-largest and --engine.",
            )
        record = read_kind(path, ScaleRecord)
        self._refuse_what_goes_with_a_search(self.find_largest or record.plan.find_largest)
        for contestant in record.contestants:
            refuse_what_is_nowhere(contestant.workload, Path.cwd())
        return resumed_survey(
            record,
            launches=self.launches,
            max_seconds=None if self.max_minutes is None else 60 * self.max_minutes,
            timeout=self.timeout,
            target=None if self.target is None else parse_target(self.target, record.plan.factors),
            find_largest=self.find_largest or None,
            largest_up_to=self.largest_up_to,
        )

    def _refuse_what_goes_with_a_search(self, is_searched: bool) -> None:
        if self.largest_up_to is not None and not is_searched:
            raise UsageError("--largest-up-to goes with --find-largest.", "Add it, or leave the option away.")

    def _usual_variants(self) -> tuple[str, ...]:
        if self.own_model.is_given:
            return ("baseline", "drop-in") if self.own_model.replace else ("baseline",)
        return ("baseline", "exact")


def scale_or_resume(options: ScaleOptions, *, resume: Path | None, outputs: Outputs, silent: bool, quiet: bool) -> int:
    """Run a measurement of growth, a new one or one that goes on, and report it."""
    inputs: tuple[Path, ...] = ()
    if resume is not None:
        outputs = replace(outputs, record=outputs.record or resume)
        inputs = (resume,) if outputs.record != resume else ()
    outputs.check(inputs)
    options.engine.check()

    from paco_prof.measure.endings import scale_ending, scale_refusal

    record = options.planned() if resume is None else options.gone_on(resume)
    outcome = _measured(record, outputs, options, silent=silent)
    if outcome.error is None and (refused := scale_refusal(outcome.record)) is not None:
        raise refused
    if not any(point.is_complete for point in outcome.record.points):
        # There is nothing to draw.
        outputs = replace(outputs, plot=None)
    is_saved = not isinstance(outcome.error, PacoProfError)
    outputs.render(outcome.record, on_screen=not quiet, is_saved=is_saved)
    if (error := scale_ending(outcome)) is not None:
        raise error
    return ExitCode.DONE


def _measured(record: ScaleRecord, outputs: Outputs, options: ScaleOptions, *, silent: bool) -> ScaleOutcome:
    from paco_prof.cli.progress import BarProgress, SilentProgress

    engine = options.engine.engine_for(options.own_model.folders())
    with SilentProgress() if silent else BarProgress(record.plan.max_seconds or 0.0) as progress:
        return engine.scale(record, progress, outputs.save_record)


def _bytes(text: str) -> int:
    """The limit that `--memory-limit` says.

    Raises:
        UsageError: it is none.
    """
    from paco_prof.units import parse_bytes

    number = parse_bytes(text.strip())
    if number is None or not 1 <= number < math.inf:
        raise UsageError(f"--memory-limit {text!r} is no memory.", "Write 4GB, 512MB or 4GiB.")
    return round(number)
