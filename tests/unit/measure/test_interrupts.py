"""An interruption waits where it must, and only there."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from paco_prof.measure.interrupts import held_interrupts, terminations_interrupt

ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


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


@pytest.fixture
def dispositions() -> Iterator[None]:
    """Whatever a test does with them, signals are handled afterwards as they were before."""
    numbers = [signal.SIGINT, *ENDS]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ended(number: int, done: list[str]) -> None:
    """Something that is ended from outside before it is done."""
    with terminations_interrupt():
        signal.raise_signal(number)
        done.append("all of it")


@pytest.mark.usefixtures("dispositions")
@pytest.mark.parametrize("number", ENDS)
def test_what_ends_a_process_is_a_ctrl_c(number: int) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        ended(number, done)
    assert done == []
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.usefixtures("dispositions")
@pytest.mark.parametrize("number", ENDS)
def test_it_ends_what_ignores_ctrl_c_as_well(number: int) -> None:
    """As a job in the background does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt):
        ended(number, [])
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.usefixtures("dispositions")
def test_without_one_the_handlers_are_as_they_were() -> None:
    def mine(number: int, _frame: object) -> None: ...

    signal.signal(signal.SIGTERM, mine)
    with terminations_interrupt():
        assert signal.getsignal(signal.SIGTERM) is mine
        assert all(callable(signal.getsignal(number)) for number in ENDS)
    assert signal.getsignal(signal.SIGTERM) is mine
    assert all(signal.getsignal(number) == signal.SIG_DFL for number in ENDS[1:])


@pytest.mark.usefixtures("dispositions")
@pytest.mark.parametrize("number", ENDS)
def test_what_is_ignored_goes_on_being_ignored(number: int) -> None:
    """`nohup` has a hang-up ignored, and means it."""
    signal.signal(number, signal.SIG_IGN)
    done: list[str] = []
    ended(number, done)
    assert done == ["all of it"]
    assert signal.getsignal(number) == signal.SIG_IGN


@pytest.mark.usefixtures("dispositions")
@pytest.mark.parametrize("times", [1, 2])
def test_what_must_not_be_cut_in_half_holds_it_once(times: int) -> None:
    done: list[str] = []

    def work() -> None:
        with terminations_interrupt(), held_interrupts():
            for _ in range(times):
                signal.raise_signal(signal.SIGTERM)
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == (["all of it"] if times == 1 else [])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.usefixtures("dispositions")
def test_a_handler_of_ctrl_c_hears_of_it() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    ended(signal.SIGTERM, [])
    assert heard == [signal.SIGINT]


@pytest.mark.usefixtures("dispositions")
def test_in_another_thread_nothing_changes() -> None:
    found: list[object] = []

    def work() -> None:
        with terminations_interrupt():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


@pytest.mark.usefixtures("dispositions")
@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_handlers_are_given_back_whatever_happens_inside(error: BaseException) -> None:
    with pytest.raises(type(error)), terminations_interrupt():
        raise error
    assert all(signal.getsignal(number) == signal.SIG_DFL for number in ENDS)


IN_THE_BACKGROUND = """
import signal, time
from paco_prof.measure.interrupts import held_interrupts, terminations_interrupt
signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    with terminations_interrupt(), held_interrupts():
        signal.raise_signal(signal.SIGTERM)
        print("whole", flush=True)
    print("not interrupted", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_what_must_not_be_cut_in_half_is_whole_in_the_background_too() -> None:
    done = subprocess.run([sys.executable, "-c", IN_THE_BACKGROUND], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["whole", "interrupted"]
