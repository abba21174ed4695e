"""An interruption waits where it must, and only there."""

from __future__ import annotations

import signal
import threading

import pytest

from paco_prof.measure.interrupts import held_interrupts


def interrupted(times: int, done: list[str], error: Exception | None = None) -> None:
    """Something that is interrupted so often before it is done."""
    with held_interrupts():
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        if error is not None:
            raise error
        done.append("all of it")


@pytest.mark.parametrize(("times", "wanted"), [(1, ["all of it"]), (2, [])])
def test_the_first_takes_effect_at_the_end_and_the_second_at_once(times: int, wanted: list[str]) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(times, done)
    assert done == wanted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_inside_comes_first() -> None:
    with pytest.raises(ValueError, match="mine"):
        interrupted(1, [], ValueError("mine"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_happens_without_one() -> None:
    with held_interrupts():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_somebody_else_stays() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    try:
        with held_interrupts():
            signal.raise_signal(signal.SIGINT)
            assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_go_on() -> None:
    entered: list[bool] = []

    def work() -> None:
        with held_interrupts():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]
