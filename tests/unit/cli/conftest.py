"""What commands are tried on."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from bench import Bench
from paco_prof.gate import baseline as gate_baseline
from paco_prof.gate import run as gate_run
from paco_prof.measure import session
from played import Players, steady


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    """A measurement that takes no time, in an empty folder."""
    bench = Bench()
    monkeypatch.setattr(session, "measure_breakdown", bench)
    monkeypatch.chdir(tmp_path)
    return bench


@pytest.fixture
def players(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Players:
    """The processes of a gate, which are played, in an empty folder and outside of any CI."""
    players = Players(steady())
    monkeypatch.setattr(gate_run, "run_gate", partial(gate_run.run_gate, launcher=players.launcher))
    measure = partial(gate_baseline.measure_baseline, launcher=players.launcher)
    monkeypatch.setattr(gate_baseline, "measure_baseline", measure)
    monkeypatch.setattr(sys, "argv", ["paco-prof", "check"])
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return players
