"""What a variant's arithmetic is worth: figures that are known, on a model that takes a moment."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from paco_prof.analysis.fidelity import FidelityView, fidelity_view
from paco_prof.data.batch import Batch, SameBatch
from paco_prof.measure import fidelity
from paco_prof.measure.fidelity import measure_fidelity
from paco_prof.measure.workload import TrainingStep
from paco_prof.records import BreakdownRecord, Fidelity
from paco_prof.settings import Workload
from paco_prof.variants.catalogue import TOGGLES
from tiny import CPU, TINY, job_of, step_of

# A map on which places differ.
ROOMY = TINY.model_copy(update={"batch_size": 4, "image_size": 128})
# More negatives than 16, by so many that those left out are among the near ones whatever the seed: it is they that the
# gradient comes from.
CROWDED = ROOMY.model_copy(update={"batch_size": 6})
# The backbone needs a compiler or a GPU for these.
ELSEWHERE = {"compile", "cudnn-benchmark", "tf32"}
EXACT_TOGGLES = [toggle.name for toggle in TOGGLES if toggle.kind == "exact" and toggle.name not in ELSEWHERE]


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def measured(variant: str, base: Workload = TINY, **overrides: object) -> Fidelity:
    """The fidelity of a variant."""
    job = job_of(variant, base, **overrides).on(CPU)
    return measure_fidelity(step_of(variant, base, **overrides), job.workload, job.base)


def judged(variant: str, base: Workload = TINY, **overrides: object) -> FidelityView:
    """The same as a report sees it."""
    job = job_of(variant, base, **overrides).on(CPU)
    found = measured(variant, base, **overrides)
    view = fidelity_view(job.variant.kind, found)
    assert view is not None
    return view


def loss_error(found: Fidelity, name: str = "total") -> float:
    """The relative error of a loss."""
    return abs(found.losses[name] / found.reference_losses[name] - 1)


def in_float64(step: TrainingStep) -> TrainingStep:
    """The step, all of it in float64."""
    step.model.double()
    step.batches = SameBatch(Batch(step.batch.x1.double(), step.batch.x2.double(), step.batch.targets))
    return step


def test_the_reference_in_float64_is_itself() -> None:
    found = measure_fidelity(in_float64(step_of()), TINY, TINY)
    assert found.losses == pytest.approx(found.reference_losses, rel=1e-12)
    assert found.gradient_error < 1e-12
    assert found.gradient_cosine == pytest.approx(1.0, abs=1e-12)
    assert (found.against, found.oracle) == ("baseline", "loop")


def test_the_gradient_is_of_all_parameters_and_its_error_over_the_references_norm() -> None:
    """Every gradient doubled: as far away as it is long, in the same direction."""
    step = in_float64(step_of())
    for parameter in step.model.parameters():
        parameter.register_hook(lambda gradient: 2 * gradient)
    found = measure_fidelity(step, TINY, TINY)
    assert found.gradient_error == pytest.approx(1.0)
    assert found.gradient_cosine == pytest.approx(1.0)
    plain = in_float64(step_of())
    plain.optimization.zero_grad()
    plain.run()
    gradient = torch.cat([p.grad.flatten() for p in plain.model.parameters() if p.grad is not None])
    assert found.gradient_norm == pytest.approx(gradient.norm().item())


def test_the_sign_of_a_gradient_is_seen() -> None:
    step = in_float64(step_of())
    for parameter in step.model.parameters():
        parameter.register_hook(lambda gradient: -gradient)
    found = measure_fidelity(step, TINY, TINY)
    assert (found.gradient_error, found.gradient_cosine) == (pytest.approx(2.0), pytest.approx(-1.0))


def test_a_parameter_without_a_gradient_counts_as_zero() -> None:
    step = in_float64(step_of())
    step.model.get_parameter("classifier.weight").requires_grad_(False)
    found = measure_fidelity(step, TINY, TINY)
    assert 0 < found.gradient_error < 1
    assert found.gradient_error**2 + found.gradient_cosine**2 == pytest.approx(1.0)


def test_every_loss_has_its_reference() -> None:
    found = measured("exact")
    assert set(found.losses) == set(found.reference_losses) == {"total", "ce", "pac", "soc"}
    assert all(math.isfinite(value) for value in (*found.losses.values(), *found.reference_losses.values()))


def test_exact_is_exact_and_the_float32_loop_is_not() -> None:
    """Rounding that covariances of a few parts do not forgive: the preset holds its parts in float64."""
    exact, loop = judged("exact"), judged("baseline")
    assert exact.verdict == "confirmed"
    assert exact.measured.gradient_error < 1e-4
    assert loss_error(exact.measured) < 1e-6
    assert loop.measured.gradient_error > 10 * exact.measured.gradient_error
    assert exact.measured.reference_losses == pytest.approx(loop.measured.reference_losses, rel=1e-10)
    assert exact.measured.gradient_norm == pytest.approx(loop.measured.gradient_norm, rel=1e-10)


@pytest.mark.parametrize("name", EXACT_TOGGLES)
def test_every_exact_toggle_is_confirmed(name: str) -> None:
    view = judged(f"{name}+float64-parts")
    assert (view.kind, view.verdict) == ("exact", "confirmed")
    assert (view.measured.against, view.measured.oracle) == ("baseline", "loop")
    assert view.measured.gradient_error < 1e-4


@pytest.mark.parametrize(
    ("name", "base", "least"),
    [
        ("max-negatives-16", CROWDED, 0.05),
        ("stale-peaks", ROOMY, 0.1),
        ("bfloat16", TINY, 0.02),
        ("float16", TINY, 0.01),
        ("both-views", TINY, 0.1),
        ("gamma0", TINY, 0.1),
        ("other-images-pool", TINY, 0.1),
        ("r3", ROOMY.model_copy(update={"window": 5}), 0.1),
    ],
)
def test_what_is_not_exact_shows(name: str, base: Workload, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # The reference's twin says what the loop says (below), and sooner.
    monkeypatch.setattr(fidelity, "MAX_LOOPED_DISTANCES", 0)
    view = judged(f"{name}+float64-parts", base)
    assert view.measured.against == "baseline"
    assert view.measured.gradient_error > least
    assert view.verdict == "confirmed"


@pytest.mark.parametrize("name", ["hard-negative-mining", "approximate-matching"])
def test_an_approximation_that_this_batch_does_not_show_is_not_called_one(name: str) -> None:
    """With as many nearest negatives as there are, or parts that are best matched greedily, nothing is lost."""
    view = judged(f"{name}+float64-parts")
    assert (view.kind, view.measured.against) == ("approximate", "baseline")
    assert view.verdict != "contradicted"
    assert view.measured.gradient_error < 1e-2


@pytest.mark.parametrize("name", ["gradient-clipping", "cosine-schedule"])
def test_what_comes_after_the_gradient_does_not_change_it(name: str) -> None:
    assert judged(f"{name}+exact").is_exact


@pytest.mark.parametrize(
    ("name", "overrides"),
    [("d32", {}), ("192px", {}), ("efficientnet-b0", {}), ("exact", {"batch_size": 3}), ("exact", {"num_classes": 7})],
)
def test_another_model_or_input_is_held_against_its_own_settings(name: str, overrides: dict[str, object]) -> None:
    found = measured(f"{name}+float64-parts", **overrides)
    assert found.against == "own settings"
    assert found.gradient_error < 1e-3
    assert loss_error(found) < 1e-5


@pytest.mark.parametrize("change", ["other-images-pool", "both-views"])
def test_its_own_settings_are_all_of_them(change: str) -> None:
    """With another d too, the pool and the views are those of the variant: only its arithmetic is in question."""
    found = measured(f"d32+{change}+float64-parts")
    assert found.against == "own settings"
    assert loss_error(found) < 1e-3
    assert found.gradient_error < 1e-3


def test_another_epoch_is_the_same_for_both() -> None:
    """After the warm-up parts are matched by another cost, in the reference too."""
    base = TINY.model_copy(update={"warmup_epochs": 2})
    late = measured("exact", base, epoch=5)
    assert late.against == "baseline"
    assert late.gradient_error < 1e-4


def test_batch_size_one_has_a_fidelity() -> None:
    found = measured("exact", TINY.model_copy(update={"batch_size": 1}))
    assert found.losses["pac"] == found.reference_losses["pac"] == 0.0
    assert found.gradient_error < 1e-4


def test_a_backbone_of_tokens_has_a_fidelity() -> None:
    view = judged("exact", TINY.model_copy(update={"backbone": "test_vit"}))
    assert view.verdict == "confirmed"


def test_where_the_loop_takes_too_long_its_twin_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    by_loop = measured("bfloat16")
    monkeypatch.setattr(fidelity, "MAX_LOOPED_DISTANCES", 0)
    by_twin = measured("bfloat16")
    assert (by_loop.oracle, by_twin.oracle) == ("loop", "exact twin")
    assert by_twin.losses == by_loop.losses
    assert by_twin.reference_losses == pytest.approx(by_loop.reference_losses, rel=1e-10)
    assert by_twin.gradient_norm == pytest.approx(by_loop.gradient_norm, rel=1e-6)
    assert by_twin.gradient_error == pytest.approx(by_loop.gradient_error, rel=1e-6)


@pytest.mark.parametrize(("limit", "oracle"), [(6 * (12 + 1), "loop"), (6 * (12 + 1) - 1, "exact twin")])
def test_the_limit_is_of_distances(limit: int, oracle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """6 anchors, each with 2 * 1 * 2 * 3 negatives and one positive."""
    monkeypatch.setattr(fidelity, "MAX_LOOPED_DISTANCES", limit)
    assert measured("exact").oracle == oracle


def calls_of(step: TrainingStep) -> list[dict[str, Tensor]]:
    """What the step's model returns from now on."""
    seen: list[dict[str, Tensor]] = []
    step.model.register_forward_hook(lambda model, args, result: seen.append(result))
    return seen


