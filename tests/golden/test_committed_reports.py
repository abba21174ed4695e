"""The committed reports and the README tell the story of the committed record, in the words of this version.

Where one of these fails because a report's wording changed, `reports/write_readme.py` and `paco-prof show` write the
files anew without measuring.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from paco_prof.analysis.comparison import comparison_view
from paco_prof.render.comparison_text import measured_ratio
from paco_prof.render.markdown import to_markdown
from paco_prof.render.reports import document_of
from paco_prof.store import read_record


@pytest.fixture(scope="module")
def readme() -> ModuleType:
    script = Path(__file__).resolve().parents[2] / "reports" / "write_readme.py"
    spec = importlib.util.spec_from_file_location("write_readme", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BREAKDOWNS = ("breakdown_resnet50", "breakdown_exact", "breakdown_own_model")
OVER_RANKS = ("breakdown_one_rank", "breakdown_two_ranks", "estimate_eight_devices")
COMPARISONS = ("compare_exact", "compare_optimized", "compare_drop_in", "ablate_phases", "ablate_factorial")
OF_TRAINING = ("estimate_resnet50", "compare_accuracy")
OF_GATES = ("check_planted", "check_resnet50")
OTHERS = ("doctor", "scale_resnet50", "scale_small")


@pytest.mark.parametrize("name", BREAKDOWNS + OVER_RANKS + COMPARISONS + OF_TRAINING + OF_GATES + OTHERS)
def test_the_markdown_report_is_what_show_writes(readme: ModuleType, name: str) -> None:
    path = readme.RECORD.with_name(f"{name}.json")
    assert path.with_suffix(".md").read_text(encoding="utf-8") == to_markdown(document_of(read_record(path)))


def test_every_committed_record_is_tested_here(readme: ModuleType) -> None:
    records = {path.stem for path in readme.REPORTS.glob("*.json")} - {"benchmarks"}
    assert records == {*BREAKDOWNS, *OVER_RANKS, *COMPARISONS, *OF_TRAINING, *OF_GATES, *OTHERS}


def test_the_readme_shows_what_show_prints(readme: ModuleType) -> None:
    text = readme.readme_with_reports()
    assert "Unattributed" in text
    assert "speed-up" in text
    assert "paco-prof check: fail" in text
    assert readme.README.read_text(encoding="utf-8") == text


def test_the_readme_quotes_what_the_drop_in_was_measured_to_save(readme: ModuleType) -> None:
    record = read_record(readme.RECORD.with_name("compare_drop_in.json"))
    (variant,) = comparison_view(record).variants
    fidelity = record.contestants[1].fidelity
    assert variant.speedup is not None
    text = " ".join(readme.README.read_text(encoding="utf-8").split())
    errors = f"{fidelity.float64_loss_error:.0e} and {fidelity.float64_gradient_error:.0e}".replace("e-0", "e-")
    assert (
        f"{measured_ratio(variant.speedup)} of the whole step, loss and gradient the same in float64 to {errors}"
        in text
    )


def test_the_readme_says_what_the_bench_of_growth_has_missed(readme: ModuleType) -> None:
    figures = json.loads(readme.RECORD.with_name("benchmarks.json").read_text(encoding="utf-8"))["growth"]["figures"]
    exponent = next(figure for figure in figures if figure["name"] == "exponent of the exact loss in the batch")
    missed = [figure["name"] for figure in figures if figure["verdict"] == "missed"]
    assert all(name.startswith(exponent["name"]) for name in missed)
    quoted = f"{exponent['value']:.2f} ({exponent['low']:.2f} to {exponent['high']:.2f})"
    said = f"All are met but the exact loss's exponent, which should be at most 2 and was {quoted}"
    assert (said in " ".join(readme.README.read_text(encoding="utf-8").split())) == bool(missed)


def test_the_record_is_of_the_main_job(readme: ModuleType) -> None:
    workload = read_record(readme.RECORD).workload
    assert (workload.backbone, workload.image_size, workload.batch_size) == ("resnet50", 224, 8)
