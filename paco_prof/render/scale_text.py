"""What a measurement of growth found, in words."""

from __future__ import annotations

from paco_prof import units
from paco_prof.analysis import findings as f
from paco_prof.analysis import machine_findings as m
from paco_prof.analysis import scale_facts as s
from paco_prof.records import Largest
from paco_prof.render.comparison_text import comparison_sentence
from paco_prof.render.labels import plain_title
from paco_prof.render.scale_cells import (
    exponent_cell,
    factor_words,
    fits_nothing,
    number,
    row_title,
    size_words,
    size_words_of,
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
        case s.Predicted(name, factors, target, step):
            interval = units.span_with_interval(step.value, step.low, step.high)
            return (
                f"{name} at {size_words(factors, target)}: {interval} a step, {_beyond(step.beyond)}; nothing was run "
                "there."
            )
        case s.FarBeyond(beyond):
            return (
                f"The prediction is {units.ratio(beyond)} the largest size: it holds as long as nothing new happens on "
                "the way there, such as memory that runs short. A larger size, measured once, carries farther."
            )
        case s.MemoryAtTarget():
            return _memory(finding)
        case s.LargestHeldOut():
            return _held_out(finding)
        case s.SizesApart(name, path, factors, sizes):
            return (
                f"{row_title(path)} of {name} at {size_words_of(factors, sizes)} does not follow the other sizes, and "
                "no fit rests on it; something disturbed it, or something happens only there. Measure it again."
            )
        case s.LargestBatch(name, largest):
            return _largest(name, largest)
        case f.LeftOut() | f.UndividedBackward() | f.BusyMachine() | m.Oversubscribed():
            return comparison_sentence(finding)


def _growth(finding: s.FastestGrowth) -> str:
    growth, factor = finding.step, factor_words(finding.factor)
    step = f"{finding.name}: a step grows with {factor}^{exponent_cell(growth.exponents[finding.place])}"
    if not growth.grows:
        return f"{finding.name}: a step takes about as long at every size."
    row = finding.stage
    if row is None or row.growth is None:
        return f"{step}."
    exponent = exponent_cell(row.growth.exponents[finding.place])
    return f"{step}; of its stages {plain_title(row.path)} grows fastest, with {factor}^{exponent}."


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
    if crossover.is_measured:
        between = f"between {number(crossover.low or 0)} and {number(crossover.size)}"
        return f"{finding.name}: {after} overtakes {before} {between} (measured)."
    ends = ""
    if crossover.low is not None:
        high = "beyond what is predicted" if crossover.high is None else number(crossover.high)
        ends = f" (interval {number(crossover.low)} to {high})"
    return (
        f"{finding.name}: {after} is predicted to overtake {before} from {factor} {number(crossover.size)} on{ends}; "
        "no size there was run."
    )


def _memory(finding: s.MemoryAtTarget) -> str:
    peak, of = finding.peak, "device" if finding.of == "device" else "process"
    needed = units.gigabytes_interval(peak.value, peak.low, peak.high)
    text = f"{finding.name} at {size_words(finding.factors, finding.target)}: a peak of {needed} of the {of}"
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
    return (
        f"{finding.name}: {sizes} give an exponent without an interval, and no prediction; {needed} give both, and "
        f"{needed + 1} or more can tell a fixed cost from a power."
    )


def _power_alone(finding: s.PowerAlone) -> str:
    beside = "a fixed cost or a lower order" if finding.num_factors == 1 else "a fixed cost"
    needed = finding.num_factors + 3
    return (
        f"{units.count(finding.num_sizes)} sizes cannot tell {beside} from the power: exponents, and predictions "
        f"beyond the sizes, are surer than they ought to be. {needed} sizes or more allow for it."
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


def _beyond(times: float) -> str:
    return "within the measured sizes" if times <= 1 else f"{units.ratio(times)} the largest size"


def _launches(number: int) -> str:
    return f"{units.count(number)} launch{'es' if number != 1 else ''}"
