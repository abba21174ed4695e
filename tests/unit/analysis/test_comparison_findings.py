"""What a comparison says in sentences, as facts: each where it is so, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from builders import fidelity_of
from comparisons import aa_record, ablation_record, comparison_record, unmeasured_record
from paco_prof.analysis import comparison_findings as c
from paco_prof.analysis.comparison import comparison_view
from paco_prof.analysis.findings import (
    BusyMachine,
    ContradictedKind,
    GradientAstray,
    LeftOut,
    NonFiniteLoss,
    UndividedBackward,
)
from paco_prof.records import ComparisonPlan, ComparisonRecord, Failure, Launch, MachineState, Note

BUILT = comparison_record()
LEFT_OUT = LeftOut("exact", (("cudnn_benchmark", "cuDNN runs on NVIDIA GPUs, and this is cpu"),))


def found(record: ComparisonRecord) -> list[c.ComparisonFinding]:
    return list(c.find_in_comparison(record, comparison_view(record)))


def beyond(record: ComparisonRecord) -> list[c.ComparisonFinding]:
    """Findings that the built comparison does not have."""
    return [finding for finding in found(record) if finding != LEFT_OUT]


def changed(**changes: object) -> ComparisonRecord:
    return BUILT.model_copy(update=changes)


def with_launches(change: object, places: Sequence[int] = (1, 2)) -> ComparisonRecord:
    launches = [launch if launch.contestant not in places else change(launch) for launch in BUILT.launches]  # type: ignore[operator]
    return changed(launches=tuple(launches))


def with_contestant(place: int, **changes: object) -> ComparisonRecord:
    contestants = list(BUILT.contestants)
    contestants[place] = contestants[place].model_copy(update=changes)
    return changed(contestants=tuple(contestants))


def test_a_complete_comparison_says_only_what_was_left_out() -> None:
    assert found(BUILT) == [LEFT_OUT]


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_comparison_that_did_not_come_to_its_end_says_so_first(status: str) -> None:
    first, *_ = found(changed(status=status))
    assert first == c.ComparisonEndedEarly(status, 6)  # type: ignore[arg-type]
    assert c.ComparisonEndedEarly("interrupted", 0) in found(unmeasured_record())


def test_missing_launches_are_counted_while_they_are_missing() -> None:
    note = Note(code="time_is_up", number=2)
    assert beyond(changed(notes=(note,), launches=BUILT.launches[:4])) == [c.MissingLaunches(2)]
    # A comparison that was resumed, and has them all.
    assert beyond(changed(notes=(note,))) == []


def test_only_the_last_run_knows_what_is_missing() -> None:
    notes = (Note(code="time_is_up", number=4), Note(code="time_is_up", number=1))
    assert c.MissingLaunches(1) in found(changed(notes=notes, launches=BUILT.launches[:5]))


def test_an_extended_comparison_says_so() -> None:
    assert beyond(changed(notes=(Note(code="extended", number=9),))) == [c.Extended(9)]


def test_a_sequential_comparison_says_so() -> None:
    assert beyond(changed(plan=ComparisonPlan(sequential=True))) == [c.Sequential()]


def test_what_could_not_be_compared_with_float64_is_told() -> None:
    assert beyond(changed(notes=(Note(code="no_fidelity", detail="exact: x", number=1),))) == [
        c.NotCompared("exact: x")
    ]


def test_other_notes_are_nobodys_business() -> None:
    assert beyond(changed(notes=(Note(code="whatever"),))) == []


def test_a_failure_is_lost_where_nothing_was_measured() -> None:
    failure = Failure(contestant=2, round=1, kind="hung", during="step", detail="no answer within 600 s")
    assert beyond(changed(failures=(failure,))) == [c.Unfinished("optimized", failure, lost=False)]
    without = changed(failures=(failure,), launches=tuple(x for x in BUILT.launches if x.contestant == 1))
    assert beyond(without) == [c.Unfinished("optimized", failure, lost=True)]


def test_a_halved_batch_is_told_with_its_size() -> None:
    halved = with_launches(lambda launch: launch.model_copy(update={"halvings": 2}), (2,))
    assert beyond(halved) == [c.BatchHalved("optimized", 2)]


def test_where_every_variant_was_halved_memory_did_not_run_out_for_the_baseline() -> None:
    halved = with_launches(lambda launch: launch.model_copy(update={"halvings": 1}))
    assert [f.name for f in beyond(halved) if isinstance(f, c.BatchHalved)] == ["exact", "optimized"]


def test_another_batch_than_the_baselines_is_told() -> None:
    smaller = BUILT.contestants[2].workload.model_copy(update={"batch_size": 4})
    assert c.OtherBatch("optimized", 4, 8) in found(with_contestant(2, workload=smaller))


def test_an_exact_variant_that_is_not_is_told_by_its_name() -> None:
    (finding,) = beyond(with_contestant(1, fidelity=fidelity_of(0.01, 0.2)))
    assert isinstance(finding, ContradictedKind)
    assert finding.name == "exact"


def test_a_gradient_that_points_elsewhere_is_told() -> None:
    astray = fidelity_of(0.5, 3.0, against="own settings", oracle="exact twin")
    (finding,) = beyond(with_contestant(2, fidelity=astray))
    assert isinstance(finding, GradientAstray)
    assert (finding.name, finding.own_settings) == ("optimized", True)


def test_an_ablations_fidelity_findings_have_the_tables_name() -> None:
    record = ablation_record("leave-one-out", ["fused-loss", "folded-pool"])
    contestants = tuple(x.model_copy(update={"fidelity": fidelity_of(0.01, 0.2)}) for x in record.contestants)
    broken = record.model_copy(update={"contestants": contestants})
    names = [finding.name for finding in found(broken) if isinstance(finding, ContradictedKind)]
    assert names == ["all 2", "without fused-loss", "without folded-pool"]


def lossless(side: str, steps: int) -> object:
    def change(launch: Launch) -> Launch:
        old = getattr(launch, side)
        losses = {**old.training.losses, "pac": (math.nan,) * steps + (0.2,) * (7 - steps)}
        return launch.model_copy(
            update={side: old.model_copy(update={"training": old.training.model_copy(update={"losses": losses})})}
        )

    return change


def test_losses_that_are_no_numbers_are_counted_over_all_launches() -> None:
    assert beyond(with_launches(lossless("variant", 2), (1,))) == [NonFiniteLoss(("pac",), 6, 21, "exact")]
    assert beyond(with_launches(lossless("baseline", 1))) == [NonFiniteLoss(("pac",), 6, 42, "baseline")]


def test_backward_that_was_not_divided_is_told() -> None:
    def whole(launch: Launch) -> Launch:
        training = launch.variant.training.model_copy(update={"backward_whole": "compiled"})
        return launch.model_copy(update={"variant": launch.variant.model_copy(update={"training": training})})

    assert beyond(with_launches(whole, (2,))) == [UndividedBackward("compiled", "optimized")]


def test_a_variant_against_itself_says_what_noise_there_is() -> None:
    (finding,) = found(aa_record())
    assert isinstance(finding, c.AgainstItself)
    assert finding.name == "baseline"
    assert not finding.speedup.established
    assert found(aa_record(launches=0, status="complete")) == []


def test_what_is_not_established_is_told_with_what_it_would_take() -> None:
    missing = [f for f in found(comparison_record(launches=1)) if isinstance(f, c.NotEstablished)]
    assert [(f.name, f.needed) for f in missing] == [("exact", None), ("optimized", None)]
    (channels,) = [f for f in found(ablation_record("one-at-a-time")) if isinstance(f, c.NotEstablished)]
    assert channels.name == "channels-last"
    assert channels.needed is not None
    assert channels.needed > 3


def test_a_toggle_that_helps_only_on_the_slow_loss_is_told() -> None:
    (finding,) = [f for f in found(ablation_record("factorial")) if isinstance(f, c.HelpsOnlyAlone)]
    assert (finding.interaction.toggle, finding.interaction.other) == ("max-negatives-16", "fused-loss")


def test_the_machine_comes_last() -> None:
    busy = with_launches(lambda launch: launch.model_copy(update={"machine": MachineState(other_busy_cores=1.9)}), (1,))
    assert found(busy)[-1] == BusyMachine(1.9, 2)


def test_a_comparison_rests_on_complete_launches() -> None:
    last = BUILT.launches[-1]
    training = last.variant.training.model_copy(update={"stop_reason": "interrupted"})
    cut = last.model_copy(update={"variant": last.variant.model_copy(update={"training": training})})
    record = changed(status="interrupted", launches=(*BUILT.launches[:-1], cut))
    assert c.ComparisonEndedEarly("interrupted", 5) in found(record)
