"""Findings in words: the figures that were found, what to do, and grammar in the singular too."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from paco_prof.analysis import findings as f
from paco_prof.analysis.claims import CheckedClaim
from paco_prof.analysis.health import HealthFinding
from paco_prof.analysis.loading import LoaderIsBottleneck
from paco_prof.records import Claim
from paco_prof.render.finding_text import claim_sentence, sentence

EXAMPLES: dict[f.Finding, tuple[str, ...]] = {
    f.DominantStage("loss", 0.937, 15.9): ("Loss Computation", "93.7 % of the step", "15.9x faster"),
    f.DominantStage("loss", 0.941, None): ("94.1 % of the forward stages", "no ceiling"),
    f.DominantStage("loss", 1.0, math.inf): ("100.0 %", "infinitely faster"),
    f.TrainingOverInference(587.0, (("loss", 557.0), ("backbone", 27.2)), 2.8, 221.0, True): (
        "587x",
        "Loss Computation 557x + Backbone 27.2x + the rest 2.8x",
        "221x",
    ),
    f.TrainingOverInference(587.0, (("loss", 220.0),), 367.0, 221.0, False): (
        "Loss Computation 220x + the rest, all of backward among it, 367x",
    ),
    f.TrainingOverInference(3.0, (), 3.0, 1.0, True): ("3.0x",),
    f.LossAloneReadsLower(4.972, 4.2, 1.0, 0.772, 8.0): ("1,000 ms", "4,200 ms", "4,972 ms", "772 ms", "8,000 ms"),
    f.LossAloneReadsLower(2.0, 2.5, 1.0, None, None): (
        "1,000 ms",
        "2,500 ms",
        "2,000 ms forward, a difference that these rounds cannot tell from noise.",
    ),
    f.DominantStage("backbone", 0.5, 2.0, "loss"): ("These steps cannot tell whether Loss Computation takes less",),
    f.RepeatedFactorization("loss/pac", 14_368, 8, 186_784): ("14,368 matrices", "8, one per image", "186,784"),
    f.HostBound((("matching", ("forward",)), ("backbone", ("forward", "backward")))): (
        "Hungarian Matching (forward)",
        "Backbone (forward, backward)",
        "†",
    ),
    f.NoisyStages((("loss", 0.4), ("backbone", 0.2), ("mine", 0.1), ("more", 0.06)), 7, False): (
        "7 steps",
        "larger --max-seconds",
        "4 stages",
        "Loss Computation ±40.0 %",
        "mine ±10.0 %",
    ),
    f.NoisyStages((("loss", 0.4),), 1, True): ("after 1 step ", "1 stage ", "more --steps"),
    f.BusyMachine(1.43, 2): ("1.4 of 2 cores", "Measure again"),
    f.UnattributedTime(0.031): ("3.1 % of the step", "belongs to no stage"),
    f.UnattributedTime(-0.031): ("3.1 % of the step", "more than one row"),
    f.UndividedBackward("the graph was compiled"): ("whole", "the graph was compiled"),
    f.NothingToContrast(): ("Batch size 1", "PaC is 0", "--batch-size 2"),
    f.NonFiniteLoss(("total",), 3, 7): ("total was NaN or infinite", "3 of 7 steps"),
    f.NonFiniteLoss(("total", "pac"), 7, 7): ("total, pac were NaN or infinite",),
    f.RunEndedEarly("interrupted", "", 1): ("was interrupted", "1 step "),
    f.RunEndedEarly("interrupted", "", 0): ("was interrupted", "before a training step was over"),
    f.RunEndedEarly("failed", "RuntimeError: out of memory", 4): ("failed (RuntimeError: out of memory)", "4 steps"),
    f.StagesOnlyTrace(187_124): ("187,124 operators",),
    f.PaCoShare(0.848, 6.6): ("84.8 % of the step", "6.6x faster", "parts, matching, covariance, pool, prototypes"),
    f.PaCoShare(0.0123, 1.0125): ("1.2 % of the step", "what is left is plain two-view training"),
    f.ContradictedKind("baseline", 3.1e-6, 297.3, 0.003, "model"): (
        "baseline claims to be exact and is not",
        "loss is off by 3.1e-06",
        "29,730.0 % of the float64 reference's norm",
        "cosine 0.003000",
        "float64-parts",
    ),
    f.GradientAstray("mine", 31.48, 8.3, -0.133167, True): (
        "The gradient of mine is not that of its own settings without approximation",
        "-0.133167",
        "31.5",
    ),
    f.GradientAstray("mine", 0.2, 1.1, 0.4, False): ("not that of the baseline", "0.400000"),
    f.ContradictedKind("mine", None, 0.5, 0.9, "float64"): ("mine claims to be exact", "off by –", "50.0 %"),
    f.NoFidelity("RuntimeError: out of memory"): ("could not be compared", "RuntimeError: out of memory"),
    f.LeftOut("exact", (("cudnn_benchmark", "cuDNN runs on NVIDIA GPUs, and this is cpu"),)): (
        "Left out of exact here: cudnn_benchmark (cuDNN runs on NVIDIA GPUs, and this is cpu).",
    ),
    f.LeftOut("fastest", (("tf32", "no GPU"), ("compile", "no g++"))): ("tf32 (no GPU); compile (no g++).",),
}


@pytest.mark.parametrize("finding", EXAMPLES, ids=lambda finding: type(finding).__name__)
def test_a_finding_in_words(finding: f.Finding) -> None:
    text = sentence(finding)
    for words in EXAMPLES[finding]:
        assert words in text
    assert text.endswith(".")
    assert "\n" not in text
    assert "  " not in text


def test_every_kind_of_finding_has_words() -> None:
    elsewhere = {*get_args(HealthFinding), LoaderIsBottleneck}
    assert {type(finding) for finding in EXAMPLES} == set(get_args(f.Finding)) - elsewhere


def test_float64_parts_are_no_advice_to_who_has_them() -> None:
    has, has_not = (sentence(f.ContradictedKind("x", 0.1, 0.1, 0.9, dtype)) for dtype in ("float64", "model"))
    assert "parts_dtype" not in has
    assert has_not.startswith(has)


def test_a_stage_of_somebody_elses_keeps_its_name() -> None:
    assert sentence(f.DominantStage("[mine|too]", 0.7, 3.3)).startswith("[mine|too] dominates")


def test_a_claim_that_does_not_follow_names_what_it_is() -> None:
    claim = Claim(quantity="step_over_inference", text="220x slower", value=220)
    checked = CheckedClaim(claim, 587.3, "does not follow", "step / inference", instead="forward / inference")
    text = claim_sentence(checked)
    assert text == "“220x slower”: quoted 220, but step / inference gives 587; 220 is forward / inference."


def test_a_projection_names_the_step_that_it_belongs_to() -> None:
    claim = Claim(quantity="epoch_minutes", text="an epoch", value=89.7, decimals=1, count=1000)
    checked = CheckedClaim(claim, 221.1, "does not follow", "step x batches", implied_step=5.382)
    assert claim_sentence(checked).endswith("gives 221.1; 89.7 belongs to 5.38 s a batch.")
