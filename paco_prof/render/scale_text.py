"""What a measurement of growth found, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from paco_prof import units
from paco_prof.analysis import findings as f
from paco_prof.analysis import machine_findings as m
from paco_prof.analysis import scale_facts as s
from paco_prof.records import Largest
from paco_prof.render.comparison_text import comparison_sentence
from paco_prof.render.labels import plain_title
from paco_prof.render.scale_cells import (
    bytes_cell,
    exponent_cell,
    factor_words,
    fits_nothing,
    number,
    row_title,
    size_words,
    size_words_of,
    span_cell,
)

__all__ = ["scale_sentence"]


def scale_sentence(finding: s.ScaleFinding) -> str:
    """One finding as a sentence or three: what is so, and what to do about it where something can be done."""
    match finding:
        case s.ScaleEndedEarly(status, points):
            how = {"running": "was killed", "interrupted": "was interrupted"}.get(status, "failed")
            return f"The measurement {how}; it rests on {_launches(points)} until then. --resume goes on."
        case s.SizesMissing(missing):
            verb = "is" if missing == 1 else "are"
            more = "A larger --max-minutes with --resume takes them."
            return f"The time was up: {_launches(missing)} {verb} missing. {more}"
        case s.SizeFailed():
            return _failed(finding)
        case s.NoInterval():
            return _no_interval(finding)
        case s.PowerAlone():
            return _power_alone(finding)
        case s.OneLaunch():
            return "Every size has one launch, so that nothing tells how much launches differ; --launches 2 would."
        case s.FastestGrowth():
            return _growth(finding)
        case s.TopStage():
            return _top(finding)
        case s.BottleneckMoves():
            return _moves(finding)
        case s.Predicted():
            return _predicted(finding)
        case s.FarBeyond(beyond):
            return (
                f"What is predicted at {units.ratio(beyond)} the largest size holds as long as nothing new happens on "
                "the way there, such as memory that runs short. A larger size, measured once, carries farther."
            )
        case s.MemoryAtTarget():
            return _memory(finding)
        case s.LargestHeldOut():
            return _held_out(finding)
        case s.SizesApart(name, path, factors, sizes):
            return (
                f"{row_title(path)} of {name} at {size_words_of(factors, sizes)} does not follow the other sizes, and "
                "its own fit leaves that out; something disturbed it, or something happens only there. Measure it "
                "again."
            )
        case s.LargestBatch(name, largest):
            return _largest(name, largest)
        case f.LeftOut() | f.UndividedBackward() | f.BusyMachine() | m.Oversubscribed():
            return comparison_sentence(finding)


def _growth(finding: s.FastestGrowth) -> str:
    factor = factor_words(finding.factor)
    if not finding.step.grows:
        return f"{finding.name}: a step takes about as long at every {factor}."
    exponent = finding.step.exponents[finding.place]
    verb = "grows" if exponent.value > 0 else "goes"
    step = f"{finding.name}: a step {verb} with {factor}^{exponent_cell(exponent)}"
    row = finding.stage
    if row is None or row.growth is None:
        return f"{step}."
    of_stage = exponent_cell(row.growth.exponents[finding.place])
    return f"{step}; of its stages of 10 % or more {plain_title(row.path)} grows fastest, with {factor}^{of_stage}."


def _top(finding: s.TopStage) -> str:
    here, there = finding.here, finding.there
    text = (
        f"{finding.name}: {plain_title(here.path)} is the bottleneck at {size_words(finding.factors, finding.sizes)}, "
        f"with {units.percent(here.share)} of the step"
    )
    if there is None or finding.target is None:
        return f"{text}."
    who = (
        "it is predicted to stay so" if there.path == here.path else f"{plain_title(there.path)} is predicted to be it"
    )
    share = units.percent(there.share)
    return f"{text}; {who} at {size_words(finding.factors, finding.target)}, with {share} of the step."


def _moves(finding: s.BottleneckMoves) -> str:
    crossover, factor = finding.crossover, factor_words(finding.factor)
    before, after = plain_title(crossover.before), plain_title(crossover.path)
    low, size, high = number(crossover.low), number(crossover.size), number(crossover.high)
    if crossover.is_measured:
        return f"{finding.name}: {after} overtakes {before} between {factor} {low} and {size} (measured)."
    if crossover.is_within:
        return (
            f"{finding.name}: {after} overtakes {before} at about {factor} {size} (interval {low} to {high}), as their "
            "fits have it; launches up to the largest size cannot tell."
        )
    return (
        f"{finding.name}: {after} is predicted to overtake {before} from {factor} {size} on (interval {low} to "
        f"{high}); no size there was run."
    )


def _predicted(finding: s.Predicted) -> str:
    where = size_words(finding.factors, finding.target)
    text = f"{finding.name} at {where}: {span_cell(finding.step)} a step"
    if finding.target in finding.measured:
        return f"{text} by the fit; what was measured there stands among the sizes."
    places = zip(finding.factors, finding.target, zip(*finding.measured, strict=True), strict=True)
    outside = " and ".join(filter(None, (_outside(finding, *of_factor) for of_factor in places)))
    return f"{text}, {outside or 'within the measured sizes'}; nothing was run there."


def _outside(finding: s.Predicted, factor: str, size: int, measured: Sequence[int]) -> str:
    """`5.3x the largest size`, of two factors `5.3x the largest batch size`; empty within what was measured."""
    of = "size" if len(finding.factors) == 1 else factor_words(factor)
    if size > max(measured):
        return f"{units.ratio(size / max(measured))} the largest {of}"
    return f"{units.ratio(size / min(measured))} the smallest {of}" if size < min(measured) else ""


def _memory(finding: s.MemoryAtTarget) -> str:
    peak, of = finding.peak, "device" if finding.of == "device" else "process"
    where = size_words(finding.factors, finding.target)
    text = f"{finding.name} at {where}: a peak of {bytes_cell(peak)} of the {of}"
    if finding.available is None:
        return f"{text}."
    there = units.gigabytes(finding.available)
    high = peak.value if peak.high is None else peak.high
    low = peak.value if peak.low is None else peak.low
    verdict = (
        "which fits"
        if high < finding.available
        else "which does not fit"
        if low > finding.available
        else "which may not fit"
    )
    return f"{text}, {verdict} into {there}."


def _held_out(finding: s.LargestHeldOut) -> str:
    hindcast = finding.hindcast
    inside = {True: ", inside its interval", False: ", outside its interval", None: ""}[hindcast.is_inside]
    if hindcast.predicted.high == math.inf:
        inside = ", whose interval has no upper end"
    return (
        f"{finding.name}: left out of the fit, the step at {size_words(finding.factors, hindcast.sizes)} would have "
        f"been predicted as {units.span(hindcast.predicted.value)}; it is {units.span(hindcast.measured)} "
        f"({units.signed_percent(hindcast.error)}{inside})."
    )


def _failed(finding: s.SizeFailed) -> str:
    failure = finding.failure
    how = {
        "out of memory": "ran out of memory",
        "raised": "failed",
        "died": "died",
        "hung": "hung and was ended",
        "not applicable": "cannot be measured here",
    }[failure.kind]
    peak = "" if failure.peak_bytes is None else f"; its memory had reached {units.gigabytes(failure.peak_bytes)}"
    where = size_words(finding.factors, failure.sizes)
    detail = f"{failure.detail.rstrip('.')}{peak}."
    when = f"at its {failure.during} in launch {failure.round + 1}"
    return f"{finding.name} {how} at {where}, {when}: {detail} {failure.hint}".strip()


def _no_interval(finding: s.NoInterval) -> str:
    needed = finding.num_factors + 2
    sizes = f"{units.count(finding.num_sizes)} size{'s' if finding.num_sizes != 1 else ''}"
    if finding.num_sizes <= finding.num_factors:
        return f"{finding.name}: {sizes} cannot tell how it grows."
    if finding.unvaried:
        names = " and ".join(factor_words(factor) for factor in finding.unvaried)
        how = "was not varied by itself" if len(finding.unvaried) == 1 else "were not varied apart from each other"
        return f"{finding.name}: {sizes} cannot tell how it grows, because {names} {how}."
    return (
        f"{finding.name}: {sizes} give an exponent without an interval, and no prediction; {needed} give both, and "
        f"{needed + 1} or more can tell a fixed cost from a power."
    )


def _power_alone(finding: s.PowerAlone) -> str:
    needed = finding.num_factors + 3
    return (
        f"{units.count(finding.num_sizes)} sizes cannot tell a fixed cost or a lower order from the power: exponents, "
        f"and predictions beyond the sizes, are surer than they ought to be. {needed} sizes or more allow for it."
    )


def _largest(name: str, largest: Largest) -> str:
    if fits_nothing(largest):
        return f"{name}: not even the smallest batch fits ({_why(largest)})."
    if largest.size is None:
        return f"{name}: no batch is known to fit; {_why(largest)}."
    text = f"{name}: the largest batch that fits is {units.count(largest.size)}"
    if largest.confirmed_steps:
        text += f", confirmed by {units.count(largest.confirmed_steps)} steps of a fresh process"
    return f"{text}; {_why(largest)}."


def _why(largest: Largest) -> str:
    other = "one" if largest.size is None else "a larger one"
    match largest.reason:
        case "out of memory":
            size = "what was tried" if largest.next_size is None else units.count(largest.next_size)
            detail = next((t.detail for t in largest.trials if t.size == largest.next_size and t.detail), "")
            return f"{size} runs out of memory" + (f" ({detail.rstrip('.')})" if detail else "")
        case "as asked":
            return "nothing larger was tried, as --largest-up-to has it"
        case "time is up":
            return f"the time for the search was up, and {other} may fit"
        case "interrupted":
            return f"the search was interrupted, and {other} may fit"
        case _:
            detail = next((t.detail for t in reversed(largest.trials) if t.reason == "failed"), "") or largest.detail
            how = f" ({detail.rstrip('.')})" if detail else ""
            return f"a trial failed for another reason than memory{how}, and {other} may fit"


def _launches(number: int) -> str:
    return f"{units.count(number)} launch{'es' if number != 1 else ''}"
