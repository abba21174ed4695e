"""Every finding appears where it is planted and nowhere else."""

from __future__ import annotations

import math
from typing import Any

import pytest

from builders import (
    Times,
    analysis_record,
    changed,
    cpu_record,
    exact_record,
    fidelity_of,
    gpu_record,
    interrupted_record,
    training_of,
)
from paco_prof.analysis import findings as f
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.analysis.find import find
from paco_prof.records import BreakdownRecord, LossTest, Note, OperatorCount, VariantKind, VariantUsed

QUIET = cpu_record()


def findings(record: BreakdownRecord) -> tuple[f.Finding, ...]:
    """What is found in a record."""
    return find(record, breakdown_view(record))


def only(record: BreakdownRecord, kind: type[Any]) -> Any:
    """The one finding of that kind."""
    (found,) = [finding for finding in findings(record) if isinstance(finding, kind)]
    return found


def has(record: BreakdownRecord, kind: type[Any]) -> bool:
    """Whether there is a finding of that kind."""
    return any(isinstance(finding, kind) for finding in findings(record))


def of_stages(*stages: Times, factors: tuple[float, ...] = (1.0,) * 7, **changes: Any) -> BreakdownRecord:
    """The quiet record with other training steps."""
    return cpu_record(training=training_of(stages, factors, **changes))


def test_a_quiet_run_has_nothing_to_question() -> None:
    assert {type(finding) for finding in findings(QUIET)} == {
        f.DominantStage,
        f.PaCoShare,
        f.RepeatedFactorization,
        f.TrainingOverInference,
        f.LossAloneReadsLower,
    }


def test_what_questions_the_figures_comes_first() -> None:
    """A reader must not meet the bottleneck before learning that it was measured on a busy machine."""
    busy = changed(QUIET, "training.other_busy_cores", 1.4)
    kinds = [type(finding) for finding in findings(busy)]
    assert kinds.index(f.BusyMachine) < kinds.index(f.DominantStage)
    assert isinstance(findings(interrupted_record())[0], f.RunEndedEarly)


def test_the_dominant_stage_has_amdahls_ceiling() -> None:
    found = only(of_stages(Times("loss", 5.0, 10.0), Times("backbone", 0.5, 0.5)), f.DominantStage)
    assert (found.path, found.share, found.ceiling) == ("loss", pytest.approx(15 / 16), pytest.approx(16.0))


def test_the_dominant_stage_is_never_a_child() -> None:
    found = only(of_stages(Times("loss/pac", 5.0, 10.0), Times("backbone", 7.0, 7.0)), f.DominantStage)
    assert found.path == "loss"


def test_a_stage_that_is_all_there_is_has_an_infinite_ceiling() -> None:
    assert only(of_stages(Times("loss", 1.0, 2.0)), f.DominantStage).ceiling == math.inf


def test_without_backward_there_is_no_ceiling_for_the_step() -> None:
    found = only(analysis_record(), f.DominantStage)
    assert (found.path, found.ceiling) == ("loss", None)
    assert found.share == pytest.approx(4972 / 5283)


def test_training_over_inference_is_split_by_stage() -> None:
    found = only(
        of_stages(Times("loss", 0.2, 0.8), Times("backbone", 0.4, 1.6), Times("ce", 0.01)), f.TrainingOverInference
    )
    inference = breakdown_view(QUIET).inference  # type: ignore[union-attr]
    assert inference is not None
    assert found.ratio == pytest.approx(3.01 / inference.value)
    assert found.forward_ratio == pytest.approx(0.61 / inference.value)
    assert [path for path, _ in found.parts] == ["backbone", "loss"]
    assert [part for _, part in found.parts] == pytest.approx([2.0 / inference.value, 1.0 / inference.value])
    assert sum(part for _, part in found.parts) + found.rest == pytest.approx(found.ratio)


def test_without_an_inference_there_is_nothing_to_compare_with() -> None:
    assert not has(cpu_record(inference=None), f.TrainingOverInference)


def loss_test(without_graph: float, with_graph: float) -> LossTest:
    """A loss test of three rounds."""
    return LossTest(without_graph=(without_graph,) * 3, with_graph=(with_graph,) * 3, backward=(2.9,) * 3)


