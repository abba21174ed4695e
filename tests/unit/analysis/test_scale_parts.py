"""A step and a peak are predicted as the sums that they are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from paco_prof.analysis.scale import ScaledVariant, scale_view
from paco_prof.analysis.scale_facts import MemoryAtTarget, Predicted
from paco_prof.analysis.scale_findings import find_in_scale
from paco_prof.analysis.scale_rows import PEAK_REST, REST, STEP, fit_launches, quotient, total
from paco_prof.records import Memory, SavedBytes
from paco_prof.stats.growth import Prediction
from surveys import baseline, point, reference, survey_record, swept, usual


def test_the_step_is_predicted_as_the_sum_of_its_stages() -> None:
    """A power of the step alone would miss it by a quarter: half of it is linear, half of it cubic."""
    variant = usual().variants[0]
    step = variant.step
    assert step is not None
    assert step.target is not None
    true = sum(time * (1 if path == "optimizer" else 3) for path, time in reference((64,)).items())
    assert step.target.value == pytest.approx(true, rel=0.05)
    assert step.target.low is not None
    assert step.target.high is not None
    assert step.target.low < true < step.target.high
    assert step.target.value == pytest.approx(sum(part.target.value for part in variant.parts if part.target))


def test_the_largest_size_is_predicted_from_the_others() -> None:
    cast = usual().variants[0].hindcast
    assert cast is not None
    assert cast.sizes == (32,)
    assert abs(cast.error) < 0.15
    assert cast.is_inside


def test_the_hindcast_does_not_know_the_largest_size() -> None:
    record = survey_record()
    last = [each.model_copy() for each in record.points if each.sizes == (32,)]
    slower = [point(p.contestant, (32,), p.round, lambda s: {k: 2 * v for k, v in reference(s).items()}) for p in last]
    others = tuple(each for each in record.points if each.sizes != (32,))
    one, other = baseline(record).hindcast, baseline(survey_record(points=(*others, *slower))).hindcast
    assert one is not None
    assert other is not None
    assert other.predicted == one.predicted
    assert not other.is_inside


def saved_of(variant: ScaledVariant) -> list[Prediction]:
    """What is predicted to be kept by each stage."""
    assert all(row.target is not None for row in variant.saved)
    return [row.target for row in variant.saved if row.target is not None]


def test_the_peak_is_predicted_as_the_sum_of_what_is_kept_and_the_rest() -> None:
    """0.9 GB of anything, 41 MB an image and 0.2 GB of its cube: a power of the whole would miss 50 GB by three."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.01 * sizes[0] ** 3}

    record = swept(law, (2, 4, 8, 12, 16), 64)
    points = []
    for each in record.points:
        batch = each.sizes[0]
        saved = {"backbone": 41_000_000 * batch, "loss": 200_000 * batch**3}
        memory = Memory(
            process_peak_bytes=900_000_000 + each.round * 1_000_000 + sum(saved.values()),
            saved=tuple(SavedBytes(path=path, num_bytes=number) for path, number in saved.items()),
        )
        points.append(each.model_copy(update={"memory": memory}))
    variant = baseline(record.model_copy(update={"points": tuple(points)}))
    peak, rest = variant.peak, variant.peak_rest
    assert variant.peak_of == "process"
    assert [row.path for row in variant.saved] == ["loss", "backbone"]
    assert peak is not None
    assert peak.growth is None, "a sum of unlike powers has none"
    assert peak.target is not None
    assert peak.target.low is not None
    assert peak.target.high is not None
    true = 900_000_000 + 41_000_000 * 64 + 200_000 * 64**3
    assert peak.target.value == pytest.approx(true, rel=0.01)
    assert peak.target.low < true < peak.target.high < 1.05 * true
    assert peak.target.low > sum(kept.low or 0.0 for kept in saved_of(variant))
    assert rest is not None
    assert rest.path == PEAK_REST
    assert not rest.is_stage
    assert rest.at((8,)) == pytest.approx(0.9e9, rel=0.01)


def test_what_stages_keep_has_no_fixed_part() -> None:
    variant = usual().variants[0]
    assert [row.path for row in variant.saved] == ["backbone", "loss"]
    kept = variant.saved[1].growth
    assert kept is not None
    assert kept.exponent.value == pytest.approx(3.0, abs=0.01)


def test_a_peak_below_what_is_kept_is_a_quantity_by_itself() -> None:
    record = swept(reference, (2, 4, 8, 16), 32)
    halved = [
        each.model_copy(update={"memory": each.memory.model_copy(update={"process_peak_bytes": 10_000_000 * size})})
        for each in record.points
        if each.memory is not None
        for size in each.sizes
    ]
    variant = baseline(record.model_copy(update={"points": tuple(halved)}))
    assert variant.peak is not None
    assert variant.peak_rest is None
    assert variant.peak.growth is not None
    assert variant.peak.growth.exponent.value == pytest.approx(1.0, abs=0.01)
    assert variant.peak.target is not None


