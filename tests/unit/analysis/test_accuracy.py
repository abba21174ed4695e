"""An accuracy record as rows: who is judged, over which seeds, and how long the target took."""

from __future__ import annotations

import pytest

from accuracies import (
    FIELD,
    NUM_IMAGES,
    RECORDS,
    accuracy_record,
    failed_record,
    outcomes,
    record_of,
    run_of,
    twin_of,
    two_sides,
    unfinished_record,
)
from builders import fidelity_of
from paco_prof.analysis.accuracy import TrainedVariant, accuracy_view
from paco_prof.records import AccuracyPlan, AccuracyRecord, AccuracyRun, RunPlan
from paco_prof.variants.contestants import compared
from training_runs import DIGITS, epoch_of

PAIR = compared(FIELD, ["baseline", "exact"])


def run(place: int, seed: int, accuracies: list[float | None], *, step: float = 8.0, **changes: object) -> AccuracyRun:
    """Epochs of such accuracies, of steps and two more seconds, after a start-up of four."""
    epochs = tuple(
        epoch_of(epoch, seconds=step + 2, step_seconds=step, accuracy=accuracy)
        for epoch, accuracy in enumerate(accuracies)
    )
    settings = {"contestant": place, "seed": seed, "epochs": epochs, "startup_seconds": 4.0, **changes}
    return AccuracyRun.model_validate(settings)


def record(*runs: AccuracyRun, epochs: int = 3, target: float | None = 0.9, **changes: object) -> AccuracyRecord:
    plan = AccuracyPlan(run=RunPlan(epochs=epochs), target=target)
    return record_of(PAIR, runs, plan=plan, **changes)


def variant_of(record: AccuracyRecord) -> TrainedVariant:
    (found,) = accuracy_view(record).variants
    return found


def test_the_time_to_the_target_is_until_the_first_evaluation_that_reached_it() -> None:
    view = accuracy_view(record(run(0, 0, [0.5, 0.91, 0.89]), run(0, 1, [0.5, 0.6, 0.9]), run(1, 0, [0.95] * 3)))
    target = view.baseline.target
    assert target is not None
    assert (target.low, target.high) == (4 + 2 * 10, 4 + 3 * 10)
    assert target.mean == pytest.approx(29)
    assert (target.num_reached, target.num_runs) == (2, 2)
    other = view.variants[0].target
    assert other is not None
    assert other.mean == 14


def test_epochs_without_an_evaluation_take_their_time_and_reach_nothing() -> None:
    found = accuracy_view(record(run(0, 0, [None, 0.95, 0.95]))).baseline
    assert found.target is not None
    assert found.target.mean == 24
    assert found.curves[0].seconds == (24.0, 34.0)
    assert found.curves[0].accuracies == (0.95, 0.95)


def test_the_speedup_to_the_target_is_over_the_seeds_that_both_completed() -> None:
    runs = [run(0, 0, [0.5, 0.91, 0.89]), run(0, 1, [0.5, 0.6, 0.9]), run(0, 2, [0.1, 0.1, 0.1])]
    found = variant_of(record(*runs, run(1, 1, [0.95] * 3), run(1, 0, [0.95] * 3)))
    assert found.target_speedup == pytest.approx((24 + 34) / (14 + 14))
    assert found.epoch_speedup == pytest.approx(1.0)
    assert found.difference is not None
    assert found.difference.num_seeds == 2


def test_no_speedup_is_told_where_a_run_never_reached_the_target() -> None:
    reached, missed = [0.5, 0.91, 0.92], [0.5, 0.6, 0.7]
    for sides in ((reached, missed), (missed, reached)):
        runs = [run(place, seed, sides[place] if seed else reached) for place in (0, 1) for seed in (0, 1)]
        assert variant_of(record(*runs)).target_speedup is None
    nobody = accuracy_view(record(run(0, 0, missed), run(1, 0, missed))).variants[0].target
    assert nobody is not None
    assert (nobody.mean, nobody.low, nobody.num_reached) == (None, None, 0)


def test_the_target_is_the_baselines_mean_less_the_margin_unless_it_was_given() -> None:
    runs = run(0, 0, [0.5, 0.6, 0.90]), run(0, 1, [0.5, 0.6, 0.94]), run(1, 0, [0.99] * 3)
    own = accuracy_view(record(*runs, target=None))
    assert own.target == pytest.approx(0.91)
    assert not own.target_was_given
    given = accuracy_view(record(*runs, target=0.8))
    assert (given.target, given.target_was_given) == (0.8, True)
    assert accuracy_view(record(run(1, 0, [0.9] * 3), target=None)).target is None


def test_a_target_that_anything_reaches_is_none() -> None:
    assert accuracy_view(record(run(0, 0, [0.0, 0.0, 0.005]), target=None)).target is None


def test_a_twins_times_are_those_of_the_loop() -> None:
    runs = run(0, 0, [0.5, 0.6, 0.95]), run(1, 0, [0.5, 0.6, 0.95])
    plain, twin = (accuracy_view(record(*runs, twins=twins)) for twins in ((), (twin_of(factor=11.0),)))
    assert plain.baseline.epoch_seconds == pytest.approx(10)
    assert twin.baseline.epoch_seconds == pytest.approx(2 + 8 * 11)
    assert twin.baseline.target is not None
    assert twin.baseline.target.mean == pytest.approx(4 + 3 * 90)
    assert twin.baseline.twin is not None
    assert twin.baseline.twin.factor == pytest.approx(11)
    assert twin.variants[0].twin is None
    assert twin.variants[0].epoch_seconds == pytest.approx(10)
    assert twin.variants[0].epoch_speedup == pytest.approx(9)
    assert twin.variants[0].target_speedup == pytest.approx(274 / 34)
    assert twin.baseline.accuracy == plain.baseline.accuracy