def test_why_the_loss_alone_reads_lower() -> None:
    found = only(cpu_record(loss_test=loss_test(0.9, 1.2)), f.LossAloneReadsLower)
    row = breakdown_view(QUIET).row("loss")  # type: ignore[union-attr]
    assert row is not None
    assert row.forward is not None
    assert row.backward is not None
    assert (found.without_graph, found.with_graph) == (0.9, 1.2)
    assert (found.in_step, found.backward_in_step) == (row.forward.value, row.backward.value)
    # Three rounds are too few for a verdict on what the step around the loss does to it.
    assert found.surroundings is None


@pytest.mark.parametrize(("alone", "is_established"), [(1.2, True), (1.29, False), (1.35, False)])
def test_the_surroundings_are_blamed_only_where_the_intervals_do_not_touch(alone: float, is_established: bool) -> None:
    test = LossTest(without_graph=(0.9,) * 7, with_graph=(alone,) * 7, backward=(2.9,) * 7)
    found = only(cpu_record(loss_test=test), f.LossAloneReadsLower)
    assert (found.surroundings is not None) is is_established
    if found.surroundings is not None:
        assert found.surroundings == pytest.approx(found.in_step - alone)


def test_a_stage_that_may_take_as_much_is_named_as_a_rival() -> None:
    close = (Times("loss", 1.0, 1.0), Times("backbone", 0.98, 1.0))
    assert only(of_stages(*close), f.DominantStage).rival == ""
    assert only(cpu_record(training=training_of(close, NOISY)), f.DominantStage).rival == "backbone"
    assert only(of_stages(Times("loss", 1.0, 1.0), Times("backbone", 0.6, 0.6)), f.DominantStage).rival == ""
    assert only(of_stages(Times("loss", 1.0, 1.0), Times("backbone", 0.1, 0.1)), f.DominantStage).rival == ""


@pytest.mark.parametrize("without_graph", [1.25, 1.291, 2.0])
def test_a_loss_alone_that_does_not_read_lower_is_none(without_graph: float) -> None:
    assert not has(cpu_record(loss_test=loss_test(without_graph, 1.29)), f.LossAloneReadsLower)
    assert not has(cpu_record(loss_test=None), f.LossAloneReadsLower)


def test_the_loops_factorisations_show_by_themselves() -> None:
    found = only(QUIET, f.RepeatedFactorization)
    assert (found.path, found.factorizations, found.needed, found.operators) == ("loss/pac", 14_368, 8, 186_784)


@pytest.mark.parametrize("factorizations", [0, 8, 32])
def test_a_few_factorisations_an_image_are_none(factorizations: int) -> None:
    once = cpu_record(operators=(OperatorCount(path="loss/pac", operators=50, factorizations=factorizations),))
    assert not has(once, f.RepeatedFactorization)


def test_launch_bound_stages_are_named_with_their_phases() -> None:
    found = only(gpu_record(), f.HostBound)
    assert found.stages == (("loss", ("forward",)), ("loss/pac", ("forward",)), ("matching", ("forward",)))
    assert not has(QUIET, f.HostBound)


NOISY = (1.0, 1.0, 1.3, 0.8, 1.0, 1.4, 0.7)


def test_noisy_stages_are_named_widest_first() -> None:
    training = training_of((Times("loss", 1.0, 1.0), Times("backbone", 1.0, 1.0)), NOISY)
    quieter = tuple(1 + (factor - 1) / 2 for factor in NOISY)
    stages = [s if s.path == "loss" else s.model_copy(update={"host": quieter}) for s in training.stages]
    record = cpu_record(training=training.model_copy(update={"stages": tuple(stages)}))
    found = only(record, f.NoisyStages)
    rows = {row.path: row.total for row in breakdown_view(record).rows}  # type: ignore[union-attr]
    assert [path for path, _ in found.stages] == ["loss", "backbone"]
    assert [width for _, width in found.stages] == [rows[path].relative_half_width for path in ("loss", "backbone")]  # type: ignore[union-attr]
    assert found.num_steps == 7
    assert found.as_asked is (training.stop_reason == "as asked")


def test_noise_in_a_stage_below_one_percent_is_nobodys_business() -> None:
    training = training_of((Times("loss", 1.0, 1.0), Times("matching", 0.001)), (1.0,) * 7)
    stages = [
        s.model_copy(update={"host": tuple(0.001 * n for n in NOISY)}) if s.path == "matching" else s
        for s in training.stages
    ]
    assert not has(cpu_record(training=training.model_copy(update={"stages": tuple(stages)})), f.NoisyStages)


