"""The optimized criterion against the reference: a drop-in with the same keywords, results and gradients."""

import inspect
import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import oracle
from paco_prof.paco2.covariance import joint_covariance, part_covariance
from paco_prof.paco2.criterion import OptimizedPaCoLoss, PaCoLoss
from paco_prof.paco2.losses import SoCLoss
from paco_prof.paco2.negatives import folded_pool, image_of_row, shared_pool
from paco_prof.paco2.spd import METRICS
from paco_prof.stages import Phase, listening

RESULTS = ("total", "ce", "pac", "soc")
EPSILON = 1e-2

seeds = st.integers(0, 2**31)


def draw(
    seed: int, num_images: int = 3, num_parts: int = 3, height: int = 6, width: int = 9, pool: str = "shared"
) -> dict[str, Any]:
    """The keywords of one call in float64: a map that is not square, peaks at its borders among others."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    Z1 = normal(num_images, num_parts, 5)
    Z2 = Z1 + 0.5 * normal(num_images, num_parts, 5)
    Sigma1, Sigma2 = part_covariance(Z1, EPSILON), part_covariance(Z2, EPSILON)
    sides = [torch.randint(side, (num_images, num_parts), generator=generator) for side in (height, width)]
    return {
        "logits": normal(num_images, 4),
        "targets": torch.randint(4, (num_images,), generator=generator),
        "Z1t": Z1,
        "Z2t": Z2,
        "matching": torch.stack([torch.randperm(num_parts, generator=generator) for _ in range(num_images)]),
        "negatives_pool": shared_pool(Z1, Z2) if pool == "shared" else folded_pool(Z1, Z2),
        "Sigma1": Sigma1,
        "Sigma2": Sigma2,
        "Sigma_plus": joint_covariance(Sigma1, Sigma2, EPSILON),
        "Sigma_proto": part_covariance(normal(num_images, 6, 5), 0.1),
        "saliency_map": normal(num_images, height, width).abs(),
        "peaks": torch.stack(sides, dim=2),
    }


def evaluate(criterion: PaCoLoss, batch: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The four results, and the total's gradient in every floating-point input (zeros where it has none)."""
    leaves = {
        name: value.clone().requires_grad_()
        for name, value in batch.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    results = criterion(**batch | leaves)
    assert set(results) == set(RESULTS)
    gradients = torch.autograd.grad(results["total"], list(leaves.values()), allow_unused=True, materialize_grads=True)
    return results, dict(zip(leaves, gradients, strict=True))


def assert_same(settings: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
    """Hold the optimized criterion to the reference under the same settings; the gradients of that."""
    expected, expected_gradients = evaluate(PaCoLoss(**settings), batch)
    results, gradients = evaluate(OptimizedPaCoLoss(**settings), batch)
    for name in RESULTS:
        assert results[name].shape == ()
        assert results[name].item() == pytest.approx(expected[name].item(), rel=1e-10, abs=1e-13), name
    assert set(gradients) == set(expected_gradients)
    for name, gradient in gradients.items():
        assert oracle.relative_error(gradient, expected_gradients[name]) < 1e-8, name
    return expected_gradients


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("gamma", [0.0, 0.1])
@pytest.mark.parametrize("given_inputs", list(itertools.product([True, False], repeat=3)))
def test_results_and_gradients_are_the_references(
    given_inputs: tuple[bool, bool, bool], gamma: float, metric: str
) -> None:
    """With and without prototypes, map and peaks; each input has a gradient exactly where the reference gives one."""
    batch = draw(0)
    names = ("Sigma_proto", "saliency_map", "peaks")
    batch |= {name: None for name, is_given in zip(names, given_inputs, strict=True) if not is_given}
    gradients = assert_same({"metric": metric, "gamma": gamma, "beta": 0.3, "eta_soc": 0.7}, batch)
    assert all(gradients[name].any() for name in ("logits", "Z1t", "Z2t", "negatives_pool", "Sigma1", "Sigma_plus"))
    if given_inputs[1]:
        assert bool(gradients["saliency_map"].any()) == (gamma > 0 and given_inputs[2])


@settings(max_examples=40)
@given(
    st.builds(
        draw, seeds, st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9),
        st.sampled_from(["shared", "folded"]),
    ),
    st.fixed_dictionaries(
        {
            "lambda_pac": st.floats(0, 2),
            "eta_soc": st.floats(0, 2),
            "alpha": st.floats(0, 2),
            "beta": st.floats(0, 2),
            "gamma": st.floats(0, 1),
            "metric": st.sampled_from(METRICS),
            "use_semi_hard": st.booleans(),
            "use_weighted_ce": st.booleans(),
        }
    ),
)  # fmt: skip
def test_settings_do_what_they_do_in_the_reference(batch: dict[str, Any], settings: dict[str, Any]) -> None:
    """Any weights, margin and metric, any map, batches of one included."""
    assert_same(settings, batch)


@pytest.mark.parametrize("limit", [None, 4])
def test_rows_of_an_anchors_own_image_are_left_out(limit: int | None) -> None:
    """`negatives_image` reaches the contrast, and so do a limit and which negatives it keeps."""
    batch = draw(1, pool="folded")
    batch["negatives_image"] = image_of_row(batch["negatives_pool"], 3)
    reference = PaCoLoss(gamma=0.1)
    reference.pac_loss.max_negatives_per_sample = limit
    reference.pac_loss.use_hard_negative_mining = True
    expected = evaluate(reference, batch)[0]
    results = evaluate(OptimizedPaCoLoss(gamma=0.1, max_negatives_per_sample=limit), batch)[0]
    without = evaluate(OptimizedPaCoLoss(gamma=0.1), batch | {"negatives_image": None})[0]
    assert results["pac"].item() == pytest.approx(expected["pac"].item(), rel=1e-10)
    assert abs(results["pac"].item() - without["pac"].item()) > 1e-3


def test_the_settings_of_the_contrast_reach_it() -> None:
    criterion = OptimizedPaCoLoss(
        max_negatives_per_sample=16, use_hard_negative_mining=False, cache_covariance_inverse=False
    )
    assert criterion.pac_loss.max_negatives_per_sample == 16
    assert criterion.pac_loss.use_hard_negative_mining is False
    assert criterion.pac_loss.cache_covariance_inverse is False
    assert OptimizedPaCoLoss().pac_loss.max_negatives_per_sample is None


def test_both_are_called_alike() -> None:
    """The same keywords with the same defaults; the reference's settings with their defaults among the optimized's."""
    assert inspect.signature(OptimizedPaCoLoss.forward) == inspect.signature(PaCoLoss.forward)
    reference, optimized = (inspect.signature(form).parameters for form in (PaCoLoss, OptimizedPaCoLoss))
    assert list(optimized)[: len(reference)] == list(reference)
    assert all(optimized[name].default == parameter.default for name, parameter in reference.items())


class Nesting:
    """A listener that writes down the path of each stage that it hears of."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.paths: list[str] = []

    def enter(self, name: str, inputs: object) -> None:
        self.open.append(name)
        self.paths.append("/".join(self.open))

    def exit(self, outputs: object) -> None:
        self.open.pop()

    def enter_phase(self, phase: Phase) -> None:
        raise AssertionError(f"a criterion begins no {phase} pass")

    def take_over(self, name: str) -> None:
        raise AssertionError(f"a criterion leaves no pass to {name}")

    def exit_phase(self) -> None:
        raise AssertionError("a criterion ends no pass")


@pytest.mark.parametrize("form", [PaCoLoss, OptimizedPaCoLoss])
def test_stages_are_announced_inside_the_loss(form: type[PaCoLoss]) -> None:
    nesting, batch = Nesting(), draw(2)
    with listening(nesting):
        form()(**batch)
    assert nesting.paths == ["loss", "loss/ce", "loss/pac", "loss/soc"]
    assert nesting.open == []


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("form", [PaCoLoss, OptimizedPaCoLoss])
def test_results_have_the_type_of_the_cross_entropy(form: type[PaCoLoss], metric: str) -> None:
    """float32 for float32 logits, whatever type the parts and covariances have; gradients have that of their input."""
    in_float32 = ("logits", "saliency_map")
    batch = draw(3)
    batch |= {name: batch[name].float() for name in in_float32}
    results, gradients = evaluate(form(metric=metric), batch)
    assert {results[name].dtype for name in RESULTS} == {torch.float32}
    assert all(gradients[name].dtype == batch[name].dtype for name in gradients)
    expected = evaluate(PaCoLoss(metric=metric), draw(3))[0]
    assert all(results[name].item() == pytest.approx(expected[name].item(), rel=1e-5) for name in RESULTS)


@pytest.mark.parametrize("metric", METRICS)
def test_wide_covariances_are_those_given(metric: Any) -> None:
    """SoCLoss(wide=True) computes in float64 from float32 covariances; otherwise it computes in their type."""
    batch = draw(5)
    sigmas = [batch[name].float() for name in ("Sigma1", "Sigma2", "Sigma_proto")]
    exact = SoCLoss(metric, 0.3)(*(sigma.double() for sigma in sigmas))
    wide = SoCLoss(metric, 0.3, wide=True)(*sigmas)
    assert wide.dtype == torch.float64
    assert wide.item() == pytest.approx(exact.item(), rel=1e-13)
    narrow = SoCLoss(metric, 0.3)(*sigmas[:2], sigmas[2].double())
    assert narrow.dtype == torch.float32
    assert narrow.item() == pytest.approx(exact.item(), rel=1e-4)
    assert narrow.item() != exact.item()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("autocast", [True, False])
def test_half_precision_inputs_under_autocast(autocast: bool, metric: str) -> None:
    """bfloat16 inputs give what the same values give in float32, under autocast too, with gradients in bfloat16."""
    batch = {
        name: value.bfloat16() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in draw(4).items()
    }
    widened = {
        name: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in batch.items()
    }
    expected = evaluate(PaCoLoss(metric=metric), widened)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        results, gradients = evaluate(OptimizedPaCoLoss(metric=metric), batch)
    for name in RESULTS:
        assert results[name].dtype == torch.float32
        assert results[name].item() == pytest.approx(expected[name].item(), rel=1e-5), name
    assert all(gradient.dtype == torch.bfloat16 for gradient in gradients.values())
    assert all(gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("index_dtype", [torch.uint8, torch.int16, torch.int32])
def test_any_floating_type_and_indices_of_any_type(dtype: torch.dtype, index_dtype: torch.dtype) -> None:
    """float64 in, float64 out; half precision in, float32 out. Gradients have the type of the input."""
    batch = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in draw(6).items()
        if name != "Sigma_proto"
    }
    exact = {name: value.double() if value.is_floating_point() else value for name, value in batch.items()}
    expected, expected_gradients = evaluate(PaCoLoss(), exact)
    results, gradients = evaluate(
        OptimizedPaCoLoss(), batch | {name: batch[name].to(index_dtype) for name in ("matching", "peaks")}
    )
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    for name in RESULTS:
        assert results[name].dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert results[name].item() == pytest.approx(expected[name].item(), rel=tolerance, abs=tolerance), name
    for name, gradient in gradients.items():
        assert gradient.dtype == dtype
        if dtype in (torch.float32, torch.float64):
            assert oracle.relative_error(gradient, expected_gradients[name]) < tolerance, name


def test_the_same_arguments_in_their_order() -> None:
    """Without their names, and without those that have a default."""
    batch = draw(7)
    results = OptimizedPaCoLoss()(*batch.values())
    assert {name: value.item() for name, value in results.items()} == pytest.approx(
        {name: value.item() for name, value in PaCoLoss()(**batch).items()}, rel=1e-10
    )
    few = list(batch.values())[:9]
    assert OptimizedPaCoLoss()(*few)["total"].item() == pytest.approx(PaCoLoss()(*few)["total"].item(), rel=1e-10)