@pytest.mark.parametrize(
    ("loss_error", "gradient_error", "is_exact"),
    [(3e-8, 2e-3, True), (1e-3, 2e-3, False), (3e-8, 0.5, False), (3e-8, float("nan"), False)],
)
def test_a_twin_is_exact_only_where_loss_and_gradient_are(
    loss_error: float, gradient_error: float, is_exact: bool
) -> None:
    fidelity = fidelity_of(loss_error, gradient_error)
    view = accuracy_view(accuracy_record(3, twins=(twin_of(fidelity=fidelity),)))
    assert view.baseline.twin is not None
    assert view.baseline.twin.is_exact is is_exact


def test_only_complete_runs_are_judged() -> None:
    runs = [run(0, 0, [0.9] * 3), run(0, 1, [0.9] * 3), run(1, 0, [0.8] * 3), run(1, 1, [0.1] * 2)]
    found = variant_of(record(*runs))
    assert [run.seed for run in found.runs] == [0]
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx(0.8)
    assert found.difference is not None
    assert found.difference.value == pytest.approx(-0.1)
    assert not found.failed


def test_seeds_are_paired_in_whatever_order_they_were_trained() -> None:
    baseline, variant = outcomes(3, 0.02, 0.05), outcomes(3, 0.02, 0.05, salt=1)
    one = two_sides(baseline, variant)
    other = one.model_copy(update={"runs": tuple(reversed(one.runs))})
    assert variant_of(one).difference == variant_of(other).difference


def test_outcomes_are_compared_image_by_image_where_both_sides_kept_them() -> None:
    whole = two_sides(outcomes(3, 0.02, 0.01), outcomes(3, 0.02, 0.01, salt=1))
    lost = whole.model_copy(update={"runs": (whole.runs[0].model_copy(update={"correct": ""}), *whole.runs[1:])})
    one, other = variant_of(whole).difference, variant_of(lost).difference
    assert one is not None
    assert other is not None
    assert (one.by_image, other.by_image) == (True, False)
    assert one.value == pytest.approx(other.value)
    assert other.num_images == one.num_images == NUM_IMAGES


def test_without_evaluation_images_nothing_is_judged() -> None:
    data = DIGITS.model_copy(update={"num_eval": 0})
    view = accuracy_view(record(run(0, 0, [None] * 3), run(1, 0, [None] * 3), data=data, target=None))
    assert view.judged == ()
    assert view.baseline.accuracy is None
    assert view.baseline.epoch_seconds == pytest.approx(10)
    assert (view.target, view.num_images) == (None, 0)


def test_what_failed_once_is_never_called_as_good() -> None:
    found = variant_of(failed_record())
    assert found.difference is not None
    assert found.difference.verdict == "as good"
    assert found.verdict == "inconclusive"
    assert [run.seed for run in found.failed] == [2]


def test_what_is_worse_is_worse_however_many_runs_of_it_failed() -> None:
    whole = two_sides(outcomes(3, 0.02, 0.0), outcomes(3, 0.2, 0.0))
    failed = run_of(1, 2, "1" * NUM_IMAGES, epochs=1, failed="the loss was NaN")
    assert variant_of(whole.model_copy(update={"runs": (*whole.runs[:-1], failed)})).verdict == "worse"


def test_the_mean_curve_is_the_mean_of_seconds_and_accuracies() -> None:
    found = accuracy_view(record(run(0, 0, [0.1, 0.2, 0.3]), run(0, 1, [0.3, 0.4, 0.5], step=10.0))).baseline
    assert found.mean_curve is not None
    assert found.mean_curve.seconds == pytest.approx((15, 26, 37))
    assert found.mean_curve.accuracies == pytest.approx((0.2, 0.3, 0.4))
    assert len(found.curves) == 2
    uneven = accuracy_view(record(run(0, 0, [0.1, 0.2, 0.3]), run(0, 1, [None, 0.4, 0.5]))).baseline
    assert uneven.mean_curve is None


def test_a_record_without_a_complete_run_has_rows_and_no_figures() -> None:
    view = accuracy_view(unfinished_record())
    assert [row.name for row in view.rows] == ["baseline", "exact"]
    for row in view.rows:
        assert (row.accuracy, row.difference, row.epoch_seconds, row.target, row.mean_curve) == (None,) * 5
        assert row.verdict is None
    assert view.judged == ()


@pytest.mark.parametrize("name", RECORDS)
def test_the_baseline_is_beside_nobody(name: str) -> None:
    baseline = accuracy_view(RECORDS[name]()).baseline
    assert (baseline.difference, baseline.verdict, baseline.epoch_speedup, baseline.target_speedup) == (None,) * 4


def test_the_verdicts_of_the_built_record() -> None:
    assert [row.verdict for row in accuracy_view(accuracy_record()).variants] == ["as good", "worse"]
    assert [row.verdict for row in accuracy_view(RECORDS["undecided"]()).variants] == ["inconclusive"]
    assert variant_of(RECORDS["undecided"]()).needed is not None
