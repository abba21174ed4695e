"""Progress: what is being measured and how long it takes, on a terminal; nothing where there is none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from paco_prof.cli import progress
from paco_prof.cli.progress import BarProgress, SilentProgress


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with SilentProgress() as silent:
        silent.begin("inference")
        silent.update(48.0, 12.0)
    assert capsys.readouterr() == ("", "")


def test_a_pipe_gets_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with BarProgress(60.0) as bar:
        bar.begin("inference")
        bar.update(48.0, 12.0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == ""


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 80 columns would show."""
    screen = io.StringIO()

    def terminal(stderr: bool) -> Console:
        assert stderr
        return Console(file=screen, force_terminal=True, width=80, color_system=None, legacy_windows=False)

    monkeypatch.setattr(progress, "Console", terminal)
    return screen


def test_a_terminal_shows_what_is_measured_and_the_time_left(screen: io.StringIO) -> None:
    with BarProgress(60.0) as bar:
        bar.begin("building the model")
        before = screen.getvalue()
        bar.begin("training steps")
        bar.update(18.0, 42.0)
        during = screen.getvalue()
        bar.update(60.0, 0.0)
    assert "building the model" in before
    assert "left" not in before
    assert "training steps" in during
    assert "42 s left" in during
    assert "finishing" in screen.getvalue()


def test_a_run_that_takes_longer_than_it_may_still_has_a_bar(screen: io.StringIO) -> None:
    """`--steps` overrides `--max-seconds`: the bar is of the time that it will take."""
    with BarProgress(1.0) as bar:
        bar.begin("training steps")
        bar.update(30.0, 90.0)
        assert "90 s left" in screen.getvalue()
