"""Commands that train a model of the user's own, in this process and on a handful of digits, down to the exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from few_digits import NUM_EVAL, few_digits
from foreign_code import FOREIGN
from paco_prof.cli.app import run
from paco_prof.measure import building
from paco_prof.records import AccuracyRecord, TrainingRunRecord
from paco_prof.store import read_kind
from paco_prof.training import accuracy as accuracy_module

SMALL = "--batch-size 4 --device cpu --threads 1 --no-progress"
NETS = """
import sys
from finegrain.models.paco import PaCoModel
from own_models import Tiny

print("imported")


def small():
    print("building the network")
    return PaCoModel("test_resnet", 10, K=3, r=3, d=8, epsilon=1e-2, tau=1e-2)


class TwoViews(Tiny):
    def forward(self, x1, x2, targets):
        return super().forward(x1, x2, targets)


class Leaving(Tiny):
    left = 2

    def forward(self, x1, x2=None, targets=None):
        self.left -= x2 is not None
        if self.left < 0:
            print("no licence")
            sys.exit(0)
        return super().forward(x1, x2, targets)
"""
MINE = "from paco_prof import OptimizedPaCoLoss\n\n\nclass Mine(OptimizedPaCoLoss):\n    pass\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder; the model is in a file beside it, and a drop-in for it in yet another folder."""
    for name, text in (("models/nets.py", NETS), ("drop_ins/mine.py", MINE)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(sys, "path", [str(FOREIGN), *sys.path])
    monkeypatch.setattr(sys, "argv", ["paco-prof"])
    for module in (accuracy_module, building):
        monkeypatch.setattr(module, "open_data", lambda _: few_digits())
    before = torch.get_num_threads()
    yield tmp_path / "work"
    torch.set_num_threads(before)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("finegrain", "nets", "mine")]:
        del sys.modules[name]


def own(factory: str, size: int = 32) -> str:
    return f"--model ../models/nets.py:{factory} --image-size {size} {SMALL}"


def test_accuracy_of_a_model_and_a_drop_in_in_files_elsewhere(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    replaced = "--replace criterion=../drop_ins/mine.py:Mine"
    words = f"compare baseline drop-in --accuracy --seeds 1 --epochs 1 {own('small', 64)} {replaced} --output run.json"
    assert run(shlex.split(words)) == 0
    told = capfd.readouterr()
    for printed in ("[PaCo]", "building the network", "imported"):
        assert printed not in told.out + told.err
    record = read_kind(here / "run.json", AccuracyRecord)
    assert [(len(found.correct), found.failed) for found in record.runs] == [(NUM_EVAL, "")] * 2
    assert record.contestants[0].workload.model == "nets:small"
    assert record.contestants[1].workload.replace == (("criterion", "mine:Mine"),)
    assert all(contestant.fidelity is not None for contestant in record.contestants)
    assert record.twins == ()
    assert str(here.parent) not in (here / "run.json").read_text()


def test_what_goes_on_sets_aside_what_the_model_prints_and_is_looked_for_first(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"compare baseline baseline --accuracy --seeds 1 --epochs 1 {own('small', 64)} --output run.json"
    assert run(shlex.split(words)) == 0
    record = read_kind(here / "run.json", AccuracyRecord)
    (here / "run.json").write_text(record.model_copy(update={"runs": record.runs[:1]}).model_dump_json())
    del sys.modules["nets"]
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not path.endswith("models")])
    capfd.readouterr()
    again = "compare --accuracy --resume run.json --no-progress"
    # Where the file was, no record says.
    assert run(again.split()) == 2
    assert "there is no module nets here" in capfd.readouterr().err
    monkeypatch.syspath_prepend(str(here.parent / "models"))
    assert run(again.split()) == 0
    told = capfd.readouterr()
    assert "building the network" not in told.out + told.err
    assert len(read_kind(here / "run.json", AccuracyRecord).runs) == 2


def one_line(capfd: pytest.CaptureFixture[str], words: str, code: int) -> str:
    assert run(shlex.split(words)) == code
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("paco-prof: ")
    return line


def test_what_cannot_be_evaluated_is_neither_trained_nor_compared(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in ("train --out run", "compare baseline baseline --accuracy", "estimate --data digits"):
        line = one_line(capfd, f"{command} {own('TwoViews')} -q", 2)
        assert "nets:TwoViews cannot be evaluated: TypeError: " in line
        assert "In eval mode it is called with one view, and returns logits." in line
    assert list(here.iterdir()) == []


def test_what_cannot_be_evaluated_is_projected_where_nothing_is(here: Path) -> None:
    projected = f"estimate --variant baseline {own('TwoViews')} --steps 4 --max-seconds 1 -q"
    assert run(shlex.split(f"{projected} --output hours.json")) == 0
    assert run(shlex.split(f"{projected} --data digits --eval-size 0")) == 0


@pytest.mark.parametrize(
    "command",
    [
        "train --epochs 1 --out run -q",
        "estimate --variant baseline --steps 4 --max-seconds 1 -q",
        "breakdown --warmup 1 --steps 2 --max-seconds 1 -q",
        "compare baseline baseline --accuracy --seeds 1 --epochs 1 -q",
    ],
)
def test_code_that_ends_the_process_has_failed(here: Path, capfd: pytest.CaptureFixture[str], command: str) -> None:
    """With `sys.exit(0)`, which left to itself would end the command as if all were well."""
    number = next(n for n, line in enumerate(NETS.splitlines(), 1) if "sys.exit" in line)
    line = one_line(capfd, f"{command} {own('Leaving')}", 4)
    assert f"SystemExit: 0 (nets.py, line {number})" in line
    if command.startswith("train"):
        assert read_kind(here / "run" / "run.json", TrainingRunRecord).status == "failed"
