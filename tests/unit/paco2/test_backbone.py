"""Any timm backbone as a feature map: NCHW, NHWC, tokens, and what cannot be folded."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from paco_prof.errors import UsageError
from paco_prof.paco2 import PaCoModel
from paco_prof.paco2.backbone import TimmBackbone, import_timm


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("test_resnet", 96, (96, 3, 3)),
        ("test_efficientnet", 96, (256, 3, 3)),
        ("test_mambaout", 96, (64, 3, 3)),  # NHWC
        ("test_vit", 96, (64, 6, 6)),  # a class token before the patches
        ("test_vit4", 64, (96, 4, 4)),
        ("test_vit_relpos", 160, (96, 10, 10)),  # no prefix token
    ],
)
def test_every_layout_becomes_a_map(name: str, size: int, shape: tuple[int, ...]) -> None:
    backbone = TimmBackbone(name, image_size=size).eval()
    with torch.inference_mode():
        assert backbone.forward_features(torch.randn(2, 3, size, size)).shape == (2, *shape)


def test_swin_is_permuted_and_not_reshaped() -> None:
    """Each pixel's channels are the model's own, in their place."""
    backbone = TimmBackbone("swin_tiny_patch4_window7_224", image_size=64).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        own, feature_map = backbone.model.forward_features(x), backbone.forward_features(x)
    assert own.shape == (1, 2, 2, 768)
    assert torch.equal(feature_map[0, :, 0, 1], own[0, 0, 1])


def test_tokens_are_folded_row_by_row_without_the_prefix() -> None:
    backbone = TimmBackbone("test_vit", image_size=96).eval()
    x = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        tokens, feature_map = backbone.model.forward_features(x), backbone.forward_features(x)
    assert tokens.shape == (1, 37, 64)
    assert torch.equal(feature_map[0, :, 1, 2], tokens[0, 1 + 1 * 6 + 2])


class Fake(nn.Module):
    """A model whose features are what the test says."""

    def __init__(self, features: object) -> None:
        super().__init__()
        self.features = features
        self.num_features = 4

    def forward_features(self, x: Tensor) -> object:
        return self.features


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (torch.zeros(2, 5), r"\(2, 5\)"),
        ([torch.zeros(2, 4, 3, 3)], "list"),
        (torch.zeros(2, 7, 4), "does not say on which grid its 7 tokens lie"),
    ],
)
def test_what_cannot_be_folded_is_named(features: object, words: str) -> None:
    backbone = TimmBackbone("test_resnet")
    backbone.model = Fake(features)
    with pytest.raises(UsageError, match=words):
        backbone.forward_features(torch.zeros(2, 3, 8, 8))


def test_tokens_that_do_not_fill_their_grid_are_named() -> None:
    backbone = TimmBackbone("test_resnet")
    backbone.model = Fake(torch.zeros(2, 7, 4))
    backbone.model.patch_embed = SimpleNamespace(dynamic_feat_size=lambda size: (size[0] // 4, size[1] // 4))
    with pytest.raises(UsageError, match="7 patch tokens of backbone 'test_resnet' do not fill a patch grid of 2 x 3"):
        backbone.forward_features(torch.zeros(2, 3, 8, 12))


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match=r"'resnet5O'.*resnet50"):
        TimmBackbone("resnet5O")


def test_a_download_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: object, **kwargs: object) -> nn.Module:
        raise OSError("no route to the hub")

    monkeypatch.setattr(import_timm(), "create_model", no_network)
    with pytest.raises(UsageError, match=r"pretrained weights of 'resnet50' \(timm/resnet50.*no route to the hub"):
        TimmBackbone("resnet50", pretrained=True)


def test_an_unknown_tag_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"no pretrained weights named 'test_resnet\.nowhere'.*test_resnet\.r160_in1k"):
        TimmBackbone("test_resnet.nowhere")


@pytest.mark.parametrize("name", ["test_vit", "test_mambaout"])
def test_a_whole_step_runs_on_it_and_every_parameter_learns(name: str) -> None:
    """Only the saliency's weight and the buffers see no gradient: peaks carry none."""
    torch.manual_seed(0)
    model = PaCoModel(name, num_classes=5, K=2, r=3, d=6, image_size=96)
    result = model(torch.randn(2, 3, 96, 96), torch.randn(2, 3, 96, 96), torch.tensor([0, 3]))
    result["total"].backward()
    without = [n for n, p in model.named_parameters() if p.grad is None and not n.startswith("backbone.model.head")]
    assert without == ["part_sampler.spatial_attention.weight"]
