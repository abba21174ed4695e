"""The machine and the software, without anything that names a person or a computer."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

import psutil
import torch

from paco_prof.git import ask_git
from paco_prof.measure.cores import usable_cores
from paco_prof.records import Environment

__all__ = ["describe_environment"]

GIT_SECONDS = 5.0
LIBRARIES = ("timm", "torchvision", "numpy", "scipy")


def describe_environment(device: torch.device) -> Environment:
    """What this process runs on."""
    # torch's own word tells the build as well (+cpu, +cu130), which its metadata need not.
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    if device.type == "cuda":
        versions["cuda"] = str(torch.version.cuda)
        versions["cudnn"] = str(torch.backends.cudnn.version())
    accelerator, driver, accelerator_memory = _accelerator(device)
    return Environment(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        threads=torch.get_num_threads(),
        accelerator=accelerator,
        driver=driver,
        accelerator_memory_bytes=accelerator_memory,
        versions=versions,
        flags=_flags(device),
        load_average=_load_average(),
        commit=_commit(),
    )


def _processor() -> str:
    with contextlib.suppress(OSError):
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if match:
            return match[1].strip()
    return platform.processor() or platform.machine()


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _accelerator(device: torch.device) -> tuple[str | None, str | None, int | None]:
    if device.type == "cpu":
        return None, None, None
    backend = torch.get_device_module(device)
    if not hasattr(backend, "get_device_properties"):
        return device.type, None, None
    properties = backend.get_device_properties(device)
    return str(properties.name), _nvidia_driver() if device.type == "cuda" else None, int(properties.total_memory)


def _nvidia_driver() -> str | None:
    """Version of the installed driver; torch itself knows only the runtime it was built with."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return _output(*query).splitlines()[0]
    return None


def _flags(device: torch.device) -> dict[str, bool | str]:
    flags: dict[str, bool | str] = {"deterministic_algorithms": torch.are_deterministic_algorithms_enabled()}
    if device.type == "cuda":
        flags["tf32_matmul"] = torch.backends.cuda.matmul.allow_tf32
        flags["tf32_cudnn"] = torch.backends.cudnn.allow_tf32
        flags["cudnn_benchmark"] = torch.backends.cudnn.benchmark
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY"):
        if variable in os.environ:
            flags[variable] = os.environ[variable]
    return flags


def _commit() -> str | None:
    """Revision of the checkout in the working directory, `+` where it has changes; None outside of one."""
    try:
        revision = ask_git(Path.cwd(), "rev-parse", "--short=12", "HEAD", timeout=GIT_SECONDS)
        status = ask_git(Path.cwd(), "status", "--porcelain", "--untracked-files=no", timeout=GIT_SECONDS)
        return revision + ("+" if status else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
