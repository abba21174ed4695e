"""From launches to verdicts: what passes, what fails, what nobody can tell, and which stage explains it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import CPU, GPU, ON_CPU_EXACT, RESNET50, Times, fidelity_of
from comparisons import record_of, scaled
from paco_prof.analysis.comparison import comparison_view
from paco_prof.analysis.gate import CheckResult, check_result, gate_view
from paco_prof.records import (
    YARDSTICK,
    Check,
    CheckPlan,
    CheckRecord,
    ComparisonRecord,
    Contestant,
    Failure,
    Note,
    Side,
    VariantUsed,
)

PLAN = CheckPlan()
REVISION = Check(name="against main", kind="revision", quantity="step", subject="working tree", other="main")
# A step that takes four fifths of the exact one.
PLAIN = scaled(ON_CPU_EXACT, {stage.path: 0.8 for stage in ON_CPU_EXACT})
EVERYTHING = {stage.path: 1.0 for stage in ON_CPU_EXACT}


def contestant(name: str, **changes: Any) -> Contestant:
    used = VariantUsed(name="exact", kind="exact")
    return Contestant(name=name, workload=RESNET50, base=RESNET50, variant=used).model_copy(update=changes)


def of_two_trees(factors: Mapping[str, float], launches: int = 8, **changes: Any) -> ComparisonRecord:
    """The step of main beside one some of whose stages take another time."""
    contestants = (contestant("main", revision="a" * 12), contestant("working tree", revision="b" * 12))
    return record_of("compare", contestants, (ON_CPU_EXACT, scaled(ON_CPU_EXACT, factors)), launches, **changes)


def own(stages: Sequence[Times] = ON_CPU_EXACT, launches: int = 8, **changes: Any) -> ComparisonRecord:
    """`exact` beside the yardstick and the baseline, which takes two and a half times as long."""
    slow = scaled(ON_CPU_EXACT, dict.fromkeys(EVERYTHING, 2.5))
    contestants = (contestant("exact"), contestant(YARDSTICK), contestant("baseline"))
    return record_of("compare", contestants, (stages, PLAIN, slow), launches, **changes)


def slower(by: float) -> dict[str, float]:
    return dict.fromkeys(EVERYTHING, 1 + by)


def budget(**changes: Any) -> Check:
    settings = {"name": "a budget", "kind": "budget", "subject": "exact", "smallest_effect": 0.0, **changes}
    return Check.model_validate(settings)


def test_an_equal_tree_passes() -> None:
    result = check_result(REVISION, of_two_trees({}), PLAN)
    assert (result.verdict, result.reason) == ("pass", "")
    assert result.test is not None
    assert abs(result.test.value) < 0.01
    assert not result.improved


@pytest.mark.parametrize("by", [0.05, 0.10, 1.0])
def test_a_slower_tree_fails_by_as_much_as_it_is_slower(by: float) -> None:
    result = check_result(REVISION, of_two_trees(slower(by)), PLAN)
    assert result.verdict == "fail"
    assert result.test is not None
    assert math.expm1(result.test.value) == pytest.approx(by, abs=0.01)
    assert result.after is not None
    assert result.before is not None
    assert result.after / result.before == pytest.approx(1 + by, abs=0.02)


def test_a_faster_tree_passes_and_is_an_improvement() -> None:
    result = check_result(REVISION, of_two_trees(slower(-0.1)), PLAN)
    assert (result.verdict, result.improved) == ("pass", True)


def test_a_slowdown_below_what_matters_passes_and_one_that_somebody_minds_does_not() -> None:
    record = of_two_trees(slower(0.02))
    assert check_result(REVISION, record, PLAN).verdict == "pass"
    mind = REVISION.model_copy(update={"smallest_effect": 0.005})
    assert check_result(mind, record, PLAN).verdict == "fail"


@pytest.mark.parametrize("path", ["part_sampling", "loss/pac", "backbone", "optimizer"])
def test_a_stage_that_became_slower_is_the_one_that_is_named(path: str) -> None:
    seconds = sum(stage.forward or 0.0 for stage in ON_CPU_EXACT) + sum(s.backward or 0.0 for s in ON_CPU_EXACT)
    (own_seconds,) = [
        (s.forward or 0.0) + (s.backward or 0.0) + (s.other or 0.0) for s in ON_CPU_EXACT if s.path == path
    ]
    result = check_result(REVISION, of_two_trees({path: 1 + 0.1 * seconds / own_seconds}), PLAN)
    assert result.verdict == "fail"
    assert result.explanation is not None
    assert result.explanation.path == path
    assert 0.8 < result.explanation.share < 1.2
    assert result.explanation.seconds == pytest.approx(0.1 * seconds, rel=0.1)


def test_a_stage_that_is_new_is_named() -> None:
    contestants = (contestant("main"), contestant("working tree"))
    more = (*ON_CPU_EXACT, Times("augment/blur", forward=0.4))
    result = check_result(REVISION, record_of("compare", contestants, (ON_CPU_EXACT, more), 8), PLAN)
    assert result.explanation is not None
    assert (result.explanation.path, result.explanation.before) == ("augment/blur", 0.0)


@pytest.mark.parametrize("largest", [0.25, 0.6, 0.8])
def test_where_all_stages_became_slower_by_as_much_none_is_named(largest: float) -> None:
    """Be one of them however large: it has most of the change, and no more of it than its size gives it."""
    rest = (1 - largest) / 3
    stages = [
        Times(name, forward=size, backward=2 * size)
        for name, size in zip("abcd", (largest, rest, rest, rest), strict=True)
    ]
    contestants = (contestant("main"), contestant("working tree"))
    slow = scaled(stages, dict.fromkeys("abcd", 1.1))
    result = check_result(REVISION, record_of("compare", contestants, (stages, slow), 8), PLAN)
    assert result.verdict == "fail"
    assert result.explanation is not None
    assert result.explanation.path == ""


def test_what_does_not_differ_needs_no_explanation() -> None:
    assert check_result(REVISION, of_two_trees({}), PLAN).explanation is None
    assert check_result(REVISION, of_two_trees(slower(0.02)), PLAN).explanation is None


def test_an_improvement_has_a_stage_as_well() -> None:
    result = check_result(REVISION, of_two_trees({"backbone": 0.8}), PLAN)
    assert result.improved
    assert result.explanation is not None
    assert result.explanation.path == "backbone"
    assert result.explanation.seconds < 0


@pytest.mark.parametrize("launches", range(1, 7))
def test_fewer_than_seven_launches_are_inconclusive_whatever_they_show(launches: int) -> None:
    result = check_result(REVISION, of_two_trees(slower(0.5), launches), PLAN)
    assert (result.verdict, result.reason) == ("inconclusive", "few launches")


def test_seven_launches_suffice_where_the_time_was_up_before_the_first_look() -> None:
    assert check_result(REVISION, of_two_trees(slower(0.5), 7), PLAN).verdict == "fail"


def test_nothing_measured_is_an_error_and_never_a_pass() -> None:
    result = check_result(REVISION, of_two_trees({}, 0), PLAN)
    assert (result.verdict, result.reason) == ("error", "not measured")
    never = check_result(REVISION, None, PLAN)
    assert (never.verdict, never.reason) == ("error", "not measured")
    assert gate_view(record_for([REVISION], ())).verdict == "error"


def test_what_could_not_begin_says_why() -> None:
    check = REVISION.model_copy(update={"trouble": "there is no such folder", "hint": "Make it."})
    result = check_result(check, None, PLAN)
    assert (result.verdict, result.reason, result.detail, result.hint) == (
        "error",
        "trouble",
        "there is no such folder",
        "Make it.",
    )


@pytest.mark.parametrize("of_baseline", [True, False])
def test_a_crash_of_either_side_is_an_error_even_beside_launches_enough(of_baseline: bool) -> None:
    failure = Failure(contestant=1, round=3, of_baseline=of_baseline, kind="died", during="step", detail="killed")
    result = check_result(REVISION, of_two_trees(slower(0.1), failures=(failure,)), PLAN)
    assert (result.verdict, result.reason) == ("error", "failed")
    assert result.detail.startswith("main: died" if of_baseline else "working tree: died")


@pytest.mark.parametrize("by", [0.0, 0.5])
def test_more_threads_than_cores_make_every_verdict_inconclusive(by: float) -> None:
    crowded = CPU.model_copy(update={"threads": 8})
    result = check_result(REVISION, of_two_trees(slower(by), environment=crowded), PLAN)
    assert (result.verdict, result.reason) == ("inconclusive", "oversubscribed")
    # A device's step is not the cores' affair.
    device = GPU.model_copy(update={"threads": 64})
    assert check_result(REVISION, of_two_trees(slower(by), environment=device), PLAN).reason == ""


def test_revisions_that_measure_other_things_are_not_compared() -> None:
    contestants = (contestant("main", workload=RESNET50.model_copy(update={"dim": 32})), contestant("working tree"))
    result = check_result(REVISION, record_of("compare", contestants, (ON_CPU_EXACT, ON_CPU_EXACT), 8), PLAN)
    assert (result.verdict, result.reason) == ("error", "trouble")
    assert "dim is 32 there and 64 here" in result.detail


# (what is asked, what the launches show by how the step is built)
ON_BOUNDS = [
    ("share", {"stage": "backbone"}, 0.95),
    ("share", {"stage": "loss"}, 0.0033),
    ("share", {"stage": "loss/pac"}, 0.0020),
    ("unattributed", {}, 0.0042),
    ("memory", {}, 2.86e9),
    ("paco tax", {"other": YARDSTICK}, 0.25),
]


@pytest.mark.parametrize(("quantity", "settings", "about"), ON_BOUNDS)
def test_a_budget_passes_above_what_is_measured_and_fails_below(
    quantity: str, settings: dict[str, str], about: float
) -> None:
    record = own()
    results = [
        check_result(budget(quantity=quantity, at_most=bound, **settings), record, PLAN)
        for bound in (1.25 * about, 0.75 * about)
    ]
    assert [result.verdict for result in results] == ["pass", "fail"], [result.test for result in results]


@pytest.mark.parametrize(("at_least", "verdict"), [(2.3, "pass"), (2.7, "fail"), (2.5, "inconclusive")])
def test_a_speed_up_that_is_asked_for(at_least: float, verdict: str) -> None:
    check = budget(quantity="step", other="baseline", at_least=at_least)
    result = check_result(check, own(), PLAN)
    assert result.verdict == verdict
    assert result.test is not None
    assert math.exp(-result.test.value) == pytest.approx(2.5, rel=0.01)
    assert result.before is not None
    assert result.after is not None
    assert result.before / result.after == pytest.approx(2.5, rel=0.02)


def test_a_speed_up_may_be_asked_of_the_other_side() -> None:
    """`baseline over exact >= 0.3x`, with exact as the gate's own variant."""
    check = budget(quantity="step", subject="baseline", other="exact", at_least=0.3)
    assert check_result(check, own(), PLAN).verdict == "pass"
    assert check_result(check.model_copy(update={"at_least": 0.5}), own(), PLAN).verdict == "fail"


