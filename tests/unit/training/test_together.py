"""What is decided between steps by a process that has no others to ask, and by one whose others say nothing; what
several decide, torchrun's tests have.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from alone_in_a_group import in_a_group_of_one
from paco_prof.measure.distributed.group import Group
from paco_prof.ranks import Place
from paco_prof.training.together import AgreedInterrupt, Together


@pytest.fixture
def together() -> Iterator[Together]:
    """Of a rank that takes itself for one of two."""
    with in_a_group_of_one() as control:
        yield Together(Group(Place(0, 2, 0), "gloo", control=control))


@pytest.mark.parametrize("is_due", [True, False])
def test_alone_a_checkpoint_is_due_when_it_is(is_due: bool) -> None:
    assert Together().decide(is_due) is is_due


def test_alone_nobody_waits_for_others_to_stop() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Together().holding_interrupts():
        assert signal.getsignal(signal.SIGINT) is before


def test_what_all_have_agreed_on_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt):
        raise AgreedInterrupt


def interrupted(together: Together, times: int, *, asks: bool) -> list[str]:
    """What comes to pass in a block that holds interruptions, in which somebody presses Ctrl-C."""
    passed = []
    try:
        with together.holding_interrupts():
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
                passed.append("went on")
            if asks:
                together.decide(is_due=False)
            passed.append("came to its end")
    except KeyboardInterrupt as interrupt:
        passed.append(type(interrupt).__name__)
    return passed


def test_a_ctrl_c_waits_until_all_have_heard_of_it(together: Together) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert interrupted(together, 0, asks=True) == ["came to its end"]
    assert interrupted(together, 1, asks=True) == ["went on", "AgreedInterrupt"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_ctrl_c_that_nobody_has_heard_of_is_not_forgotten(together: Together) -> None:
    assert interrupted(together, 1, asks=False) == ["went on", "came to its end", "KeyboardInterrupt"]


def test_a_second_ctrl_c_takes_effect_at_once(together: Together) -> None:
    assert interrupted(together, 2, asks=True) == ["went on", "KeyboardInterrupt"]
