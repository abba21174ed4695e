"""What a comparison of accuracies finds: verdicts, what they rest on, and what ails the runs."""

from __future__ import annotations

from typing import TypeVar

import pytest

from accuracies import (
    NUM_IMAGES,
    RECORDS,
    accuracy_record,
    failed_record,
    guessing_record,
    outcomes,
    run_of,
    two_sides,
    undecided_record,
    unfinished_record,
)
from builders import fidelity_of
from paco_prof.analysis import accuracy_findings as a
from paco_prof.analysis.accuracy import accuracy_view
from paco_prof.analysis.findings import ContradictedKind, LeftOut
from paco_prof.analysis.health import AccuracyAtChance, Collapse
from paco_prof.records import AccuracyRecord, AccuracyRun

Kind = TypeVar("Kind")


def found(record: AccuracyRecord) -> tuple[a.AccuracyFinding, ...]:
    return a.find_in_accuracy(record, accuracy_view(record))


def of_kind(record: AccuracyRecord, kind: type[Kind]) -> list[Kind]:
    return [finding for finding in found(record) if isinstance(finding, kind)]


def same(name: str = "exact", num_images: int = NUM_IMAGES, num_seeds: int = 3) -> AccuracyRecord:
    """A variant that classifies every image as the baseline does."""
    rows = outcomes(num_seeds, 0.02, 0.0, num_images=num_images)
    return two_sides(rows, rows, name)


def test_every_variant_has_its_verdict_and_the_verdicts_come_first() -> None:
    first, second, *_ = found(accuracy_record())
    assert isinstance(first, a.Judged)
    assert (first.name, first.verdict, first.needed) == ("exact", "as good", None)
    assert isinstance(second, a.FasterButWorse)
    assert second.name == "optimized"
    assert second.speedup == pytest.approx((2.25 + 24 * 9.75 * 1.035) / (2.25 + 3.9 * 1.035))


def test_what_is_worse_and_no_faster_is_only_worse() -> None:
    record = two_sides(outcomes(3, 0.02, 0.0), outcomes(3, 0.2, 0.0), "optimized", step_seconds=12.0)
    (judged,) = of_kind(record, a.Judged)
    assert judged.verdict == "worse"
    assert not of_kind(record, a.FasterButWorse)


def test_an_undecided_verdict_tells_how_many_seeds_would_decide() -> None:
    (judged,) = of_kind(undecided_record(), a.Judged)
    assert judged.verdict == "inconclusive"
    assert judged.needed is not None
    assert judged.needed > 3


def test_images_that_leave_the_margin_open_are_said_to() -> None:
    (judged,) = of_kind(same(num_images=100), a.Judged)
    assert judged.verdict == "inconclusive"
    assert judged.images_limit
    assert judged.needed is None


@pytest.mark.parametrize(
    ("name", "worse", "suspicious"), [("exact", True, 1), ("exact", False, 0), ("optimized", True, 0)]
)
def test_an_exact_variant_that_differs_is_suspicious(name: str, worse: bool, suspicious: int) -> None:
    record = two_sides(outcomes(3, 0.02, 0.0), outcomes(3, 0.2 if worse else 0.02, 0.0), name)
    assert len(of_kind(record, a.UnlikeExact)) == suspicious


@pytest.mark.parametrize(("num_seeds", "few"), [(1, [1]), (2, [2]), (3, []), (5, [])])
def test_few_seeds_are_few(num_seeds: int, few: list[int]) -> None:
    assert [finding.num_seeds for finding in of_kind(same(num_seeds=num_seeds), a.TooFewSeeds)] == few


@pytest.mark.parametrize(("num_images", "small"), [(50, True), (200, True), (359, False), (5000, False)])
def test_an_evaluation_that_cannot_resolve_the_margin_is_small(num_images: int, small: bool) -> None:
    sizes = of_kind(same(num_images=num_images), a.SmallEvaluation)
    assert bool(sizes) is small
    for size in sizes:
        assert (size.num_images, size.margin) == (num_images, 0.01)
        assert size.least > size.margin


