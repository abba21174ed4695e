"""How the report of an estimate tells of several devices: a table of what is known of each variant, and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from paco_prof import units
from paco_prof.analysis import efficiency_findings as s
from paco_prof.analysis.efficiency import MeasuredSize, Scaling
from paco_prof.analysis.projection import ProjectionView
from paco_prof.render.document import Block, Column, Heading, Paragraph, Row, Table
from paco_prof.render.estimate_cells import TERM_WORDS, enumerated, step_cell
from paco_prof.stats.pace import Span

__all__ = ["ORIGINS", "num_devices", "scaling_blocks", "scaling_sentence"]

LEFT: Literal["left"] = "left"
# What a pilot was taken from, in words.
ORIGINS = {
    "pilot": "a pilot run",
    "training": "a training run",
    "breakdown": "a breakdown",
    "comparison": "a comparison",
}


def num_devices(number: int) -> str:
    """`1 device`, `8 devices`."""
    return f"{units.count(number)} device{'s' if number != 1 else ''}"


def scaling_blocks(view: ProjectionView) -> list[Block]:
    """The section about several devices; nothing where there is one, and was one."""
    scalings = {run.name: run.scaling for run in view.runs}
    if view.plan.gpus == 1 and all(scaling.measured == (1,) for scaling in scalings.values()):
        return []
    rows = []
    for name, scaling in scalings.items():
        rows.append(Row((name, "", "", ""), style="strong"))
        rows += [_row(size, source) for size, source in _sizes(scaling)]
    columns = (Column("", LEFT), Column("time per batch", LEFT), Column("efficiency", LEFT), Column("", LEFT))
    notes = (
        "Efficiency is the images a second of each device over those of one device alone, waiting for batches left out."
    )
    sources = {scaling.source for scaling in scalings.values()}
    if sources & {"interpolated", "extrapolated"}:
        notes += (
            " Between and beyond the measured numbers a step is taken to grow as the traffic of a ring all-reduce "
            "does, each of N devices sending (N - 1) / N of the gradients twice (Patarasuk and Yuan, 2009)."
        )
    return [Heading("Several devices"), Table(columns, tuple(rows)), Paragraph(notes)]


def _sizes(scaling: Scaling) -> list[tuple[MeasuredSize, str]]:
    """The measured numbers of devices and that of the run, in their order."""
    found = [(size, "measured") for size in scaling.sizes]
    if scaling.devices not in scaling.measured:
        found.append((MeasuredSize(scaling.devices, scaling.step, scaling.efficiency), scaling.source))
    return sorted(found, key=lambda size: size[0].devices)


def _row(size: MeasuredSize, source: str) -> Row:
    return Row((num_devices(size.devices), step_cell(size.step), _share(size.efficiency), source), depth=1)


def _share(efficiency: Span | None) -> str:
    if efficiency is None:
        return units.MISSING
    low, high = efficiency.low, efficiency.high
    return units.percent_interval(efficiency.value, *((None, None) if low == high else (low, high)))


def scaling_sentence(finding: s.ScalingFinding) -> str:
    """One finding as a sentence or three."""
    names = enumerated(finding.names)
    match finding:
        case s.PerfectScaling(gpus):
            of = f" of {names}" if names else ""
            return (
                f"Perfect scaling is assumed{of}: {gpus} GPUs share an epoch's images, and what they tell each other "
                "costs nothing. Nothing of that was measured; a real run takes longer. A breakdown under torchrun "
                "measures it; give its record with --from too."
            )
        case s.ModelledScaling():
            return _modelled(finding)
        case s.StepOfOthers():
            return _of_others(finding)
        case s.NoEfficiency(_, measured, is_alike):
            if is_alike:
                return f"The efficiency of {names} is not known: one device alone was not measured."
            return (
                f"The efficiency of {names} is not known: {_numbers(measured)} were measured with different ways of "
                "matching. Measure all with one --epoch."
            )
        case s.TermsOfOthers():
            return _terms_of_others(finding)
        case s.OriginsApart(_, origins):
            words = [f"{num_devices(devices)} in {ORIGINS[origin]}" for devices, origin in origins]
            return (
                f"Steps of {names} were measured by different commands ({', '.join(words)}); what those themselves "
                "cost is in the efficiency too."
            )
        case s.BetterThanPerfect(_, devices, efficiency):
            return (
                f"Each of {num_devices(devices)} took less time for a step of {names} than one device alone "
                f"(efficiency {_share(efficiency)}), which no waiting for each other explains: something else was "
                "different when the two were measured."
            )


def _modelled(finding: s.ModelledScaling) -> str:
    names, measured, devices = enumerated(finding.names), finding.measured, num_devices(finding.devices)
    if finding.source == "interpolated":
        below, above = (
            max(n for n in measured if n < finding.devices),
            min(n for n in measured if n > finding.devices),
        )
        return (
            f"The step of {names} on {devices} was not measured: it is interpolated between {below} and "
            f"{num_devices(above)}, and its interval holds both."
        )
    return (
        f"The step of {names} on {devices} was not measured: it is extrapolated from {_numbers(measured)}. Its "
        f"interval reaches from no further growth to one that is the same for every device beyond {measured[-1]}; "
        "another node, another network would change it."
    )


def _of_others(finding: s.StepOfOthers) -> str:
    names, taken, devices = enumerated(finding.names), num_devices(finding.taken), num_devices(finding.devices)
    if finding.why == "matching":
        return (
            f"Steps of {names} were measured on {_numbers(finding.measured)} with different ways of matching, which "
            f"tells nothing of how they scale: the step on {taken} stands for that on {devices}. Measure all with one "
            "--epoch."
        )
    if finding.devices > finding.taken:
        return (
            f"Of {names} only {taken} were measured: each of {devices} is assumed to take as long for a step. What "
            "more of them wait for each other is not in it; a real run takes longer."
        )
    return (
        f"The step of {names} on {devices} was not measured: that of each of {taken} stands for it, in which they wait "
        "for each other. A real run takes less time."
    )


def _terms_of_others(finding: s.TermsOfOthers) -> str:
    terms = enumerated([TERM_WORDS[term] for term in finding.terms])
    each = "" if finding.gpus == 1 else "each of "
    text = (
        f"Of {enumerated(finding.names)}, measured on {num_devices(finding.devices)} and taken to be the same on "
        f"{each}{num_devices(finding.gpus)}: {terms}."
    )
    if finding.loads and finding.gpus > finding.devices:
        text += (
            f" {finding.gpus} devices load {finding.gpus / finding.devices:.3g} times as many images at once, and wait "
            "longer where they share a disk or the cores that load."
        )
    return text


def _numbers(measured: Sequence[int]) -> str:
    return f"{enumerated([units.count(number) for number in measured])} device{'s' if measured[-1] != 1 else ''}"