def test_float16_that_overflows_is_scaled_less_and_tried_again() -> None:
    """Gradients of a PaC that weighs a thousand times as much do not fit into float16 when they are scaled up.

    Another try sees the model as the first did: prototypes that a failed one had moved would be another objective.
    """
    base = TINY.model_copy(update={"lambda_pac": 1000.0})
    step = step_of("float16+float64-parts", base)
    seen = calls_of(step)
    found = measure_fidelity(step, job_of("float16+float64-parts", base).workload, base)
    assert len(seen) > 1
    assert found.gradient_error < 0.2
    assert found.gradient_cosine > 0.98
    assert [result["soc"].item() for result in seen] == [found.losses["soc"]] * len(seen)
    assert loss_error(found, "soc") < 1e-3


def test_float16_without_overflow_is_tried_once() -> None:
    step = step_of("float16")
    seen = calls_of(step)
    measure_fidelity(step, job_of("float16").workload, TINY)
    assert len(seen) == 1


@pytest.mark.parametrize("variant", ["baseline", "float16"])
def test_a_model_that_is_broken_has_a_fidelity_that_says_so(variant: str) -> None:
    step = step_of(variant)
    with torch.no_grad():
        step.model.get_parameter("classifier.weight").fill_(math.nan)
    found = measure_fidelity(step, job_of(variant).workload, TINY)
    assert math.isnan(found.losses["total"])
    assert math.isnan(found.gradient_error)
    record = BreakdownRecord(tool_version="0", workload=TINY, fidelity=found)
    view = fidelity_view(record.variant.kind, BreakdownRecord.model_validate_json(record.model_dump_json()).fidelity)
    assert view is not None
    assert view.verdict == "contradicted"