def test_a_stage_at_two_sizes_leaves_the_step_predicted() -> None:
    """Something that sets in at batch 16 has no growth of its own; the rest holds it."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        late = {"part_sampling": 0.02 * sizes[0]} if sizes[0] >= 16 else {}
        return {"backbone": 0.09 * sizes[0], "loss": 0.001 * sizes[0] ** 2, "optimizer": 0.015, **late}

    variant = baseline(swept(law, (2, 4, 8, 16, 32), 64))
    late = variant.row("part_sampling")
    assert late is not None
    assert late.share > 0.05
    assert not late.has_interval
    assert late not in variant.parts
    rest = variant.parts[-1]
    assert rest.path == REST
    assert rest.at((32,)) == pytest.approx(3 * 0.02 * 32 + 0.015, rel=0.1)
    assert variant.step is not None
    assert variant.step.target is not None
    assert variant.step.target.high is not None
    true = 3 * (0.09 * 64 + 0.001 * 64**2 + 0.02 * 64) + 0.015
    assert (variant.step.target.low or 0.0) < true < variant.step.target.high


def test_a_stage_that_neither_itself_nor_a_rest_tells_leaves_the_step_by_itself() -> None:
    """Nothing else is beside the stages, so that the rest is nothing where that stage is not yet there."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        late = {"part_sampling": 0.02 * sizes[0]} if sizes[0] >= 16 else {}
        return {"backbone": 0.09 * sizes[0], "loss": 0.02 * sizes[0] ** 1.5, **late}

    variant = baseline(swept(law, (2, 4, 8, 16, 32), 64))
    assert [part.path for part in variant.parts] == [STEP]
    assert variant.step is not None
    assert variant.step.target is not None


def test_many_small_stages_together_are_not_small() -> None:
    """Six of 4 % each: a fixed cost beside what grows, which a power alone would not allow for."""

    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        small = ("zero_grad", "transfer", "optimizer", "matching", "covariance", "prototypes")
        return {"backbone": 0.09 * sizes[0], **dict.fromkeys(small, 0.002 + 0.002 * sizes[0])}

    few = baseline(swept(law, (2, 4, 8, 16, 32), 64)).parts[-1]
    assert few.path == REST
    assert few.share > 0.10
    assert few.growth is not None
    assert few.growth.fixed_cost is not None
    usual_rest = usual().variants[0].parts[-1]
    assert usual_rest.path == REST
    assert usual_rest.growth is not None
    assert usual_rest.growth.is_taken_for_power


def test_a_rest_that_is_nothing_but_rounding_is_no_part() -> None:
    def law(sizes: tuple[int, ...]) -> dict[str, float]:
        return {"backbone": 0.09 * sizes[0], "loss": 0.001 * sizes[0] ** 3}

    variant = baseline(swept(law, (2, 4, 8, 16), 32))
    assert [part.path for part in variant.parts] == ["loss", "backbone"]
    assert variant.step is not None
    assert variant.step.target is not None
    assert variant.step.target.value == pytest.approx(3 * sum(law((32,)).values()), rel=0.1)


def test_memory_is_predicted_whether_or_not_a_step_is() -> None:
    record = swept(reference, (2, 4, 8, 16), 32)
    view = scale_view(record)
    (variant,) = view.variants
    unknown = replace(variant, rows=(replace(variant.rows[0], target=None), *variant.rows[1:]))
    kinds = [type(finding) for finding in find_in_scale(record, replace(view, variants=(unknown,)))]
    assert MemoryAtTarget in kinds
    assert Predicted not in kinds


def test_the_hindcast_takes_its_parts_from_the_other_sizes() -> None:
    """A stage that is large at the largest size alone is no part of what is known without that."""
    record = survey_record()
    others = tuple(each for each in record.points if each.sizes != (32,))

    def surprise(sizes: tuple[int, ...]) -> dict[str, float]:
        return {**reference(sizes), "part_sampling": 40.0}

    last = tuple(point(p.contestant, (32,), p.round, surprise) for p in record.points if p.sizes == (32,))
    one, other = baseline(record), baseline(survey_record(points=(*others, *last)))
    assert "part_sampling" in {part.path for part in other.parts}
    assert one.hindcast is not None
    assert other.hindcast is not None
    assert other.hindcast.predicted == one.hindcast.predicted
    assert not other.hindcast.is_inside


def test_an_end_that_nothing_sets_stays_open_in_sums_and_quotients() -> None:
    known, open_above = Prediction(2.0, 1.0, 4.0, 2.0), Prediction(3.0, 0.0, math.inf, 2.0)
    whole = total([known, open_above])
    assert whole is not None
    assert (whole.value, whole.low, whole.high) == (5.0, 1.0, math.inf)
    for one, other in ((known, open_above), (open_above, known), (open_above, open_above)):
        ratio = quotient(one, other)
        assert ratio.value == pytest.approx(one.value / other.value)
        assert (ratio.low, ratio.high) == (0.0, math.inf)


def test_what_is_small_everywhere_leaves_the_step_known() -> None:
    """A rest that grows a little, a half longer here and there: a power of anything may hide in that."""
    noise = {2: 1.0, 3: 1.6, 4: 0.9, 6: 1.4, 8: 1.0, 12: 1.7}
    times = {(size,): 0.08 * (size / 2) ** 0.3 for size in noise}
    launches = {(size,): (times[size,] * factor, times[size,] / factor**0.5) for size, factor in noise.items()}
    free, rest = fit_launches(launches), fit_launches(launches, is_power=True)
    assert free is not None
    assert rest is not None
    hours, seconds = free.predict((64,)).high, rest.predict((64,)).high
    assert hours is not None
    assert seconds is not None
    assert hours > 3600.0
    assert seconds < 1.1
    assert rest.is_taken_for_power
    assert not rest.is_power_alone, "there are sizes enough: nobody has to be told to measure more"
