"""When to stop repeating a measurement."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from paco_prof.measure.pacing import Budget, is_precise, is_settled, warm_up


def at(seconds: float) -> Callable[[], float]:
    return lambda: seconds


def test_the_minimum_is_taken_whatever_the_clock_says() -> None:
    budget = Budget(at(100.0), deadline=0.0, minimum=3)
    assert budget.stop_reason(2, 1.0, is_precise=False) is None
    assert budget.stop_reason(3, 1.0, is_precise=False) == "time is up"


def test_a_repetition_that_would_end_too_late_is_not_begun() -> None:
    budget = Budget(at(5.0), deadline=10.0, minimum=1)
    assert budget.stop_reason(1, 4.9, is_precise=False) is None
    assert budget.stop_reason(1, 5.1, is_precise=False) == "time is up"


def test_precision_ends_it_early_and_a_maximum_ends_it_always() -> None:
    budget = Budget(at(0.0), deadline=10.0, minimum=3, maximum=5)
    assert budget.stop_reason(4, 0.1, is_precise=True) == "settled"
    assert budget.stop_reason(5, 0.1, is_precise=False) == "as asked"


def test_five_equal_samples_are_too_few_for_95_percent_and_six_are_enough() -> None:
    assert not is_precise([1.0] * 5)
    assert is_precise([1.0] * 6)
    assert not is_precise([])


def test_wide_intervals_are_not_precise() -> None:
    assert is_precise([1.0, 1.04, 0.96, 1.0, 1.0, 1.0])
    assert not is_precise([1.0, 1.06, 1.0, 1.0, 1.0, 1.0])


@given(st.lists(st.floats(0.001, 10.0), min_size=6, max_size=30), st.floats(0.01, 100.0))
def test_precision_does_not_depend_on_the_unit(samples: list[float], factor: float) -> None:
    spread = max(samples) / min(samples)
    if spread < 1.04 or spread > 2.0:  # not on the edge, where rounding decides
        assert is_precise(samples) == is_precise([sample * factor for sample in samples])


def test_settled_means_no_more_than_ten_percent_faster_after_the_second_step() -> None:
    assert not is_settled([1.0])
    assert not is_settled([1.0, 1.0])
    assert not is_settled([9.0, 2.0, 1.0])
    assert is_settled([9.0, 2.0, 1.9])
    assert is_settled([9.0, 1.0, 1.5])


def run_warm_up(times: list[float], asked: int | None = None, end: float = 1e9) -> tuple[int, int]:
    """Steps left out and steps taken, on a clock that advances by the steps."""
    taken: list[float] = []

    def take() -> float:
        taken.append(times[len(taken)])
        return taken[-1]

    return warm_up(take, lambda: sum(taken), end, asked), len(taken)


def test_warm_up_leaves_out_what_came_before_the_steps_settled() -> None:
    assert run_warm_up([9.0, 4.0, 2.0, 1.9, 1.9]) == (2, 4)
    assert run_warm_up([9.0, 2.0, 2.0, 2.0]) == (1, 3)


def test_an_unfinished_warm_up_keeps_its_last_step() -> None:
    assert run_warm_up([9.0, 4.0, 2.0, 1.0], end=14.0) == (1, 2)


def test_a_warm_up_that_was_asked_for_is_left_out_entirely() -> None:
    assert run_warm_up([9.0, 1.0, 1.0, 1.0], asked=3) == (3, 3)
    assert run_warm_up([], asked=0) == (0, 0)
