"""`paco-prof ablate`: what each change brings, alone and beside others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from paco_prof.cli.comparison import ComparisonOptions, compare_or_resume
from paco_prof.cli.options import OutputOptions, Resume
from paco_prof.errors import UsageError

if TYPE_CHECKING:
    from paco_prof.records import Contestant, Design

__all__ = ["ablate"]

MINUTES_EACH = 3.0
MODES: tuple[Design, ...] = ("one-at-a-time", "leave-one-out", "cumulative", "factorial")


def ablate(
    *,
    base: Annotated[str, typer.Option(metavar="VARIANT", help="What toggles are added to.")] = "baseline",
    toggles: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...|all", help="Variants to switch on. [default: the mode's own]", show_default=False
        ),
    ] = None,
    mode: Annotated[str, typer.Option(metavar="|".join(MODES), help="Which combinations.")] = "one-at-a-time",
    options: ComparisonOptions,
    resume: Resume = None,
    outputs: OutputOptions,
) -> int:
    """Measure what each change brings: one row a toggle, as believable as paco-prof compare.

    one-at-a-time: the base with each toggle alone (all of the catalogue by default). leave-one-out: all toggles
    together, and without each of them (those of the preset exact by default). cumulative: one more each time (the
    phases of the analysis's checklist by default, beside what it expects of each). factorial: every combination of two
    to four toggles, and whether they get in each other's way (fused-loss and max-negatives-16 by default).

    With --model the defaults are others: drop-in, where --replace says what it is, and the variants drop-in-* of other
    components; one at a time also what can be set of any model. --toggles all is all of these in every mode, where they
    go together without the second of two that exclude each other.

    With --engine ray the nodes of a Ray cluster take the launches, as many at once as there is room for; launches of
    unlike machines are never judged together.

    Started by torchrun, every variant trains on all devices together, a process on each: torchrun --nproc-per-node 2
    -m paco_prof ablate.

    Exit codes: 0 done, 2 bad input, 4 a measured process failed, 130 interrupted; whatever was measured until then is
    shown and written all the same, and --resume goes on from there.
    """
    design = next((name for name in MODES if name == mode), None)
    if design is None:
        raise UsageError(f"--mode {mode!r} is unknown.", f"Use {', '.join(MODES)}.")
    from paco_prof.variants.contestants import Field, ablated

    named = None if toggles is None else [name.strip() for name in toggles.split(",") if name.strip()]

    def contestants(field: Field) -> tuple[Design, tuple[Contestant, ...]]:
        return design, ablated(field, design, base, named)

    return compare_or_resume(
        options.choices(),
        contestants,
        resume=resume,
        names_given=toggles is not None or base != "baseline" or mode != MODES[0],
        minutes_each=MINUTES_EACH,
        outputs=outputs.files,
        silent=outputs.silent,
        quiet=outputs.quiet,
    )
