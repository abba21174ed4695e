"""What ails a training, in words: losses, parts, accuracy, the loader; what is so, and what to try."""

from __future__ import annotations

from collections.abc import Sequence

from paco_prof import units
from paco_prof.analysis import health as h
from paco_prof.analysis.loading import LoaderIsBottleneck

__all__ = ["health_sentence", "loader_sentence"]

REMEDIES: dict[h.Remedy, str] = {
    "learning_rate": "a learning rate a tenth of this one",
    "warm_up": "warming it up (--set schedule=cosine)",
    "eta_soc": "a lower eta_soc, since SoC is least where all covariances are alike",
    "floor": "epsilon and tau of 1e-2, where float32 can hold the gradient",
    "window": "windows that differ more, by a smaller -r or a larger --image-size",
}


def health_sentence(finding: h.HealthFinding) -> str:
    """One finding as two or three sentences."""
    match finding:
        case h.Collapse():
            return _collapse(finding)
        case h.CoincidingParts():
            return _coinciding(finding)
        case h.CovarianceAtFloor():
            return _at_floor(finding)
        case h.AccuracyAtChance():
            return _at_chance(finding)
        case h.NonFiniteSteps():
            return _non_finite(finding)
        case h.GradientOfRounding():
            return _rounding(finding)


def loader_sentence(finding: LoaderIsBottleneck) -> str:
    """That training waits for its images, and what would end it."""
    ms = units.milliseconds
    of, loads = f" of {finding.name}" if finding.name else "", _plural(finding.workers, "worker loads", "workers load")
    who = "the process that trains loads them itself" if finding.workers == 0 else loads
    takes = "" if finding.loading is None else f", {ms(finding.loading)} ms of loading a batch"
    return (
        f"The loader is the bottleneck: waiting for images takes {units.percent(finding.share)} of an iteration{of} "
        f"({ms(finding.waiting)} ms beside {ms(finding.step)} ms of the step); {who}{takes}. {_workers(finding)}"
    )


def _workers(finding: LoaderIsBottleneck) -> str:
    cores = "" if finding.cores is None else _plural(finding.cores, "core", "cores")
    if finding.needed is None:
        return f"Try more than {finding.workers} (--workers {finding.workers + 1})."
    workers = f"{_plural(finding.needed, 'worker', 'workers')} (--workers {finding.needed})"
    if finding.is_too_many:
        return (
            f"It would take {_plural(finding.needed, 'worker', 'workers')} to hide that, and this machine has {cores}: "
            "more workers than cores cannot. Make an image cheaper instead: store it no larger than it is used, decode "
            "it once, augment less; or load on a machine with more cores."
        )
    sharing = ", which they take from the step" if finding.shares_cores else ""
    on = f"; this machine has {cores}{sharing}, and more workers than cores cannot" if cores else ""
    return f"About {workers} would hide it{on}."


def _collapse(finding: h.Collapse) -> str:
    steps = "the steps" if finding.since is None else "the last epoch's steps"
    values = (
        f"PaC is stuck at alpha ({units.loss(finding.pac)} for {finding.alpha:g}, in {units.percent(finding.at_alpha)} "
        f"of {steps}) with SoC near zero ({units.relative_error(finding.soc)})"
    )
    tried = _listed([REMEDIES[remedy] for remedy in finding.remedies])
    return (
        f"Collapse: {values}{_since(finding)}. All parts are the same to PaCo-2: they carry no information, and these "
        f"losses have nothing left to say. Try {tried}."
    )


def _since(finding: h.Collapse) -> str:
    if finding.since is None or finding.until is None:
        return ""
    if finding.since == finding.until:
        return f", in epoch {finding.until + 1}"
    return f", since epoch {finding.since + 1} of the {finding.until + 1} that are over"


