"""What is found of an installation: what is missing, and what does not fit."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from builders import CPU, GPU
from paco_prof.measure.doctor import installation_checks
from paco_prof.measure.doctor.installation_checks import check_installation
from paco_prof.records import DoctorCheck, Environment

HOST, CUDA = torch.device("cpu"), torch.device("cuda", 0)
HERE = CPU.model_copy(update={"versions": {**CPU.versions, "torchvision": "0.28.0", "scipy": "1.17.1"}})


@pytest.fixture(autouse=True)
def _fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that fits together, on a machine without a GPU."""
    monkeypatch.setattr(installation_checks, "_find_operators", lambda: None)
    monkeypatch.setattr(installation_checks, "import_timm", lambda: None)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy", "torch (==2.13.0)"])
    monkeypatch.setattr(installation_checks.shutil, "which", lambda name: None)
    monkeypatch.setattr(installation_checks, "inapplicable", lambda workload, device: {})


def found(folder: Path, environment: Environment = HERE, device: torch.device = HOST) -> dict[str, DoctorCheck]:
    return {check.name: check for check in check_installation(environment, device, folder)}


def state(check: DoctorCheck) -> tuple[str, str]:
    return check.status, check.reason


def fails(_name: str = "") -> None:
    raise RuntimeError("operator torchvision::nms does not exist")


def test_versions_are_told_and_nothing_is_wrong(tmp_path: Path) -> None:
    checks = found(tmp_path)
    assert {check.status for check in checks.values()} <= {"ok", "skipped"}
    assert checks["torch"].detail == "2.13.0+cpu"
    assert checks["numpy and scipy"].detail == "numpy 2.3.5, scipy 1.17.1"
    assert state(checks["cuda"]) == ("skipped", "no gpu")
    assert list(tmp_path.iterdir()) == []


def test_a_torchvision_for_another_build_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_checks, "_find_operators", fails)
    assert state(found(tmp_path)["torchvision"]) == ("warning", "other build")


def test_a_torchvision_for_another_version_is_a_warning_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["torch==2.9.1"])
    check = found(tmp_path)["torchvision"]
    assert state(check) == ("warning", "other version")
    assert "2.9.1" in check.detail


def test_a_torchvision_that_is_absent_is_a_warning(tmp_path: Path) -> None:
    assert state(found(tmp_path, CPU)["torchvision"]) == ("warning", "absent")


def test_without_timm_nothing_can_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_checks, "import_timm", fails)
    check = found(tmp_path)["timm"]
    assert state(check) == ("failed", "not imported")
    assert "nms" in check.detail


def test_a_gpu_that_torch_does_not_see_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_checks.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert state(found(tmp_path)["cuda"]) == ("warning", "unused")


def test_a_gpu_that_nobody_asked_for_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert state(found(tmp_path)["cuda"]) == ("skipped", "not asked for")


def test_on_a_gpu_cuda_and_its_driver_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_checks.importlib.util, "find_spec", lambda name: None)
    versions = {**HERE.versions, "cuda": "12.8", "cudnn": "91002"}
    checks = found(tmp_path, GPU.model_copy(update={"versions": versions, "driver": "570.86"}), CUDA)
    assert checks["cuda"].detail == "CUDA 12.8, cuDNN 91002, driver 570.86"
    assert state(checks["nvml"]) == ("skipped", "absent")


def test_no_compiler_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_checks, "inapplicable", lambda workload, device: {"compile": "there is no g++"})
    check = found(tmp_path)["torch.compile"]
    assert (state(check), check.detail) == (("skipped", "no compiler"), "there is no g++")


def test_a_folder_that_cannot_be_written_to_is_a_warning_without_its_name(tmp_path: Path) -> None:
    check = found(tmp_path / "nowhere")["records"]
    assert state(check) == ("warning", "not writable")
    assert str(tmp_path) not in check.detail


def test_a_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_checks.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1e6))
    assert state(found(tmp_path)["records"]) == ("warning", "full")
