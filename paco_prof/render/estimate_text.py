"""What a projection found, in words."""

from __future__ import annotations

from paco_prof import units
from paco_prof.analysis import projection_findings as p
from paco_prof.analysis.findings import LeftOut
from paco_prof.render.estimate_cells import TERM_WORDS, enumerated
from paco_prof.render.estimate_scaling import scaling_sentence
from paco_prof.render.finding_text import claim_sentence, sentence

__all__ = ["estimate_sentence"]


def estimate_sentence(finding: p.ProjectionFinding) -> str:
    """One finding as a sentence or three: what is so, and what to do about it where something can be done."""
    match finding:
        case LeftOut():
            return sentence(finding)
        case p.ProjectedClaim(checked):
            return claim_sentence(checked)
        case p.EstimateEndedEarly(code, detail, names):
            how = f"failed ({detail})" if code == "failed" else "was interrupted"
            return f"Measuring {how}; there is nothing of any other variant than {enumerated(names)}."
        case p.NotInTotal(names, terms, from_pilots):
            advice = "" if from_pilots else " paco-prof estimate without --from measures them."
            return (
                f"Not measured, and not in the total of {enumerated(names)}: "
                f"{enumerated([TERM_WORDS[term] for term in terms])}.{advice}"
            )
        case p.MatchingNotMeasured():
            return _matching(finding)
        case p.EvaluatedWithoutLoading(names):
            return (
                f"The evaluation of {enumerated(names)} rests on inference with images that were there already; "
                "loading them is not in it."
            )
        case p.NoInterval(names):
            return (
                f"No interval for {enumerated(names)}: so few steps in one block do not tell how far another run would "
                "be from them. Eight steps or several launches would."
            )
        case p.OtherBatchSize(name, batch_size, batches, baseline_batch_size, baseline_batches):
            return (
                f"{name} has a batch of {batch_size} and so {units.count(batches)} batches an epoch, the baseline one "
                f"of {baseline_batch_size} and {units.count(baseline_batches)}; both see the same images."
            )
        case p.OtherMachines(num_launches):
            return (
                f"{units.count(num_launches)} launch{'es' if num_launches != 1 else ''} of the comparison, taken on "
                "other machines than the one above, left out: times of unlike machines are never put together."
            )
        case p.UncertainSaving(name, ratio):
            return (
                f"These pilots cannot tell whether {name} takes less time than the baseline "
                f"({units.ratio_interval(ratio.low, ratio.high)}); paco-prof compare, whose steps are paired, may."
            )
        case _:
            return scaling_sentence(finding)


def _matching(finding: p.MatchingNotMeasured) -> str:
    names, first = enumerated(finding.names), finding.warmup_epochs
    missing, there = "after the warm-up of matching", "in it"
    if finding.during_warmup:
        missing, there = "in the warm-up of matching", "after it"
    epoch = 0 if finding.during_warmup else first
    return (
        f"{units.count(finding.epochs)} of {units.count(finding.of_epochs)} epochs are {missing} (the first {first}), "
        f"and steps of {names} were measured only {there}, which stand for all. Measure with --epoch {epoch} too, and "
        "give both records with --from."
    )
