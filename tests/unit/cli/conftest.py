"""What commands are tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import Bench
from paco_prof.measure import session


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    """A measurement that takes no time, in an empty folder."""
    bench = Bench()
    monkeypatch.setattr(session, "measure_breakdown", bench)
    monkeypatch.chdir(tmp_path)
    return bench