def test_a_share_of_a_variant_beside_the_gates_own() -> None:
    check = budget(quantity="share", stage="loss", subject="baseline", at_most=0.5)
    assert check_result(check, own(), PLAN).verdict == "pass"


def test_a_stage_that_no_step_enters_is_an_error_and_not_a_share_of_nothing() -> None:
    result = check_result(budget(quantity="share", stage="matchng", at_most=0.1), own(), PLAN)
    assert (result.verdict, result.reason) == ("error", "trouble")
    assert "'matchng'" in result.detail
    assert "matching" in result.detail


def test_a_share_needs_backward_by_stage() -> None:
    record = own()
    launches = [
        launch.model_copy(
            update={
                "baseline": launch.baseline.model_copy(
                    update={"training": launch.baseline.training.model_copy(update={"backward_whole": "compiled"})}
                )
            }
        )
        for launch in record.launches
    ]
    whole = record.model_copy(update={"launches": tuple(launches)})
    result = check_result(budget(quantity="share", stage="loss", at_most=0.1), whole, PLAN)
    assert (result.verdict, result.reason) == ("error", "trouble")
    assert "compiled" in result.detail


def test_memory_that_was_not_measured_keeps_to_no_budget() -> None:
    record = own()
    launches = [
        launch.model_copy(update={"baseline": launch.baseline.model_copy(update={"memory": None})})
        for launch in record.launches
    ]
    bare = record.model_copy(update={"launches": tuple(launches)})
    assert check_result(budget(quantity="memory", at_most=1e12), bare, PLAN).verdict == "error"