def test_peaks_of_the_same_image_are_not_stale() -> None:
    """A batch of one image over and over: the old peaks are the right ones, and nothing else differs either."""
    step = step_of("stale-peaks+float64-parts")
    batch = step.batch
    x1, x2, targets = (of[:1].repeat(2, *[1] * (of.dim() - 1)) for of in (batch.x1, batch.x2, batch.targets))
    step.batches = SameBatch(Batch(x1, x2, targets))
    found = measure_fidelity(step, job_of("stale-peaks+float64-parts").workload, TINY)
    assert loss_error(found, "soc") < 1e-4
    assert loss_error(found) < 1e-4


def state_of(step: TrainingStep) -> dict[str, Tensor]:
    """Weights and buffers, copied."""
    return {name: value.detach().clone() for name, value in step.model.state_dict().items()}


@pytest.mark.parametrize("variant", ["exact", "float16", "both-views", "stale-peaks"])
def test_the_model_is_as_it_was_before(variant: str) -> None:
    step = step_of(variant)
    before = state_of(step)
    measure_fidelity(step, job_of(variant).workload, TINY)
    after = step.model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert all(parameter.grad is None for parameter in step.model.parameters())
    assert step.model.training


@pytest.mark.parametrize("variant", ["exact", "stale-peaks"])
def test_a_step_afterwards_is_the_step_that_it_would_have_been(variant: str) -> None:
    """Nothing that the model keeps from call to call is left behind, peaks of other images least of all."""
    fresh, compared = step_of(variant), step_of(variant)
    measure_fidelity(compared, job_of(variant).on(CPU).workload, TINY)
    for _ in range(2):
        assert {name: value.item() for name, value in compared.run().items()} == {
            name: value.item() for name, value in fresh.run().items()
        }


def test_channels_stay_last() -> None:
    step = step_of("channels-last")
    measure_fidelity(step, job_of("channels-last").workload, TINY)
    weight = step.model.get_parameter("backbone.model.conv1.3.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


def test_the_weights_that_the_model_has_now_are_compared() -> None:
    """And not those that it was built with; nor do gradients that its last step has left count."""
    step = step_of("exact")
    for _ in range(2):
        step.run()
    found = measure_fidelity(step, job_of("exact").on(CPU).workload, TINY)
    assert found.reference_losses["total"] != pytest.approx(measured("exact").reference_losses["total"], rel=1e-3)
    assert found.gradient_error < 1e-3
