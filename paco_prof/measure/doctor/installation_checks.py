"""Is everything there that a measurement needs, and does it fit together?"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from paco_prof.measure.applicability import inapplicable
from paco_prof.measure.shareable import last_line
from paco_prof.paco2.backbone import import_timm
from paco_prof.records import CheckStatus, DoctorCheck, Environment, Figure
from paco_prof.settings import Workload

__all__ = ["check_installation"]

# What a record with every raw sample may take, with room for pictures and traces.
LEAST_DISK = 200e6


def check_installation(environment: Environment, device: torch.device, folder: Path) -> list[DoctorCheck]:
    """Versions and whether they fit together, and what is optional.

    Args:
        folder: where records would be written.
    """
    versions = environment.versions
    return [
        _check("python", detail=versions.get("python", "")),
        _check("torch", detail=versions.get("torch", "")),
        _torchvision(versions),
        _timm(versions),
        _check("numpy and scipy", detail=", ".join(f"{name} {versions.get(name)}" for name in ("numpy", "scipy"))),
        _cuda(environment, device),
        _compiler(device),
        _nvml(device),
        _records(folder),
    ]


def _torchvision(versions: dict[str, str]) -> DoctorCheck:
    """Whether torchvision's compiled operators are for this torch; timm needs it, but not these."""
    version = versions.get("torchvision")
    if version is None:
        return _check("torchvision", "warning", "absent")
    wanted, given = _wanted_torch(), versions.get("torch", "").partition("+")[0]
    if wanted is not None and wanted != given:
        return _check("torchvision", "warning", "other version", f"{version}, which is for torch {wanted}")
    if _trouble_with(_find_operators):
        return _check("torchvision", "warning", "other build", version)
    return _check("torchvision", detail=version)


def _find_operators() -> None:
    """Raises where torchvision's compiled operators cannot be used, also after `import_timm` has declared them."""
    extension = importlib.import_module("torchvision.extension")
    if not extension._has_ops():
        raise RuntimeError("no operators")


def _wanted_torch() -> str | None:
    """The version of torch that the installed torchvision was built for."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for requirement in importlib.metadata.requires("torchvision") or []:
            match = re.match(r"torch\s*\(?==\s*([\w.]+)", requirement)
            if match:
                return match[1]
    return None


def _timm(versions: dict[str, str]) -> DoctorCheck:
    trouble = _trouble_with(import_timm)
    if trouble:
        return _check("timm", "failed", "not imported", trouble)
    return _check("timm", detail=versions.get("timm", ""))


def _cuda(environment: Environment, device: torch.device) -> DoctorCheck:
    """CUDA, cuDNN and the driver; or a GPU that this torch cannot use."""
    if device.type == "cuda":
        versions = environment.versions
        parts = [f"CUDA {versions.get('cuda')}", f"cuDNN {versions.get('cudnn')}"]
        return _check("cuda", detail=", ".join([*parts, f"driver {environment.driver or 'unknown'}"]))
    has_driver = shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()
    if has_driver and not torch.cuda.is_available():
        return _check("cuda", "warning", "unused", str(torch.__version__))
    return _check("cuda", "skipped", "not asked for" if torch.cuda.is_available() else "no gpu")


def _compiler(device: torch.device) -> DoctorCheck:
    reason = inapplicable(Workload(compile=True), device).get("compile")
    return _check("torch.compile", "skipped", "no compiler", reason) if reason else _check("torch.compile")


def _nvml(device: torch.device) -> DoctorCheck:
    if importlib.util.find_spec("pynvml") is not None:
        return _check("nvml")
    return _check("nvml", "skipped", "no gpu" if device.type != "cuda" else "absent")


def _records(folder: Path) -> DoctorCheck:
    """Whether a record could be written to the working directory."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return _check("records", "warning", "not writable", error.strerror or "")
    figure = Figure(name="free", unit="bytes", measured=free)
    if free < LEAST_DISK:
        return _check("records", "warning", "full", "", figure)
    return _check("records", "ok", "", "", figure)


def _trouble_with(imported: Callable[[], object]) -> str:
    """Why something cannot be imported; empty where it can."""
    try:
        with warnings.catch_warnings():
            # What a library has to say about itself is not for this report.
            warnings.simplefilter("ignore")
            imported()
    except Exception as error:  # a broken installation shows in many ways
        return last_line(error)
    return ""


def _check(name: str, status: CheckStatus = "ok", reason: str = "", detail: str = "", *figures: Figure) -> DoctorCheck:
    return DoctorCheck(group="installation", name=name, status=status, reason=reason, detail=detail, figures=figures)
