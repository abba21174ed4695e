"""Findings in words."""

from __future__ import annotations

from paco_prof import units
from paco_prof.analysis import findings as f
from paco_prof.analysis.claims import CheckedClaim
from paco_prof.analysis.loading import LoaderIsBottleneck
from paco_prof.render.health_text import health_sentence, loader_sentence
from paco_prof.render.labels import plain_title

__all__ = ["sentence"]

# A speed-up below which there is nothing left to gain.
WORTHWHILE = 1.05


def sentence(finding: f.Finding) -> str:
    """One finding as a sentence or three: what is so, and what to do about it where something can be done."""
    match finding:
        case f.DominantStage():
            return _dominant(finding)
        case f.PaCoShare():
            return _paco_share(finding)
        case f.ContradictedKind():
            return _contradicted(finding)
        case f.GradientAstray():
            return _astray(finding)
        case f.NoFidelity(reason):
            return f"Loss and gradient could not be compared with a float64 reference: {reason}."
        case f.LeftOut(name, reasons):
            return f"Left out of {name} here: {'; '.join(f'{setting} ({reason})' for setting, reason in reasons)}."
        case f.TrainingOverInference():
            return _training_over_inference(finding)
        case f.LossAloneReadsLower():
            return _loss_alone(finding)
        case f.RepeatedFactorization(path, factorizations, needed, operators):
            return (
                f"{plain_title(path)} factorises {units.count(factorizations)} matrices in one forward pass, where "
                f"{units.count(needed)}, one per image, hold all there is to know; with what surrounds them these are "
                f"{units.count(operators)} tensor operators, and backward visits each of them again."
            )
        case f.HostBound(bound):
            names = ", ".join(f"{plain_title(path)} ({', '.join(phases)})" for path, phases in bound)
            return (
                f"Launch-bound (†): the host takes as long as the device in {names}. Either the device waits for work, "
                "and fewer, larger operators would help, or the host waits there for a result."
            )
        case f.NoisyStages():
            return _noisy(finding)
        case f.BusyMachine():
            return busy_machine(finding)
        case f.UnattributedTime(share):
            direction = "belongs to no stage" if share > 0 else "is held by more than one row"
            return (
                f"{units.percent(abs(share))} of the step {direction}: code between the stages, or, on a device with "
                "its own clock, time in which it was idle or its events were lost."
            )
        case f.UndividedBackward(reason, name):
            return f"Backward{f' of {name}' if name else ''} is reported whole: {reason}."
        case f.NothingToContrast():
            return (
                "Batch size 1: there are no other images, so the negatives pool is empty and PaC is 0; use "
                "--batch-size 2 or more for figures that mean something."
            )
        case f.NonFiniteLoss():
            return _non_finite(finding)
        case f.StagesOnlyTrace(operators):
            return (
                f"The trace holds stages only: with {units.count(operators)} operators in a forward pass, a trace of "
                "all of them would take gigabytes."
            )
        case f.RunEndedEarly():
            return _ended_early(finding)
        case LoaderIsBottleneck():
            return loader_sentence(finding)
        case _:
            return health_sentence(finding)


def busy_machine(finding: f.BusyMachine) -> str:
    """That other processes were at work."""
    return (
        f"Other processes kept {finding.cores:.1f} of {finding.of_cores} cores busy while steps were measured; the "
        "figures are too high. Measure again on a quiet machine."
    )


def _dominant(finding: f.DominantStage) -> str:
    title, share = plain_title(finding.path), units.percent(finding.share)
    if finding.ceiling is None:
        return (
            f"{title} dominates with {share} of the forward stages; what it takes of backward is not known, so there "
            "is no ceiling to compute for the step."
        )
    rival = f" These steps cannot tell whether {plain_title(finding.rival)} takes less." if finding.rival else ""
    return (
        f"{title} dominates with {share} of the step; if it cost nothing, the step would be "
        f"{units.ratio(finding.ceiling)} faster, and never more (Amdahl).{rival}"
    )


def _paco_share(finding: f.PaCoShare) -> str:
    rest = (
        "what is left is plain two-view training, which no change of PaCo-2 makes faster."
        if finding.ceiling < WORTHWHILE
        else f"without it the step would be {units.ratio(finding.ceiling)} faster."
    )
    return (
        "What PaCo-2 adds to plain two-view training (parts, matching, covariance, pool, prototypes, PaC, SoC) takes "
        f"{units.percent(finding.share)} of the step; {rest}"
    )


