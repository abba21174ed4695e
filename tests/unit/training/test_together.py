"""What a process decides that has no others to ask; what several decide, torchrun's tests have."""

from __future__ import annotations

import signal

import pytest

from paco_prof.training.together import AgreedInterrupt, Together


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
