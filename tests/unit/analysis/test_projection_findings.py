"""What a projection says in sentences, and when it says nothing."""

from __future__ import annotations

from builders import analysis_record, cpu_record, exact_record
from paco_prof.analysis.efficiency_findings import PerfectScaling
from paco_prof.analysis.pilots import pilots_of
from paco_prof.analysis.pilots_together import pilots_together
from paco_prof.analysis.projection import projection_view
from paco_prof.analysis.projection_findings import (
    EstimateEndedEarly,
    EvaluatedWithoutLoading,
    MatchingNotMeasured,
    NoInterval,
    NotInTotal,
    OtherBatchSize,
    ProjectedClaim,
    ProjectionFinding,
    UncertainSaving,
    find_in_projection,
)
from paco_prof.records import EstimatePlan, EstimateRecord
from projections import RECORDS, bare_pilot, estimate_record, full_pilot


def find(record: EstimateRecord) -> tuple[ProjectionFinding, ...]:
    return find_in_projection(record, projection_view(record))


def of(record: EstimateRecord, kind: type) -> list[ProjectionFinding]:
    return [finding for finding in find(record) if isinstance(finding, kind)]


def breakdowns(**plan: object) -> EstimateRecord:
    pilots = pilots_together({"a": cpu_record(), "b": exact_record()})
    settings = {"epochs": 10, "batches_per_epoch": 100, **plan}
    return estimate_record(*pilots, plan=EstimatePlan.model_validate(settings))


def test_a_run_of_which_everything_was_measured_says_nothing() -> None:
    assert find(estimate_record()) == ()
    assert find(estimate_record(plan=EstimatePlan(epochs=10, dataset_size=100, eval_size=20))) == ()


def test_the_analysiss_hours_belong_to_another_step() -> None:
    found = of(estimate_record(*pilots_of(analysis_record())), ProjectedClaim)
    computed = [(f.checked.claim.value, round(f.checked.computed, 1)) for f in found if isinstance(f, ProjectedClaim)]
    assert computed == [(89.7, 221.1), (149.5, 368.5)]
    assert [round(f.checked.implied_step or 0, 2) for f in found if isinstance(f, ProjectedClaim)] == [5.38, 5.38]


def test_what_the_total_leaves_out_is_said_once_for_all_that_leave_it_out() -> None:
    rest = ("waiting", "epoch starts", "checkpoints", "start-up")
    assert of(breakdowns(), NotInTotal) == [NotInTotal(("baseline", "exact"), rest, False)]
    mixed = estimate_record(
        full_pilot(), bare_pilot("other"), plan=EstimatePlan(epochs=2, dataset_size=80, eval_size=8)
    )
    (finding,) = of(mixed, NotInTotal)
    assert finding == NotInTotal(("other",), ("waiting", "epoch starts", "evaluation", "checkpoints", "start-up"), True)


def test_epochs_that_match_otherwise_than_what_was_measured() -> None:
    assert of(breakdowns(), MatchingNotMeasured) == [MatchingNotMeasured(("baseline", "exact"), False, 7, 10, 3)]
    assert of(breakdowns(epochs=3), MatchingNotMeasured) == []
    after = full_pilot().steps[1:]
    assert of(estimate_record(full_pilot(steps=after)), MatchingNotMeasured) == [
        MatchingNotMeasured(("baseline",), True, 3, 10, 3)
    ]


def test_inference_loads_nothing() -> None:
    assert of(breakdowns(), EvaluatedWithoutLoading) == []
    assert of(breakdowns(eval_size=20), EvaluatedWithoutLoading) == [EvaluatedWithoutLoading(("baseline", "exact"))]


def test_seven_steps_of_one_block_have_no_interval() -> None:
    assert of(breakdowns(), NoInterval) == [NoInterval(("baseline", "exact"))]


def test_other_batches_gpus_and_what_cannot_be_told() -> None:
    assert of(RECORDS["many"](), OtherBatchSize) == [OtherBatchSize("batch-16", 16, 50, 8, 100)]
    assert of(RECORDS["everything"](), PerfectScaling) == [PerfectScaling(2)]
    (uncertain,) = of(RECORDS["uncertain"](), UncertainSaving)
    assert isinstance(uncertain, UncertainSaving)
    assert uncertain.name == "slower"


def test_an_interrupted_measurement_says_what_there_is() -> None:
    assert of(RECORDS["interrupted"](), EstimateEndedEarly) == [EstimateEndedEarly("interrupted", "", ("baseline",))]
