"""How long a step is likely to take at sizes that have not been measured yet. Free of torch."""

from __future__ import annotations

import math
from math import prod

__all__ = ["Expectation"]

# A power that is taken where only one size is known, and the largest that two are believed to show.
GUESSED_GROWTH = 1.5
MOST_GROWTH = 4.0


class Expectation:
    """Times by size, and what they let expect of other sizes: as if the growth between the two largest of the smaller
    ones went on. It plans, and nothing that is reported rests on it.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], float] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known yet."""
        return not self._known

    def learn(self, sizes: tuple[int, ...], seconds: float) -> None:
        """What a step takes at some sizes; of several launches, the fastest tells."""
        self._known[sizes] = min(seconds, self._known.get(sizes, seconds))

    def seconds(self, sizes: tuple[int, ...]) -> float | None:
        """What a step is likely to take; None where nothing smaller, or as large, is known."""
        if sizes in self._known:
            return self._known[sizes]
        smaller = [some for some in self._known if all(one <= other for one, other in zip(some, sizes, strict=True))]
        if not smaller:
            return None
        last = max(smaller, key=self._rank)
        before = [some for some in smaller if prod(some) < prod(last)]
        growth = GUESSED_GROWTH if not before else self._growth(max(before, key=self._rank), last)
        return self._known[last] * (prod(sizes) / prod(last)) ** growth

    def _rank(self, sizes: tuple[int, ...]) -> tuple[int, float]:
        """Of two as large, the slower one is the safer guess."""
        return prod(sizes), self._known[sizes]

    def _growth(self, small: tuple[int, ...], large: tuple[int, ...]) -> float:
        power = math.log(self._known[large] / self._known[small]) / math.log(prod(large) / prod(small))
        return min(MOST_GROWTH, max(0.0, power))
