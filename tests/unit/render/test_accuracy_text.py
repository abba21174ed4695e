"""Findings about accuracies in words: the figures that were found, what to do, and grammar in the singular too."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from paco_prof.analysis import accuracy_findings as a
from paco_prof.analysis.findings import ContradictedKind, GradientAstray, LeftOut
from paco_prof.analysis.health import GradientOfRounding, NonFiniteSteps
from paco_prof.render.accuracy_text import accuracy_sentence
from paco_prof.stats.noninferiority import AccuracyDifference


def difference(value: float, low: float | None, high: float | None, **changes: Any) -> AccuracyDifference:
    settings = {
        "margin": 0.01,
        "verdict": "inconclusive",
        "seed_variance": 1e-6,
        "image_variance": 4e-6,
        "num_seeds": 3,
        "num_images": 359,
        "by_image": True,
        **changes,
    }
    return AccuracyDifference(value=value, low=low, high=high, **settings)


GOOD, WORSE = difference(0.001, -0.006, 0.008), difference(-0.031, -0.041, -0.022)
OPEN, ONE = difference(-0.0037, -0.0162, 0.0081), difference(0.0028, None, None, num_seeds=1)
WIDE = difference(-0.0037, -0.0162, 0.0081, image_variance=4e-5)
CALM = difference(-0.0102, -0.0162, -0.002, image_variance=1e-9)

EXAMPLES: tuple[tuple[a.AccuracyFinding, tuple[str, ...]], ...] = (
    (a.Judged("exact", "as good", GOOD, None, 0), ("as good as the baseline", "+0.10 pt (-0.60 to +0.80)", "-1.00 pt")),
    (a.Judged("exact", "better", GOOD, None, 0), ("more accurate", "above zero")),
    (a.Judged("exact", "worse", WORSE, None, 0), ("worse than", "-3.10 pt (-4.10 to -2.20)", "below -1.00 pt")),
    (a.Judged("exact", "inconclusive", OPEN, 9, 0), ("not decided", "both sides of -1.00 pt", "About --seeds 9")),
    (a.Judged("exact", "inconclusive", WIDE, None, 0), ("359 evaluation images alone leave ±1.24 pt", "more images")),
    (a.Judged("exact", "inconclusive", CALM, None, 0), ("so near to the margin",)),
    (a.Judged("exact", "inconclusive", ONE, None, 0), ("+0.28 pt, with one seed.",)),
    (a.Judged("exact", "inconclusive", GOOD, None, 1), ("not called as good, since 1 run of it failed;",)),
    (a.Judged("exact", "inconclusive", GOOD, None, 2), ("since 2 runs of it failed;",)),
    (a.FasterButWorse("optimized", WORSE, 2.41), ("faster and worse", "2.4x as fast", "-3.10 pt", "-1.00 pt")),
    (a.UnlikeExact("exact", WORSE), ("claims to be exact", "-3.10 pt", "one such comparison in twenty")),
    (a.RunsEndedEarly("interrupted", 1, 6), ("was interrupted with 1 of 6 runs",)),
    (a.RunsEndedEarly("running", 0, 1), ("was killed with 0 of 1 run ",)),
    (a.RunsEndedEarly("failed", 2, 6), ("The comparison failed",)),
    (
        a.RunFailed("exact", 2, 1, 5, "out of memory."),
        ("with seed 2 failed after 1 of 5 epochs: out of memory. ",),
    ),
    (a.RunFailed("exact", 2, 0, 1, "NaN"), ("0 of 1 epoch: NaN. It",)),
    (a.TooFewSeeds(1), ("One seed", "--seeds 3")),
    (a.TooFewSeeds(2), ("2 seeds", "--seeds 3")),
    (a.SmallEvaluation(50, 0.01, 0.0527), ("less than one of them", "5.27 pt", "--margin 5.28")),
    (a.SmallEvaluation(200, 0.01, 0.0138), ("200 evaluation images are too few for a margin of 1.00 pt whatever",)),
    (a.SmallEvaluation(1, 0.01, 0.8), ("1 evaluation image is too few",)),
    (a.TwinAstray("baseline", 0.02, 0.7, 0.82), ("2.0e-02", "70.0 %", "0.820000", "train the loop itself")),
    (a.TwinAstray("baseline", None, 0.7, 0.82), ("off by –",)),
    (a.AtChance("exact", 3, 3, 0.103, 0.1), ("3 of 3 runs (10.3 % at best)", "(10.0 %)")),
    (a.AtChance("exact", 1, 1, 0.103, 0.1), ("1 of 1 run (",)),
    (a.Unhealthy("exact", 2, 3, NonFiniteSteps(5, 100, 0, False, True, False)), ("exact, 2 of 3 runs: ",)),
    (a.TargetMissed(0.968, (("exact", 0, 3), ("optimized", 1, 1))), ("96.8 %", "0 of 3 runs of exact, 1 of 1 run of")),
    (ContradictedKind("exact", 0.01, 0.1, 0.9, "model"), ("claims to be exact and is not",)),
    (GradientAstray("optimized", 0.01, 0.9, 0.5, True), ("optimized",)),
    (GradientOfRounding("exact", 0.01, 0.9, 0.5, True), ("exact",)),
    (LeftOut("exact", (("compile", "no compiler"),)), ("compile (no compiler)",)),
)


@pytest.mark.parametrize(("finding", "words"), EXAMPLES, ids=[type(finding).__name__ for finding, _ in EXAMPLES])
def test_a_sentence_holds_the_figures_and_ends(finding: a.AccuracyFinding, words: tuple[str, ...]) -> None:
    text = accuracy_sentence(finding)
    for word in words:
        assert word in text
    assert text.endswith(".")
    assert ".." not in text
    assert "  " not in text


def test_every_kind_of_finding_has_an_example() -> None:
    assert {type(finding) for finding, _ in EXAMPLES} == set(get_args(a.AccuracyFinding))
