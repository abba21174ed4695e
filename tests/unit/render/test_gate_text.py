"""A check in words: what was found, by how much, which stage explains it, and what can be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import fidelity_of
from gates import AWKWARD, RESULTS, change_of, revision, speedup_of
from paco_prof.analysis.fidelity import fidelity_view
from paco_prof.analysis.gate import CheckResult, Explanation
from paco_prof.render.gate_cells import allowed, measured
from paco_prof.render.gate_text import gate_sentence, is_told, one_line
from paco_prof.units import MISSING


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "slower",
            "against main: the step is 10.3 % slower (9.1 % to 11.4 %), 104 ms instead of 94.3 ms; Part Sampling "
            "explains 96 % of it (+9.40 ms).",
        ),
        ("as fast", "against main: no slower than 3 % allows: +0.4 % (-0.6 % to +1.3 %)."),
        (
            "faster than saved",
            "against reports/baseline.json: the step is 7.1 % faster (6.0 % to 8.2 %), an improvement; paco-prof "
            "baseline save makes it the new baseline.",
        ),
        ("share kept", "loss <= 10 %: 3.1 % (2.9 % to 3.3 %) of the step."),
        (
            "few launches",
            "against main: 5 launches could be taken, a verdict needs 7; more --launches or a larger --max-minutes "
            "gives them.",
        ),
        (
            "wide",
            "against main: +1.8 % (-1.2 % to +4.9 %), an interval that holds the 3 % that matter; more --launches or a "
            "quieter machine would tell.",
        ),
        (
            "failed",
            "against main: working tree: raised at its start: ImportError: no module named 'paco'. Is it installed?",
        ),
        (
            "trouble",
            "against v1.0: git knows no revision v1.0. Fetch it: a shallow clone has no other revisions.",
        ),
    ],
)
def test_whole_sentences(name: str, sentence: str) -> None:
    assert gate_sentence(RESULTS[name]) == sentence


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("spread", "no single stage explains it, it is spread over the step"),
        (
            "faster",
            "87.6 ms instead of 94.3 ms, an improvement; Part Contrast (PaC), which is gone, explains all of it",
        ),
        ("share broken", "12.4 % (12.1 % to 12.8 %) of the step; at most 10 % is allowed"),
        ("share within", "beyond the bound, but by less than the 3 % that matter"),
        ("tax kept", "+12.3 % (+11.9 % to +12.8 %) beside a plain step on the same backbone"),
        ("unattributed kept", "0.52 % (0.48 % to 0.57 %) of the step in no stage"),
        ("memory broken", "4.31 GB (4.29 to 4.33); at most 3.00 GB is allowed"),
        ("speed-up missed", "exact is 1.32x (1.28 to 1.36) as fast as baseline; at least 1.50x is asked for"),
        ("exact", "exact is as exact as float32 allows"),
        ("not exact", "exact is not exact: against float64 its loss is off by 4.1e-08, its gradient by 3.1e-01"),
        ("approximate", "is approximate, as it claims to be"),
        ("few saved launches", "one side has 1 launch, then or now, and a verdict needs 7 on both"),
        ("wide share", "an interval that holds the 10 % allowed"),
        ("wide tax", "holds 18.45 %, the bound and the 3 % that matter"),
        ("not surely", "but not surely enough (p is 0.008 where 0.005 is asked for)"),
        ("oversubscribed", "a step uses 8 threads on 2 cores"),
        ("changed", "the working tree was edited while it was measured"),
        ("not measured", "no launch came to its end"),
    ],
)
def test_every_verdict_reason_and_quantity_has_its_words(name: str, words: str) -> None:
    assert words in gate_sentence(RESULTS[name])


@pytest.mark.parametrize("name", RESULTS)
def test_every_sentence_begins_with_its_check_and_ends_once(name: str) -> None:
    sentence = gate_sentence(RESULTS[name])
    assert sentence.startswith(f"{RESULTS[name].check.name}: ")
    assert sentence.endswith((".", "?"))
    assert not any(bad in sentence for bad in ("..", "  ", " .", "None", "nan", "inf", MISSING, ": ;"))


def test_an_improvement_over_a_revision_needs_no_new_baseline() -> None:
    assert "baseline save" not in gate_sentence(RESULTS["faster"])


def test_what_is_told_is_all_but_plain_passes() -> None:
    quiet = {name for name, result in RESULTS.items() if not is_told(result)}
    assert quiet == {
        "as fast",
        "share kept",
        "share within",
        "tax kept",
        "unattributed kept",
        "memory kept",
        "speed-up kept",
        "exact",
        "approximate",
    }


def test_a_hint_of_its_own_is_told_as_well() -> None:
    result = replace(RESULTS["oversubscribed"], detail="8 threads on 1", hint="Say --threads 1.")
    assert gate_sentence(result).endswith(
        "8 threads on 1 core, which makes its time a matter of luck; fewer --threads would tell. Say --threads 1."
    )


def test_a_change_of_nothing_allowed_has_no_percentage_that_matters() -> None:
    check = revision(smallest_effect=0.0)
    assert "not slower: +0.4 %" in gate_sentence(replace(RESULTS["as fast"], check=check))
    assert "an interval that holds no change" in gate_sentence(replace(RESULTS["wide"], check=check))
    assert allowed(replace(RESULTS["as fast"], check=check)) == "at most +0 %"


@pytest.mark.parametrize(
    ("explained", "words"),
    [
        (Explanation("loss", 0.02, 1.21, 0.1, 0.12), "Loss Computation explains all of it (+20.0 ms)"),
        (Explanation("my/stage", 0.02, 0.512, 0.0, 0.02), "my/stage, which is new, explains 51 % of it"),
    ],
)
def test_the_stage_that_explains_a_change(explained: Explanation, words: str) -> None:
    assert words in gate_sentence(replace(RESULTS["slower"], explanation=explained))


def test_without_times_or_an_explanation_the_change_stands_alone() -> None:
    bare = CheckResult(revision(), "fail", test=change_of(0.103, None, None))
    assert gate_sentence(bare) == "against main: the step is 10.3 % slower."


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (CheckResult(revision(), "error", "failed"), "a process did not end as planned."),
        (CheckResult(revision(trouble="no git", hint="Install it."), "error", "trouble"), "no git. Install it."),
        (CheckResult(revision(), "inconclusive", "few launches"), "0 launches could be taken"),
        (CheckResult(revision(), "inconclusive", "interval"), "the launches do not tell"),
        (CheckResult(revision(), "inconclusive", "oversubscribed"), "more threads than there are cores"),
        (CheckResult(revision(), "pass"), "against main: pass."),
    ],
)
def test_without_particulars_there_is_a_sentence_all_the_same(result: CheckResult, words: str) -> None:
    assert words in gate_sentence(result)


def test_a_stricter_level_needs_more_launches() -> None:
    test = change_of(0.02, None, None, num_launches=8, level=0.001)
    assert "a verdict needs 10" in gate_sentence(replace(RESULTS["few launches"], test=test))


def test_what_a_terminal_or_a_log_should_not_be_given_is_left_out() -> None:
    assert one_line("a\r\n::error::\x1b[1;31mred\x1b[0m\x00\u202e\ud800b") == "a ::error::red b"
    assert all(sign.isprintable() for sign in gate_sentence(AWKWARD))


@pytest.mark.parametrize(
    ("name", "found", "bound"),
    [
        ("slower", "+10.3 % (+9.1 to +11.4)", "at most +3 %"),
        ("share broken", "12.4 % (12.1 to 12.8)", "at most 10 %"),
        ("memory kept", "2.86 GB (2.86 to 2.87)", "at most 3.00 GB"),
        ("speed-up kept", "1.62x (1.58 to 1.66)", "at least 1.50x"),
        ("exact", "2.1e-03 of gradient", "at most 1.0e-02"),
        ("loss not exact", "5.1e-03 of loss", "at most 1.0e-05"),
        ("approximate", "8.3e-02 of gradient", "any"),
        ("few launches", "+2.1 %", "at most +3 %"),
        ("failed", MISSING, "at most +3 %"),
    ],
)
def test_cells(name: str, found: str, bound: str) -> None:
    assert (measured(RESULTS[name]), allowed(RESULTS[name])) == (found, bound)


def in_float64(loss_error: float, gradient_error: float, name: str = "exact") -> CheckResult:
    """A drop-in whose errors are large in float32, and these in float64."""
    wide = {"float64_loss_error": loss_error, "float64_gradient_error": gradient_error}
    view = fidelity_view("exact", fidelity_of(1e-4, 0.3, **wide))
    return replace(RESULTS[name], fidelity=view)


@pytest.mark.parametrize(
    ("result", "found", "sentence"),
    [
        (
            in_float64(3e-16, 4e-11),
            "4.0e-11 of gradient",
            "exact is exact: with both in float64 its loss is off by 3.0e-16, its gradient by 4.0e-11.",
        ),
        (
            in_float64(3e-16, 2e-3, "not exact"),
            "2.0e-03 of gradient",
            "exact is not exact: with both in float64 its loss is off by 3.0e-16, its gradient by 2.0e-03, where "
            "rounding explains up to 1.0e-06.",
        ),
        (
            in_float64(2e-3, 4e-11, "not exact"),
            "2.0e-03 of loss",
            "exact is not exact: with both in float64 its loss is off by 2.0e-03, its gradient by 4.0e-11, where "
            "rounding explains up to 1.0e-06.",
        ),
    ],
    ids=["exact", "gradient", "loss"],
)
def test_what_was_looked_at_in_float64_is_told_of_there(result: CheckResult, found: str, sentence: str) -> None:
    assert (measured(result), allowed(result)) == (found, "at most 1.0e-06")
    assert gate_sentence(result) == f"fidelity of exact: {sentence}"


def test_a_fidelity_that_was_not_measured_has_no_cells() -> None:
    result = CheckResult(RESULTS["exact"].check, "error", "not measured", "it was not compared with float64")
    assert (measured(result), allowed(result)) == (MISSING, MISSING)


def test_a_speed_up_that_is_as_fast_as_asked_is_no_longer_beyond() -> None:
    result = replace(RESULTS["speed-up kept"], test=speedup_of(1.5, 1.5, 1.5, 1.5))
    assert "beyond" not in gate_sentence(result)
