"""How an estimate tells of several devices: the table, and a sentence for each finding."""

from __future__ import annotations

import math

import pytest

from paco_prof.analysis.efficiency_findings import (
    BetterThanPerfect,
    ModelledScaling,
    NoEfficiency,
    OriginsApart,
    PerfectScaling,
    ScalingFinding,
    StepOfOthers,
    TermsOfOthers,
)
from paco_prof.analysis.projection import projection_view
from paco_prof.render.document import Row, Table
from paco_prof.render.estimate_report import estimate_document
from paco_prof.render.estimate_scaling import scaling_blocks, scaling_sentence
from paco_prof.render.markdown import to_markdown
from paco_prof.stats.pace import Span
from projections import RECORDS


def rows(name: str) -> list[Row]:
    tables = [block for block in scaling_blocks(projection_view(RECORDS[name]())) if isinstance(block, Table)]
    return [row for table in tables for row in table.rows]


def test_one_device_has_no_section() -> None:
    assert rows("before and after") == []
    assert rows("quoted") == []


def test_every_number_of_devices_says_where_it_is_from() -> None:
    found = [(row.cells[0], row.cells[-1]) for row in rows("eight devices")]
    sizes = [("1 device", "measured"), ("2 devices", "measured"), ("8 devices", "extrapolated")]
    assert found == [("baseline", ""), *sizes, ("exact", ""), *sizes]
    assert [row.cells[2].partition(" %")[0] for row in rows("eight devices")[1:4]] == ["100.0", "94.5", "90.7"]
    assert [row.cells[2:] for row in rows("everything")[1:3]] == [("100.0 %", "measured"), ("100.0 %", "assumed")]
    assert [row.cells[2:] for row in rows("one of two devices")[1:]] == [("–", "assumed"), ("–", "measured")]


def test_the_model_is_named_where_it_is_used() -> None:
    texts = {name: to_markdown(estimate_document(RECORDS[name]())) for name in ("two devices", "eight devices")}
    assert "Patarasuk and Yuan, 2009" in texts["eight devices"]
    assert "Patarasuk" not in texts["two devices"]
    assert "extrapolated from 1 and 2 devices" in texts["eight devices"]
    assert "another node, another network would change it" in texts["eight devices"]
    assert "15 steps in 3 blocks after the warm-up of matching on each of 2 devices" in texts["two devices"]


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (PerfectScaling(8), "Perfect scaling is assumed: 8 GPUs share an epoch's images"),
        (PerfectScaling(8, ("exact",)), "Perfect scaling is assumed of exact: 8 GPUs"),
        (ModelledScaling(("a",), 8, (1, 2, 4), "extrapolated"), "extrapolated from 1, 2 and 4 devices"),
        (ModelledScaling(("a", "b"), 3, (1, 2, 4), "interpolated"), "a and b on 3 devices was not measured: it is"),
        (ModelledScaling(("a",), 3, (1, 2, 4), "interpolated"), "between 2 and 4 devices, and its interval holds both"),
        (StepOfOthers(("a",), 8, 2, (2,), "one size"), "each of 8 devices is assumed to take as long for a step"),
        (StepOfOthers(("a",), 1, 2, (2,), "all larger"), "on 1 device was not measured: that of each of 2 devices"),
        (StepOfOthers(("a",), 8, 2, (1, 2), "matching"), "measured on 1 and 2 devices with different ways of matching"),
        (NoEfficiency(("a",), (2,), True), "one device alone was not measured"),
        (NoEfficiency(("a",), (1, 2), False), "1 and 2 devices were measured with different ways of matching"),
        (OriginsApart(("a",), ((1, "pilot"), (2, "training"))), "1 device in a pilot run, 2 devices in a training run"),
        (BetterThanPerfect(("a",), 2, Span(1.5, 1.2, 1.9)), "(efficiency 150.0 % (120.0 to 190.0))"),
        (TermsOfOthers(("a",), ("waiting",), 2, 8, True), "8 devices load 4 times as many images at once"),
        (TermsOfOthers(("a",), ("waiting",), 2, 1, True), "the same on 1 device: waiting for batches."),
        (TermsOfOthers(("a",), ("start-up",), 2, 8, False), "the same on each of 8 devices: start-up."),
    ],
)
def test_sentences(finding: ScalingFinding, words: str) -> None:
    assert words in scaling_sentence(finding)


def test_an_efficiency_of_which_little_is_known_can_be_read() -> None:
    assert "(efficiency 150.0 % (0.0 to inf))" in scaling_sentence(
        BetterThanPerfect(("a",), 2, Span(1.5, 0.0, math.inf))
    )
