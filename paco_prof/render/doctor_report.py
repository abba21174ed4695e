"""The report of an examination: a table for each group of checks, what was planted, the noise, what to do."""

from __future__ import annotations

import math
from typing import Literal

from paco_prof import units
from paco_prof.analysis.doctor import GROUPS, DoctorView, PlantedRow, doctor_view
from paco_prof.analysis.noise_floor import NoiseFloor
from paco_prof.records import CheckGroup, CheckStatus, DoctorCheck, DoctorRecord, Figure
from paco_prof.render.doctor_text import advice, finding, title
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.preamble import command_line, machine
from paco_prof.stats.detectable import POWER
from paco_prof.stats.paired import ALPHA
from paco_prof.stats.summary import CONFIDENCE

__all__ = ["doctor_document"]

LEFT: Literal["left"] = "left"
HEADINGS: dict[CheckGroup, str] = {
    "installation": "The installation",
    "device": "The device",
    "machine": "The machine",
    "instrument": "The instrument",
}
WORDS: dict[CheckStatus, str] = {"ok": "ok", "warning": "warning", "failed": "FAILED", "skipped": "skipped"}


def doctor_document(record: DoctorRecord) -> Document:
    """The whole report of an examination, complete or not."""
    view = doctor_view(record)
    blocks: list[Block] = []
    if record.environment is not None:
        blocks.append(Paragraph(machine(record.environment)))
    for group in GROUPS:
        checks = view.of_group(group)
        if checks:
            blocks += [Heading(HEADINGS[group]), _table(checks)]
    if view.planted:
        blocks += [Heading("Planted delays"), _planted_table(view.planted), Paragraph(_PLANTED)]
    if view.noise is not None:
        blocks += [Heading("The noise floor"), _noise_table(view.noise), Paragraph(_noise(view.noise))]
    wrong = view.of_status("failed") + view.of_status("warning")
    if wrong:
        blocks += [Heading("What to do"), Bullets(tuple(advice(check) for check in wrong))]
    blocks += [Heading("Verdict"), *(Paragraph(text) for text in _ending(record, view))]
    return Document(f"paco-prof doctor: {view.verdict}", tuple(blocks))


_PLANTED = (
    "A step whose stages take known times, by another clock than the stage timer's. block is called twice, inner is "
    "nested in head, update is in neither pass and stands under forward; times are a stage's own, of the middle one of "
    "the steps."
)


def _table(checks: tuple[DoctorCheck, ...]) -> Table:
    columns = (Column("check", LEFT), Column("found", LEFT, wraps=True), Column("", LEFT))
    return Table(columns, tuple(_row(check) for check in checks))


def _row(check: DoctorCheck) -> Row:
    is_wrong = check.status in ("warning", "failed")
    cells = (title(check), finding(check), WORDS[check.status])
    return Row(cells, style="strong" if is_wrong else "plain")


def _planted_table(rows: tuple[PlantedRow, ...]) -> Table:
    columns = (
        Column("Stage (ms)", LEFT),
        Column("planted forward"),
        Column("measured"),
        Column("planted backward"),
        Column("measured"),
    )
    return Table(columns, tuple(_planted_row(row) for row in rows))


def _planted_row(row: PlantedRow) -> Row:
    is_off = any(figure is not None and figure.is_off for figure in (row.forward, row.backward))
    parents, _, name = row.path.rpartition("/")
    cells = (name, *_both(row.forward), *_both(row.backward))
    return Row(cells, depth=parents.count("/") + 1 if parents else 0, style="strong" if is_off else "plain")


def _both(figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return "", ""
    return units.milliseconds(figure.expected), units.milliseconds(figure.measured)


def _noise_table(noise: NoiseFloor) -> Table:
    rows = [
        Row(("A step of a small net", units.span(noise.step))),
        Row(("Noise of one pair of steps", _share(noise.pair))),
        Row(("Noise of a launch, from its pairs alone", _share(noise.from_pairs))),
    ]
    smallest = noise.smallest
    if smallest is not None:
        rows += [
            Row(("Noise of a launch, as measured", _at_most(smallest.noise, smallest.noise_high))),
            Row(
                (
                    f"Smallest difference that {smallest.num_launches} launches tell apart",
                    _at_most(smallest.log_ratio, smallest.log_high),
                ),
                style="strong",
            ),
        ]
        if noise.claim_seconds is not None:
            what = f"Time that {smallest.num_launches} such launches take"
            rows.append(Row((what, units.duration(noise.claim_seconds))))
    return Table((Column("A step against itself", LEFT, wraps=True), Column("")), tuple(rows))


def _noise(noise: NoiseFloor) -> str:
    taken = f"{units.count(noise.num_launches)} launch{'es' if noise.num_launches != 1 else ''}"
    threads = "" if noise.threads is None else f", with {_plural(noise.threads, 'thread')} each"
    text = (
        f"The same step on both sides: {taken} of two fresh processes{threads}, {units.count(noise.num_pairs)} pairs "
        "of steps in turns. A launch is one number; where launches differ by more than their pairs would make them, "
        "steps alone would claim too much."
    )
    if noise.smallest is None:
        return f"{text} Fewer than three of them cannot tell what they can tell apart."
    return (
        f"{text} The smallest difference is what the exact test over launches (p at most {units.round_percent(ALPHA)}) "
        f"finds with probability {units.round_percent(POWER)}, were the launches normal; in brackets with the noise as "
        f"high as so few launches allow ({units.round_percent(CONFIDENCE)}). It is a floor: of a small step "
        "that asks for little memory, and of launches as short as these."
    )


def _ending(record: DoctorRecord, view: DoctorView) -> list[str]:
    """The command, and last of all the verdict."""
    took = "" if record.measuring_seconds is None else f" It took {units.duration(record.measuring_seconds)}."
    lines = [command_line(record) + took] if record.command else []
    return [*lines, _verdict(record, view)]


def _verdict(record: DoctorRecord, view: DoctorView) -> str:
    failed, warned = view.of_status("failed"), view.of_status("warning")
    num_ok, num_skipped = len(view.of_status("ok")), len(view.of_status("skipped"))
    counts = f"{_plural(num_ok, 'check')} passed"
    if num_skipped:
        counts += f", {units.count(num_skipped)} {'do' if num_skipped != 1 else 'does'} not apply here"
    if failed:
        return f"FAILED: {_names(failed)}; {_consequence(failed)}."
    if record.status != "complete":
        return f"INCOMPLETE: {counts}; nothing has failed until it ended."
    if warned:
        return f"WORKS, with {_plural(len(warned), 'warning')} ({_names(warned)}): {counts}."
    return f"HEALTHY: {counts}; the instrument finds what was planted."


def _consequence(failed: tuple[DoctorCheck, ...]) -> str:
    if any(check.group in ("installation", "device") for check in failed):
        return "nothing can be measured here until that is mended"
    if all(check.name == "launches" for check in failed):
        return "comparisons cannot be made here until that is mended"
    return "times that are measured here are not to be trusted; please report it, with all of the above"


def _names(checks: tuple[DoctorCheck, ...]) -> str:
    return "; ".join(title(check) for check in checks)


def _plural(number: int, word: str) -> str:
    return f"{units.count(number)} {word}{'s' if number != 1 else ''}"


def _at_most(value: float, high: float) -> str:
    return f"{_share(value)} ({_share(high)})"


def _share(log_ratio: float) -> str:
    """A logarithm of a ratio as the relative difference that it is."""
    return units.percent(math.expm1(log_ratio))
