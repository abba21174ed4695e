"""What a comparison of accuracies found, in words."""

from __future__ import annotations

from paco_prof import units
from paco_prof.analysis import accuracy_findings as a
from paco_prof.analysis.findings import ContradictedKind, GradientAstray, LeftOut
from paco_prof.analysis.health import GradientOfRounding
from paco_prof.render.finding_text import sentence
from paco_prof.render.health_text import health_sentence
from paco_prof.stats.noninferiority import AccuracyDifference

__all__ = ["accuracy_sentence"]


def accuracy_sentence(finding: a.AccuracyFinding) -> str:
    """One finding as a sentence or three: what is so, and what to do about it where something can be done."""
    match finding:
        case a.Judged():
            return _judged(finding)
        case a.FasterButWorse(name, difference, speedup):
            return (
                f"{name} is faster and worse: an epoch is {units.ratio(speedup)} as fast, its accuracy differs by "
                f"{_size(difference)}, which is below {_limit(difference)}. To find what costs the accuracy, compare "
                "with less of it (--set); what is exact costs none."
            )
        case a.UnlikeExact(name, difference):
            return (
                f"{name} claims to be exact, and its accuracy differs from the baseline's by {_size(difference)}. The "
                "same objective trains the same on average: look at its fidelity (paco-prof compare), and try other "
                "seeds; one such comparison in twenty differs by chance."
            )
        case ContradictedKind() | GradientAstray() | GradientOfRounding() | LeftOut():
            return sentence(finding)
        case a.AtChance() | a.Unhealthy() | a.RunFailed() | a.TwinAstray():
            return _about_a_variant(finding)
        case _:
            return _about_the_design(finding)


def _about_the_design(finding: a.RunsEndedEarly | a.TooFewSeeds | a.SmallEvaluation | a.TargetMissed) -> str:
    match finding:
        case a.RunsEndedEarly(status, num_runs, of_runs):
            how = {"running": "was killed", "interrupted": "was interrupted"}.get(status, "failed")
            return (
                f"The comparison {how} with {num_runs} of {_plural(of_runs, 'run', 'runs')} at their end; only those "
                "are judged."
            )
        case a.TooFewSeeds(1):
            return (
                "One seed: how much another seed would change is unknown, so that no difference of accuracies has an "
                f"interval or a verdict. Train --seeds {a.FEWEST_SEEDS} or more."
            )
        case a.TooFewSeeds(num_seeds):
            return (
                f"{num_seeds} seeds hardly tell how much another one would change, and make wide intervals; --seeds "
                f"{a.FEWEST_SEEDS} narrows them to less than half."
            )
        case a.TargetMissed(target, reached):
            found = ", ".join(f"{number} of {_plural(of, 'run', 'runs')} of {name}" for name, number, of in reached)
            return (
                f"{units.accuracy(target)} was reached by {found}: the time to it is that of the runs that did, and "
                "without the others a speed-up would flatter. Train more --epochs, or ask for less (--target)."
            )
        case a.SmallEvaluation(num_images, margin, least):
            is_below_one = margin * num_images < 1
            one = ", less than one of them," if is_below_one else ""
            return (
                f"{_plural(num_images, 'evaluation image is', 'evaluation images are')} too few for a margin of "
                f"{_points(margin)}{one} whatever the models: even equal outcomes leave {_points(least)} open. "
                f"Evaluate with more images, or use --margin {_least_margin(least)} or more."
            )


def _about_a_variant(
    finding: a.AtChance | a.Unhealthy | a.RunFailed | a.TwinAstray,
) -> str:
    match finding:
        case a.AtChance(name, num_runs, of_runs, accuracy, chance):
            return (
                f"{name} guesses: the accuracy of {_runs(num_runs, of_runs)} ({units.accuracy(accuracy)} at best) is "
                f"what guessing reaches too ({units.accuracy(chance)}). It has learned nothing yet, and a verdict on "
                "it means nothing: train more --epochs, or with another learning rate."
            )
        case a.Unhealthy(name, num_runs, of_runs, health):
            return f"{name}, {_runs(num_runs, of_runs)}: {health_sentence(health)}"
        case a.RunFailed(name, seed, num_epochs, of_epochs, reason):
            why = reason if reason.endswith(".") else f"{reason}."
            return (
                f"{name} with seed {seed} failed after {num_epochs} of {_plural(of_epochs, 'epoch', 'epochs')}: {why} "
                "It is not judged."
            )
        case a.TwinAstray(name, loss_error, gradient_error, gradient_cosine):
            return (
                f"What was trained in place of {name} does not have the loop's objective here: its loss is off by "
                f"{units.relative_error(loss_error)}, its gradient by {units.percent(gradient_error)} of the float64 "
                f"reference's norm (cosine {units.cosine(gradient_cosine)}). The accuracy in its row is the twin's, "
                "and may not be the loop's; train the loop itself."
            )


def _judged(finding: a.Judged) -> str:
    difference = finding.difference
    size, limit = _size(difference), _limit(difference)
    match finding.verdict:
        case "better":
            return f"{finding.name} is more accurate than the baseline: by {size}, all of it above zero."
        case "as good":
            return (
                f"{finding.name} is as good as the baseline: its accuracy differs by {size}, all of it above {limit}."
            )
        case "worse":
            return (
                f"{finding.name} is worse than the baseline: its accuracy differs by {size}, all of it below {limit}."
            )
    if finding.num_failed:
        failed = _plural(finding.num_failed, "run of it", "runs of it")
        return f"{finding.name} is not called as good, since {failed} failed; the others differ by {size}."
    undecided = f"Whether {finding.name} is as good is not decided: its accuracy differs by {size}"
    if difference.low is None:
        return f"{undecided}, with one seed."
    return f"{undecided}, on both sides of {limit}. {_what_would_decide(finding)}"


def _what_would_decide(finding: a.Judged) -> str:
    difference = finding.difference
    if finding.needed is not None:
        return f"About --seeds {finding.needed} probably would decide, if the difference is what it looks like."
    if finding.images_limit:
        return (
            f"These {units.count(difference.num_images)} evaluation images alone leave ±"
            f"{_points(difference.lasting_reach)} open, which no number of seeds makes less: evaluate with more "
            "images, or use another --margin."
        )
    return "It is so near to the margin that a hundred seeds might not decide."


def _size(difference: AccuracyDifference) -> str:
    return units.points_interval(difference.value, difference.low, difference.high)


def _limit(difference: AccuracyDifference) -> str:
    return units.points(-difference.margin)


def _points(size: float) -> str:
    """Without a sign."""
    return units.points(size).removeprefix("+")


def _least_margin(least: float) -> str:
    """As the option takes it: points, rounded up."""
    hundredths = int(least * 1e4) + 1
    return units.fixed(hundredths / 100, 2)


def _runs(number: int, of: int) -> str:
    return f"{units.count(number)} of {_plural(of, 'run', 'runs')}"


def _plural(number: int, one: str, many: str) -> str:
    return f"{units.count(number)} {one if number == 1 else many}"
