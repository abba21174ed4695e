"""`paco-prof compare`: speed-ups that can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from paco_prof.cli.accuracy import AccuracyChoices, compare_accuracy
from paco_prof.cli.comparison import ComparisonOptions, compare_or_resume
from paco_prof.cli.options import OutputOptions, Resume
from paco_prof.errors import UsageError

if TYPE_CHECKING:
    from paco_prof.records import Contestant, Design

__all__ = ["compare"]


def compare(
    *,
    variants: Annotated[
        list[str] | None, typer.Argument(metavar="BASELINE VARIANT", help="Variants of paco-prof variants.")
    ] = None,
    options: ComparisonOptions,
    accuracy: Annotated[
        bool, typer.Option("--accuracy", help="Train every variant, and compare accuracy and not times.")
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="With --accuracy: runs of each. [default: 3]", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="With --accuracy: of each run. [default: 5]", show_default=False),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=99.0,
            help="With --accuracy: points that a variant may lose and be as good. [default: 1]",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100.0,
            help="With --accuracy: per cent whose time is asked for. [default: the baseline's, less the margin]",
            show_default=False,
        ),
    ] = None,
    no_twin: Annotated[
        bool,
        typer.Option("--no-twin", help="With --accuracy: train the reference loop itself, and not its exact twin."),
    ] = False,
    resume: Resume = None,
    outputs: OutputOptions,
) -> int:
    """Measure how much faster variants are than a baseline, and whether the difference is one.

    Every variant lives in a process of its own; steps of baseline and variant are taken in turns, in random order
    within a pair, over launches of fresh processes, and the launches are judged. On screen: times, speed-ups with
    intervals, what each variant changes of loss and gradient, the analysis's claims beside what was measured, stages
    before and after. A difference that is not established prints ~. The same variant twice measures this machine's
    noise.

    With --model the variant drop-in tells what one line of your own code would save (--replace says which), and whether
    loss and gradient stay those of your model in float64.

    Started by torchrun, every variant trains on all devices together, a process on each: torchrun --nproc-per-node 2
    -m paco_prof compare.

    With --accuracy each variant is trained instead, on the same data (scikit-learn's digits by default) and with the
    same seeds: accuracy, the difference with its interval, whether a variant is as good within the margin, and the time
    to an accuracy. A baseline with the reference loop is trained as its exact twin, which is checked in the same run.

    With --engine ray the nodes of a Ray cluster take the launches, as many at once as there is room for; launches of
    unlike machines are never judged together.

    Exit codes: 0 done, 2 bad input, 4 a measured process failed, 130 interrupted; whatever was measured until then is
    shown and written all the same, and --resume goes on from there.
    """
    from paco_prof.planning import MINUTES_EACH
    from paco_prof.variants.contestants import Field, compared

    names = variants or []

    of_accuracy = AccuracyChoices(seeds, epochs, margin, target, twins=not no_twin)
    if accuracy:
        return compare_accuracy(
            options.choices(),
            of_accuracy,
            names,
            resume=resume,
            outputs=outputs.files,
            silent=outputs.silent,
            quiet=outputs.quiet,
        )
    if of_accuracy.given():
        raise UsageError(f"{of_accuracy.given()} goes with --accuracy.", "Add it, or leave the option away.")

    def contestants(field: Field) -> tuple[Design, tuple[Contestant, ...]]:
        return "compare", compared(field, names)

    return compare_or_resume(
        options.choices(),
        contestants,
        resume=resume,
        names_given=bool(names),
        minutes_each=MINUTES_EACH,
        outputs=outputs.files,
        silent=outputs.silent,
        quiet=outputs.quiet,
    )
