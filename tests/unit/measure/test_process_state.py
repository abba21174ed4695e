"""What measuring changes of a process is put back, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from paco_prof.measure.process_state import NOTES, as_it_was


class Accelerators:
    """Stands for the devices of one kind."""

    def __init__(self, is_initialized: bool) -> None:
        self.initialized = is_initialized
        self.device, self.states = 1, ["one", "two"]

    def backend(self) -> Any:
        return SimpleNamespace(
            is_available=lambda: True,
            is_initialized=lambda: self.initialized,
            current_device=lambda: self.device,
            set_device=lambda device: setattr(self, "device", device),
            get_rng_state_all=self._states,
            set_rng_state_all=lambda states: setattr(self, "states", states),
        )

    def _states(self) -> list[str]:
        # Asking for them wakes up the devices.
        self.initialized = True
        return list(self.states)


@pytest.mark.parametrize(
    ("device", "is_initialized", "is_kept"),
    [("cuda:0", False, True), ("auto", False, True), ("cpu", True, True), ("cpu", False, False), ("xpu", False, False)],
)
def test_devices_that_are_used_are_as_before_and_others_sleep_on(
    monkeypatch: pytest.MonkeyPatch, device: str, is_initialized: bool, is_kept: bool
) -> None:
    accelerators = Accelerators(is_initialized)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "cuda", accelerators.backend())
        with as_it_was(device):
            assert accelerators.initialized == is_kept
            accelerators.device, accelerators.states = 0, ["other", "others"]
    assert (accelerators.device, accelerators.states) == ((1, ["one", "two"]) if is_kept else (0, ["other", "others"]))


@pytest.fixture
def newer_switch() -> Iterator[None]:
    """Somebody has chosen TF32 by the newer of two switches, after which the older one may not be read."""
    if not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("this torch has only the older one")
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    yield
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = True


@pytest.mark.usefixtures("newer_switch")
def test_the_newer_switch_is_put_back_too() -> None:
    with as_it_was("cpu"):
        torch.backends.cuda.matmul.allow_tf32 = False
        assert torch.backends.cuda.matmul.fp32_precision != "tf32"
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"


def test_an_error_leaves_nothing_changed() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()

    def interrupted() -> None:
        with as_it_was("cpu"):
            torch.set_num_threads(threads + 1)
            torch.manual_seed(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("before", [None, "3"])
def test_the_profilers_notes_are_silenced_where_nobody_wants_them(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv(NOTES, raising=False)
    if before is not None:
        monkeypatch.setenv(NOTES, before)
    with as_it_was("cpu"):
        assert os.environ[NOTES] == (before or "99")
    assert os.environ.get(NOTES) == before
