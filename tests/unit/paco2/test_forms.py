"""PaCoModel in its forms against the reference form: the exact ones give its step, the others what they say.

As in test_model.py the images are large enough that no two windows of a map hold the same pixels.
"""

import functools
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

import oracle
from paco_prof.forms import REFERENCE, Forms
from paco_prof.paco2.losses import PaCLoss
from paco_prof.paco2.model import PaCoModel

ALL_EXACT = Forms(
    contrast="fused",
    cache_covariance_inverse=True,
    sampling="batched",
    matching="batched",
    pool="folded",
    prototypes="batched",
    weighting="batched",
    parts_dtype="float64",
)
EXACT = {
    "cache_covariance_inverse": Forms(cache_covariance_inverse=True),
    "contrast": Forms(contrast="fused"),
    "batched sampling": Forms(sampling="batched"),
    "separable sampling": Forms(sampling="separable"),
    "matching": Forms(matching="batched"),
    "pool": Forms(pool="folded"),
    "prototypes": Forms(prototypes="batched"),
    "weighting": Forms(weighting="batched"),
    "parts_dtype": Forms(parts_dtype="float64"),
    "all": ALL_EXACT,
    "all, separable": replace(ALL_EXACT, sampling="separable"),
}


def build(
    forms: Forms, backbone: str = "test_resnet", dtype: torch.dtype = torch.float64, **settings: Any
) -> PaCoModel:
    """A small model; one backbone has the same weights in all forms."""
    torch.manual_seed(0)
    arguments = {"K": 3, "r": 3, "d": 8, "image_size": 96} | settings
    return PaCoModel(backbone_name=backbone, num_classes=7, forms=forms, **arguments).to(dtype)


