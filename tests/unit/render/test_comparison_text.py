"""Every finding is a sentence of its own, which names its variant and says what to do."""

from __future__ import annotations

import math

import pytest

from comparisons import RECORDS, aa_record, ablation_record
from paco_prof.analysis import comparison_findings as c
from paco_prof.analysis import findings as f
from paco_prof.analysis import machine_findings as m
from paco_prof.analysis.comparison import comparison_view
from paco_prof.analysis.health import GradientOfRounding
from paco_prof.analysis.loading import LoaderIsBottleneck
from paco_prof.records import Failure
from paco_prof.render.comparison_text import comparison_sentence, failure_words, measured_ratio
from paco_prof.stats.paired import RatioEstimate, judge

NOISE = judge([0.01, -0.02, 0.015])
FASTER = judge([0.70, 0.69, 0.71])
ONE = judge([0.7])


def failure(**changes: object) -> Failure:
    settings = {"contestant": 1, "round": 1, "kind": "raised", "during": "step", "detail": "RuntimeError: x"}
    return Failure.model_validate(settings | changes)


FINDINGS: tuple[tuple[c.ComparisonFinding, str], ...] = (
    (c.ComparisonEndedEarly("running", 3), "was killed"),
    (c.ComparisonEndedEarly("interrupted", 1), "was interrupted; it rests on 1 launch"),
    (c.ComparisonEndedEarly("failed", 0), "0 launches"),
    (c.MissingLaunches(1), "1 planned launch not taken; --resume"),
    (c.MissingLaunches(3), "3 planned launches"),
    (c.Extended(9), "9 launches"),
    (c.Unfinished("mine", failure(), lost=True), "mine's process failed at its step in launch 2: RuntimeError: x."),
    (
        c.Unfinished("mine", failure(kind="died", of_baseline=True), lost=False),
        "The baseline's process beside mine died",
    ),
    (
        c.Unfinished("mine", failure(kind="hung", hint="A larger --timeout waits longer."), lost=True),
        "mine's process hung",
    ),
    (
        c.Unfinished("mine", failure(kind="out of memory", peak_bytes=9_100_000_000), lost=True),
        "9.10 GB. --retry-smaller",
    ),
    (
        c.Unfinished("mine", failure(kind="not applicable", detail="No g++."), lost=True),
        "mine cannot be measured here: No",
    ),
    (c.BatchHalved("mine", 4), "mine"),
    (c.OtherBatch("mine", 4, 8), "mine has a batch of 4"),
    (c.Sequential(), "Sequential"),
    (c.AgainstItself("mine", NOISE), "mine against itself shows no difference"),
    (c.AgainstItself("mine", ONE), "mine against itself shows no difference"),
    (c.AgainstItself("mine", FASTER), "mine against itself shows a difference of 2.0"),
    (c.NotEstablished("mine", NOISE, None), "mine: 3 launches do not establish a difference"),
    (c.NotEstablished("mine", ONE, 12), "mine: 1 launch does not establish a difference; about 12 launches"),
    (c.NotCompared("mine: RuntimeError: x"), "mine: RuntimeError: x"),
    (f.ContradictedKind("mine", 0.1, 0.2, 0.9, "float64"), "mine claims to be exact and is not"),
    (f.GradientAstray("mine", 0.1, 2.0, 0.3, False), "The gradient of mine"),
    (GradientOfRounding("mine", 0.1, 2.0, 0.3, True), "Rounding dominates the gradient of mine"),
    (LoaderIsBottleneck(0.1, 0.2, 0.3, 1, 2, 4, False, "mine"), "an iteration of mine"),
    (f.LeftOut("mine", (("tf32", "no GPU"),)), "Left out of mine here: tf32 (no GPU)."),
    (f.NonFiniteLoss(("pac",), 2, 7, "mine"), "Non-finite loss of mine: pac was"),
    (f.UndividedBackward("it was compiled", "mine"), "Backward of mine is reported whole: it was compiled."),
    (f.BusyMachine(1.2, 2), "1.2 of 2 cores"),
    (m.WaitingIsBusy(0.9), "0.9 cores"),
    (m.Throttled(times=1), "1 time."),
    (m.Throttled(reasons=("power", "heat")), "power, heat"),
    (m.ClockMoved("CPU", 1200.0, 3400.0), "between 1,200 and 3,400 MHz"),
    (m.SlowGovernor("powersave"), "powersave"),
    (m.OthersOnAccelerator(1), "1 other process computed"),
    (m.Oversubscribed(8, 2), "8 threads on 2 cores; --threads 2"),
)


@pytest.mark.parametrize(("finding", "words"), FINDINGS, ids=lambda x: x if isinstance(x, str) else type(x).__name__)
def test_every_finding_is_a_sentence(finding: c.ComparisonFinding, words: str) -> None:
    text = comparison_sentence(finding)
    assert words in text
    assert text.endswith(".")
    assert "\n" not in text
    assert ".." not in text
    assert "  " not in text


@pytest.mark.parametrize("name", RECORDS)
def test_every_finding_of_the_built_records_ends_in_a_full_stop(name: str) -> None:
    record = RECORDS[name]()
    texts = [comparison_sentence(finding) for finding in c.find_in_comparison(record, comparison_view(record))]
    assert [text for text in texts if not text.endswith(".")] == []
    assert len(set(texts)) == len(texts)


def test_what_cannot_be_done_ends_in_a_full_stop() -> None:
    assert comparison_sentence(c.Unfinished("mine", failure(kind="not applicable"), lost=True)).endswith(".")


def test_a_detail_with_a_full_stop_leaves_one_behind_its_peak() -> None:
    finding = c.Unfinished("mine", failure(kind="out of memory", detail="Tried 2 GB.", peak_bytes=10**9), lost=True)
    assert "1.00 GB. --retry-smaller" in comparison_sentence(finding)


def test_a_detail_with_a_full_stop_gets_no_second_one() -> None:
    assert not comparison_sentence(c.NotCompared("mine: It failed.")).endswith("..")


def test_a_toggle_that_helps_only_alone_is_named_with_the_other() -> None:
    record = ablation_record("factorial")
    (finding,) = [x for x in c.find_in_comparison(record, comparison_view(record)) if isinstance(x, c.HelpsOnlyAlone)]
    text = comparison_sentence(finding)
    assert text.startswith("max-negatives-16 helps only")
    assert "fused-loss" in text
    assert "1.84x" in text
    assert text.endswith(".")


def test_the_noise_of_a_machine_is_an_interval() -> None:
    record = aa_record()
    (finding,) = c.find_in_comparison(record, comparison_view(record))
    text = comparison_sentence(finding).replace("x", "")
    assert "differences inside 0.99 to 1.01 cannot be seen" in text


def test_a_ratio_is_a_number_only_where_it_is_established() -> None:
    assert measured_ratio(None) == "–"
    assert measured_ratio(FASTER).startswith("2.01x (1.96")
    assert measured_ratio(NOISE).startswith("~ (")
    assert measured_ratio(ONE) == "~"
    far = RatioEstimate(math.log(600), math.log(500), 800.0, 0.95, 0.001, 3, "student", 0.01)
    assert measured_ratio(far).replace("x", "") == "600 (500 or more)"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"kind": "out of memory", "peak_bytes": 9_100_000_000}, "out of memory at 9.10 GB"),
        ({"kind": "out of memory"}, "out of memory"),
        ({"kind": "died", "peak_bytes": 7}, "died"),
        ({"kind": "not applicable"}, "not applicable"),
    ],
)
def test_a_failure_in_a_cell(changes: dict[str, object], text: str) -> None:
    assert failure_words(failure(**changes)) == text