@pytest.mark.parametrize(("cores", "is_found"), [(None, False), (0.0, False), (0.25, False), (0.26, True), (3.0, True)])
def test_a_busy_machine(cores: float | None, is_found: bool) -> None:
    record = changed(QUIET, "training.other_busy_cores", cores)
    assert has(record, f.BusyMachine) is is_found
    if is_found:
        assert only(record, f.BusyMachine) == f.BusyMachine(cores or 0.0, 2)


@pytest.mark.parametrize(("glue", "is_found"), [(0.0, False), (0.015, False), (0.03, True), (-0.03, True)])
def test_time_that_belongs_to_no_stage_or_to_two(glue: float, is_found: bool) -> None:
    record = of_stages(Times("loss", 0.5, 0.5 - glue), glue={"forward": glue})
    assert has(record, f.UnattributedTime) is is_found
    if is_found:
        assert only(record, f.UnattributedTime).share == pytest.approx(glue)


def test_a_quoted_record_is_not_called_noisy_or_unattributed() -> None:
    """Its one sample has no interval, and nobody divided its backward."""
    assert {type(finding) for finding in findings(analysis_record())} == {f.DominantStage, f.TrainingOverInference}


def test_backward_that_was_not_divided_says_why() -> None:
    whole = changed(QUIET, "training.backward_whole", "the graph was compiled")
    assert only(whole, f.UndividedBackward).reason == "the graph was compiled"
    assert not has(QUIET, f.UndividedBackward)


def test_batch_size_one_has_nothing_to_contrast() -> None:
    assert has(changed(QUIET, "workload.batch_size", 1), f.NothingToContrast)
    assert not has(changed(QUIET, "workload.batch_size", 2), f.NothingToContrast)


def test_non_finite_losses_are_named_and_counted() -> None:
    losses = {
        "total": (math.nan,) * 3 + (1.0,) * 4,
        "ce": (1.0,) * 7,
        "pac": (math.inf,) + (0.2,) * 6,
        "soc": (-math.inf,) + (0.0,) * 6,
    }
    found = only(changed(QUIET, "training.losses", losses), f.NonFiniteLoss)
    assert (found.losses, found.num_steps, found.of_steps) == (("total", "pac", "soc"), 3, 7)
    assert not has(QUIET, f.NonFiniteLoss)


@pytest.mark.parametrize(("code", "detail"), [("interrupted", ""), ("failed", "RuntimeError: out of memory")])
def test_a_run_that_ended_early(code: str, detail: str) -> None:
    early = cpu_record(notes=(Note(code=code, detail=detail),))
    assert only(early, f.RunEndedEarly) == f.RunEndedEarly(code, detail, 7)
    assert not has(QUIET, f.RunEndedEarly)


def test_a_run_that_ended_before_its_first_step_has_findings_all_the_same() -> None:
    early = cpu_record(training=None, notes=(Note(code="interrupted"),))
    assert findings(early) == (f.RunEndedEarly("interrupted", "", 0),)


def test_a_trace_without_operators_says_so() -> None:
    noted = cpu_record(notes=(Note(code="stages_only_trace", number=187_124),))
    assert only(noted, f.StagesOnlyTrace).operators == 187_124
    assert not has(QUIET, f.StagesOnlyTrace)


def test_notes_of_a_kind_that_nobody_knows_are_passed_over() -> None:
    assert findings(cpu_record(notes=(Note(code="something new", detail="1"),))) == findings(QUIET)


PACO = ("part_sampling", "dim_reduction", "covariance", "matching", "negatives_pool", "prototypes")


def test_what_paco_adds_is_the_sum_of_its_stages() -> None:
    """Each stage has a share of its own, so that none can be missing or counted twice."""
    stages = [Times(path, forward=2.0**-number) for number, path in enumerate((*PACO, "loss/pac", "loss/soc"))]
    others = [Times("backbone", 10.0, 20.0), Times("loss/ce", 3.0), Times("loss", 1.0), Times("optimizer", other=2.0)]
    paco = sum(2.0**-number for number in range(len(stages)))
    found = only(of_stages(*stages, *others), f.PaCoShare)
    assert found.share == pytest.approx(paco / (paco + 36.0))
    assert found.ceiling == pytest.approx((paco + 36.0) / 36.0)