@pytest.mark.parametrize(
    ("gradient_error", "kind", "verdict"), [(1e-4, "exact", "pass"), (0.5, "exact", "fail"), (0.5, "different", "pass")]
)
def test_fidelity_is_what_the_kind_claims(gradient_error: float, kind: str, verdict: str) -> None:
    used = VariantUsed.model_validate({"name": "exact", "kind": kind})
    measured = contestant("exact", fidelity=fidelity_of(1e-8, gradient_error), variant=used)
    record = own().model_copy(update={"contestants": (measured, *own().contestants[1:])})
    result = check_result(budget(quantity="fidelity"), record, PLAN)
    assert (result.verdict, result.test) == (verdict, None)
    assert result.fidelity is not None


def test_fidelity_that_nobody_measured_is_an_error() -> None:
    note = Note(code="no_fidelity", detail="exact: it has no reference", number=0)
    result = check_result(budget(quantity="fidelity"), own(notes=(note,)), PLAN)
    assert (result.verdict, result.detail) == ("error", "exact: it has no reference")


@pytest.mark.parametrize("pace", [0.8, 1.0])
@pytest.mark.parametrize("path", ["part_sampling", "loss/pac"])
def test_beside_a_saved_baseline_the_stage_is_named_as_well(path: str, pace: float) -> None:
    result = saved_and_now(0.0, pace, {path: 60.0})
    assert result.verdict == "fail"
    assert result.explanation is not None
    assert result.explanation.path == path
    assert result.explanation.share == pytest.approx(1.0, abs=0.1)