def _coinciding(finding: h.CoincidingParts) -> str:
    found = (
        f"Parts coincide: in {units.percent(finding.share)} of the pairs within a view both are the same "
        f"({_when(finding.epoch)})."
    )
    if finding.feature_map is None:
        return f"{found} Try {REMEDIES['window']}."
    height, width = finding.feature_map
    window = f"r={finding.window} on a feature map of {height} x {width}"
    options = [
        *([f"-r {finding.smaller_window}"] if finding.smaller_window is not None else []),
        *([f"--image-size {finding.larger_image}"] if finding.larger_image is not None else []),
    ]
    if finding.covers_map:
        advice = f" Use {' or '.join(options)}." if options else ""
        return f"{found} {window} covers everything: each part is the mean of the whole map.{advice}"
    if options:
        return f"{found} With {window} windows overlap much; try {' or '.join(options)}."
    return f"{found} The windows can differ ({window}), so it is the features that do not: try a lower learning rate."


def _at_floor(finding: h.CovarianceAtFloor) -> str:
    found = (
        f"Covariance at its floor: {units.percent(finding.share)} of the views' covariances are epsilon "
        f"({finding.epsilon:g}) and next to nothing else ({_when(finding.epoch)}; parts spread by "
        f"{units.relative_error(finding.spread)})."
    )
    if finding.num_parts == 1:
        return f"{found} A single part has no covariance, so that SoC says nothing; use -K 2 or more."
    return (
        f"{found} The metric of PaC is then the floor's, and SoC compares zeros. Try parts that differ more (a "
        "smaller -r, a larger --image-size), a lower eta_soc, or, where parts differ and are only small, a smaller "
        "epsilon with parts in float64 (the toggle float64-parts)."
    )


def _at_chance(finding: h.AccuracyAtChance) -> str:
    epochs = _plural(finding.epoch + 1, "epoch", "epochs")
    return (
        f"Accuracy at chance: after {epochs} {units.percent(finding.accuracy)} of "
        f"{_plural(finding.num_images, 'held-out image is', 'held-out images are')} classified right, and guessing "
        f"does as well ({units.percent(finding.chance)} expected; p = {finding.p_value:.2g}). Look at Cross-Entropy: "
        "where it does not fall, try another learning rate, or pretrained weights; where it does, the held-out images "
        "or their labels are not like those that are trained on."
    )


def _non_finite(finding: h.NonFiniteSteps) -> str:
    found = (
        f"Non-finite loss: NaN or infinite in {units.count(finding.num_steps)} of "
        f"{_plural(finding.of_steps, 'step', 'steps')}, from epoch {finding.first_epoch + 1} on"
        f"{', and still in the last one' if finding.until_the_end else ', and no more at the end'}."
    )
    if finding.scales and not finding.until_the_end:
        return f"{found} A gradient scaler finds its scale that way; a few such steps are no harm."
    clipping = "" if finding.clips else "clipping (--set clip_norm=1), "
    precision = ", bfloat16 in place of float16" if finding.scales else ""
    return f"{found} Try {clipping}a lower learning rate, epsilon and tau of 1e-2{precision}."


def _rounding(finding: h.GradientOfRounding) -> str:
    floor = ", or use epsilon and tau of 1e-2" if finding.has_small_floor else ""
    how = " (parts_dtype=float64, the toggle float64-parts)" if finding.is_ours else ", and what follows from them"
    return (
        f"Rounding dominates the gradient of {finding.name}: it is off by {units.percent(finding.gradient_error)} of "
        f"the float64 reference's norm (cosine {units.cosine(finding.gradient_cosine)}; the loss by "
        f"{units.relative_error(finding.loss_error)}). float32 cannot hold what covariances of a few parts ask for: "
        f"hold the parts in float64{how}{floor}. If that does not mend it, "
        f"{finding.name} is not exact."
    )


def _when(epoch: int | None) -> str:
    return "before the first step" if epoch is None else f"at the end of epoch {epoch + 1}"


def _plural(number: int, one: str, many: str) -> str:
    return f"{units.count(number)} {one if number == 1 else many}"


def _listed(items: Sequence[str]) -> str:
    """`a; b; or c`."""
    return items[0] if len(items) == 1 else f"{'; '.join(items[:-1])}; or {items[-1]}"
