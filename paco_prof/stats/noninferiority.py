"""The judgement of a difference of accuracies: is a variant as good as the baseline, and how surely.

Two things are drawn by lot. *Training*: another seed gives another model. *Evaluation*: other images of the same kind
would have been classified otherwise. A seed is used by variant and baseline alike, and so is an image: differences are
taken within both, and what they share cancels. With d the table of differences of outcomes (n seeds by m images, each
1, 0 or -1) and D its mean, two-way crossed random effects (Searle, Casella and McCulloch, Variance Components, 1992,
chapter 4) say that

    variance of D = A + B,   A = (variance of the seeds' means) / n,
                             B = (variance of the images' means) / m - (variance of the interaction) / (n m),

where A holds all that another set of seeds would change, single outcomes among it, and B what stays with the images.
A is known from n seeds and B from m images, so that each has its own Student's t; the interval reaches

    sqrt(t(n - 1)^2 A + t(m - 1)^2 B)

to either side (Howe, 1974; Zou and Donner, 2008, for intervals of sums in general). Degrees of freedom after
Satterthwaite would make it narrower, and of simulated intervals as few as 87 % with two seeds and 92 % with three hold
the truth then; of these 95 % do. Assumption: *normality* of the seeds' means, and that seeds and images are drawn
independently.

Outcomes that are equal everywhere have no variance, and m equal images still leave about 3 / m of the others in doubt
(the rule of three). So the interval counts a few images that nobody has seen: for a difference one that only the
variant classifies right and one that only the baseline does (after Agresti and Min, 2005), for an accuracy two right
and two wrong ones (Agresti and Coull, 1998). The estimate itself goes without them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from paco_prof.stats.summary import CONFIDENCE

__all__ = [
    "AccuracyDifference",
    "AccuracyVerdict",
    "MeanAccuracy",
    "Outcomes",
    "accuracy_difference",
    "least_resolvable",
    "mean_accuracy",
    "seeds_needed",
]

AccuracyVerdict = Literal["better", "as good", "worse", "inconclusive"]

# Images that nobody has seen: differences of outcomes, and outcomes.
_UNSEEN_DIFFERENCES = (1.0, -1.0)
_UNSEEN_OUTCOMES = (1.0, 1.0, 0.0, 0.0)
# Power that the number of seeds is planned for, and the most that anybody would train.
_POWER = 0.8
_MOST_SEEDS = 99

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the models of one variant did with the evaluation images, a row a seed.

    Attributes:
        accuracies: of each seed, the share of the images that were classified right.
        num_images: that were evaluated.
        correct: seeds x images, 1 where an image was classified right and 0 where not; None where only the
            accuracies are known.
    """

    accuracies: tuple[float, ...]
    num_images: int
    correct: npt.NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        if not self.accuracies:
            raise ValueError("a judgement needs at least one seed")
        if not all(0 <= accuracy <= 1 for accuracy in self.accuracies):
            raise ValueError("an accuracy lies between 0 and 1")
        if self.num_images < 1:
            raise ValueError("an accuracy needs at least one evaluation image")
        if self.correct is not None and self.correct.shape != (len(self.accuracies), self.num_images):
            raise ValueError("every seed has an outcome for each evaluation image")

    @classmethod
    def of_images(cls, correct: npt.ArrayLike) -> Outcomes:
        """From the outcomes, seeds x images.

        Raises:
            ValueError: it is no table, it is empty, or it holds something else than 0 and 1.
        """
        table = np.asarray(correct)
        if table.ndim != 2 or table.size == 0:
            raise ValueError("outcomes are a table of seeds by images, with one of either at least")
        if not np.isin(table, (0, 1)).all():
            raise ValueError("an image is classified right, 1, or not, 0")
        return cls(tuple(table.mean(axis=1).tolist()), table.shape[1], table.astype(np.int8))

    @property
    def num_seeds(self) -> int:
        return len(self.accuracies)