def saved_and_now(by: float, pace: float = 1.0, stages: Mapping[str, float] | None = None) -> CheckResult:
    """A baseline that was saved, and launches now whose machine has another pace, and some of whose stages another
    time.
    """

    def comparison(slow: float, pace: float, stages: Mapping[str, float]) -> ComparisonRecord:
        contestants = (contestant("exact"), contestant(YARDSTICK))
        sides = [
            scaled(stages, dict.fromkeys(EVERYTHING, factor))
            for stages, factor in ((ON_CPU_EXACT, pace * (1 + slow)), (PLAIN, pace))
        ]
        return record_of("compare", contestants, (scaled(sides[0], stages), sides[1]), 8)

    check = Check(
        name="against b.json",
        kind="record",
        quantity="step",
        subject="exact",
        other=YARDSTICK,
        saved=comparison(0, 1.0, {}),
    )
    return check_result(check, comparison(by, pace, stages or {}), PLAN)


@pytest.mark.parametrize("pace", [1.0, 0.8, 1.3])
@pytest.mark.parametrize(("by", "verdict"), [(0.0, "pass"), (0.1, "fail"), (-0.1, "pass")])
def test_beside_a_saved_baseline_the_machines_pace_is_no_regression(pace: float, by: float, verdict: str) -> None:
    result = saved_and_now(by, pace)
    assert result.verdict == verdict
    assert result.improved == (by < 0)
    assert result.test is not None
    assert math.expm1(result.test.value) == pytest.approx(by, abs=0.01)
    # Times are shown at the pace of then.
    assert result.before is not None
    assert result.after is not None
    assert result.after / result.before == pytest.approx(1 + by, abs=0.02)


