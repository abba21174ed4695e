"""The smallest difference that launches can tell apart, from launches of two sides that are the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import chdtri, ndtri

from paco_prof.stats.paired import ALPHA, launches_for_exact_test
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["LEAST_LAUNCHES", "POWER", "Detectable", "smallest_detectable"]

POWER = 0.8
# Fewer launches know the noise of a launch too badly to say anything about it.
LEAST_LAUNCHES = 3


@dataclass(frozen=True, slots=True)
class Detectable:
    """A difference of two times, as a logarithm of their ratio, that is found more often than not.

    Attributes:
        noise: standard deviation of a launch's effect.
        noise_high: what it is at most, with the confidence: few launches know it badly.
        log_ratio: the smallest difference that so many launches establish with probability `power`.
        log_high: the same, were the noise as high as it may be.
        num_launches: that it takes.
    """

    noise: float
    noise_high: float
    log_ratio: float
    log_high: float
    num_launches: int


def smallest_detectable(
    effects: Sequence[float], alpha: float = ALPHA, power: float = POWER, confidence: float = CONFIDENCE
) -> Detectable | None:
    """What `judge` can tell apart with the fewest launches that allow its exact test, amid noise like this.

    With so few launches (8 at an alpha of 0.01) the signed-rank test rejects where all of them lie on one side, and
    nowhere else. Of n effects that are normal about d with standard deviation s, all lie on the right side with
    probability Phi(d / s)^n; set to the power, that gives d = s Phi^-1(power^(1/n)). Assumptions: the effects are
    *normal*, and their true mean is 0, which holds for a step against itself; so s^2 is the mean of their squares, and
    its upper bound is chi-square's with as many degrees of freedom as there are launches.

    Args:
        effects: of launches of a step against itself (see `launch_effect`).

    Returns:
        None where there are fewer than three launches.
    """
    num = len(effects)
    if num < LEAST_LAUNCHES:
        return None
    noise = math.sqrt(math.fsum(effect**2 for effect in effects) / num)
    # chdtri inverts the upper tail.
    noise_high = noise * math.sqrt(num / float(chdtri(num, confidence)))
    needed = launches_for_exact_test(alpha)
    reach = float(ndtri(power ** (1 / needed)))
    return Detectable(noise, noise_high, reach * noise, reach * noise_high, needed)
