"""What a comparison found, in words."""

from __future__ import annotations

from paco_prof import units
from paco_prof.analysis import comparison_findings as c
from paco_prof.analysis import findings as f
from paco_prof.analysis import machine_findings as m
from paco_prof.analysis.health import GradientOfRounding
from paco_prof.analysis.loading import LoaderIsBottleneck
from paco_prof.records import Failure
from paco_prof.render.finding_text import busy_machine, sentence
from paco_prof.stats.paired import RatioEstimate

__all__ = ["comparison_sentence", "failure_words", "measured_ratio"]

# What stands where a difference is not established.
NO_DIFFERENCE = "~"


def measured_ratio(speedup: RatioEstimate | None) -> str:
    """`2.41x (2.31 to 2.52)`; `~ (0.98 to 1.02)` where no difference is established; `–` is not measured."""
    if speedup is None:
        return units.MISSING
    interval = units.ratio_interval(speedup.low, speedup.high)
    value = units.precise_ratio(speedup.ratio) if speedup.established else NO_DIFFERENCE
    return f"{value} ({interval})" if interval else value


def failure_words(failure: Failure) -> str:
    """A failure in a cell: `out of memory at 9.10 GB`."""
    at = f" at {units.gigabytes(failure.peak_bytes)}" if failure.kind == "out of memory" and failure.peak_bytes else ""
    return f"{failure.kind}{at}"


def comparison_sentence(finding: c.ComparisonFinding) -> str:
    """One finding as a sentence or three: what is so, and what to do about it where something can be done."""
    match finding:
        case c.ComparisonEndedEarly():
            return _ended_early(finding)
        case c.Unfinished():
            return _unfinished(finding)
        case c.NotEstablished():
            return _not_established(finding)
        case c.HelpsOnlyAlone():
            return _helps_only_alone(finding)
        case c.AgainstItself():
            return _against_itself(finding)
        case (
            f.ContradictedKind()
            | f.GradientAstray()
            | GradientOfRounding()
            | f.LeftOut()
            | LoaderIsBottleneck()
            | f.NonFiniteLoss()
            | f.UndividedBackward()
        ):
            return sentence(finding)
        case f.BusyMachine():
            return busy_machine(finding)
        case (
            m.WaitingIsBusy()
            | m.Throttled()
            | m.ClockMoved()
            | m.SlowGovernor()
            | m.Stolen()
            | m.OthersOnAccelerator()
            | m.Oversubscribed()
        ):
            return _machine_sentence(finding)
        case _:
            return _about_the_run(finding)


def _about_the_run(
    finding: c.MissingLaunches | c.Extended | c.BatchHalved | c.OtherBatch | c.Sequential | c.NotCompared,
) -> str:
    match finding:
        case c.MissingLaunches(number):
            return (
                f"The time was up with {_plural(number, 'planned launch', 'planned launches')} not taken; --resume "
                "takes them, a larger --max-minutes would have."
            )
        case c.Extended(launches):
            return (
                f"The comparison was extended to {_plural(launches, 'launch', 'launches')} after it had been looked "
                "at. Going on until a difference appears makes one appear; take the verdicts for a hint."
            )
        case c.BatchHalved(name, batch_size):
            return (
                f"Memory ran out for {name} at the whole batch; it and the baseline were measured at batch "
                f"{batch_size}, so its times are not those of the other rows."
            )
        case c.OtherBatch(name, batch_size, baseline_batch_size):
            return (
                f"{name} has a batch of {batch_size} and the baseline one of {baseline_batch_size}; its speed-up is "
                "per sample."
            )
        case c.Sequential():
            return (
                "Sequential: one side was over before the other began, so that a drift of the machine shows as a "
                "difference; only the launches' random order works against it."
            )
        case c.NotCompared(detail):
            return f"Loss and gradient could not be compared with a float64 reference: {_ended(detail)}"


