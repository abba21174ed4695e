"""The report of a history: what has changed since which commit, and every commit of every series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from paco_prof import units
from paco_prof.analysis.history import HistoryChange, HistoryPoint, HistorySeries, HistoryView
from paco_prof.render.document import Block, Bullets, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.history_text import (
    change_words,
    date_of,
    findings,
    left_out_sentences,
    method_sentences,
    order_sentence,
    plural,
    titles,
)
from paco_prof.render.preamble import machine

__all__ = ["history_document"]

LEFT: Literal["left"] = "left"
# The columns that every table of points has.
MEASURED = (Column("commit", LEFT), Column("date", LEFT), Column("ms"), Column("within"), Column("runs"))


def history_document(view: HistoryView) -> Document:
    """The whole report of a history."""
    names = dict(zip(titles(view), view.series, strict=True))
    blocks: list[Block] = [Paragraph(text) for text in _preamble(view)]
    blocks += [Heading("Findings"), Bullets(findings(view))]
    for name, series in names.items():
        if len(series.points) > 1:
            blocks += [Heading(name), _table(series)]
    single = {name: series for name, series in names.items() if len(series.points) == 1}
    if single:
        blocks += [Heading("Measured at one commit"), _single_table(single)]
    blocks += [Paragraph(COLUMNS if len(single) < len(names) else RUNS)]
    left_out = left_out_sentences(view.left_out)
    if left_out:
        blocks += [Heading("Left out"), Bullets(left_out)]
    blocks += [Heading("How it was found"), *(Paragraph(text) for text in method_sentences(view))]
    of = f"{plural(view.num_commits, 'commit')}, {plural(view.num_records, 'record')}"
    return Document(f"paco-prof history: {of}", tuple(blocks))


RUNS = "Within: the interval of the median. Runs: launches of fresh processes / steps."
COLUMNS = f"{RUNS} Change is against the row above."


def _preamble(view: HistoryView) -> list[str]:
    # The load was that of one run among many.
    shown = [] if view.environment is None else [machine(view.environment.model_copy(update={"load_average": None}))]
    return [*shown, order_sentence(view)]


def _table(series: HistorySeries) -> Table:
    columns = (
        *MEASURED,
        *([Column("ratio")] if series.by_ratio else []),
        Column("change"),
        Column("", LEFT),
    )
    begins = {change.place: change for change in series.changes}
    rows = (
        _row(series, point, step_on, begins.get(place))
        for place, (point, step_on) in enumerate(zip(series.points, series.from_previous, strict=True))
    )
    return Table(columns, tuple(rows))


def _row(series: HistorySeries, point: HistoryPoint, step_on: float | None, change: HistoryChange | None) -> Row:
    cells = (
        *_measured(point),
        *([units.precise_ratio(point.ratio.median)] if series.by_ratio and point.ratio is not None else []),
        "" if step_on is None else units.signed_percent(step_on),
        "" if change is None else change_words(change),
    )
    return Row(cells, style="plain" if change is None else "strong")


def _single_table(single: Mapping[str, HistorySeries]) -> Table:
    columns = (Column("", LEFT, wraps=True), *MEASURED)
    return Table(columns, tuple(Row((name, *_measured(series.points[0]))) for name, series in single.items()))


def _measured(point: HistoryPoint) -> tuple[str, ...]:
    """The cells of `MEASURED`."""
    return (
        point.commit or units.MISSING,
        date_of(point),
        units.milliseconds(point.step.value),
        units.interval(point.step.relative_half_width),
        f"{units.count(point.num_launches)}/{units.count(point.step.num_samples)}",
    )
