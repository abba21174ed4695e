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
from paco_prof.cli.own_model import OwnModel, refuse_what_is_nowhere
from paco_prof.errors import UsageError
from paco_prof.settings import Workload

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
    (tmp_path / "script.py").write_text(
        "import argparse\nparser = argparse.ArgumentParser('script')\nparser.add_argument('--data', required=True)\n"
        "parser.parse_args([])\n"
    )
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
        ("--model script.py:build", 2, "It last printed 'script: error: the following arguments are required: --data'"),
        ("--model-arg K=3", 2, "--model-arg goes with --model"),
        (f"--model {MODEL} --model-arg weights=/home/jane/x.pth", 2, "'/home/jane/x.pth' is an absolute path"),
        (f"{OWN} --variant efficientnet-b0", 2, "efficientnet-b0: backbone is a setting of PaCo-2 here"),
        (f"{OWN} --set backbone=resnet18", 2, "baseline: backbone is a setting of PaCo-2 here"),
        (f"{OWN} --variant baseline --replace criterion=a:b", 2, "drop-in is not among what is measured"),
        (f"{OWN} --variant drop-in-matcher --replace criterion=a:b", 2, "drop-in is not among what is measured"),
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


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, a step and a drop-in in folders of their own, and one beside it."""
    here = tmp_path / "here"
    for name in ("nets/net.py", "steps/mine.py", "drops/fast.py", "../elsewhere/other.py"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("def build(): ...\n")
    monkeypatch.chdir(here)
    return here


def test_a_record_keeps_the_folders_of_model_step_and_drop_ins(files: Path) -> None:
    drop_ins = ("neck=drops/fast.py:build", "pool=../elsewhere/other.py:build", "matcher=paco_prof:BatchedMatcher")
    own = OwnModel("nets/net.py:build", (), "steps/mine.py:build", drop_ins)
    assert own.settings({})["python_path"] == ("nets", "steps", "drops")
    assert own.folders() == (files / "nets", files / "steps", files / "drops", files.parent / "elsewhere")
    (drop_in,) = own.variants()
    assert drop_in.settings["replace"]["neck"] == "fast:build"


def test_drop_ins_that_were_named_are_measured(files: Path) -> None:
    own = OwnModel("nets/net.py:build", replace=("neck=drops/fast.py:build",))
    assert [own.variant(asked, "exact") for asked in (None, "drop-in", "bfloat16+drop-in")] == [
        *("drop-in", "drop-in"),
        "bfloat16+drop-in",
    ]
    with pytest.raises(UsageError, match=r"^--replace says what the variant drop-in is, and drop-in is not among"):
        own.variant("drop-in-pool", "exact")


def test_what_a_comparison_is_of_is_looked_for_before_it_goes_on(files: Path) -> None:
    base = Workload(model="net:build", python_path=("nets", "drops"), replace=(("neck", "fast:build"),))
    for workload in (Workload(), base, base.model_copy(update={"replace": (("neck", "torch.nn:Identity"),)})):
        refuse_what_is_nowhere(workload, files)
    for change in ({"model": "other:build"}, {"step": "mine:build"}, {"replace": (("neck", "other.a:build"),)}):
        with pytest.raises(UsageError, match="PYTHONPATH") as told:
            refuse_what_is_nowhere(base.model_copy(update=change), files)
        assert "there is no module" in told.value.message
        assert str(files) not in str(told.value)


def test_a_file_from_elsewhere_is_found_where_pythonpath_has_its_folder(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(files.parent / "elsewhere")])
    refuse_what_is_nowhere(Workload(model="other:build"), files)
