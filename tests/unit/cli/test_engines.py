"""Who takes the launches, as the options say it; nothing is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paco_prof.cli.app import run
from paco_prof.cli.engines import EngineChoice
from paco_prof.measure.engines import ray_engine
from paco_prof.measure.engines.local import LocalEngine
from paco_prof.measure.engines.ray_engine import RayEngine


@pytest.mark.parametrize("command", ["compare", "ablate"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--engine slurm", "--engine 'slurm' is unknown. Use local or ray."),
        ("--address auto", "--address goes with --engine ray."),
        ("--cpus-per-launch 2", "--cpus-per-launch goes with --engine ray."),
        ("--gpus-per-launch 0", "--gpus-per-launch goes with --engine ray."),
        ("--engine ray --cpus-per-launch 0", "--cpus-per-launch '0'"),
        ("--engine ray --gpus-per-launch -1", "--gpus-per-launch '-1'"),
    ],
)
def test_bad_options_are_one_line(
    command: str,
    options: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([command, *options.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize("command", ["compare baseline exact", "ablate", "scale --vary d=8,16"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--threads 8 --cpus-per-launch 1", "8 threads are more than the 1 of --cpus-per-launch"),
        ("--device cuda --gpus-per-launch 0", "--gpus-per-launch 0 leaves a launch no GPU of its own"),
        ("--device cuda:1", "--device cuda:1 is not there: Ray shows a launch no GPUs but its own"),
    ],
)
def test_what_no_node_could_do_is_one_line_before_anybody_is_asked(
    command: str,
    options: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*command.split(), "--engine", "ray", *options.split(), "--output", "run.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not Path("run.json").exists()


def test_without_ray_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None)
    assert run(["compare", "--engine", "ray", "--output", "run.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'paco-prof[ray]'" in line
    assert not Path("run.json").exists()


def test_training_is_not_for_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["compare", "--accuracy", "--engine", "ray"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--engine is for comparing times, and --accuracy trains" in line


def test_there_is_no_cluster_at_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        run(["compare", "baseline", "exact", "--engine", "ray", "--address", "127.0.0.1:1", "--output", "run.json"])
        == 2
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert "There is no Ray cluster at 127.0.0.1:1: Connection refused." in line
    assert not Path("run.json").exists()


def test_the_engine_is_the_one_that_was_chosen() -> None:
    assert isinstance(EngineChoice().engine_for(), LocalEngine)
    assert isinstance(EngineChoice("ray", "auto").engine_for(), RayEngine)
    assert EngineChoice("ray").given() == "--engine"
    assert EngineChoice(gpus_per_launch=0).given() == "--gpus-per-launch"
    assert EngineChoice().given() == ""


def test_ray_is_imported_only_by_the_process_that_speaks_with_it() -> None:
    code = (
        "import sys; from paco_prof.cli.engines import EngineChoice; EngineChoice('ray').engine_for();"
        "sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