def draw(seed: int, dtype: torch.dtype = torch.float64, num_images: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Two views of random images and their targets, class 5 twice, in another order for odd seeds."""
    generator = torch.Generator().manual_seed(seed)
    x1, x2 = torch.randn(2, num_images, 3, 96, 96, dtype=torch.float64, generator=generator).to(dtype)
    return x1, x2, torch.tensor([2, 5, 5, 2] if seed % 2 else [5, 1, 5, 2])[:num_images]


@dataclass(frozen=True)
class Run:
    """Two steps of a model without an optimizer: of each step the results and the gradient of every parameter.

    Attributes:
        prototypes: covariance of each class and which classes were seen, after the second step.
    """

    results: list[dict[str, Tensor]]
    gradients: list[dict[str, Tensor]]
    prototypes: tuple[Tensor, Tensor]


def run(model: PaCoModel, epoch: int, dtype: torch.dtype = torch.float64) -> Run:
    """Make both steps."""
    model.set_epoch(epoch)
    results, gradients = [], []
    for seed in (1, 2):
        model.zero_grad()
        result = model(*draw(seed, dtype))
        result["total"].backward()
        results.append({name: value.detach() for name, value in result.items()})
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert model.prototypes is not None
    return Run(results, gradients, (model.prototypes.covariances, model.prototypes.seen))


@functools.cache
def reference(backbone: str, epoch: int) -> Run:
    """The same in the reference form."""
    return run(build(REFERENCE, backbone), epoch)


def assert_same(actual: Run, expected: Run) -> None:
    """Equal results, gradients and prototypes."""
    for step in range(2):
        for name, value in expected.results[step].items():
            torch.testing.assert_close(actual.results[step][name], value, rtol=1e-9, atol=1e-12, msg=name)
        assert set(actual.gradients[step]) == set(expected.gradients[step])
        for name, gradient in expected.gradients[step].items():
            assert oracle.relative_error(actual.gradients[step][name], gradient) < 1e-8, name
    torch.testing.assert_close(actual.prototypes[0], expected.prototypes[0], rtol=1e-10, atol=1e-12)
    assert torch.equal(actual.prototypes[1], expected.prototypes[1])


@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("form", EXACT)
def test_an_exact_form_makes_the_references_steps(form: str, epoch: int) -> None:
    """Losses, the gradient of every parameter, and prototypes after two updates, under either cost of the matching."""
    expected = reference("test_resnet", epoch)
    assert expected.prototypes[1].tolist() == [False, True, True, False, False, True, False]
    assert all(float(expected.results[0][name]) > 0 for name in ("ce", "pac", "soc"))
    assert_same(run(build(EXACT[form]), epoch), expected)


@pytest.mark.parametrize("num_images", [1, 2])
def test_small_batches(num_images: int) -> None:
    """One image has nothing to be contrasted with; two have a pool without copies."""
    expected, result = (build(forms)(*draw(1, num_images=num_images)) for forms in (REFERENCE, ALL_EXACT))
    assert bool(expected["pac"] > 0) == (num_images > 1)
    for name, value in expected.items():
        torch.testing.assert_close(result[name], value, rtol=1e-9, atol=1e-12, msg=name)


def test_a_model_in_fast_forms_has_the_references_state() -> None:
    """The same parameters and buffers by name: a state dict of either fits the other."""
    model = build(ALL_EXACT)
    expected = build(REFERENCE).state_dict()
    assert {name: value.shape for name, value in model.state_dict().items()} == {
        name: value.shape for name, value in expected.items()
    }
    model.load_state_dict(expected)


def test_inference_is_the_references() -> None:
    x = draw(1)[0]
    with torch.no_grad():
        assert torch.equal(build(ALL_EXACT).eval()(x), build(REFERENCE).eval()(x))


# Parts in float64


def pac_and_gradient(forms: Forms, dtype: torch.dtype, seed: int) -> tuple[float, Tensor]:
    """PaC of one step and its gradient in the weights of the reduction."""
    model = build(forms, dtype=dtype)
    pac = model(*draw(seed, dtype))["pac"]
    (gradient,) = torch.autograd.grad(pac, model.dim_reduction.weight)
    assert gradient.dtype == dtype
    return pac.item(), gradient.double()


@pytest.mark.parametrize("seed", range(3))
def test_parts_in_float64_make_a_float32_model_right(seed: int) -> None:
    """At epsilon = tau = 1e-5 PaC of a float32 model is that of the same model in float64, its gradient within a
    ten-thousandth. With parts in float32 the loop's gradient is wrong by a tenth and more.
    """
    value, gradient = pac_and_gradient(ALL_EXACT, torch.float64, seed)
    right, right_gradient = pac_and_gradient(ALL_EXACT, torch.float32, seed)
    wrong_gradient = pac_and_gradient(REFERENCE, torch.float32, seed)[1]
    assert right == pytest.approx(value, rel=1e-5)
    assert oracle.relative_error(right_gradient, gradient) < 1e-4
    assert oracle.relative_error(wrong_gradient, gradient) > 0.05


class Listener:
    """A Listener stands in for a criterion and keeps the keywords that it was called with."""

    def __init__(self, criterion: torch.nn.Module) -> None:
        self.criterion = criterion
        self.heard: dict[str, Any] = {}

    def __call__(self, **keywords: Any) -> Any:
        self.heard = keywords
        return self.criterion(**keywords)


def heard_of(model: PaCoModel, seed: int = 1) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a model tells its criterion, and the step's results."""
    listener = Listener(model.criterion)
    del model.criterion
    model.criterion = listener
    dtype = model.classifier.weight.dtype
    result = model(*draw(seed, dtype))
    return listener.heard, result


def test_parts_dtype_is_that_of_parts_and_covariances() -> None:
    """float64 from the reduction on; the losses have the model's type all the same."""
    heard, result = heard_of(build(ALL_EXACT, dtype=torch.float32))
    for name in ("Z1t", "Z2t", "negatives_pool", "Sigma1", "Sigma2", "Sigma_plus"):
        assert heard[name].dtype == torch.float64, name
    assert {value.dtype for value in result.values()} == {torch.float32}


@pytest.mark.parametrize("forms", [REFERENCE, replace(ALL_EXACT, pool="shared")])
def test_other_criteria_are_told_nothing_new(forms: Forms) -> None:
    """The keywords of a criterion that knows no owners of rows; with pool="other-images" there is one more."""
    heard = heard_of(build(forms))[0]
    assert "negatives_image" not in heard
    more = heard_of(build(replace(forms, pool="other-images")))[0]
    assert set(more) - set(heard) == {"negatives_image"}


# Forms that are not the reference's


@pytest.mark.parametrize("contrast", ["loop", "fused"])
def test_the_pool_of_other_images(contrast: Any) -> None:
    """Each anchor against the parts of other images, each once: what a loop over such pools gives, and not the
    reference's loss. A large epsilon keeps images within reach of each other.
    """
    settings = {"epsilon": 1.0, "tau": 1.0, "alpha": 2.0}
    heard, result = heard_of(build(Forms(contrast=contrast, pool="other-images"), **settings))
    losses = []
    for image in range(3):
        others = [other for other in range(3) if other != image]
        pool = torch.cat([heard["Z1t"][others].flatten(0, 1), heard["Z2t"][others].flatten(0, 1)])
        own = (heard[name][image][None] for name in ("Z1t", "Z2t", "matching"))
        losses.append(PaCLoss(2.0)(*own, pool, heard["Sigma_plus"][image][None]))
    expected = torch.stack(losses).mean().item()
    assert expected > 0
    assert result["pac"].item() == pytest.approx(expected, rel=1e-10)
    shared = build(REFERENCE, **settings)(*draw(1))
    assert result["pac"].item() != pytest.approx(shared["pac"].item(), rel=1e-3)
    for name in ("logits", "ce", "soc"):
        torch.testing.assert_close(result[name], shared[name])


@pytest.mark.parametrize("forms", [REFERENCE, ALL_EXACT])
def test_views_together_are_exact_without_batch_normalisation(forms: Forms) -> None:
    """ConvNeXt normalises each image by itself: one batch of both views gives the reference's steps."""
    together = replace(forms, views="together")
    assert_same(run(build(together, "test_convnext"), 0), reference("test_convnext", 0))


def test_views_together_share_the_statistics_of_batch_normalisation() -> None:
    """ResNet's loss is another one then, and is that of a backbone that was given both views at once."""
    result = build(Forms(views="together"))(*draw(1))
    expected = reference("test_resnet", 0).results[0]
    assert result["total"].item() != pytest.approx(expected["total"].item(), rel=1e-3)
    x1, x2, targets = draw(1)
    model = build(REFERENCE)
    maps = list(model.backbone.forward_features(torch.cat([x1, x2])).chunk(2))
    model.backbone.forward_features = lambda x: maps.pop(0)
    for name, value in model(x1, x2, targets).items():
        torch.testing.assert_close(result[name], value, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("seed", [1, 3])
@pytest.mark.parametrize("forms", [REFERENCE, ALL_EXACT, replace(ALL_EXACT, sampling="separable")])
def test_under_autocast(forms: Forms, seed: int) -> None:
    """bfloat16 in the backbone and the classifier moves no loss by more than 5 %, and no gradient out of bounds.

    Where rounding makes another negative the nearest PaC moves more; in these two batches it does not.
    """
    expected = build(forms, dtype=torch.float32)(*draw(seed, torch.float32, 4))
    model = build(forms, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = model(*draw(seed, torch.float32, 4))
    assert result["logits"].dtype == torch.bfloat16
    for name in ("total", "ce", "pac", "soc"):
        assert result[name].dtype == torch.float32
        assert result[name].item() == pytest.approx(expected[name].item(), rel=0.05), name
    result["total"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
