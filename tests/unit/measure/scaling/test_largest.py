"""What a search for the largest batch tries next, on machines whose limit is known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paco_prof.measure.scaling.largest import CONFIRMING_STEPS, Asked, bounds_of, next_trial, reason_of
from paco_prof.records import Trial

UP_TO = 4096


def searched(most: int, in_the_long_run: int, known: int = 0, start: int = 8, up_to: int = UP_TO) -> list[Trial]:
    """The trials on a machine that has room for so many images, and for so many where it goes on for longer."""
    trials: list[Trial] = []
    while (asked := next_trial(trials, known, start, up_to)) is not None:
        fits = asked.size <= (in_the_long_run if asked.steps == CONFIRMING_STEPS else most)
        reason = "" if fits else "out of memory"
        trials.append(Trial(size=asked.size, steps=asked.steps if fits else 0, fits=fits, reason=reason))
        assert len(trials) < 60
    return trials


@given(st.integers(0, 6000), st.integers(0, 3), st.integers(0, 300), st.integers(1, 300))
def test_a_search_finds_what_fits_in_the_long_run(most: int, less: int, known: int, start: int) -> None:
    in_the_long_run = max(0, most - less)
    trials = searched(most, in_the_long_run, min(known, most), start)
    bounds = bounds_of(trials, min(known, most, UP_TO))
    assert bounds.fits == min(in_the_long_run, UP_TO)
    if bounds.fits:
        assert any(trial.fits and (trial.size, trial.steps) == (bounds.fits, CONFIRMING_STEPS) for trial in trials)
    expected = "as asked" if in_the_long_run >= UP_TO else "out of memory"
    assert reason_of(trials, bounds, UP_TO, "time is up") == expected
    if expected == "out of memory":
        assert bounds.too_large == bounds.fits + 1


def test_a_search_takes_few_trials() -> None:
    assert [trial.size for trial in searched(100, 100)] == [8, 16, 32, 64, 128, 96, 112, 104, 100, 102, 101, 100]


def test_nothing_is_tried_after_what_cannot_be_explained() -> None:
    failed = Trial(size=16, fits=False, reason="failed")
    assert next_trial([Trial(size=8, steps=3, fits=True), failed], 0, 8, UP_TO) is None


def test_what_was_measured_and_does_not_fit_any_more_is_no_bound() -> None:
    tried = [Trial(size=32, fits=False, reason="out of memory")]
    assert next_trial(tried, 32, 8, UP_TO) == Asked(16, 3)
