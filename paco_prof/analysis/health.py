"""Whether what is trained learns anything: findings about losses, parts and accuracy.

They hold for the steps of a breakdown and for the epochs of a training run alike. Epochs are counted from 0 here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from scipy.special import bdtrc

from paco_prof.records import DataUsed, EpochResult, PartsHealth, Training
from paco_prof.settings import Workload

__all__ = [
    "AccuracyAtChance",
    "CoincidingParts",
    "Collapse",
    "CovarianceAtFloor",
    "GradientOfRounding",
    "HealthFinding",
    "NonFiniteSteps",
    "Remedy",
    "chance_tail",
    "find_in_epochs",
    "find_in_losses",
    "find_in_parts",
    "is_floor_small",
]

# A step's PaC is at alpha where it is no farther from it than this share of alpha ...
NEAR_ALPHA = 0.01
# ... and PaC is stuck there where this share of the steps is, with a mean SoC of no more than that.
STUCK_SHARE, NO_SOC = 0.9, 1e-3
# Shares of pairs of parts, and of covariances, from which there is something to say.
COINCIDING_SHARE, AT_FLOOR_SHARE = 0.5, 0.5
# An accuracy is above chance where guessing is as good no more often than this.
CHANCE_LEVEL = 0.01
# Epsilon and tau at which float32 and float64 agree (a gradient within 1e-4).
SAFE_FLOOR = 1e-2

# What may help, in the order in which it is tried.
Remedy = Literal["learning_rate", "warm_up", "eta_soc", "floor", "window"]


@dataclass(frozen=True, slots=True)
class Collapse:
    """PaC stuck at alpha with SoC near zero: all parts are the same, and carry no information.

    Attributes:
        alpha: the margin of PaC.
        pac, soc: their means over the last epoch, or over all measured steps.
        at_alpha: share of those steps whose PaC was within 1 % of alpha.
        since, until: the first and the last epoch of all that are so until the end; None of a breakdown.
        remedies: what may help.
    """

    alpha: float
    pac: float
    soc: float
    at_alpha: float
    since: int | None
    until: int | None
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True, slots=True)
class CoincidingParts:
    """Parts of one view whose reduced features are the same.

    Attributes:
        share: of the pairs of parts.
        epoch: at whose end; None before the first step.
        window: r.
        feature_map: height and width, where known.
        covers_map: whether every window, wherever it lies, holds the whole map, so that all parts are its mean.
        smaller_window: an r whose windows do not reach across half the map; None where there is none.
        larger_image: an image size, in pixels, whose map is two rows and columns larger than the window; None where the
            map is as large already.
    """

    share: float
    epoch: int | None
    window: int
    feature_map: tuple[int, int] | None
    covers_map: bool
    smaller_window: int | None
    larger_image: int | None


@dataclass(frozen=True, slots=True)
class CovarianceAtFloor:
    """Covariances that are their floor of epsilon, and nothing that the parts add to it.

    Attributes:
        share: of the views' covariances.
        epoch: at whose end; None before the first step.
        num_parts: K; the covariance of a single part is zero, whatever the part is.
        spread: root of the mean variance of a view's parts.
    """

    share: float
    epoch: int | None
    epsilon: float
    num_parts: int
    spread: float


@dataclass(frozen=True, slots=True)
class AccuracyAtChance:
    """An accuracy that guessing reaches too: one-sided binomial test.

    Attributes:
        chance: of guessing one image right.
        p_value: probability that guessing is as good or better.
        epoch: after which the evaluation was.
    """

    accuracy: float
    chance: float
    p_value: float
    num_images: int
    epoch: int


@dataclass(frozen=True, slots=True)
class NonFiniteSteps:
    """Steps of a training run with a loss that was NaN or infinite.

    Attributes:
        first_epoch: in which the first of them was.
        until_the_end: whether there were such steps in the last epoch too.
        clips: whether the gradient is clipped.
        scales: whether steps in float16 are scaled, where a few such steps are how the scaler finds its scale.
    """

    num_steps: int
    of_steps: int
    first_epoch: int
    until_the_end: bool
    clips: bool
    scales: bool


@dataclass(frozen=True, slots=True)
class GradientOfRounding:
    """A variant of the baseline's own objective whose gradient is rounding rather than the objective's.

    Attributes:
        name: of the variant.
        loss_error: of the total, relative; None where the reference is zero.
        gradient_error: norm of the difference from the float64 gradient, over that one's norm.
        has_small_floor: epsilon or tau is so small that float32 cannot hold what divides by it.
        is_ours: it is PaCo-2 itself, and no model of the user's own.
    """

    name: str
    loss_error: float | None
    gradient_error: float
    gradient_cosine: float
    has_small_floor: bool
    is_ours: bool = True


HealthFinding = Collapse | CoincidingParts | CovarianceAtFloor | AccuracyAtChance | NonFiniteSteps | GradientOfRounding


def find_in_losses(training: Training, workload: Workload) -> Iterator[Collapse]:
    """A collapse that the measured steps of a breakdown show."""
    pac, soc = training.losses.get("pac", ()), training.losses.get("soc", ())
    if not pac or not soc:
        return
    near = [abs(value - workload.known("alpha")) <= NEAR_ALPHA * workload.known("alpha") for value in pac]
    if _is_collapsed(workload.known("alpha"), fmean(near), fmean(soc)):
        yield Collapse(workload.known("alpha"), fmean(pac), fmean(soc), fmean(near), None, None, _remedies(workload))


def find_in_parts(parts: PartsHealth, workload: Workload, epoch: int | None = None) -> Iterator[HealthFinding]:
    """Parts that coincide, and covariances at their floor; `epoch` is the one that has ended, None before any step."""
    if parts.coinciding >= COINCIDING_SHARE:
        yield _coinciding(parts.coinciding, workload, epoch)
    if parts.at_floor >= AT_FLOOR_SHARE:
        epsilon, num_parts = workload.known("epsilon"), workload.known("num_parts")
        yield CovarianceAtFloor(parts.at_floor, epoch, epsilon, num_parts, parts.spread)


def find_in_epochs(epochs: Sequence[EpochResult], workload: Workload, data: DataUsed) -> Iterator[HealthFinding]:
    """What the epochs of a training run show, the last of them above all."""
    if not epochs:
        return
    yield from _non_finite(epochs, workload)
    collapsed = _collapsed_epochs(epochs, workload.known("alpha"))
    if collapsed:
        last = collapsed[-1]
        yield Collapse(
            alpha=workload.known("alpha"),
            pac=last.losses.get("pac", workload.known("alpha")),
            soc=last.losses["soc"],
            at_alpha=last.at_alpha,
            since=collapsed[0].epoch,
            until=last.epoch,
            remedies=_remedies(workload),
        )
    if epochs[-1].parts is not None:
        yield from find_in_parts(epochs[-1].parts, workload, epochs[-1].epoch)
    yield from _at_chance(epochs, data)


def chance_tail(correct: int, of: int, chance: float) -> float:
    """Probability that guessing is right at least `correct` of `of` times: the p-value of a one-sided binomial test."""
    return 1.0 if correct <= 0 else float(bdtrc(correct - 1, of, chance))


def is_floor_small(workload: Workload) -> bool:
    """Whether epsilon or tau is below what float32 needs."""
    return min(workload.known("epsilon"), workload.known("tau")) < SAFE_FLOOR


def _is_collapsed(alpha: float, at_alpha: float, soc: float) -> bool:
    """Without a margin PaC is zero where it is best, and says nothing."""
    return alpha > 0 and at_alpha >= STUCK_SHARE and abs(soc) <= NO_SOC


def _collapsed_epochs(epochs: Sequence[EpochResult], alpha: float) -> list[EpochResult]:
    """The epochs that are collapsed until the end; empty where the last is not."""
    collapsed: list[EpochResult] = []
    for result in reversed(epochs):
        if not _is_collapsed(alpha, result.at_alpha, result.losses.get("soc", math.nan)):
            break
        collapsed.insert(0, result)
    return collapsed


def _remedies(workload: Workload) -> tuple[Remedy, ...]:
    """What has not been done yet."""
    possible: dict[Remedy, bool] = {
        "learning_rate": True,
        "warm_up": workload.schedule == "constant",
        "eta_soc": workload.known("eta_soc") > 0,
        "floor": is_floor_small(workload),
        "window": workload.known("window") > 1,
    }
    return tuple(remedy for remedy, applies in possible.items() if applies)


def _coinciding(share: float, workload: Workload, epoch: int | None) -> CoincidingParts:
    window, size, image_size = workload.known("window"), None, workload.image_size
    covers_map, smaller_window, larger_image = False, None, None
    if workload.feature_map is not None:
        size = workload.feature_map[1:]
        # A window is clipped at the border, so one in a corner holds the fewest pixels: a reach each way, and its own.
        covers_map = window // 2 + 1 >= max(size)
        # The largest odd side that is at most half of the map's.
        half = max(1, max(size) // 2)
        smaller = half - (half + 1) % 2
        smaller_window = smaller if smaller < window and max(size) > 1 else None
        if image_size is not None and max(size) < window + 2:
            larger_image = math.ceil(image_size / max(size) * (window + 2))
    return CoincidingParts(share, epoch, window, size, covers_map, smaller_window, larger_image)


def _non_finite(epochs: Sequence[EpochResult], workload: Workload) -> Iterator[NonFiniteSteps]:
    broken = [result for result in epochs if result.non_finite > 0]
    if broken:
        yield NonFiniteSteps(
            num_steps=sum(result.non_finite for result in broken),
            of_steps=sum(result.num_batches for result in epochs),
            first_epoch=broken[0].epoch,
            until_the_end=broken[-1].epoch == epochs[-1].epoch,
            clips=workload.clip_norm is not None,
            scales=workload.precision == "float16",
        )


def _at_chance(epochs: Sequence[EpochResult], data: DataUsed) -> Iterator[AccuracyAtChance]:
    """Only where there are images enough to tell: where getting all of them right would not be chance."""
    evaluated = [result for result in epochs if result.accuracy is not None]
    if not evaluated or data.num_eval == 0:
        return
    last, chance = evaluated[-1], 1 / data.num_classes
    accuracy = last.accuracy or 0.0
    p_value = chance_tail(round(accuracy * data.num_eval), data.num_eval, chance)
    if p_value > CHANCE_LEVEL >= chance_tail(data.num_eval, data.num_eval, chance):
        yield AccuracyAtChance(accuracy, chance, p_value, data.num_eval, last.epoch)
