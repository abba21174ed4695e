"""`paco-prof estimate` from its arguments to its exit code, from records and with a measurement that is not one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from accuracies import accuracy_record
from builders import CPU, EXAMPLES, RESNET50, cpu_record, exact_record, gpu_record
from comparisons import comparison_record
from paco_prof.cli.app import run
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.records import DataUsed, Environment, EstimatePlan, EstimateRecord, Note, Pilot
from paco_prof.store import Record, read_kind, write_record
from projections import DIGITS, estimate_record, exact_pilot, full_pilot
from training_runs import healthy_run

ANALYSIS = str(EXAMPLES / "analysis_batch8.json")


@dataclass
class PilotPlan:
    """As the measuring wing has it."""

    steps: int = 20
    max_seconds: float = 120.0
    epochs: int = 100
    evaluates: bool = False


@dataclass
class PilotOutcome:
    """As the measuring wing has it."""

    pilots: tuple[Pilot, ...] = ()
    data: DataUsed | None = DIGITS
    environment: Environment | None = CPU
    seconds: float = 12.0
    error: BaseException | None = None
    notes: tuple[Note, ...] = ()


@dataclass
class Stand:
    """Stands for the pilots' measurement: remembers what it was asked for, and comes back with what it was told to."""

    outcome: PilotOutcome = field(default_factory=lambda: PilotOutcome((full_pilot(), exact_pilot())))
    jobs: list[Any] = field(default_factory=list)
    plans: list[PilotPlan] = field(default_factory=list)

    def __call__(
        self, jobs: Sequence[Any], plan: PilotPlan, _progress: Any, save: Callable[[PilotOutcome], None]
    ) -> PilotOutcome:
        self.jobs, self.plans = list(jobs), [*self.plans, plan]
        for number in range(len(self.outcome.pilots) + 1):
            save(PilotOutcome(self.outcome.pilots[:number], self.outcome.data))
        return self.outcome


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stand:
    stand = Stand()
    module = ModuleType("paco_prof.training.pilot")
    vars(module).update(PilotPlan=PilotPlan, PilotOutcome=PilotOutcome, measure_pilots=stand)
    monkeypatch.setitem(sys.modules, "paco_prof.training.pilot", module)
    monkeypatch.setattr(sys, "argv", ["paco-prof", "estimate"])
    monkeypatch.chdir(tmp_path)
    return stand


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(name: str, record: Record) -> str:
    write_record(Path(name), record)
    return name


def estimated(*arguments: str) -> EstimateRecord:
    """The record that a command line writes."""
    assert run(["estimate", *arguments, "--quiet", "--output", "out.json"]) == 0
    return read_kind(Path("out.json"), EstimateRecord)


