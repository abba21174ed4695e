"""Each rule about what a device or a backbone can do: where it says no, and why; where it is silent."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from typing import Any

import pytest
import torch

from paco_prof.errors import UsageError
from paco_prof.measure.applicability import inapplicable
from paco_prof.settings import Workload, settable, with_settings
from tiny import CPU, TINY

CUDA, MPS = torch.device("cuda:0"), torch.device("mps")


def reasons(device: torch.device = CPU, base: Workload = TINY, **settings: object) -> dict[str, str]:
    """What a device cannot do of some settings."""
    return inapplicable(with_settings(base, settings), device)


@pytest.mark.parametrize("device", [CPU, CUDA, MPS], ids=str)
def test_whoever_asks_for_nothing_is_refused_nothing(device: torch.device) -> None:
    """The rules are asked by name of a device, which need not be there."""
    assert reasons(device) == {}


def test_a_cpu_can_do_what_it_can() -> None:
    assert reasons(channels_last=True, fused_optimizer=True, parts_dtype="float64") == {}
    assert reasons(precision="bfloat16") == reasons(precision="float16") == {}


def test_reasons_are_by_setting_and_in_one_line() -> None:
    found = reasons(tf32=True, cudnn_benchmark=True)
    assert set(found) == {"tf32", "cudnn_benchmark"} <= set(settable())
    assert all("cpu" in reason and "\n" not in reason and not reason.endswith(".") for reason in found.values())


@pytest.mark.parametrize(("capability", "is_refused"), [((7, 5), True), ((8, 0), False), ((9, 0), False)])
def test_tf32_needs_a_gpu_of_its_generation(
    capability: tuple[int, int], is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert ("tf32" in reasons(CUDA, tf32=True)) is is_refused
    assert reasons(CUDA, cudnn_benchmark=True) == {}


def test_mps_has_no_float64_and_no_cudnn() -> None:
    assert reasons(MPS, parts_dtype="float64") == {"parts_dtype": "MPS has no float64"}
    assert set(reasons(MPS, tf32=True, cudnn_benchmark=True)) == {"tf32", "cudnn_benchmark"}
    assert reasons(CUDA, parts_dtype="float64") == {}


@pytest.mark.parametrize(("variable", "expected"), [(None, "g++"), ("clang++", "clang++")])
def test_the_compiler_that_torch_would_call_is_looked_for(
    variable: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.delenv("CXX", raising=False)
    if variable is not None:
        monkeypatch.setenv("CXX", variable)
    monkeypatch.setattr(shutil, "which", lambda name: asked.append(name) or f"/usr/bin/{name}")
    assert reasons(compile=True) == {}
    assert asked == [expected]


def test_compiling_for_a_gpu_needs_triton_and_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "triton" in reasons(CUDA, compile=True)["compile"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert reasons(CUDA, compile=True) == {}


def test_autocast_that_fails_is_told_by_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **settings: object) -> None:
        raise RuntimeError("no such kernels here.\nand a long trace of where")

    monkeypatch.setattr(torch, "autocast", fail)
    found = reasons(precision="float16")
    assert found == {"precision": "cpu has no float16 autocast here (no such kernels here)"}


def test_autocast_that_does_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *args, **settings: contextlib.nullcontext())
    assert "does not convolve in bfloat16" in reasons(precision="bfloat16")["precision"]
    assert reasons(precision="float32") == {}


@pytest.mark.parametrize("error", [RuntimeError("no fused kernels"), NotImplementedError()])
def test_an_optimizer_without_a_fused_kernel_is_told(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **settings: Any) -> None:
        assert settings == {"fused": True}
        raise error

    monkeypatch.setattr(torch.optim, "AdamW", fail)
    found = reasons(fused_optimizer=True)["fused_optimizer"]
    assert "no fused kernel for cpu" in found
    assert (str(error) or "NotImplementedError") in found


@pytest.mark.parametrize(("backbone", "is_refused"), [("test_vit", True), ("test_resnet", False)])
def test_channels_last_needs_feature_maps(backbone: str, is_refused: bool) -> None:
    found = reasons(backbone=backbone, channels_last=True)
    assert found == ({"channels_last": "test_vit has tokens and no feature maps"} if is_refused else {})


def test_what_keeps_a_backbone_from_its_images_is_told_when_it_is_built() -> None:
    """Not as something about the order of channels."""
    assert reasons(backbone="test_vit", image_size=7, channels_last=True) == {}
    assert reasons(image_size=None, channels_last=True) == {}
    with pytest.raises(UsageError, match="Did you mean test_resnet"):
        reasons(backbone="test_resnett", channels_last=True)
