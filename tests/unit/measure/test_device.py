"""Names of devices, present and absent."""

import pytest
import torch

from paco_prof.errors import UsageError
from paco_prof.measure.device import resolve_device


def test_the_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_takes_an_accelerator_where_there_is_one() -> None:
    has_any = torch.cuda.is_available() or torch.xpu.is_available() or torch.backends.mps.is_available()
    assert (resolve_device("auto").type != "cpu") == has_any


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cuda:", "CPU", "", "cuda:-1"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a device"):
        resolve_device(name)


def test_an_absent_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="'cuda' is absent"):
        resolve_device("cuda")


def test_an_index_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="there are 2"):
        resolve_device("cuda:2")
