"""PaCoModel end to end against the oracle, on the backbone maps that the model itself computed.

The images are large enough that no two windows of a map hold the same pixels. On a 2 x 2 map (64 pixels)
all windows of r = 3 are the whole map. A convolution need not give equal parts equal bits, and then rounding
decides whether a negative is "strictly farther" than the positive: no oracle can say what the step returns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import oracle
from paco_prof.paco2.model import PaCoModel
from paco_prof.paco2.spd import METRICS

DEFAULTS: dict[str, Any] = {
    "K": 3,
    "r": 3,
    "lambda_pac": 1.0,
    "eta_soc": 0.1,
    "alpha": 0.2,
    "beta": 0.05,
    "gamma": 0.1,
    "epsilon": 1e-5,
    "tau": 1e-5,
    "metric": "fro",
    "warmup_epochs": 3,
    "proto_momentum": 0.9,
    "use_semi_hard": True,
    "use_weighted_ce": True,
    "use_class_proto": True,
    "image_size": 96,
}


class Capture:
    """A Capture stands in for a backbone's `forward_features` and keeps the maps that it returned."""

    def __init__(self, forward_features: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Wrap the backbone's own method."""
        self.forward_features = forward_features
        self.maps: list[torch.Tensor] = []

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The backbone's map, which from now on keeps its gradient."""
        result = self.forward_features(x)
        if result.requires_grad:
            result.retain_grad()
        self.maps.append(result)
        return result

    def take(self) -> list[oracle.Array]:
        """The maps since the last call, as numpy."""
        maps, self.maps = self.maps, []
        return [one.detach().numpy() for one in maps]


def build(**settings: Any) -> tuple[PaCoModel, Capture]:
    """A small model in float64 and the capture of its backbone."""
    torch.manual_seed(0)
    changed = {name: value for name, value in settings.items() if DEFAULTS.get(name) != value}
    arguments = {"K": 3, "r": 3, "d": 8, "image_size": 96} | changed
    model = PaCoModel(backbone_name="test_resnet", num_classes=7, **arguments).double()
    capture = Capture(model.backbone.forward_features)
    model.backbone.forward_features = capture
    return model, capture


def draw(num_images: int, seed: int, size: int = 96) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two views of random images and their targets, classes 2 and 5 in turn."""
    generator = torch.Generator().manual_seed(seed)
    x1, x2 = torch.randn(2, num_images, 3, size, size, dtype=torch.float64, generator=generator)
    return x1, x2, torch.tensor([2, 5, 5, 2, 0, 6, 2, 2])[:num_images]


def oracle_settings(model: PaCoModel, settings: dict[str, Any], epoch: int = 0) -> dict[str, Any]:
    """What the oracle needs to make the model's step, weights included."""
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    return (
        DEFAULTS
        | settings
        | {
            "conv": float(weights["part_sampler.spatial_attention.weight"].item()),
            "reduction": weights["dim_reduction.weight"][:, :, 0, 0],
            "classifier": (weights["classifier.weight"], weights["classifier.bias"]),
            "epoch": epoch,
        }
    )


def assert_same(result: dict[str, torch.Tensor], expected: dict[str, Any]) -> None:
    """Hold every entry of a training result to the oracle's."""
    assert set(result) == {"logits", "total", "ce", "pac", "soc"}
    for name, value in result.items():
        np.testing.assert_allclose(value.detach().numpy(), expected[name], rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("num_images", [1, 2, 3, 8])
@pytest.mark.parametrize("epoch", [0, 3])
def test_first_step(num_images: int, epoch: int) -> None:
    """With all defaults, under either cost: one backbone pass a view, the oracle's five entries."""
    model, capture = build()
    model.set_epoch(epoch)
    x1, x2, targets = draw(num_images, 1)
    result = model(x1, x2, targets)
    maps = capture.take()
    assert len(maps) == 2
    prototypes = np.broadcast_to(np.eye(8), (num_images, 8, 8))
    settings = oracle_settings(model, {"Sigma_proto": prototypes}, epoch)
    assert_same(result, oracle.step(*maps, targets.tolist(), settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"use_semi_hard": False},
        {"use_weighted_ce": False},
        {"gamma": 0.0},
        {"gamma": 0.8, "beta": 2.0},
        {"lambda_pac": 0.3, "eta_soc": 5.0, "alpha": 1.5},
        {"K": 1, "r": 1, "image_size": 64},
        {"K": 4, "r": 5, "image_size": 224, "metric": "stein"},
        {"epsilon": 1e-2, "tau": 1e-3, "metric": "log-euclidean"},
        {"warmup_epochs": 0},
        *({"metric": metric} for metric in METRICS),
    ],
)
def test_settings(settings: dict[str, Any]) -> None:
    """Each of the model's settings does in the step what it does in the oracle."""
    model, capture = build(**settings)
    x1, x2, targets = draw(4, 2, settings.get("image_size", 96))
    result = model(x1, x2, targets)
    prototypes = np.broadcast_to(np.eye(8), (4, 8, 8))
    expected = oracle_settings(model, settings | {"Sigma_proto": prototypes})
    assert_same(result, oracle.step(*capture.take(), targets.tolist(), expected))


def test_without_class_prototypes() -> None:
    """use_class_proto=False leaves the prototype term out, at every step."""
    model, capture = build(use_class_proto=False)
    for seed in range(2):
        x1, x2, targets = draw(3, seed)
        result = model(x1, x2, targets)
        settings = oracle_settings(model, {"Sigma_proto": None})
        assert_same(result, oracle.step(*capture.take(), targets.tolist(), settings))


def test_prototypes_over_several_steps() -> None:
    """The prototypes are read before the loss and updated after it, while epochs and weights move."""
    model, capture = build(beta=3.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    prototypes = oracle.Prototypes(8, 0.9)
    for epoch, num_images in enumerate([3, 4, 2, 4, 5]):
        model.set_epoch(epoch)
        x1, x2, targets = draw(num_images, epoch)
        result = model(x1, x2, targets)
        settings = oracle_settings(model, {"beta": 3.0, "Sigma_proto": prototypes.get(targets.tolist())}, epoch)
        expected = oracle.step(*capture.take(), targets.tolist(), settings)
        assert_same(result, expected)
        prototypes.update(targets.tolist(), expected["Sigma1"], expected["Sigma2"])
        np.testing.assert_allclose(
            model.prototypes.get(torch.arange(7)).numpy(), prototypes.get(range(7)), rtol=1e-9, atol=1e-14
        )
        optimizer.zero_grad()
        result["total"].backward()
        optimizer.step()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("epoch", [0, 3])
def test_gradient(metric: str, epoch: int) -> None:
    """The total's gradient in both maps, the reduction and the classifier: slopes along random directions."""
    changed = {"metric": metric, "epsilon": 1e-2, "tau": 1e-2, "eta_soc": 1.0}
    model, capture = build(**changed)
    model.set_epoch(epoch)
    x1, x2, targets = draw(3, 3)
    model(x1, x2, targets)["total"].backward()
    gradients = [one.grad for one in capture.maps]
    gradients += [model.dim_reduction.weight.grad, model.classifier.weight.grad, model.classifier.bias.grad]
    assert model.part_sampler.spatial_attention.weight.grad is None  # peaks carry no gradient
    prototypes = np.broadcast_to(np.eye(8), (3, 8, 8))
    settings = oracle_settings(model, changed | {"Sigma_proto": prototypes}, epoch)
    arrays = [*capture.take(), settings["reduction"], *settings["classifier"]]

    def total(*args: oracle.Array) -> float:
        given = settings | {"reduction": args[2], "classifier": args[3:]}
        return float(oracle.step(args[0], args[1], targets.tolist(), given)["total"])

    rng = np.random.default_rng(4)
    for i, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        assert gradient is not None
        for _ in range(2):
            along = rng.normal(size=array.shape)
            slope = oracle.directional_derivative(
                lambda x, i=i: total(*arrays[:i], x, *arrays[i + 1 :]), array, along, 1e-6
            )
            actual = float((gradient.numpy().reshape(array.shape) * along).sum())
            assert actual == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_inference_is_logits_of_one_view() -> None:
    """Eval mode: one backbone pass, the classifier on its pooled map, and no state touched."""
    model, capture = build()
    model.eval()
    x1 = draw(3, 5)[0]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        logits = model(x1)
    (feature_map,) = capture.take()
    weight, bias = oracle_settings(model, {})["classifier"]
    np.testing.assert_allclose(logits.numpy(), feature_map.mean(axis=(2, 3)) @ weight.T + bias, rtol=1e-10, atol=1e-13)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_pieces_are_where_users_look_for_them() -> None:
    """The attributes of PACO2.md, with their kinds: a 1 x 1 reduction without a bias, a linear classifier."""
    model, _ = build()
    assert model.dim_reduction.kernel_size == (1, 1)
    assert model.dim_reduction.bias is None
    assert model.dim_reduction.out_channels == 8
    assert model.classifier.out_features == 7
    assert model.classifier.bias is not None
    for name in ("backbone", "part_sampler", "matcher", "criterion", "prototypes"):
        assert hasattr(model, name)
    assert all(hasattr(model.criterion, name) for name in ("ce_loss", "pac_loss", "soc_loss"))


def test_the_reduction_starts_kaiming_normal() -> None:
    """1x1 convolution C -> d: standard deviation sqrt(2 / C), fan-in, over a few thousand weights."""
    model = PaCoModel(backbone_name="test_resnet", num_classes=7, K=3, r=3, d=64, image_size=64)
    weight = model.dim_reduction.weight.detach().double()
    expected = (2 / weight.shape[1]) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.1)
    assert abs(weight.mean().item()) < 0.1 * expected
    assert weight.abs().max().item() > 2.5 * expected  # not uniform: its maximum would be sqrt(3) deviations