def record_for(checks: Sequence[Check], comparisons: Sequence[ComparisonRecord], **changes: Any) -> CheckRecord:
    numbered = tuple(
        check.model_copy(update={"comparison": number if number < len(comparisons) else None})
        for number, check in enumerate(checks)
    )
    return CheckRecord(tool_version="0.1.0", checks=numbered, comparisons=tuple(comparisons), **changes)


def test_a_gate_fails_before_it_errs_before_it_is_inconclusive_before_it_passes() -> None:
    fails, passes, unsure = of_two_trees(slower(0.1)), of_two_trees({}), of_two_trees({}, 3)
    order = [("fail", fails), ("inconclusive", unsure), ("pass", passes)]
    for place, (verdict, _) in enumerate(order):
        comparisons = [comparison for _, comparison in order[place:]]
        assert gate_view(record_for([REVISION] * len(comparisons), comparisons)).verdict == verdict
    assert gate_view(record_for([REVISION, REVISION], [passes])).verdict == "error"
    assert gate_view(record_for([REVISION, REVISION], [fails])).verdict == "fail"


def test_a_working_tree_that_was_edited_meanwhile_gets_no_verdict() -> None:
    for comparison in (of_two_trees({}), of_two_trees(slower(0.2))):
        view = gate_view(record_for([REVISION], [comparison], notes=(Note(code="changed"),)))
        assert (view.verdict, view.results[0].reason) == ("inconclusive", "changed")


@settings(max_examples=25)
@given(st.floats(0.01, 100), st.sampled_from([-0.2, 0.0, 0.02, 0.05, 0.3]))
def test_scaling_every_time_changes_no_verdict(scale: float, by: float) -> None:
    """Slowdowns, shares and speed-ups have no unit."""
    record = of_two_trees(slower(by))
    launches = [
        launch.model_copy(
            update={name: in_another_unit(getattr(launch, name), scale) for name in ("baseline", "variant")}
        )
        for launch in record.launches
    ]
    other = record.model_copy(update={"launches": tuple(launches)})
    share = budget(quantity="share", stage="backbone", subject="main", at_most=0.5)
    for check in (REVISION, share):
        one, two = (check_result(check, either, PLAN) for either in (record, other))
        assert one.verdict == two.verdict
        assert one.test is not None
        assert two.test is not None
        assert one.test.value == pytest.approx(two.test.value, abs=1e-9)


def in_another_unit(side: Side, scale: float) -> Side:
    """One process's times, all of them multiplied."""
    training = side.training
    stages = [stage.model_copy(update={"host": tuple(scale * s for s in stage.host)}) for stage in training.stages]
    phases = {phase: tuple(scale * s for s in seconds) for phase, seconds in training.phases.items()}
    steps = tuple(scale * s for s in training.steps)
    changed = training.model_copy(update={"steps": steps, "phases": phases, "stages": tuple(stages)})
    return side.model_copy(update={"training": changed})


def test_swapping_the_sides_turns_a_regression_into_an_improvement() -> None:
    there, back = of_two_trees(slower(0.1)), of_two_trees(slower(-1 / 11))
    assert check_result(REVISION, there, PLAN).verdict == "fail"
    assert check_result(REVISION, back, PLAN).improved


def with_losses_of_events(record: ComparisonRecord, num: int) -> ComparisonRecord:
    """On a device, with so many of the seven events of the backbone lost in every launch."""

    def lost(side: Side) -> Side:
        training = side.training
        stages = tuple(
            stage.model_copy(
                update={
                    "device": tuple(
                        None if n < num and stage.path == "backbone" else s for n, s in enumerate(stage.host)
                    )
                }
            )
            for stage in training.stages
        )
        return side.model_copy(update={"training": training.model_copy(update={"stages": stages})})

    launches = [launch.model_copy(update={"baseline": lost(launch.baseline)}) for launch in record.launches]
    return record.model_copy(update={"launches": tuple(launches)})


