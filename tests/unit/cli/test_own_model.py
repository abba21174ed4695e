"""What is wrong with a model of the user's own, or with what options say about it, is one line and exit code 2 or 4."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foreign_code import FOREIGN, MODEL
from paco_prof.cli.app import run

OWN = f"--model {MODEL} " + " ".join(
    f"--model-arg {argument}" for argument in ("backbone_name=test_resnet", "num_classes=10", "K=3", "r=3", "d=8")
)
SMALL = "--image-size 160 --batch-size 2 --device cpu"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the foreign code base, which this process works in."""
    shutil.copytree(FOREIGN / "finegrain", tmp_path / "finegrain", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "finegrain"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("--model nothing:Model", 2, "there is no module nothing"),
        ("--model finegrain.models.paco:PacoModel", 2, "Did you mean PaCoModel?"),
        ("--model finegrain/models/pacco.py:PaCoModel", 2, "there is no file finegrain/models/pacco.py"),
        (f"--model {MODEL} --model-arg depth=3", 2, "unexpected keyword argument 'depth' (paco.py, line "),
        (f"--model {MODEL} --model-arg depth", 2, "--model-arg 'depth' is not of the form name=value"),
        (f"--model {MODEL} -K 3", 2, "-K is for PaCo-2 itself"),
        (f"--model {MODEL} --variant exact", 2, "knows nothing of it"),
        (f"--model {MODEL} --model-arg backbone_name=resnet5O", 2, "(paco.py, line "),
        (f"{OWN} --replace criterion=torch.nn:Linear", 2, "criterion"),
        (f"{OWN} --replace critterion=paco_prof:OptimizedPaCoLoss", 2, "criterion"),
        (f"{OWN} --replace criterion=paco_prof:OptimisedPaCoLoss", 2, "OptimizedPaCoLoss"),
        (f"{OWN} --step finegrain.train:losses", 2, "has no losses"),
        (f"{OWN} --num-classes 11", 2, "has 10 classes"),
        (f"{OWN} --device cuda:7", 2, "'cuda:7' is absent"),
        (f"{OWN} --nvtx", 2, "NVTX"),
        ("--model-arg K=3", 2, "--model-arg goes with --model"),
        ("--replace criterion=paco_prof:OptimizedPaCoLoss", 2, "--replace goes with --model"),
    ],
)
def test_every_bad_model_is_one_line(
    project: Path, arguments: str, code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(shlex.split(f"breakdown {SMALL} --max-seconds 1 --no-progress {arguments}")) == code
    told = capfd.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert words in line
    assert str(project) not in line
