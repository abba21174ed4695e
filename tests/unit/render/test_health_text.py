"""What ails a training, in words: the values, since when, and what to try."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from paco_prof.analysis import health as h
from paco_prof.analysis.health import HealthFinding
from paco_prof.analysis.loading import LoaderIsBottleneck
from paco_prof.analysis.training_run import Resumed, RunFinding, TrainingEndedEarly, UnsavedState, find_in_run
from paco_prof.render.finding_text import sentence
from paco_prof.render.training_text import run_sentence
from training_runs import RECORDS

COLLAPSE = h.Collapse(0.2, 0.2, 1e-6, 1.0, 3, 9, get_args(h.Remedy))
COINCIDING = h.CoincidingParts(0.93, None, 5, (3, 3), True, 1, 224)
ROUNDING = h.GradientOfRounding("baseline", 3.1e-6, 297.3, 0.003, True)
NON_FINITE = h.NonFiniteSteps(3, 1200, 1, until_the_end=True, clips=False, scales=False)
WAITING = LoaderIsBottleneck(0.16, 0.1, 0.5, 2, 5, 8, False)

EXAMPLES: tuple[tuple[HealthFinding | LoaderIsBottleneck, tuple[str, ...]], ...] = (
    (
        COLLAPSE,
        (
            "stuck at alpha (0.200000 for 0.2, in 100.0 % of the last epoch's steps)",
            "SoC near zero (1.0e-06)",
            "since epoch 4 of the 10 that are over",
            "carry no information",
            "schedule=cosine",
            "eta_soc",
            "1e-2",
            "--image-size",
        ),
    ),
    (replace(COLLAPSE, since=9), ("in epoch 10.",)),
    (replace(COLLAPSE, since=None, until=None), ("100.0 % of the steps)", "(1.0e-06). All")),
    (replace(COLLAPSE, remedies=("learning_rate",)), ("Try a learning rate a tenth of this one.",)),
    (
        COINCIDING,
        (
            "93.0 % of the pairs",
            "(before the first step)",
            "r=5 on a feature map of 3 x 3 covers everything",
            "Use -r 1 or --image-size 224.",
        ),
    ),
    (replace(COINCIDING, smaller_window=None, larger_image=None), ("mean of the whole map.",)),
    (
        replace(COINCIDING, feature_map=(7, 7), covers_map=False, smaller_window=3, larger_image=None, epoch=0),
        ("at the end of epoch 1", "overlap much; try -r 3."),
    ),
    (
        replace(COINCIDING, feature_map=(14, 14), covers_map=False, smaller_window=None, larger_image=None),
        ("it is the features that do not", "r=5 on a feature map of 14 x 14"),
    ),
    (replace(COINCIDING, feature_map=None), ("Try windows that differ more, by a smaller -r or a larger --image",)),
    (h.CovarianceAtFloor(0.75, 4, 1e-5, 4, 2e-4), ("75.0 %", "epsilon (1e-05)", "epoch 5", "2.0e-04", "eta_soc")),
    (h.CovarianceAtFloor(1.0, None, 1e-5, 1, 0.0), ("A single part has no covariance", "-K 2 or more")),
    (
        h.AccuracyAtChance(0.1, 0.1, 0.52, 359, 4),
        ("after 5 epochs 10.0 % of 359 held-out images are", "10.0 % expected; p = 0.52", "Cross-Entropy"),
    ),
    (h.AccuracyAtChance(0.0, 0.005, 1.0, 1, 0), ("after 1 epoch 0.0 % of 1 held-out image is", "0.5 % expected")),
    (NON_FINITE, ("3 of 1,200 steps", "from epoch 2 on, and still in the last one", "clip_norm=1", "learning rate")),
    (replace(NON_FINITE, until_the_end=False), ("and no more at the end", "clip_norm=1")),
    (replace(NON_FINITE, scales=True), ("bfloat16 in place of float16",)),
    (replace(NON_FINITE, scales=True, until_the_end=False), ("finds its scale that way",)),
    (
        ROUNDING,
        (
            "Rounding dominates the gradient of baseline",
            "29,730.0 %",
            "cosine 0.003000",
            "float64-parts",
            "epsilon and tau of 1e-2",
            "If that does not mend it, baseline is not exact.",
        ),
    ),
    (
        WAITING,
        (
            "waiting for images takes 61.5 % of an iteration (160 ms beside 100 ms of the step)",
            "2 workers load, 500 ms of loading a batch",
            "About 5 workers (--workers 5) would hide it; this machine has 8 cores, and more workers than cores",
        ),
    ),
    (
        replace(WAITING, cores=4),
        ("It would take 5 workers", "this machine has 4 cores: more workers than cores cannot"),
    ),
    (replace(WAITING, cores=None), ("About 5 workers (--workers 5) would hide it.",)),
    (replace(WAITING, loading=None, needed=None), ("Try more than 2 (--workers 3).",)),
    (
        replace(WAITING, workers=0, needed=1, cores=1, shares_cores=True, name="mine"),
        ("an iteration of mine", "the process that trains loads them itself", "1 core, which they take from the step"),
    ),
    (replace(WAITING, workers=1), ("1 worker loads, 500 ms",)),
)


@pytest.mark.parametrize(("finding", "words"), EXAMPLES, ids=lambda x: type(x).__name__)
def test_what_ails_a_training_in_words(finding: HealthFinding | LoaderIsBottleneck, words: tuple[str, ...]) -> None:
    text = sentence(finding)
    for expected in words:
        assert expected in text
    assert_is_prose(text)


def assert_is_prose(text: str) -> None:
    assert text.endswith(".")
    assert "\n" not in text
    assert "  " not in text
    assert ".." not in text


def test_every_kind_has_words() -> None:
    assert {type(finding) for finding, _ in EXAMPLES} == {*get_args(HealthFinding), LoaderIsBottleneck}


def test_what_is_done_is_no_advice() -> None:
    assert "clip_norm" not in sentence(replace(NON_FINITE, clips=True))
    assert "tau of 1e-2" not in sentence(replace(ROUNDING, has_small_floor=False))
    assert "eta_soc" not in sentence(replace(COLLAPSE, remedies=("learning_rate", "floor")))


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (TrainingEndedEarly("running", 2, 5, ""), "is not over, or was killed after 2 of 5 epochs"),
        (TrainingEndedEarly("interrupted", 0, 1, ""), "was interrupted after 0 of 1 epoch;"),
        (TrainingEndedEarly("failed", 1, 3, "RuntimeError: no."), "failed (RuntimeError: no) after"),
        (TrainingEndedEarly("failed", 1, 3, ""), "The run failed after"),
        (Resumed(2), "resumed once: its time is that of 2 processes"),
        (Resumed(4), "resumed 3 times"),
        (UnsavedState(("criterion.queue",), 1), "in criterion.queue. No checkpoint holds them: a run that is resumed"),
        (UnsavedState(("a", "b", "c"), 3), "in a, b, c. No"),
        (UnsavedState(("a", "b", "c"), 5), "in a, b, c and 2 more. No"),
        (WAITING, "The loader is the bottleneck"),
        (COLLAPSE, "Collapse"),
    ],
)
def test_what_a_run_found_in_words(finding: RunFinding, words: str) -> None:
    assert words in run_sentence(finding)
    assert_is_prose(run_sentence(finding))


@pytest.mark.parametrize("name", RECORDS)
def test_every_finding_of_the_built_runs_is_prose(name: str) -> None:
    for finding in find_in_run(RECORDS[name]()):
        assert_is_prose(run_sentence(finding))