def test_a_comparison_that_ended_early_says_what_it_rests_on() -> None:
    (ended,) = of_kind(unfinished_record(), a.RunsEndedEarly)
    assert (ended.status, ended.num_runs, ended.of_runs) == ("interrupted", 0, 6)
    assert not of_kind(accuracy_record(), a.RunsEndedEarly)


def test_a_failed_run_is_named() -> None:
    (failed,) = of_kind(failed_record(), a.RunFailed)
    assert (failed.name, failed.seed, failed.num_epochs, failed.of_epochs) == ("exact", 2, 2, 5)
    (judged,) = of_kind(failed_record(), a.Judged)
    assert (judged.verdict, judged.num_failed) == ("inconclusive", 1)


def test_runs_at_chance_are_counted_and_said_once() -> None:
    (guessing,) = of_kind(guessing_record(), a.AtChance)
    assert (guessing.name, guessing.num_runs, guessing.of_runs, guessing.chance) == ("optimized", 3, 3, 0.1)
    assert guessing.accuracy < 0.13
    assert not of_kind(accuracy_record(), a.AtChance)
    wrapped = [finding.finding for finding in of_kind(guessing_record(), a.Unhealthy)]
    assert not any(isinstance(finding, AccuracyAtChance) for finding in wrapped)


def test_a_few_images_cannot_tell_chance() -> None:
    record = two_sides(["1"] * 3, ["0"] * 3)
    assert not of_kind(record, a.AtChance)


def test_a_twin_with_another_objective_is_told_by_how_much() -> None:
    (astray,) = of_kind(RECORDS["astray twin"](), a.TwinAstray)
    assert astray.name == "baseline"
    assert astray.loss_error == pytest.approx(0.02)
    assert astray.gradient_error == 0.7
    assert not of_kind(accuracy_record(), a.TwinAstray)


def test_runs_that_missed_the_target_are_counted_by_variant() -> None:
    (missed,) = of_kind(accuracy_record(), a.TargetMissed)
    assert missed.reached == (("optimized", 0, 8),)
    assert not of_kind(same(), a.TargetMissed)


def test_a_collapsed_training_is_found_once_for_all_seeds() -> None:
    record = same("optimized")
    ended = record.runs[3:]
    collapsed = tuple(
        run.model_copy(
            update={
                "epochs": tuple(
                    epoch.model_copy(update={"at_alpha": 1.0, "losses": {**epoch.losses, "pac": 0.2, "soc": 0.0}})
                    for epoch in run.epochs
                )
            }
        )
        for run in ended
    )
    (unhealthy,) = of_kind(record.model_copy(update={"runs": (*record.runs[:3], *collapsed)}), a.Unhealthy)
    assert isinstance(unhealthy.finding, Collapse)
    assert (unhealthy.name, unhealthy.num_runs, unhealthy.of_runs) == ("optimized", 3, 3)


def test_what_was_left_out_and_what_contradicts_its_kind_is_told() -> None:
    record = same()
    exact = record.contestants[1]
    used = exact.variant.model_copy(update={"left_out": {"compile": "there is no compiler"}})
    changed = exact.model_copy(update={"variant": used, "fidelity": fidelity_of(0.01, 0.1)})
    record = record.model_copy(update={"contestants": (record.contestants[0], changed)})
    assert [finding.name for finding in of_kind(record, LeftOut)] == ["exact"]
    assert [finding.name for finding in of_kind(record, ContradictedKind)] == ["exact"]


def test_runs_without_an_epoch_are_no_trouble() -> None:
    record = same()
    runs = (*record.runs[:-1], AccuracyRun(contestant=1, seed=2, failed="out of memory"))
    assert of_kind(record.model_copy(update={"runs": runs}), a.RunFailed)
    assert run_of(0, 0, "1", epochs=0).accuracy is None
