"""Results are records that can show themselves, whatever there is in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import comparisons
import projections
from builders import analysis_record, cpu_record, exact_record, gpu_record, interrupted_record
from comparisons import comparison_record, unmeasured_record
from paco_prof import read_record
from paco_prof.errors import UsageError
from paco_prof.records import BreakdownRecord, ComparisonRecord, EstimateRecord
from paco_prof.render.html import to_html
from paco_prof.render.markdown import to_markdown
from paco_prof.render.reports import document_of
from paco_prof.results import WIDTH, Breakdown, Comparison, Estimate
from paco_prof.store import write_record
from projections import estimate_record

Result = Breakdown | Comparison | Estimate
Plain = BreakdownRecord | ComparisonRecord | EstimateRecord


def result_of(record: Plain) -> Result:
    if isinstance(record, BreakdownRecord):
        return Breakdown.of(record)
    return Comparison.of(record) if isinstance(record, ComparisonRecord) else Estimate.of(record)


RECORDS: dict[str, Callable[[], Plain]] = {
    "cpu": cpu_record,
    "gpu": gpu_record,
    "exact": exact_record,
    "interrupted": interrupted_record,
    "quoted": analysis_record,
    "nothing measured": lambda: cpu_record(training=None, inference=None, loss_test=None, overhead=None, memory=None),
    "no launch": unmeasured_record,
    **comparisons.RECORDS,
    **projections.RECORDS,
}
EVERY = pytest.mark.parametrize("make", RECORDS.values(), ids=RECORDS.keys())
ONE_OF_EACH = pytest.mark.parametrize("make", [cpu_record, comparison_record, estimate_record])


@EVERY
def test_a_result_is_the_record_field_for_field(make: Callable[[], Plain]) -> None:
    record = make()
    result = result_of(record)
    assert isinstance(result, type(record))
    assert result == record
    assert record == result
    assert result.model_dump_json() == record.model_dump_json()
    assert type(result).model_validate_json(record.model_dump_json()) == record
    assert result.model_fields_set == record.model_fields_set


def test_results_differ_where_records_do() -> None:
    one, other = Breakdown.of(cpu_record()), cpu_record(created="yesterday")
    assert one != other
    assert other != one
    assert one != Breakdown.of(other)
    assert one != comparison_record()
    assert one != "a record"


@EVERY
def test_every_record_shows_itself(make: Callable[[], Plain]) -> None:
    record = make()
    result, document = result_of(record), document_of(record)
    assert result.report() == result._repr_markdown_() == to_markdown(document)
    assert result._repr_html_() == to_html(document)
    lines = str(result).splitlines()
    assert lines[0] == document.title[:WIDTH].rstrip() or document.title.startswith(lines[0])
    assert all(len(line) <= WIDTH and line == line.rstrip() for line in lines)
    assert "\x1b" not in str(result)


@EVERY
def test_a_repr_is_one_line(make: Callable[[], Plain]) -> None:
    text = repr(result_of(make()))
    assert "\n" not in text
    assert text.startswith("<")
    assert len(text) < 300


def test_a_repr_says_the_least_that_one_wants_to_know() -> None:
    assert repr(Breakdown.of(cpu_record())) == "<Breakdown: resnet50, batch 8, 224 px: step 6.8 s, 7 steps>"
    assert repr(Breakdown.of(cpu_record(training=None))) == "<Breakdown: resnet50, batch 8, 224 px: no step measured>"
    assert repr(Comparison.of(comparison_record())) == "<Comparison: beside baseline: exact 3.19x, optimized 5.27x>"
    assert repr(Comparison.of(unmeasured_record())).count("not measured") == 2
    assert "(~)" in repr(Comparison.of(comparison_record(launches=1)))
    assert repr(Estimate.of(estimate_record())).startswith("<Estimate: 10 epochs: baseline ")


def test_ipython_without_a_notebook_shows_the_report() -> None:
    class Printer:
        shown = ""

        def text(self, text: str) -> None:
            self.shown += text

    result, printer, inside = Breakdown.of(cpu_record()), Printer(), Printer()
    result._repr_pretty_(printer, cycle=False)
    result._repr_pretty_(inside, cycle=True)
    assert printer.shown == str(result)
    assert inside.shown == repr(result)


@ONE_OF_EACH
def test_what_is_saved_is_read_as_a_plain_record(make: Callable[[], Plain], tmp_path: Path) -> None:
    record = make()
    result_of(record).save(tmp_path / "run.json")
    write_record(tmp_path / "plain.json", record)
    assert (tmp_path / "run.json").read_bytes() == (tmp_path / "plain.json").read_bytes()
    found = read_record(tmp_path / "run.json")
    assert type(found) is type(record)
    assert result_of(found) == record  # type: ignore[arg-type]


@ONE_OF_EACH
def test_a_picture_is_drawn(make: Callable[[], Plain], tmp_path: Path) -> None:
    result_of(make()).plot(str(tmp_path / "run.svg"))
    assert (tmp_path / "run.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.gif is not a picture"):
        Breakdown.of(cpu_record()).plot(tmp_path / "run.gif")
    with pytest.raises(UsageError):
        Breakdown.of(cpu_record(training=None)).plot(tmp_path / "run.png")
    assert list(tmp_path.iterdir()) == []


@ONE_OF_EACH
def test_samples_are_more_than_the_table(make: Callable[[], Plain]) -> None:
    result = result_of(make())
    assert len(result.to_pandas(samples=True)) > len(result.to_pandas()) > 1


def test_a_record_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="A Breakdown is made of a BreakdownRecord, and not of a ComparisonRecord"):
        Breakdown.of(comparison_record())  # type: ignore[arg-type]


def test_a_copy_with_changes_is_a_result_still() -> None:
    changed = Breakdown.of(cpu_record()).model_copy(update={"notes": ()})
    assert isinstance(changed, Breakdown)
    assert changed.report()


def test_showing_a_result_needs_no_torch(tmp_path: Path) -> None:
    write_record(tmp_path / "run.json", cpu_record())
    code = (
        "import sys; from pathlib import Path; from paco_prof import Breakdown, estimate, read_record\n"
        "result = Breakdown.of(read_record(Path('run.json')))\n"
        "(repr(result), str(result), result.report(), result._repr_html_(), result.to_pandas(), estimate('run.json'))\n"
        "print([name for name in ('torch', 'timm', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
