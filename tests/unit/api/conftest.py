"""A place without a configuration, and what a call must leave as it was."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import own_models


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder without a configuration."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def state() -> Iterator[Callable[[], list[Any]]]:
    """What a run changes of a process, to be looked at before and after."""

    def look() -> list[Any]:
        return [
            *(list(sys.path), torch.get_num_threads(), torch.get_rng_state().tolist()),
            *(random.getstate(), np.random.get_state()[1].tolist()),
            *(torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark),
            *(torch.is_grad_enabled(), dict(vars(own_models)["Tiny"].__dict__)),
        ]

    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark, torch.get_num_threads()
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark = True, True
    torch.set_num_threads(2)
    yield look
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark = before[:2]
    torch.set_num_threads(before[2])
