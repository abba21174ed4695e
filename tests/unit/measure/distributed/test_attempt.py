"""What a process attempts that is alone; of two, the tests of a group tell."""

from __future__ import annotations

from paco_prof.measure.distributed.attempt import Attempt
from paco_prof.measure.distributed.group import ALONE


def test_alone_a_decision_is_ones_own_until_one_fails() -> None:
    attempt = Attempt(ALONE)
    assert attempt.agree(None) is None
    assert attempt.agree("settled") == "settled"
    attempt.fail("ValueError: planted")
    assert attempt.failure == "ValueError: planted"
    assert attempt.agree(None) == "failed"
