"""The timeline: every instant has exactly one owner."""

from paco_prof.measure.timeline import Owner, Timeline


class Counter:
    """A probe that counts its readings."""

    def __init__(self) -> None:
        self.readings = 0

    def read(self, owner: Owner) -> int:
        self.readings += 1
        return self.readings


A, B = Owner("a", "forward"), Owner("b", "forward")


def test_pieces_run_from_cut_to_cut_without_gaps() -> None:
    timeline = Timeline(Counter())
    for owner in (A, B, A):
        timeline.cut(owner)
    timeline.close()
    assert timeline.pieces(lambda earlier, later: (earlier, later)) == [(A, (1, 2)), (B, (2, 3)), (A, (3, 4))]


def test_a_cut_to_the_same_owner_reads_nothing() -> None:
    probe = Counter()
    timeline = Timeline(probe)
    assert timeline.cut(A)
    assert not timeline.cut(A)
    assert probe.readings == 1


def test_the_same_stage_in_another_phase_is_another_owner() -> None:
    timeline = Timeline(Counter())
    timeline.cut(A)
    assert timeline.cut(Owner("a", "backward"))


def test_an_empty_timeline_has_no_pieces() -> None:
    timeline = Timeline(Counter())
    timeline.close()
    assert timeline.pieces(lambda earlier, later: later - earlier) == []
