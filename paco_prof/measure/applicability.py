"""What a device or a backbone cannot do of what a workload asks for, and why."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable

import torch
from torch import nn

from paco_prof.paco2.backbone import TimmBackbone
from paco_prof.settings import Workload

__all__ = ["inapplicable"]

Reason = str | None


def inapplicable(workload: Workload, device: torch.device) -> dict[str, str]:
    """Setting -> why it cannot be done here, for every setting of the workload that cannot.

    Capabilities are tried and not looked up, where a trial costs next to nothing.
    """
    reasons = {name: rule(workload, device) for name, rule in _RULES.items()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _tf32(workload: Workload, device: torch.device) -> Reason:
    if not workload.tf32:
        return None
    if device.type != "cuda":
        return f"TF32 is a mode of NVIDIA GPUs, and this is {device.type}"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "TF32 needs compute capability 8.0"
    return None


def _cudnn_benchmark(workload: Workload, device: torch.device) -> Reason:
    if workload.cudnn_benchmark and device.type != "cuda":
        return f"cuDNN runs on NVIDIA GPUs, and this is {device.type}"
    return None


def _precision(workload: Workload, device: torch.device) -> Reason:
    if workload.precision == "float32":
        return None
    layer = nn.Conv2d(3, 4, 3).to(device)
    dtype = getattr(torch, workload.precision)
    try:
        with torch.autocast(device.type, dtype=dtype):
            output = layer(torch.ones(1, 3, 4, 4, device=device))
        output.sum().backward()
    except RuntimeError as error:
        return f"{device.type} has no {workload.precision} autocast here ({_first_line(error)})"
    return None if output.dtype == dtype else f"autocast on {device.type} does not convolve in {workload.precision}"


def _fused_optimizer(workload: Workload, device: torch.device) -> Reason:
    if not workload.fused_optimizer:
        return None
    parameter = nn.Parameter(torch.ones(1, device=device))
    parameter.grad = torch.ones_like(parameter)
    try:
        torch.optim.AdamW([parameter], fused=True).step()
    except (RuntimeError, NotImplementedError) as error:
        return f"AdamW has no fused kernel for {device.type} ({_first_line(error)})"
    return None


def _compile(workload: Workload, device: torch.device) -> Reason:
    if not workload.compile:
        return None
    if device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        return "torch.compile needs a C++ compiler on a CPU, and there is no g++ (or $CXX)"
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "torch.compile needs triton on a GPU"
    return None


def _parts_dtype(workload: Workload, device: torch.device) -> Reason:
    if workload.forms.parts_dtype == "float64" and device.type == "mps":
        return "MPS has no float64"
    return None


def _channels_last(workload: Workload, device: torch.device) -> Reason:
    if not workload.channels_last or workload.image_size is None or workload.model is not None:
        # Of a model of the user's own nobody knows what its backbone hands on.
        return None
    size = workload.image_size
    with torch.device("meta"), torch.inference_mode():
        backbone = TimmBackbone(workload.backbone, image_size=size)
        try:
            features = backbone.model.eval().forward_features(torch.empty(1, 3, size, size))
        except Exception:
            # Whatever keeps this backbone from such images is told when it is built.
            return None
    return f"{workload.backbone} has tokens and no feature maps" if features.dim() == 3 else None


_RULES: dict[str, Callable[[Workload, torch.device], Reason]] = {
    "tf32": _tf32,
    "cudnn_benchmark": _cudnn_benchmark,
    "precision": _precision,
    "fused_optimizer": _fused_optimizer,
    "compile": _compile,
    "parts_dtype": _parts_dtype,
    "channels_last": _channels_last,
}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
