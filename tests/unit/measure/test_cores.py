"""Cores that a process may use, in a container with a quota as well."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paco_prof.measure import cores
from paco_prof.measure.cores import usable_cores


@pytest.fixture(autouse=True)
def sixty_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with many cores, all of which the process may run on."""
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(cores.os, "sched_getaffinity", lambda pid: set(range(64)))
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 64)


@pytest.mark.parametrize(
    ("text", "number"),
    [("max 100000", 64), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("9900000 100000", 64)],
)
def test_a_quota_is_worth_so_many_cores(tmp_path: Path, text: str, number: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{text}\n")
    assert usable_cores(tmp_path) == number


@pytest.mark.parametrize(("quota", "number"), [("-1", 64), ("400000", 4)])
def test_the_older_form_of_it(tmp_path: Path, quota: str, number: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == number


@pytest.mark.parametrize("text", ["", "nonsense", "1 0"])
def test_what_cannot_be_read_is_no_quota(tmp_path: Path, text: str) -> None:
    assert usable_cores(tmp_path / "nowhere") == 64
    (tmp_path / "cpu.max").write_text(text)
    assert usable_cores(tmp_path) == 64
