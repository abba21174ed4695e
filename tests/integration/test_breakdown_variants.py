"""The installed `paco-prof breakdown --variant`, from the shell to its record, on a tiny model on a CPU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from installed import COMMAND, ENVIRONMENT, MODEL, PATIENCE, TINY, Finished, breakdown
from paco_prof.analysis.fidelity import fidelity_view
from paco_prof.settings import Workload, changed_settings


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of the preset `exact`."""
    folder = tmp_path_factory.mktemp("exact")
    return breakdown(folder, f"{TINY} --variant exact --output run.json --markdown report.md")


def test_the_record_holds_the_variant_as_the_cpu_can_do_it(exact: Finished) -> None:
    assert exact.code == 0, exact.err
    record = exact.record
    assert (record.variant.name, record.variant.kind) == ("exact", "exact")
    assert set(record.variant.left_out) == {"cudnn_benchmark"}
    assert "NVIDIA" in record.variant.left_out["cudnn_benchmark"]
    baseline = Workload(
        backbone="test_resnet", batch_size=2, image_size=96, num_classes=5, num_parts=3, window=3, dim=8
    )
    assert record.variant.settings == changed_settings(record.workload, baseline)
    assert record.variant.settings["contrast"] == "fused"
    assert record.variant.settings["channels_last"] is True
    assert "cudnn_benchmark" not in record.variant.settings


def test_its_fidelity_is_confirmed(exact: Finished) -> None:
    view = fidelity_view(exact.record.variant.kind, exact.record.fidelity)
    assert view is not None
    assert view.verdict == "confirmed"
    assert (view.measured.against, view.measured.oracle) == ("baseline", "loop")
    assert view.measured.gradient_error < 1e-4


def test_the_loss_factorises_once_an_image(exact: Finished) -> None:
    counts = {count.path: count.factorizations for count in exact.record.operators}
    assert counts["loss/pac"] == 2


def test_the_stages_of_the_step_stay_visible(exact: Finished) -> None:
    stages = {(stage.path, stage.phase) for stage in exact.training.stages}
    for path in ("backbone", "part_sampling", "dim_reduction", "covariance", "negatives_pool", "loss/pac", "loss/soc"):
        assert {(path, "forward"), (path, "backward")} <= stages


def test_the_report_shows_it(exact: Finished) -> None:
    text = " ".join(exact.out.split())
    assert "paco-prof breakdown: test_resnet, batch 2, 96 px, exact" in text
    assert "Variant: exact (exact), which sets" in text
    assert "Left out of exact here: cudnn_benchmark" in text
    assert "It is exact, as it claims to be." in text
    lines = exact.out.splitlines()
    assert any(line.startswith("Fidelity ─") for line in lines)
    assert any(line.startswith("Gradient ") for line in lines)
    assert max(map(len, lines)) <= 80
    assert "## Fidelity" in (exact.folder / "report.md").read_text(encoding="utf-8")


def test_the_report_is_shown_again_from_the_record(exact: Finished) -> None:
    done = subprocess.run(
        [COMMAND, "show", "run.json"],
        cwd=exact.folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout == exact.out


def test_a_toggle_that_the_cpu_cannot_do_is_one_line(tmp_path: Path) -> None:
    done = breakdown(tmp_path, f"{MODEL} --batch-size 2 --variant tf32 --output run.json")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert done.err.startswith("paco-prof: tf32 is not applicable: ")
    assert list(tmp_path.iterdir()) == []