def _machine_sentence(
    finding: m.WaitingIsBusy
    | m.Throttled
    | m.ClockMoved
    | m.SlowGovernor
    | m.Stolen
    | m.OthersOnAccelerator
    | m.Oversubscribed,
) -> str:
    match finding:
        case m.WaitingIsBusy(cores):
            return (
                f"The process whose turn it was not kept {cores:.1f} cores busy all the same, which slows the other "
                "one down: its threads spin while they wait, as OMP_WAIT_POLICY=ACTIVE makes them."
            )
        case m.Throttled(times, ()):
            return f"The CPU was slowed down because of its temperature {_plural(times, 'time', 'times')}."
        case m.Throttled(_, reasons):
            return f"The accelerator was slower than it can be: {', '.join(reasons)}."
        case m.ClockMoved(of, low, high):
            return f"The {of}'s clock moved between {low:,.0f} and {high:,.0f} MHz within a launch."
        case m.SlowGovernor(governor):
            return f"The cores' clocks follow the policy {governor}, which saves power; performance is steadier."
        case m.Stolen(cores):
            return f"The hypervisor gave {cores:.1f} of this machine's cores to others while steps were measured."
        case m.OthersOnAccelerator(num_processes):
            return (
                f"{_plural(num_processes, 'other process', 'other processes')} computed on the accelerator; the "
                "figures are too high."
            )
        case m.Oversubscribed(threads, cores):
            return f"A step uses {threads} threads on {_plural(cores, 'core', 'cores')}; --threads {cores} is steadier."


def _ended_early(finding: c.ComparisonEndedEarly) -> str:
    how = {"running": "was killed", "interrupted": "was interrupted"}.get(finding.status, "failed")
    launches = _plural(finding.num_launches, "launch", "launches")
    return f"The comparison {how}; it rests on {launches} until then. --resume goes on."


def _unfinished(finding: c.Unfinished) -> str:
    failure = finding.failure
    if failure.kind == "not applicable":
        return f"{finding.name} cannot be measured here: {_ended(failure.detail)} {failure.hint}".strip()
    who = f"The baseline's process beside {finding.name}" if failure.of_baseline else f"{finding.name}'s process"
    how = {
        "out of memory": "ran out of memory",
        "raised": "failed",
        "died": "died",
        "hung": "hung and was ended",
    }[failure.kind]
    peak = "" if failure.peak_bytes is None else f"; its memory had reached {units.gigabytes(failure.peak_bytes)}"
    advice = failure.hint
    if failure.kind == "out of memory":
        advice = "--retry-smaller halves the batch of both sides, --sequential holds one side in memory at a time."
    when = f"at its {failure.during} in launch {failure.round + 1}"
    return f"{who} {how} {when}: {_ended(failure.detail.rstrip('.') + peak)} {advice}".strip()


def _not_established(finding: c.NotEstablished) -> str:
    speedup = finding.speedup
    launches = _plural(speedup.num_launches, "launch does", "launches do")
    interval = units.ratio_interval(speedup.low, speedup.high)
    size = f" (its interval is {interval})" if interval else ""
    more = (
        "more --launches might, or might not."
        if finding.needed is None
        else f"about {finding.needed} launches probably would, if it is as large as it looks."
    )
    return f"{NO_DIFFERENCE} {finding.name}: {launches} not establish a difference{size}; {more}"


def _helps_only_alone(finding: c.HelpsOnlyAlone) -> str:
    interaction = finding.interaction
    together = interaction.together
    beside = (
        "makes no difference that these launches could tell"
        if not together.established
        else f"slower ({units.precise_ratio(together.ratio)})"
    )
    return (
        f"{interaction.toggle} helps only without {interaction.other}: alone it makes the step "
        f"{units.precise_ratio(interaction.alone.ratio)} as fast, beside it {beside}."
    )


def _against_itself(finding: c.AgainstItself) -> str:
    speedup = finding.speedup
    interval = units.ratio_interval(speedup.low, speedup.high)
    if speedup.established:
        return (
            f"{finding.name} against itself shows a difference of {units.ratio(speedup.ratio)}: one of a hundred such "
            "comparisons does by chance; where a second one does, distrust this machine."
        )
    noise = f"; differences inside {interval} cannot be seen with so many launches" if interval else ""
    return f"{finding.name} against itself shows no difference, as it has to be{noise}."


def _plural(number: int, one: str, many: str) -> str:
    return f"{units.count(number)} {one if number == 1 else many}"


def _ended(text: str) -> str:
    """With one full stop."""
    return text if text.endswith(".") else f"{text}."
