"""Where the bottleneck changes: as launches show it, as fits have it, and where neither does."""

from __future__ import annotations

import pytest

from paco_prof.analysis.scale import scale_view
from paco_prof.analysis.scale_bottleneck import bottleneck_at, bottleneck_at_target, crossovers
from paco_prof.analysis.scale_facts import BottleneckMoves
from paco_prof.analysis.scale_findings import find_in_scale
from surveys import baseline, swept, usual


def test_the_bottleneck_moves_where_it_was_measured() -> None:
    variant = usual().variants[0]
    found = [bottleneck_at(variant, sizes) for sizes in variant.sizes]
    assert [each.path for each in found if each is not None] == ["backbone"] * 2 + ["loss"] * 4
    (crossover,) = crossovers(variant)
    assert crossover.is_measured
    assert (crossover.before, crossover.path) == ("backbone", "loss")
    assert (crossover.low, crossover.size) == (4, 8)
    there = bottleneck_at_target(variant)
    assert there is not None
    assert there.path == "loss"


def test_a_crossover_beyond_the_sizes_is_predicted_with_an_interval() -> None:
    """0.09 B meets 0.00003 B^3 at the root of 3000, 54.8."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.00003 * sizes[0] ** 3, "optimizer": 0.01}

    record = swept(law, (2, 4, 8, 16, 24))
    (crossover,) = crossovers(baseline(record))
    assert not crossover.is_measured
    assert crossover.path == "loss"
    assert not crossover.is_within
    assert crossover.size == pytest.approx(54.8, rel=0.1)
    assert crossover.low < 54.8 < crossover.high < 80
    assert any(isinstance(finding, BottleneckMoves) for finding in find_in_scale(record, scale_view(record)))


@pytest.mark.parametrize("first", [0.00002, 0.000002], ids=["two per cent", "less than one per cent"])
def test_a_stage_that_is_small_as_yet_is_predicted_to_take_over(first: float) -> None:
    """First B^4 beside 0.09 B: at the largest size it is in no table of parts, and at the target it is most of all."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": first * sizes[0] ** 4, "part_sampling": 0.0005}

    variant = baseline(swept(law, (1, 2, 3, 4, 6), 80))
    loss = variant.row("loss")
    assert loss is not None
    assert loss.share < 0.05
    assert loss not in variant.small
    assert {part.path for part in variant.large_stages} == {"backbone", "loss"}
    there = bottleneck_at_target(variant)
    assert there is not None
    assert there.path == "loss"
    assert variant.step is not None
    assert variant.step.target is not None
    assert variant.step.target.value == pytest.approx(3 * sum(law((80,)).values()), rel=0.25)
    (crossover,) = [each for each in crossovers(variant) if not each.is_measured]
    assert crossover.path == "loss"
    assert crossover.size == pytest.approx((0.09 / first) ** (1 / 3), rel=0.15)


def test_stages_that_are_as_good_as_equal_overtake_nobody() -> None:
    """Two that differ by nothing but noise change places at every size."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.09 * sizes[0], "optimizer": 0.01}

    variant = baseline(swept(law, (2, 4, 8, 16, 32), noise=0.03))
    assert len({found.path for sizes in variant.sizes if (found := bottleneck_at(variant, sizes)) is not None}) == 2
    assert [each for each in crossovers(variant) if each.is_measured] == []


def test_one_that_falls_back_has_overtaken_nobody() -> None:
    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.09 * sizes[0] * (2.0 if sizes[0] == 4 else 0.5)}

    variant = baseline(swept(law, (2, 4, 8, 16)))
    assert [(each.before, each.path, each.size) for each in crossovers(variant) if each.is_measured] == [
        ("loss", "backbone", 8)
    ]


def test_a_stage_that_never_catches_up_is_no_crossover() -> None:
    assert crossovers(usual().variants[1]) == ()


def test_what_the_largest_sizes_cannot_tell_the_fits_do() -> None:
    """0.09 B meets what grows with B^3 at 31; at 32 they differ by 6 %, and launches scatter by 3 %."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.09 * sizes[0] ** 3 / 31**2, "optimizer": 0.01}

    (crossover,) = crossovers(baseline(swept(law, (2, 4, 8, 16, 32), noise=0.03)))
    assert (crossover.before, crossover.path) == ("backbone", "loss")
    assert not crossover.is_measured
    assert crossover.is_within
    assert 16 <= crossover.low < 31 < crossover.high < 40
    assert crossover.size == pytest.approx(31, rel=0.05)


def test_one_that_may_as_well_never_catch_up_is_not_predicted_to() -> None:
    """Both grow with the batch, one faster by so little that its interval has no end."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.1 * sizes[0], "loss": 0.08 * sizes[0] ** 1.05, "optimizer": 0.01}

    variant = baseline(swept(law, (2, 4, 8, 16, 32), noise=0.03))
    backbone, loss = variant.row("backbone"), variant.row("loss")
    assert backbone is not None
    assert loss is not None
    assert backbone.growth is not None
    assert loss.growth is not None
    assert loss.growth.at((500,)) > backbone.growth.at((500,)), "by the fits alone it does"
    assert crossovers(variant) == ()
