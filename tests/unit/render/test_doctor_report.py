"""What stands where in the report of an examination, and that there are words for all that can be found."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from builders import CPU
from doctors import DOCTORS, broken_record, check, figure, healthy_record, noise_record, warned_record
from paco_prof.errors import UsageError
from paco_prof.records import DoctorCheck, DoctorRecord, Figure
from paco_prof.render.doctor_report import doctor_document
from paco_prof.render.doctor_text import advice, finding, one_line, quantity, title
from paco_prof.render.doctor_words import ADVICE, FINDINGS, TITLES
from paco_prof.render.document import Bullets, Document, Heading, Paragraph, Table
from paco_prof.render.markdown import to_markdown
from paco_prof.render.reports import document_of, save_plot
from paco_prof.render.terminal import to_terminal


def headings(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Heading)]


def last(document: Document) -> str:
    block = document.blocks[-1]
    assert isinstance(block, Paragraph)
    return block.text


def to_do(document: Document) -> tuple[str, ...]:
    return next((block.items for block in document.blocks if isinstance(block, Bullets)), ())


def on_terminal(document: Document, width: int) -> str:
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(name: str, reason: str = "", *figures: Figure, detail: str = "") -> str:
    return finding(check("instrument", name, "ok", reason, detail, *figures))


@pytest.mark.parametrize(
    ("name", "verdict", "ending"),
    [
        ("healthy", "healthy", "HEALTHY: 40 checks passed; the instrument finds what was planted."),
        ("warnings", "warnings", "WORKS, with 4 warnings (torchvision; Load; Threads; A against A)"),
        ("broken", "failed", "times that are measured here are not to be trusted; please report it"),
    ],
)
def test_the_last_line_is_the_verdict(name: str, verdict: str, ending: str) -> None:
    document = document_of(DOCTORS[name]())
    assert document.title == f"paco-prof doctor: {verdict}"
    assert ending in last(document)


def test_every_failure_and_every_warning_is_told_with_what_it_means() -> None:
    for record in (broken_record(), warned_record()):
        told = to_do(doctor_document(record))
        wrong = [one for one in record.checks if one.status in ("failed", "warning")]
        assert all(any(text.startswith(f"{title(one)}: ") for text in told) for one in wrong)
    assert headings(doctor_document(healthy_record()))[-2:] == ["The noise floor", "Verdict"]


def test_an_examination_that_ended_early_says_so() -> None:
    document = doctor_document(healthy_record(status="interrupted", noise=None))
    assert last(document).startswith("INCOMPLETE: 39 checks passed; nothing has failed")
    assert document.title == "paco-prof doctor: incomplete"


def test_one_that_had_hardly_begun_is_shown_as_well() -> None:
    document = doctor_document(DoctorRecord(tool_version="0.1.0", status="interrupted"))
    assert headings(document) == ["Verdict"]


@pytest.mark.parametrize(
    ("one", "consequence"),
    [
        (check("installation", "timm", "failed", "not imported", "ImportError"), "nothing can be measured here"),
        (check("instrument", "launches", "failed", "died", "killed"), "comparisons cannot be made here"),
        (check("instrument", "order", "failed", "other order", "stem forward"), "not to be trusted"),
    ],
)
def test_the_verdict_says_what_follows(one: DoctorCheck, consequence: str) -> None:
    assert consequence in last(doctor_document(healthy_record(checks=(one,), noise=None)))


def test_few_launches_leave_out_what_they_cannot_tell() -> None:
    document = doctor_document(healthy_record(noise=noise_record([0.01, -0.01])))
    table = [block for block in document.blocks if isinstance(block, Table)][-1]
    assert len(table.rows) == 3


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", DOCTORS)
def test_no_word_of_a_finding_is_lost_on_a_narrow_terminal(name: str, width: int) -> None:
    record = DOCTORS[name]()
    screen = re.sub(r"\s+", "", on_terminal(doctor_document(record), width))
    assert "…" not in screen
    for one in record.checks:
        # A cell that is broken over lines has the next cell between its words.
        assert all(word in screen for word in finding(one).split())


def test_markdown_says_what_the_screen_says() -> None:
    for make in DOCTORS.values():
        document = doctor_document(make())
        text = to_markdown(document).replace("\\", "")
        assert all(row.cells[1] in text for block in document.blocks if isinstance(block, Table) for row in block.rows)
        assert last(document) in text


def test_an_examination_is_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not drawn"):
        save_plot(healthy_record(), tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == []


def test_there_are_words_for_all_that_can_be_found() -> None:
    as_they_are = {"", "torchvision", "timm", "torch.compile", "cudnn.benchmark"}
    assert {name for name, _ in (*FINDINGS, *ADVICE)} <= as_they_are | TITLES.keys()
    for name, reason in ADVICE:
        assert (name, reason) in FINDINGS or ("", reason) in FINDINGS, (name, reason)


@pytest.mark.parametrize(("name", "reason"), FINDINGS)
def test_words_need_no_figure_to_be_there(name: str, reason: str) -> None:
    """A record of another version may hold other ones."""
    bare = check("instrument", name, "failed", reason, "a detail")
    assert "{" not in advice(bare)
    assert one_line(bare).count("\n") == 0


def test_a_check_of_another_version_is_told_by_its_detail_and_its_figures() -> None:
    assert words("new", "odd", detail="as it is") == "as it is"
    assert words("new", "odd", figure("a", "count", 3)) == "a 3"
    assert title(check("device", "new")) == "new"


def test_a_stage_that_is_off_is_told_beside_what_was_planted() -> None:
    assert words(
        "planted forward",
        "other length",
        figure("stem forward", "seconds", 0.004, 0.008, 0.0007),
        figure("block forward", "seconds", 0.010, 0.010, 0.0008),
    ) == ("stem forward 4.00 ms and not 8.00 ms")
    assert words("planted forward", "other length", figure("stem forward", "seconds", None, 0.008, 0.0007)) == (
        "stem forward not measured and not 8.00 ms"
    )


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (figure("a", "seconds", 0.0), "0 s"),
        (figure("a", "seconds", 6e-8), "60.0 ns"),
        (figure("a", "seconds", 1.21e-5), "12.1 µs"),
        (figure("a", "seconds", 0.0999), "99.9 ms"),
        (figure("a", "bytes", 25.3e9), "25.30 GB"),
        (figure("a", "share", 0.0001), "<0.1 %"),
        (figure("a", "ratio", 1.62), "1.62x"),
        (figure("a", "ratio", 1.00000042, 1.0, 0.001), "0.42 ppm"),
        (figure("a", "ratio", 0.9, 1.0, 0.001), "-10.0 %"),
        (figure("a", "count", 91.0), "91"),
        (figure("a", "count", 0.031), "0.03"),
        (figure("a", "count", None), "–"),
    ],
)
def test_quantities_have_the_unit_of_their_size(one: Figure, text: str) -> None:
    assert quantity(one, one.measured) == text


def test_the_machine_is_named_first() -> None:
    first = doctor_document(healthy_record(environment=CPU)).blocks[0]
    assert isinstance(first, Paragraph)
    assert "AMD EPYC 7B13" in first.text
