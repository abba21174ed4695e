"""The files that options name: found out before, written after, told about."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import cpu_record
from paco_prof.cli.outputs import Outputs
from paco_prof.errors import UsageError
from paco_prof.store import read_record


@pytest.mark.parametrize("which", ["record", "markdown", "plot", "trace"])
def test_every_output_is_checked(which: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        Outputs(**{which: tmp_path / "nowhere" / "out.png"}).check()


@pytest.mark.parametrize("name", ["out.jpg", "out", "out.json", ".png"])
def test_pictures_have_a_format_that_can_be_drawn(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Use \.png, \.svg or \.pdf"):
        Outputs(plot=tmp_path / name).check()


@pytest.mark.parametrize("name", ["out.png", "out.svg", "out.pdf", "OUT.PNG"])
def test_pictures_that_can_be_drawn_pass(name: str, tmp_path: Path) -> None:
    Outputs(plot=tmp_path / name).check()
    assert list(tmp_path.iterdir()) == []


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="same file"):
        Outputs(record=tmp_path / "run.json", trace=tmp_path / "folder" / ".." / "run.json").check()
    Outputs(record=tmp_path / "run.json", trace=tmp_path / "trace.json").check()


def test_no_outputs_are_fine() -> None:
    Outputs().check()
    Outputs().save_record(cpu_record())


def test_everything_that_was_asked_for_is_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = Outputs(tmp_path / "run.json", tmp_path / "report.md", tmp_path / "out.svg")
    outputs.check()
    outputs.save_record(cpu_record())
    outputs.render(cpu_record(), on_screen=True)
    assert repr(read_record(tmp_path / "run.json")) == repr(cpu_record())
    assert (tmp_path / "report.md").read_text().startswith("# paco-prof breakdown")
    assert (tmp_path / "out.svg").exists()
    captured = capsys.readouterr()
    assert "Loss Computation" in captured.out
    assert "report.md" in captured.err
    assert "out.svg" in captured.err


def test_quiet_writes_and_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Outputs(markdown=tmp_path / "report.md").render(cpu_record(), on_screen=False)
    assert (tmp_path / "report.md").exists()
    assert capsys.readouterr() == ("", "")