@pytest.mark.parametrize("quantity", ["share", "unattributed"])
@pytest.mark.parametrize(("num", "is_known"), [(0, True), (3, True), (4, False), (7, False)])
def test_time_that_was_lost_is_no_share_of_nothing(quantity: str, num: int, is_known: bool) -> None:
    """A stage that has nearly all of the step, and some of whose events were lost."""
    stage = {"stage": "backbone"} if quantity == "share" else {}
    at_most = 0.5 if quantity == "share" else 0.001
    result = check_result(budget(quantity=quantity, at_most=at_most, **stage), with_losses_of_events(own(), num), PLAN)
    assert result.verdict == ("fail" if is_known else "error")


def test_a_gradient_that_is_no_number_is_never_faithful() -> None:
    for kind in ("exact", "approximate", "different"):
        used = VariantUsed.model_validate({"name": "exact", "kind": kind})
        measured = contestant("exact", fidelity=fidelity_of(1e-8, math.nan), variant=used)
        record = own().model_copy(update={"contestants": (measured, *own().contestants[1:])})
        assert check_result(budget(quantity="fidelity"), record, PLAN).verdict == "fail"


@pytest.mark.parametrize(
    ("loss_error", "gradient_error", "verdict"),
    [(1e-12, 1e-11, "pass"), (1e-12, 1e-3, "fail"), (1e-3, 1e-12, "fail"), (1e-12, math.nan, "fail")],
)
def test_a_drop_in_is_judged_in_float64(loss_error: float, gradient_error: float, verdict: str) -> None:
    wide = {"float64_loss_error": loss_error, "float64_gradient_error": gradient_error}
    for kind in ("exact", "approximate") if math.isnan(gradient_error) else ("exact",):
        used = VariantUsed.model_validate({"name": "exact", "kind": kind})
        measured = contestant("exact", fidelity=fidelity_of(1e-4, 0.3, **wide), variant=used)
        record = own().model_copy(update={"contestants": (measured, *own().contestants[1:])})
        assert check_result(budget(quantity="fidelity"), record, PLAN).verdict == verdict


def test_a_side_that_takes_more_threads_for_itself_is_seen() -> None:
    note = Note(code="threads", detail="working tree", number=8)
    result = check_result(REVISION, of_two_trees(slower(0.5), notes=(note,)), PLAN)
    assert (result.verdict, result.reason, result.detail) == ("inconclusive", "oversubscribed", "8 threads on 2")


@pytest.mark.parametrize("status", ["interrupted", "running"])
def test_a_run_that_somebody_ended_has_no_verdict(status: str) -> None:
    """Whoever ends it chooses when to look."""
    for comparison in (of_two_trees({}, status=status), of_two_trees(slower(0.2), status=status)):
        view = gate_view(record_for([REVISION], [comparison]))
        assert (view.verdict, view.results[0].reason) == ("inconclusive", "ended early")


def test_a_subject_is_judged_by_the_partner_with_the_most_launches() -> None:
    """The first one ran out of memory."""
    record = own()
    failure = Failure(contestant=1, round=0, kind="out of memory", during="step", detail="no memory")
    alone = record.model_copy(
        update={"launches": tuple(one for one in record.launches if one.contestant == 2), "failures": (failure,)}
    )
    assert check_result(budget(quantity="share", stage="loss", at_most=0.1), alone, PLAN).verdict == "pass"
    assert check_result(budget(quantity="paco tax", other=YARDSTICK, at_most=1.0), alone, PLAN).verdict == "error"


def test_two_revisions_are_not_one_against_itself() -> None:
    record = of_two_trees(slower(0.1))
    assert not comparison_view(record).is_self
    same = [one.model_copy(update={"revision": "a" * 12}) for one in record.contestants]
    assert comparison_view(record.model_copy(update={"contestants": tuple(same)})).is_self