def fails(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one line that a command line ends in."""
    found = run(["estimate", *arguments])
    captured = capsys.readouterr()
    assert (found, captured.out) == (code, "")
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    return captured.err


def test_the_analysis_is_projected_from_its_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["estimate", "--from", ANALYSIS]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in ("13,266 ms", "221.1 min", "368.5 h", "89.7 belongs to 5.38 s a batch"):
        assert words in out


def test_what_is_written_is_shown_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--output", "out.json", "--markdown", "out.md", "--plot", "out.png"]
    assert run(["estimate", "--from", saved("run.json", comparison_record()), *options]) == 0
    first = capsys.readouterr()
    assert [line.split()[-1] for line in first.err.splitlines()] == ["out.json.", "out.md.", "out.png."]
    assert run(["show", "out.json"]) == 0
    assert capsys.readouterr().out == first.out
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    assert "Speed-up" in Path("out.md").read_text(encoding="utf-8")


def test_every_option_of_the_run_arrives(folder: Path) -> None:
    options = "--epochs 60 --dataset-size 5994 --drop-last --eval-size 5794 --eval-every 5 --gpus 4"
    record = estimated("--from", ANALYSIS, *options.split(), "--price-per-hour", "2.5", "--watts", "300")
    assert record.plan == EstimatePlan(
        epochs=60,
        dataset_size=5994,
        drop_last=True,
        eval_size=5794,
        eval_every=5,
        gpus=4,
        price_per_hour=2.5,
        watts=300.0,
    )
    assert estimated("--from", ANALYSIS).plan == EstimatePlan(epochs=100, batches_per_epoch=1000)


def test_several_records_and_variants_by_name(folder: Path) -> None:
    files = ["--from", saved("a.json", cpu_record()), "--from", saved("b.json", exact_record())]
    assert [pilot.name for pilot in estimated(*files).pilots] == ["baseline", "exact"]
    swapped = estimated(*files, "--variant", "exact", "--variant", "baseline")
    assert [pilot.name for pilot in swapped.pilots] == ["exact", "baseline"]
    whole = saved("c.json", comparison_record())
    assert [p.name for p in estimated("--from", whole, "--variant", "optimized").pilots] == ["optimized"]


def test_a_training_run_knows_its_own_size(folder: Path) -> None:
    run_json = saved("run.json", healthy_run())
    plan = estimated("--from", run_json).plan
    assert (plan.dataset_size, plan.eval_size, plan.epochs) == (1438, 359, 100)
    assert estimated("--from", run_json, "--batches-per-epoch", "7").plan.batches_per_epoch == 7
    assert estimated("--from", run_json, "--eval-size", "0").plan.eval_size == 0


def test_an_estimate_of_an_estimate_keeps_what_is_not_said_anew(folder: Path) -> None:
    plan = EstimatePlan(epochs=7, dataset_size=1438, eval_size=359, eval_every=3, gpus=2, price_per_hour=2.0)
    first = saved("run.json", estimate_record(plan=plan))
    assert estimated("--from", first).plan == plan
    assert estimated("--from", first, "--epochs", "9").plan == plan.model_copy(update={"epochs": 9})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--epochs 0", "--epochs '0'"),
        ("--epochs 1.5", "--epochs"),
        ("--batches-per-epoch 0", "--batches-per-epoch"),
        ("--dataset-size -1", "--dataset-size"),
        ("--batches-per-epoch 5 --dataset-size 5", "both"),
        ("--price-per-hour -1", "--price-per-hour"),
        ("--price-per-hour nan", "--price-per-hour"),
        ("--price-per-hour inf", "--price-per-hour"),
        ("--watts 0", "--watts"),
        ("--watts nan", "--watts"),
        ("--gpus 0", "--gpus"),
        ("--eval-every 0", "--eval-every"),
        ("--eval-size -1", "--eval-size"),
        ("--drop-last", "--dataset-size"),
        ("--drop-last --batches-per-epoch 4", "--dataset-size"),
        ("--drop-last --dataset-size 7", "no full batch"),
        ("--variant exakt", "exakt"),
        ("--variant baseline --variant baseline", "twice"),
        ("--batch-size 4", "--batch-size is for a measurement"),
        ("--set d=32", "--set is for a measurement"),
        ("--parts 3", "--parts is for a measurement"),
        ("--data digits", "--data is for a measurement"),
        ("--device cpu", "--device"),
        ("--steps 3", "--steps"),
        ("--max-seconds 3", "--max-seconds"),
        ("--workers 0", "--workers"),
        ("--seed 3", "--seed"),
        ("--threads 3", "--threads"),
        ("--plot out.gif", ".png"),
        ("--output nowhere/out.json", "nowhere"),
        ("--output run.json", "written over"),
        ("--from run.json", "twice"),
        ("--from none.json", "none.json"),
        ("--from cut.json", "not complete JSON"),
        ("--from empty.json", "empty.json: The record holds no training step"),
        ("--from accuracy.json", "accuracy"),
        ("--from gpu.json", "not of one machine"),
        (f"--from {ANALYSIS}", "names no machine"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved("run.json", cpu_record())
    saved("gpu.json", gpu_record())
    saved("empty.json", cpu_record(training=None))
    saved("accuracy.json", accuracy_record())
    Path("cut.json").write_text(cpu_record().model_dump_json()[:900])
    Path("old.json").write_text("what was there before")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    options = arguments.split() if "--output" in arguments else [*arguments.split(), "--output", "old.json"]
    assert words in fails(capsys, "--from", "run.json", *options)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_near_names_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = saved("run.json", comparison_record())
    assert "Did you mean optimized?" in fails(capsys, "--from", whole, "--variant", "optimised")
    assert "There are baseline, exact, optimized." in fails(capsys, "--from", whole, "--variant", "q")


def test_a_measurement_by_default(stand: Stand) -> None:
    record = estimated()
    assert [job.variant.name for job in stand.jobs] == ["baseline", "exact"]
    workload = stand.jobs[0].workload
    assert (workload.data, workload.backbone, workload.batch_size, workload.device) == ("digits", "resnet50", 8, "auto")
    assert stand.plans == [PilotPlan(steps=20, max_seconds=120.0, epochs=100, evaluates=False)]
    assert record.plan == EstimatePlan(epochs=100, batches_per_epoch=1000)
    assert (record.data, record.environment, record.measuring_seconds) == (DIGITS, CPU, 12.0)


def test_every_option_of_a_measurement_arrives(stand: Stand) -> None:
    Path("birds").mkdir()
    options = (
        "--variant fused-loss --variant baseline --batch-size 2 --backbone test_vit --image-size 96 --num-classes 5 "
        "-K 3 -r 7 -d 8 --set gamma=0 --device cuda:1 --seed 4 --threads 3 --workers 2 --data folder:birds "
        "--steps 9 --max-seconds 7 --epochs 2 --no-progress"
    )
    estimated(*options.split())
    assert [job.variant.name for job in stand.jobs] == ["fused-loss", "baseline"]
    for job in stand.jobs:
        w = job.workload
        assert (w.batch_size, w.backbone, w.image_size, w.num_classes) == (2, "test_vit", 96, 5)
        assert (w.num_parts, w.window, w.dim, w.gamma) == (3, 7, 8, 0.0)
        assert (w.device, w.seed, w.threads, w.workers, w.data) == ("cuda:1", 4, 3, 2, "folder:birds")
    assert stand.plans == [PilotPlan(steps=9, max_seconds=7.0, epochs=2, evaluates=True)]


def test_data_that_was_chosen_is_the_size_of_the_run(stand: Stand) -> None:
    plan = estimated("--data", "digits").plan
    assert (plan.dataset_size, plan.batches_per_epoch, plan.eval_size) == (1438, None, 359)
    assert stand.plans[-1].evaluates
    plan = estimated("--data", "digits", "--batches-per-epoch", "5", "--eval-size", "0").plan
    assert (plan.dataset_size, plan.batches_per_epoch, plan.eval_size) == (None, 5, 0)
    assert not stand.plans[-1].evaluates
    assert estimated("--data", "digits", "--drop-last").plan.drop_last
    assert estimated("--eval-size", "64").plan.eval_size == 64
    assert stand.plans[-1].evaluates


def test_what_was_measured_is_kept_when_it_is_interrupted(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.outcome = PilotOutcome((full_pilot(),), error=KeyboardInterrupt(), notes=(Note(code="interrupted"),))
    assert run(["estimate", "--output", "out.json", "--markdown", "out.md"]) == 130
    captured = capsys.readouterr()
    assert "Measuring was interrupted" in captured.out
    assert "Interrupted after 1 measured variant." in captured.err
    assert len(read_kind(Path("out.json"), EstimateRecord).pilots) == 1
    assert Path("out.md").exists()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MeasurementError("The loader died."), 4, "The loader died."),
        (UsageError("Bad folder."), 2, "Bad folder."),
        (ZeroDivisionError(), 4, "The measured code failed"),
        (KeyboardInterrupt(), 130, "after 0 measured variants"),
        (None, 4, "No variant"),
    ],
)
def test_nothing_measured_is_one_line_and_nothing_written(
    error: BaseException | None, code: int, words: str, stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    stand.outcome = PilotOutcome(error=error)
    assert words in fails(capsys, "--output", "out.json", "--plot", "out.png", code=code)
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        "--variant nope",
        "--set q=1",
        "--variant d32 -d 64",
        "--variant exact --variant exact",
        "--price-per-hour nan",
        "--dataset-size 7 --drop-last",
        "--drop-last",
    ],
)
def test_bad_input_is_found_before_anything_is_measured(
    arguments: str, stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    fails(capsys, *arguments.split())
    assert stand.plans == []


def test_the_command_in_the_record_names_nobody(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/jane/paco-prof", "estimate", "--output=/home/jane/a.json"])
    assert estimated().command == ("paco-prof", "estimate", "--output=a.json")


def test_pilots_of_one_record_and_other_epochs_come_together(folder: Path) -> None:
    late = cpu_record(workload=RESNET50.model_copy(update={"epoch": 5}))
    files = ["--from", saved("a.json", cpu_record()), "--from", saved("b.json", late)]
    (pilot,) = estimated(*files).pilots
    assert [series.during_warmup for series in pilot.steps] == [True, False]


def test_devices_that_were_measured_tell_how_more_of_them_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = cpu_record(workload=RESNET50.model_copy(update={"world_size": 2}))
    files = ["--from", saved("alone.json", cpu_record()), "--from", saved("two.json", two)]
    record = estimated(*files, "--gpus", "8")
    assert [(pilot.name, pilot.workload.world_size) for pilot in record.pilots] == [("baseline", 1), ("baseline", 2)]
    for gpus, words in (("8", "extrapolated from 1 and 2 devices"), ("2", "each of 2 devices"), ("1", "2 devices")):
        assert run(["estimate", *files, "--gpus", gpus]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert words in out
        assert "Perfect scaling" not in out
    assert run(["estimate", *files[2:], "--gpus", "1"]) == 0
    assert "on 1 device was not measured" in " ".join(capsys.readouterr().out.split())
    assert run(["estimate", *files[:2], "--gpus", "2"]) == 0
    assert "Perfect scaling is assumed: 2 GPUs" in " ".join(capsys.readouterr().out.split())


def test_torchrun_is_not_for_pilots(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    assert "torchrun has started several" in fails(capsys)
    assert stand.plans == []