def _contradicted(finding: f.ContradictedKind) -> str:
    errors = (
        f"its loss is off by {units.relative_error(finding.loss_error)}, its gradient by "
        f"{units.percent(finding.gradient_error)} of the float64 reference's norm (cosine "
        f"{units.cosine(finding.gradient_cosine)})"
    )
    cause = "float32 cannot hold what covariances of a few parts ask for"
    match finding.parts_dtype:
        case "own":
            # A model of somebody's own claims nothing; its rounding is worth knowing all the same.
            return (
                f"{finding.name}, beside your model in float64: {errors}. Rounding is enough for that: {cause}; parts "
                "and covariances in float64 can."
            )
        case "model":
            advice = (
                f" float32 parts are enough for that, in the baseline too: {cause}; parts_dtype=float64 (the toggle "
                "float64-parts) can."
            )
        case _:
            advice = ""
    return f"{finding.name} claims to be exact and is not: {errors}.{advice}"


def _astray(finding: f.GradientAstray) -> str:
    of = "its own settings without approximation" if finding.own_settings else "the baseline"
    return (
        f"The gradient of {finding.name} is not that of {of}: its cosine with the float64 reference is "
        f"{units.cosine(finding.gradient_cosine)}, and the loss is off by {units.relative_error(finding.loss_error)} "
        "times its value. However fast, it follows another objective; look at the accuracy before you use it."
    )


def _training_over_inference(finding: f.TrainingOverInference) -> str:
    parts = [f"{plain_title(path)} {units.ratio(part)}" for path, part in finding.parts]
    rest = "the rest" if finding.backward_is_divided else "the rest, all of backward among it,"
    terms = " + ".join([*parts, f"{rest} {units.ratio(finding.rest)}"])
    return (
        f"A training step (two views, forward and backward) takes {units.ratio(finding.ratio)} as long as inference "
        f"(one view): {terms}. Its forward pass alone takes {units.ratio(finding.forward_ratio)}."
    )


def _loss_alone(finding: f.LossAloneReadsLower) -> str:
    ms = units.milliseconds
    surroundings = "a difference that these rounds cannot tell from noise"
    if finding.surroundings is not None:
        surroundings = f"{ms(finding.surroundings)} ms of it for what surrounds it there (caches, allocator)"
    backward = ""
    if finding.backward_in_step is not None:
        backward = f" Its backward, which such a test leaves out, takes {ms(finding.backward_in_step)} ms there."
    return (
        f"The loss alone reads {ms(finding.without_graph)} ms forward, and {ms(finding.with_graph)} ms where the graph "
        f"for backward is recorded; inside the step it takes {ms(finding.in_step)} ms forward, {surroundings}."
        f"{backward}"
    )


def _non_finite(finding: f.NonFiniteLoss) -> str:
    of, verb = f" of {finding.name}" if finding.name else "", "was" if len(finding.losses) == 1 else "were"
    return (
        f"Non-finite loss{of}: {', '.join(finding.losses)} {verb} NaN or infinite in {finding.num_steps} of "
        f"{finding.of_steps} steps. The times are measured all the same; the training they belong to learns nothing."
    )


def _ended_early(finding: f.RunEndedEarly) -> str:
    why = f"failed ({finding.detail})" if finding.code == "failed" else "was interrupted"
    if finding.num_steps == 0:
        return f"The run {why} before a training step was over."
    plural = "s" if finding.num_steps != 1 else ""
    return f"The run {why}; the table rests on {finding.num_steps} step{plural} until then."


def _noisy(finding: f.NoisyStages) -> str:
    worst = ", ".join(f"{plain_title(path)} {units.interval(width)}" for path, width in finding.stages[:3])
    num_stages = len(finding.stages)
    return (
        f"Noise: after {finding.num_steps} step{'s' if finding.num_steps != 1 else ''} the intervals of {num_stages} "
        f"stage{'s' if num_stages != 1 else ''} above 1 % of the step still reach farther than 5 % ({worst}); "
        f"{'more --steps' if finding.as_asked else 'a larger --max-seconds'} or a quieter machine narrows them."
    )


def claim_sentence(checked: CheckedClaim) -> str:
    """Why a quoted figure does not follow."""
    claim = checked.claim
    quoted, computed = units.fixed(claim.value, claim.decimals), units.fixed(checked.computed, claim.decimals)
    text = f"“{claim.text}”: quoted {quoted}, but {checked.basis} gives {computed}"
    if checked.instead:
        text += f"; {quoted} is {checked.instead}"
    if checked.implied_step is not None:
        text += f"; {quoted} belongs to {checked.implied_step:.2f} s a batch"
    return text + "."
