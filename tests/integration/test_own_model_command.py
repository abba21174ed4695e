"""The commands on a code base that was not written for them: `tests/foreign`, as it is and with no configuration."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from foreign_code import FOREIGN, MODEL
from installed import COMMAND, ENVIRONMENT, PATIENCE, Finished
from paco_prof.records import BreakdownRecord, ComparisonRecord, EstimateRecord, TrainingRunRecord
from paco_prof.store import read_kind, read_record

ARGUMENTS = "backbone_name=test_resnet num_classes=10 K=3 r=3 d=8"
OWN = f"--model {MODEL} " + " ".join(f"--model-arg {argument}" for argument in ARGUMENTS.split())
SMALL = "--image-size 160 --batch-size 2 --device cpu --threads 1"
# The analysis's seven components.
SEVEN = {"loss", "backbone", "part_sampling", "matching", "covariance", "negatives_pool", "dim_reduction"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code base, as its owners have it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(FOREIGN / "finegrain", folder / "finegrain", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def ran(project: Path, arguments: str) -> Finished:
    """Run a command in the project until it ends."""
    done = subprocess.run(
        [COMMAND, *shlex.split(arguments)],
        cwd=project,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return Finished(done.returncode, done.stdout, done.stderr, project)


def files_of(project: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((project / "finegrain").rglob("*.py"))}


def test_a_foreign_code_base_is_taken_apart_without_a_word_of_configuration(project: Path) -> None:
    before = files_of(project)
    done = ran(project, f"breakdown {OWN} {SMALL} --steps 4 --max-seconds 4 --output run.json --trace trace.json")
    assert done.code == 0, done.err
    view, used = done.view, done.record.user_code
    rows = {row.path: row for row in view.rows}
    assert rows.keys() >= SEVEN | {"loss/ce", "loss/pac", "loss/soc", "classifier", "prototypes"}
    # Matching has no gradient; all else has a backward of its own.
    for path in SEVEN - {"matching"}:
        backward = rows[path].backward
        assert backward is not None, path
        assert backward.value > 0
    assert sum(row.seconds for row in view.top_rows) + view.unattributed["total"] == pytest.approx(view.step.value)
    assert used is not None
    assert used.missing == ()
    assert used.printed > 10
    assert all(found.calls for found in used.found)
    # What it prints is in nobody's way.
    assert "[PaCo]" not in done.out + done.err
    assert "Your code printed" in done.out
    assert dict(done.record.workload.told) == {
        "num_parts": 3,
        "window": 3,
        "dim": 8,
        **{"lambda_pac": 1.0, "eta_soc": 0.1, "alpha": 0.2, "beta": 0.05, "gamma": 0.1},
        **{"epsilon": 1e-5, "tau": 1e-5, "warmup_epochs": 3, "num_classes": 10},
    }
    assert done.record.fidelity is not None
    assert done.record.fidelity.oracle == "own model"
    events = json.loads((project / "trace.json").read_text())["traceEvents"]
    assert {"forward", "backward"} <= {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    stages = [event for event in events if event.get("cat") == "stage" and event["args"]["stage"] == "loss/pac"]
    # A track each, so forward and backward are told apart.
    assert len({event["tid"] for event in stages}) == 2
    assert files_of(project) == before
    assert str(project) not in (project / "run.json").read_text()


def test_what_a_drop_in_would_save_is_told_on_their_own_model(project: Path) -> None:
    measured = "--launches 1 --pairs 2 --output compared.json"
    done = ran(project, f"compare baseline drop-in {OWN} {SMALL} {measured} --model-arg epsilon=1e-2")
    assert done.code == 0, done.err
    drop_in = read_kind(project / "compared.json", ComparisonRecord).contestants[1]
    assert drop_in.variant.kind == "exact"
    assert drop_in.fidelity is not None
    assert drop_in.fidelity.float64_loss_error is not None
    assert drop_in.fidelity.float64_gradient_error is not None
    assert drop_in.fidelity.float64_loss_error < 1e-6
    assert drop_in.fidelity.float64_gradient_error < 1e-6
    assert drop_in.user_code is not None
    (replaced,) = drop_in.user_code.replaced
    assert (replaced.path, replaced.by) == ("criterion", "paco_prof:OptimizedPaCoLoss")
    assert replaced.taken["alpha"] == 0.2
    assert "paco_prof:OptimizedPaCoLoss stands in the place of criterion" in " ".join(done.out.split())
    assert "confirmed" in done.out
    assert "[PaCo]" not in done.out + done.err


def test_all_drop_ins_together_keep_loss_and_gradient(project: Path) -> None:
    drop_ins = {
        "criterion": "OptimizedPaCoLoss",
        "matcher": "BatchedMatcher",
        "sampler": "BatchedSampler",
        "pool": "FoldedPool",
    }
    replaced = " ".join(f"--replace {name}=paco_prof:{by}" for name, by in drop_ins.items())
    done = ran(project, f"breakdown {OWN} {SMALL} {replaced} --steps 2 --max-seconds 2 --output run.json")
    assert done.code == 0, done.err
    record = done.record
    assert record.variant.name == "drop-in"
    assert record.user_code is not None
    assert {each.path for each in record.user_code.replaced} >= {"criterion", "matcher", "part_sampler"}
    assert record.fidelity is not None
    assert record.fidelity.float64_gradient_error is not None
    assert record.fidelity.float64_gradient_error < 1e-6
    # Not by leaving the work to what they replace.
    learning = [each for each in record.user_code.replaced if each.by != "paco_prof:OptimizedPaCoLoss"]
    assert len(learning) == 3
    for each in learning:
        assert each.answered is not None
        assert each.asked is not None
        assert each.answered > each.asked > 0, each.path
    assert {row.path for row in done.view.rows} >= SEVEN


def test_it_is_trained_and_projected(project: Path) -> None:
    data = "--data digits --image-size 64 --batch-size 64 --device cpu --threads 1"
    named = f"{OWN} --replace criterion=paco_prof:OptimizedPaCoLoss"
    trained = ran(project, f"train {named} {data} --epochs 1 --out run -q")
    assert trained.code == 0, trained.err
    record = read_kind(project / "run" / "run.json", TrainingRunRecord)
    assert record.variant.name == "drop-in"
    assert record.accuracy is not None
    assert trained.out == ""
    told = ran(project, f"estimate {named} {data} --variant drop-in --steps 4 --max-seconds 4 --output hours.json")
    assert told.code == 0, told.err
    assert read_kind(project / "hours.json", EstimateRecord).pilots[0].workload.model == MODEL


def test_a_file_and_a_function_of_ones_own_and_a_stage_of_ones_own(project: Path) -> None:
    (project / "mine").mkdir(exist_ok=True)
    (project / "mine" / "nets.py").write_text(
        "from finegrain.build import build_model\n\n\n"
        "def small():\n    return build_model('test_resnet', 5, K=3, r=3, d=8)\n\n\n"
        "def half(model, x1, x2, targets):\n    return {'total': model(x1, x2, targets)['total'] / 2}\n"
    )
    (project / "pyproject.toml").write_text(
        "[tool.paco-prof.stages]\n"
        '"finegrain.utils.spd.SPDUtils.mahalanobis" = "distance"\n'
        'classifer = "classifier"\n'
        '"_reduce_dimensions" = ""\n'
    )
    named = "--model mine/nets.py:small --step nets:half"
    try:
        done = ran(project, f"breakdown {named} {SMALL} --steps 2 --max-seconds 2 --no-fidelity --output run.json")
    finally:
        (project / "pyproject.toml").unlink()
    assert done.code == 0, done.err
    record = read_record(project / "run.json")
    assert isinstance(record, BreakdownRecord)
    assert (record.workload.model, record.workload.step) == ("nets:small", "nets:half")
    assert record.workload.python_path == ("mine",)
    assert "loss/pac/distance" in {samples.path for samples in done.training.stages}
    assert record.user_code is not None
    (missing,) = record.user_code.missing
    assert (missing.path, missing.near[:1]) == ("classifer", ("classifier",))
    assert "classifer" in done.out
    assert str(project) not in (project / "run.json").read_text()


def test_a_model_that_fails_in_a_worker_is_told_with_its_line(project: Path) -> None:
    (project / "failing.py").write_text(
        "import torch\n\n\nclass Model(torch.nn.Linear):\n"
        "    def forward(self, x1, x2, targets):\n        raise ValueError('no parts')\n"
    )
    sizes = "--model-arg in_features=2 --model-arg out_features=2"
    done = ran(project, f"compare baseline baseline --model failing:Model {sizes} {SMALL} --launches 1 --no-progress")
    assert done.code == 4
    assert "fails in its forward pass: ValueError: no parts (failing.py, line 6)" in done.err.splitlines()[-1]
