"""Differences of accuracies: the estimate, its interval over seeds and images, and the verdict."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import stdev

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtr
from scipy.stats import t as student

from paco_prof.stats.noninferiority import (
    Outcomes,
    accuracy_difference,
    least_resolvable,
    mean_accuracy,
    seeds_needed,
)

TABLES = st.integers(2, 4).flatmap(
    lambda seeds: st.integers(2, 30).flatmap(
        lambda images: st.tuples(*(arrays(np.int8, (seeds, images), elements=st.integers(0, 1)) for _ in range(2)))
    )
)


def of_images(*rows: str) -> Outcomes:
    return Outcomes.of_images([[int(digit) for digit in row] for row in rows])


def right(number: int, of: int) -> str:
    return "1" * number + "0" * (of - number)


def test_the_difference_is_the_mean_over_seeds_of_variant_less_baseline() -> None:
    found = accuracy_difference(of_images("1110", "1000"), of_images("1111", "1100"))
    assert found.value == pytest.approx((-0.25 - 0.25) / 2)
    assert (found.num_seeds, found.num_images, found.by_image) == (2, 4, True)


def test_the_interval_by_hand() -> None:
    """Three seeds, ten images, one of which only the baseline gets right in two of the seeds."""
    baseline = of_images(*["1" * 10] * 3)
    variant = of_images(right(9, 10), right(9, 10), "1" * 10)
    found = accuracy_difference(variant, baseline, 0.05)
    by_seed = [-0.1, -0.1, 0.0]
    seeds = stdev(by_seed) ** 2 / 3
    # Of twelve images, two unseen: a difference of -2/3, and one of 1 and -1.
    by_image = [-2 / 3, *[0.0] * 9, 1.0, -1.0]
    table = np.zeros((3, 10))
    table[:2, 0] = -1
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    interaction = (rest**2).sum() / (2 * 9) / 30
    images = stdev(by_image) ** 2 / 12 - interaction
    reach = math.sqrt(student.ppf(0.975, 2) ** 2 * seeds + student.ppf(0.975, 11) ** 2 * images)
    assert found.seed_variance == pytest.approx(seeds)
    assert found.image_variance == pytest.approx(images)
    assert found.value == pytest.approx(-2 / 30)
    assert found.low == pytest.approx(sum(by_image) / 12 - reach)
    assert found.high == pytest.approx(sum(by_image) / 12 + reach)


def test_one_seed_has_no_interval_and_decides_nothing_however_many_images_there_are() -> None:
    found = accuracy_difference(of_images("1" * 500), of_images("0" * 500))
    assert (found.value, found.low, found.high, found.verdict) == (1.0, None, None, "inconclusive")
    assert found.seed_variance is None
    assert not found.differs
    assert seeds_needed(found) is None
    alone = mean_accuracy(of_images("1110"))
    assert (alone.value, alone.low, alone.high) == (0.75, None, None)


@pytest.mark.parametrize("num_images", [10, 100, 359, 5000])
def test_equal_outcomes_everywhere_leave_about_three_images_in_doubt(num_images: int) -> None:
    same = of_images(*["1" * num_images] * 3)
    found = accuracy_difference(same, same)
    assert found.value == 0
    assert found.low is not None
    assert found.high == pytest.approx(-found.low)
    assert 2.2 / num_images < found.high < 3.2 / num_images
    assert found.high == pytest.approx(least_resolvable(num_images))
    assert found.high == pytest.approx(found.lasting_reach)
    assert found.verdict == ("as good" if num_images >= 300 else "inconclusive")
    sure = mean_accuracy(same)
    assert sure.value == sure.high == 1.0
    assert sure.low is not None
    assert sure.low < 1 - 2.2 / num_images


@pytest.mark.parametrize(
    ("baseline", "variant", "verdict"),
    [(90, 95, "better"), (95, 95, "as good"), (95, 85, "worse"), (95, 94, "inconclusive")],
)
def test_verdicts(baseline: int, variant: int, verdict: str) -> None:
    sides = [of_images(*[right(10 * number, 1000)] * 3) for number in (variant, baseline)]
    found = accuracy_difference(sides[0], sides[1], 0.01)
    assert found.verdict == verdict
    assert found.differs == (verdict in ("better", "worse") or variant == 94)


def test_a_larger_margin_makes_good_what_was_undecided() -> None:
    sides = of_images(*[right(940, 1000)] * 3), of_images(*[right(950, 1000)] * 3)
    assert accuracy_difference(*sides, 0.01).verdict == "inconclusive"
    assert accuracy_difference(*sides, 0.03).verdict == "as good"


def test_accuracies_alone_have_a_wider_interval_than_image_by_image() -> None:
    by_image = of_images(*[right(340, 359)] * 3), of_images(*[right(341, 359)] * 3)
    alone = tuple(Outcomes(side.accuracies, 359) for side in by_image)
    one, other = accuracy_difference(*by_image), accuracy_difference(*alone)
    assert other.value == one.value
    assert not other.by_image
    assert one.high is not None
    assert other.high is not None
    assert other.high - other.value > 2 * (one.high - one.value)
    assert mean_accuracy(alone[0]) == mean_accuracy(by_image[0])


@given(TABLES)
@settings(max_examples=60)
def test_swapping_the_sides_turns_the_difference_round(tables: tuple[npt.NDArray[np.int8], ...]) -> None:
    sides = [Outcomes.of_images(table) for table in tables]
    one, other = accuracy_difference(sides[0], sides[1]), accuracy_difference(sides[1], sides[0])
    assert other.value == pytest.approx(-one.value)
    assert one.low is not None
    assert one.high is not None
    assert other.low == pytest.approx(-one.high)
    assert other.high == pytest.approx(-one.low)
    assert one.low <= one.value <= one.high


@given(TABLES, st.integers(0, 99))
@settings(max_examples=40)
def test_the_order_of_seeds_and_of_images_does_not_matter(tables: tuple[npt.NDArray[np.int8], ...], order: int) -> None:
    rows, columns = (np.random.default_rng(order).permutation(n) for n in tables[0].shape)
    one = accuracy_difference(*(Outcomes.of_images(table) for table in tables))
    other = accuracy_difference(*(Outcomes.of_images(table[rows][:, columns]) for table in tables))
    assert (other.low, other.high) == (pytest.approx(one.low), pytest.approx(one.high))
    assert other.verdict == one.verdict


@given(TABLES)
@settings(max_examples=60)
def test_an_accuracy_lies_in_its_interval(tables: tuple[npt.NDArray[np.int8], ...]) -> None:
    found = mean_accuracy(Outcomes.of_images(tables[0]))
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_more_seeds_narrow_what_training_leaves_open() -> None:
    rows = [right(number, 1000) for number in (930, 950, 940, 935, 945, 940)]
    reach = []
    for num_seeds in (3, 6):
        found = accuracy_difference(of_images(*rows[:num_seeds]), of_images(*[right(940, 1000)] * num_seeds))
        assert found.high is not None
        reach.append(found.high - found.value)
    assert reach[1] < reach[0] / 2


def scattered(num_seeds: int, apart: int, less: int = 0, num_images: int = 2000) -> tuple[Outcomes, Outcomes]:
    """A variant that gets every image right that any other seed does, and so many fewer or more by turns."""
    rows = [right(1800 - less + (apart if seed % 2 else -apart), num_images) for seed in range(num_seeds)]
    return of_images(*rows), of_images(*[right(1800, num_images)] * num_seeds)


def test_the_number_of_seeds_that_would_decide_does_decide() -> None:
    undecided = accuracy_difference(*scattered(4, 16))
    assert undecided.verdict == "inconclusive"
    needed = seeds_needed(undecided)
    assert needed is not None
    assert 4 < needed < 99
    assert accuracy_difference(*scattered(needed + needed % 2, 16)).verdict == "as good"


def test_what_lies_nearer_to_the_margin_needs_more_seeds() -> None:
    near, far = (seeds_needed(accuracy_difference(*scattered(4, 16, less))) for less in (6, 0))
    assert near is not None
    assert far is not None
    assert near > far


def test_no_number_of_seeds_is_told_where_none_would_decide() -> None:
    at_the_margin = accuracy_difference(*scattered(4, 16, less=20))
    assert at_the_margin.value == pytest.approx(-0.01)
    assert seeds_needed(at_the_margin) is None
    few_images = accuracy_difference(of_images(*["1" * 50] * 3), of_images(*["1" * 50] * 3))
    assert few_images.verdict == "inconclusive"
    assert seeds_needed(few_images) is None
    assert few_images.lasting_reach > few_images.margin
    decided = accuracy_difference(*scattered(8, 0))
    assert decided.verdict == "as good"
    assert seeds_needed(decided) is None


def test_seeds_needed_falls_with_the_scatter() -> None:
    found = accuracy_difference(*scattered(4, 16))
    assert found.seed_variance is not None
    calmer = seeds_needed(replace(found, seed_variance=found.seed_variance / 4))
    needed = seeds_needed(found)
    assert calmer is not None
    assert needed is not None
    assert calmer < needed


@pytest.mark.parametrize(
    "table", [[], [[]], [1, 0], [[0, 2]], [[0.5, 1]], [[-1, 1]]], ids=["none", "empty", "flat", "2", "half", "minus"]
)
def test_outcomes_that_are_none_are_refused(table: object) -> None:
    with pytest.raises(ValueError, match=r"outcomes|image"):
        Outcomes.of_images(table)  # type: ignore[arg-type]


@pytest.mark.parametrize(("accuracies", "num_images"), [((), 10), ((1.2,), 10), ((math.nan,), 10), ((0.5,), 0)])
def test_accuracies_that_are_none_are_refused(accuracies: tuple[float, ...], num_images: int) -> None:
    with pytest.raises(ValueError, match=r"seed|accuracy"):
        Outcomes(accuracies, num_images)


def test_outcomes_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="every seed"):
        Outcomes((0.5, 0.5), 2, np.ones((1, 2), dtype=np.int8))


def test_sides_that_do_not_belong_together_are_refused() -> None:
    for other in (of_images("11"), of_images("110", "111")):
        with pytest.raises(ValueError, match="same seeds"):
            accuracy_difference(of_images("11", "10"), other)
    for margin in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="margin"):
            accuracy_difference(of_images("11"), of_images("11"), margin)


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize(
    ("images", "middle", "scatter", "luck", "shift", "own_shift"),
    [
        (359, 3.0, 0.0, 0.5, 0.0, 0.0),
        (359, 3.0, 0.2, 0.5, 0.0, 0.0),
        (359, 3.0, 0.05, 0.5, -0.2, 0.2),
        (1000, 1.0, 0.3, 0.5, -0.1, 0.3),
        (100, 3.0, 0.0, 0.05, -0.3, 0.0),
        (359, 3.0, 0.0, 0.0, -0.1, 0.0),
    ],
    ids=["identical models", "scatter of training", "a bit worse", "hard data", "tiny luck", "no luck at all"],
)
def test_the_interval_holds_the_truth_as_often_as_it_says(
    num_seeds: int, images: int, middle: float, scatter: float, luck: float, shift: float, own_shift: float
) -> None:
    """Drawn from a known world: an image has an ease, a seed a gift, and what is above zero is classified right.

    The bound is 95 % less what so few repetitions leave to chance.
    """
    random, repetitions = np.random.default_rng(7), 300
    truth = middle_of_world(middle, scatter, luck, shift, own_shift)
    held = 0
    for _ in range(repetitions):
        ease = random.normal(middle, 1.5, images)
        moved = ease + shift + random.normal(0, own_shift, images)
        sides = []
        for easy in (moved, ease):
            gifts = random.normal(0, scatter, (num_seeds, 1)) + random.normal(0, luck, (num_seeds, images))
            sides.append(Outcomes.of_images(easy + gifts > 0))
        found = accuracy_difference(sides[0], sides[1])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held / repetitions >= 0.93


def middle_of_world(middle: float, scatter: float, luck: float, shift: float, own_shift: float) -> float:
    """The difference over all images and all seeds."""
    spread = math.hypot(1.5, scatter, luck)
    return float(ndtr((middle + shift) / math.hypot(spread, own_shift)) - ndtr(middle / spread))
