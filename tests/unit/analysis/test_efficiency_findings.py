"""What is said of devices that were not measured, and when nothing is."""

from __future__ import annotations

import pytest

from paco_prof.analysis.efficiency_findings import (
    BetterThanPerfect,
    ModelledScaling,
    NoEfficiency,
    OriginsApart,
    PerfectScaling,
    ScalingFinding,
    StepOfOthers,
    TermsOfOthers,
    find_in_scaling,
)
from paco_prof.analysis.projection import projection_view
from paco_prof.records import EstimatePlan, Pilot
from projections import bare_pilot, estimate_record, exact_pilot, full_pilot, on_devices

ALONE = bare_pilot(origin="breakdown")
TWO, FOUR = (on_devices(number, ALONE, seconds) for number, seconds in ((2, 0.5), (4, 0.75)))
OTHER = bare_pilot("other", 1.0, origin="breakdown")


def find(gpus: int, *pilots: Pilot, **plan: object) -> list[ScalingFinding]:
    settings = EstimatePlan.model_validate({"epochs": 10, "dataset_size": 800, "gpus": gpus, **plan})
    return list(find_in_scaling(projection_view(estimate_record(*pilots, plan=settings))))


def test_what_was_measured_as_it_is_used_says_nothing() -> None:
    assert find(1, ALONE) == []
    assert find(1, ALONE, TWO) == []
    assert find(2, ALONE, TWO) == []


@pytest.mark.parametrize(
    ("gpus", "pilots", "finding"),
    [
        (2, (ALONE, OTHER), PerfectScaling(2)),
        (8, (ALONE, TWO), ModelledScaling(("baseline",), 8, (1, 2), "extrapolated")),
        (3, (ALONE, TWO, FOUR), ModelledScaling(("baseline",), 3, (1, 2, 4), "interpolated")),
        (1, (TWO,), StepOfOthers(("baseline",), 1, 2, (2,), "all larger")),
        (1, (TWO, FOUR), StepOfOthers(("baseline",), 1, 2, (2, 4), "all larger")),
        (8, (TWO,), StepOfOthers(("baseline",), 8, 2, (2,), "one size")),
        (2, (TWO,), NoEfficiency(("baseline",), (2,), True)),
    ],
)
def test_where_a_step_comes_from(gpus: int, pilots: tuple[Pilot, ...], finding: ScalingFinding) -> None:
    assert find(gpus, *pilots) == [finding]


def test_what_is_so_of_some_variants_names_them() -> None:
    assert find(8, ALONE, TWO, OTHER) == [
        ModelledScaling(("baseline",), 8, (1, 2), "extrapolated"),
        PerfectScaling(8, ("other",)),
    ]
    together = find(8, ALONE, TWO, OTHER, on_devices(2, OTHER, 0.1))
    assert together == [ModelledScaling(("baseline", "other"), 8, (1, 2), "extrapolated")]


def test_an_extrapolation_without_one_device_has_no_efficiency() -> None:
    found = find(8, TWO, FOUR)
    assert found == [
        ModelledScaling(("baseline",), 8, (2, 4), "extrapolated"),
        NoEfficiency(("baseline",), (2, 4), True),
    ]


def test_steps_that_match_otherwise_tell_nothing_of_scaling() -> None:
    alone, two = full_pilot(), on_devices(2, full_pilot(), 0.5)
    early = two.model_copy(update={"steps": two.steps[:1]})
    late = alone.model_copy(update={"steps": alone.steps[1:]})
    assert StepOfOthers(("baseline",), 8, 2, (1, 2), "matching") in find(8, late, early)
    assert NoEfficiency(("baseline",), (1, 2), False) in find(2, late, early)


def test_other_terms_of_other_devices() -> None:
    terms = ("waiting", "epoch starts", "checkpoints", "start-up")
    two = on_devices(2, full_pilot(), 0.06)
    for gpus in (2, 8):
        assert TermsOfOthers(("baseline",), terms, 1, gpus, True) in find(gpus, full_pilot(), two)
    evaluated = find(2, full_pilot(), exact_pilot(), eval_size=359)
    everything = (*terms[:2], "evaluation", *terms[2:])
    assert evaluated == [PerfectScaling(2), TermsOfOthers(("baseline", "exact"), everything, 1, 2, True)]
    begun = bare_pilot(startup=3.0)
    assert TermsOfOthers(("baseline",), ("start-up",), 1, 2, False) in find(2, begun)


def test_steps_of_different_commands() -> None:
    two = on_devices(2, full_pilot(), 0.06)
    assert OriginsApart(("baseline",), ((1, "pilot"), (2, "breakdown"))) in find(1, full_pilot(), two)


def test_devices_that_are_faster_together_than_alone() -> None:
    (finding,) = find(2, ALONE, on_devices(2, ALONE, -1.0))
    assert isinstance(finding, BetterThanPerfect)
    assert finding.devices == 2
    assert finding.efficiency.value == pytest.approx(2.0)
    # A little of it may be chance.
    assert find(2, ALONE, on_devices(2, ALONE, -0.05)) == []