@pytest.mark.parametrize("path", [*PACO, "loss/pac", "loss/soc"])
def test_every_phase_of_a_stage_counts(path: str) -> None:
    found = only(of_stages(Times(path, 1.0, 2.0, 3.0), Times("backbone", 4.0)), f.PaCoShare)
    assert (found.share, found.ceiling) == (pytest.approx(0.6), pytest.approx(2.5))


def test_stages_inside_its_stages_are_its_own() -> None:
    found = only(of_stages(Times("loss/pac/lu", 1.0), Times("backbone", 1.0, 2.0)), f.PaCoShare)
    assert found.share == pytest.approx(0.25)


@pytest.mark.parametrize("path", ["backbone", "loss", "loss/ce", "classifier", "autograd", "mine"])
def test_training_without_paco_has_no_such_share(path: str) -> None:
    assert not has(of_stages(Times(path, 1.0, 2.0)), f.PaCoShare)


def test_where_all_is_paco_there_is_nothing_to_compare_with() -> None:
    assert not has(of_stages(Times("loss/pac", 1.0, 2.0)), f.PaCoShare)


def test_an_exact_run_is_led_by_its_backbone_and_has_no_loop() -> None:
    record = exact_record()
    assert only(record, f.DominantStage).path == "backbone"
    assert only(record, f.PaCoShare).share < 0.05
    assert not has(record, f.RepeatedFactorization)
    assert not has(record, f.ContradictedKind)


def claiming(kind: VariantKind, loss_error: float, gradient_error: float, **changes: Any) -> BreakdownRecord:
    """The quiet record of a variant with a fidelity."""
    return cpu_record(
        variant=VariantUsed(name="mine", kind=kind), fidelity=fidelity_of(loss_error, gradient_error), **changes
    )


@pytest.mark.parametrize(("loss_error", "gradient_error"), [(1e-3, 0.0), (0.0, 0.49), (math.nan, math.nan)])
def test_an_exact_variant_that_is_not_is_contradicted(loss_error: float, gradient_error: float) -> None:
    found = only(claiming("exact", loss_error, gradient_error), f.ContradictedKind)
    assert (found.name, found.parts_dtype) == ("mine", "model")
    assert found.loss_error == pytest.approx(loss_error, nan_ok=True)
    assert found.gradient_error == pytest.approx(gradient_error, nan_ok=True)
    assert found.gradient_cosine == pytest.approx(1 / math.hypot(1, gradient_error), nan_ok=True)


@pytest.mark.parametrize("kind", ["approximate", "different"])
@pytest.mark.parametrize(("loss_error", "gradient_error"), [(0.0, 0.0), (1e-3, 0.5), (math.nan, math.inf)])
def test_nobody_else_claims_to_be(kind: VariantKind, loss_error: float, gradient_error: float) -> None:
    assert not has(claiming(kind, loss_error, gradient_error), f.ContradictedKind)


def test_an_exact_variant_that_is_one_is_not_contradicted() -> None:
    assert not has(claiming("exact", 1e-7, 2e-3), f.ContradictedKind)
    assert not has(cpu_record(variant=VariantUsed(name="mine", kind="exact")), f.ContradictedKind)


def test_a_contradiction_knows_what_the_parts_were_held_in() -> None:
    found = only(claiming("exact", 1e-3, 0.5, workload=exact_record().workload), f.ContradictedKind)
    assert found.parts_dtype == "float64"


def test_what_was_left_out_is_told_with_its_reason() -> None:
    reasons = {"tf32": "no GPU", "compile": "no compiler"}
    record = cpu_record(variant=VariantUsed(name="fastest", kind="different", left_out=reasons))
    assert only(record, f.LeftOut) == f.LeftOut("fastest", (("tf32", "no GPU"), ("compile", "no compiler")))
    assert only(exact_record(), f.LeftOut).name == "exact"
    assert not has(QUIET, f.LeftOut)


def test_what_the_variant_is_comes_before_what_its_steps_show() -> None:
    record = claiming("exact", 1e-3, 0.2)
    record = changed(record, "variant.left_out", {"tf32": "no GPU"})
    kinds = [type(finding) for finding in findings(record)]
    assert max(kinds.index(f.LeftOut), kinds.index(f.ContradictedKind)) < kinds.index(f.DominantStage)


def test_a_variant_is_found_out_even_if_no_step_was_measured() -> None:
    record = claiming("exact", 1e-3, 0.2, training=None)
    assert has(record, f.ContradictedKind)