@dataclass(frozen=True, slots=True)
class MeanAccuracy:
    """The accuracy of a variant, over seeds and over images like those that were evaluated.

    Attributes:
        value: mean over the seeds.
        low, high: ends of its interval; None with one seed, whose luck is unknown.
        num_seeds, num_images: what it rests on.
    """

    value: float
    low: float | None
    high: float | None
    num_seeds: int
    num_images: int


@dataclass(frozen=True, slots=True)
class AccuracyDifference:
    """How much more accurate a variant is than the baseline, and what that comes to.

    Attributes:
        value: mean over seeds of the variant's accuracy less the baseline's with the same seed.
        low, high: ends of its interval; None with one seed.
        margin: by how much a variant may be worse and still be called as good.
        verdict: `better` where the interval lies above zero, `as good` where it lies above -margin, `worse` where it
            lies below -margin, and `inconclusive` where none of it is so.
        seed_variance: of the value, because other seeds would have trained other models; None with one seed.
        image_variance: of the value, because other images would have been classified otherwise by any models; no
            number of seeds makes it less.
        num_seeds, num_images: what it rests on.
        by_image: whether outcomes were compared image by image. If not, the images' part is that of two independent
            samples of images, which is larger.
    """

    value: float
    low: float | None
    high: float | None
    margin: float
    verdict: AccuracyVerdict
    seed_variance: float | None
    image_variance: float
    num_seeds: int
    num_images: int
    by_image: bool

    @property
    def differs(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def lasting_reach(self) -> float:
        """About how far the interval would reach to either side with any number of seeds on these images."""
        return _student(self.num_images + 1) * math.sqrt(self.image_variance)


def accuracy_difference(variant: Outcomes, baseline: Outcomes, margin: float = 0.01) -> AccuracyDifference:
    """The judgement of a variant beside its baseline; the n-th rows of both are of the same seed.

    With one seed there is no interval, whatever the number of images: how much another seed would have changed is
    unknown, and the verdict is `inconclusive`.

    Raises:
        ValueError: other numbers of seeds or of images on either side, or a margin that is not between 0 and 1.
    """
    if (variant.num_seeds, variant.num_images) != (baseline.num_seeds, baseline.num_images):
        raise ValueError("variant and baseline need the same seeds and the same evaluation images")
    if not 0 < margin < 1:
        raise ValueError(f"a margin lies between 0 and 1, not at {margin}")
    num_seeds, num_images = variant.num_seeds, variant.num_images
    by_seed = np.asarray(variant.accuracies) - np.asarray(baseline.accuracies)
    value = float(by_seed.mean())
    by_image = variant.correct is not None and baseline.correct is not None
    if variant.correct is not None and baseline.correct is not None:
        centre, images = _over_images(variant.correct.astype(float) - baseline.correct, _UNSEEN_DIFFERENCES)
    else:
        # Two independent samples of images: nobody knows which images both got right.
        sides = [_over_unknown_images(float(np.mean(side.accuracies)), num_images) for side in (variant, baseline)]
        centre, images = sides[0][0] - sides[1][0], sides[0][1] + sides[1][1]
    seeds, reach = _reach(by_seed, images, num_images)
    low, high = (None, None) if reach is None else (max(centre - reach, -1.0), min(centre + reach, 1.0))
    verdict = _verdict(low, high, margin)
    return AccuracyDifference(value, low, high, margin, verdict, seeds, images, num_seeds, num_images, by_image)


def mean_accuracy(outcomes: Outcomes) -> MeanAccuracy:
    """The accuracy of one variant, with the same two parts of uncertainty as a difference."""
    by_seed = np.asarray(outcomes.accuracies)
    value = float(by_seed.mean())
    if outcomes.correct is not None:
        centre, images = _over_images(outcomes.correct.astype(float), _UNSEEN_OUTCOMES)
    else:
        centre, images = _over_unknown_images(value, outcomes.num_images)
    _, reach = _reach(by_seed, images, outcomes.num_images)
    low, high = (None, None) if reach is None else (max(centre - reach, 0.0), min(centre + reach, 1.0))
    return MeanAccuracy(value, low, high, outcomes.num_seeds, outcomes.num_images)


def seeds_needed(difference: AccuracyDifference) -> int | None:
    """About how many seeds in all would probably decide whether a variant is as good or worse.

    A rough guide for planning another comparison, as `launches_needed` is for times: with so many seeds the interval
    would exclude -margin with a probability of 80 %, if the difference and its variances are what they look like, which
    a few seeds know badly.

    Returns:
        None where that is decided, where one seed leaves the scatter unknown, and where it would take more than 99:
        the difference is about the margin, or these images are too few for any number of seeds.
    """
    if difference.seed_variance is None or difference.verdict != "inconclusive":
        return None
    distance, images = abs(difference.value + difference.margin), difference.image_variance
    # The images that nobody has seen widen the interval, and do not move it.
    seen = max(images - _least_image_variance(difference.num_images), 0.0)
    for num_seeds in range(difference.num_seeds + 1, _MOST_SEEDS + 1):
        seeds = difference.seed_variance * difference.num_seeds / num_seeds
        reach = _combined(seeds, num_seeds, images, difference.num_images)
        if distance >= reach + float(ndtri(_POWER)) * math.sqrt(seeds + seen):
            return num_seeds
    return None


def least_resolvable(num_images: int) -> float:
    """The smallest margin within which so many images can show anything to be as good, however equal it is."""
    return _student(num_images + 1) * math.sqrt(_least_image_variance(num_images))


def _verdict(low: float | None, high: float | None, margin: float) -> AccuracyVerdict:
    if low is None or high is None:
        return "inconclusive"
    if low > 0:
        return "better"
    if low > -margin:
        return "as good"
    return "worse" if high < -margin else "inconclusive"


def _over_images(table: _Floats, unseen: Sequence[float]) -> tuple[float, float]:
    """Mean over the images, the unseen ones among them, and the variance of it that any seeds have in common."""
    values = np.concatenate([table.mean(axis=0), unseen])
    least = float(np.var(unseen)) * len(unseen) / (len(values) * (len(values) - 1))
    variance = float(values.var(ddof=1)) / len(values)
    return float(values.mean()), max(variance - _interaction(table), least)


def _least_image_variance(num_images: int) -> float:
    """Of a difference that is zero in every image."""
    return _over_images(np.zeros((1, num_images)), _UNSEEN_DIFFERENCES)[1]


def _over_unknown_images(accuracy: float, num_images: int) -> tuple[float, float]:
    """The same where only the share that was classified right is known: each image either is or is not, in any seed."""
    total = num_images + len(_UNSEEN_OUTCOMES)
    centre = (accuracy * num_images + sum(_UNSEEN_OUTCOMES)) / total
    return centre, centre * (1 - centre) / (total - 1)


def _interaction(table: _Floats) -> float:
    """The part of the mean's variance that is of single outcomes, neither of the seed alone nor of the image alone."""
    num_seeds, num_images = table.shape
    if num_seeds < 2 or num_images < 2:
        return 0.0
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((rest**2).sum()) / ((num_seeds - 1) * (num_images - 1)) / (num_seeds * num_images)


def _reach(by_seed: _Floats, images: float, num_images: int) -> tuple[float | None, float | None]:
    """The seeds' part of the variance, and half the width of the interval; None, None with one seed."""
    num_seeds = len(by_seed)
    if num_seeds < 2:
        return None, None
    seeds = float(by_seed.var(ddof=1)) / num_seeds
    return seeds, _combined(seeds, num_seeds, images, num_images)


def _combined(seeds: float, num_seeds: int, images: float, num_images: int) -> float:
    """Half the width of the interval. The unseen images are two at least, and add a degree of freedom or more."""
    return math.sqrt(_student(num_seeds - 1) ** 2 * seeds + _student(num_images + 1) ** 2 * images)


def _student(freedom: float) -> float:
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
