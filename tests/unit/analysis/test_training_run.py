"""A training run's view: terms that add up to the run, the best and the last accuracy, and what is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import fidelity_of
from paco_prof.analysis.findings import LeftOut, NoFidelity
from paco_prof.analysis.health import AccuracyAtChance, Collapse, GradientOfRounding, NonFiniteSteps
from paco_prof.analysis.loading import LoaderIsBottleneck
from paco_prof.analysis.training_run import (
    EPOCH_TERMS,
    TERMS,
    Evaluated,
    Resumed,
    TrainingEndedEarly,
    UnsavedState,
    epoch_terms,
    find_in_run,
    run_view,
)
from paco_prof.records import Note, RunPlan, TrainingRunRecord, VariantUsed
from training_runs import RECORDS, broken_run, collapsed_run, epoch_of, healthy_run, run_of, waiting_run


def kinds(record: TrainingRunRecord) -> list[type[Any]]:
    return [type(finding) for finding in find_in_run(record)]


def test_where_the_time_went_by_hand() -> None:
    """Five epochs of 12 s, 4 s before them and 1 s beside them."""
    view = run_view(healthy_run(5))
    seconds = {term.term: term.seconds for term in view.terms}
    assert seconds == {
        "start-up": 4.0,
        "epoch starts": pytest.approx(1.25),
        "waiting": pytest.approx(2.5),
        "steps": pytest.approx(48.75),
        "evaluation": pytest.approx(6.25),
        "checkpoints": pytest.approx(0.75),
        "rest": pytest.approx(1.5),
    }
    assert view.total_seconds == 65.0
    assert view.term("steps").share == pytest.approx(48.75 / 65)
    times = {term.term: term.times for term in view.terms}
    assert times == {
        "start-up": 1,
        "epoch starts": 5,
        "waiting": 220,
        "steps": 225,
        "evaluation": 5,
        "checkpoints": None,
        "rest": None,
    }


def test_throughput_is_of_training_alone() -> None:
    view = run_view(healthy_run(5))
    assert view.images_per_second == pytest.approx(1438 / 10.5)
    assert view.step_seconds == pytest.approx(9.75 / 45)


@pytest.mark.parametrize("name", RECORDS)
def test_terms_add_up_to_the_run(name: str) -> None:
    view = run_view(RECORDS[name]())
    assert tuple(term.term for term in view.terms) == TERMS
    assert sum(term.seconds for term in view.terms) == pytest.approx(view.total_seconds)
    shares = [term.share for term in view.terms if term.share is not None]
    assert not shares or sum(shares) == pytest.approx(1)


@given(
    st.lists(st.floats(0, 1e4), min_size=6, max_size=6),
    st.none() | st.floats(0, 1e3),
)
def test_an_epochs_terms_add_up_to_the_epoch(times: list[float], evaluation: float | None) -> None:
    names = ("seconds", "start_seconds", "waiting_seconds", "step_seconds", "checkpoint_seconds")
    result = epoch_of(0, **dict(zip(names, times, strict=False)), evaluation_seconds=evaluation)
    terms = epoch_terms(result)
    assert tuple(terms) == EPOCH_TERMS
    assert sum(terms.values()) == pytest.approx(result.seconds, abs=1e-6)


def test_the_best_epoch_is_the_first_of_the_best() -> None:
    accuracies = (0.5, 0.8, 0.8, None, 0.7, None)
    view = run_view(run_of(*(epoch_of(n, accuracy=a) for n, a in enumerate(accuracies))))
    assert (view.best, view.last) == (Evaluated(1, 0.8), Evaluated(4, 0.7))
    assert view.chance == 0.1


def test_a_run_without_an_epoch_has_a_view_too() -> None:
    view = run_view(RECORDS["nothing yet"]())
    assert (view.images_per_second, view.step_seconds, view.best, view.last) == (None, None, None, None)
    assert {term.share for term in view.terms} == {None}


def test_a_healthy_run_has_no_finding() -> None:
    assert find_in_run(healthy_run()) == ()


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_run_that_did_not_end_says_how_far_it_came(status: str) -> None:
    record = run_of(epoch_of(0), status=status, plan=RunPlan(epochs=3), notes=(Note(code="failed", detail="oh"),))
    assert find_in_run(record) == (TrainingEndedEarly(status, 1, 3, "oh"),)  # type: ignore[arg-type]


def test_a_resumed_run_says_so() -> None:
    assert find_in_run(healthy_run(processes=3)) == (Resumed(3),)


def test_what_no_checkpoint_holds_is_told() -> None:
    few = healthy_run(notes=(Note(code="unsaved_state", detail="queue", number=1),))
    assert find_in_run(few) == (UnsavedState(("queue",), 1),)
    many = healthy_run(notes=(Note(code="unsaved_state", detail="queue, criterion.seen, last", number=7),))
    assert find_in_run(many) == (UnsavedState(("queue", "criterion.seen", "last"), 7),)


def test_what_makes_the_run_void_comes_first() -> None:
    assert kinds(broken_run()) == [TrainingEndedEarly, Resumed, NoFidelity, NonFiniteSteps, AccuracyAtChance]
    assert kinds(collapsed_run())[0] is Collapse
    assert kinds(waiting_run()) == [NonFiniteSteps, LoaderIsBottleneck]


def test_variant_and_fidelity_are_judged_as_in_a_breakdown() -> None:
    variant = VariantUsed(name="mine", kind="exact", left_out={"tf32": "no GPU"})
    record = healthy_run(variant=variant).model_copy(update={"fidelity": fidelity_of(1e-4, 3.0)})
    assert kinds(record) == [LeftOut, GradientOfRounding]
