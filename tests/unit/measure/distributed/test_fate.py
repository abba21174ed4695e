"""What a rank tells where another one is lost, and which of them tells it: processes and store are made up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from alone_in_a_group import in_a_group_of_one
from paco_prof.errors import RankError
from paco_prof.measure.distributed import fate as fate_module
from paco_prof.measure.distributed.fate import Fate
from paco_prof.measure.distributed.last_words import LastWords, Words
from paco_prof.measure.distributed.peers import Peers
from paco_prof.ranks import Place

CLOSED = RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4711")
DIED = "Rank {} of {} died, and with it the run; it left no message."
ELSEWHERE = "A rank on another machine was lost, and with it the run; it left no message."


@pytest.fixture(autouse=True)
def group(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fate_module, "SECONDS_TO_STAY", 0.0)
    with in_a_group_of_one():
        yield


@dataclass
class Neighbours:
    """The ranks on this machine, of which some are gone."""

    ranks: list[int]
    lost: list[int] = field(default_factory=list)

    @property
    def number(self) -> int:
        return len(self.ranks)

    @property
    def handles(self) -> list[int]:
        return []

    def close(self) -> None: ...

    def gone(self) -> list[int]:
        return self.lost

    def wait(self, seconds: float) -> list[int]:
        return self.lost


@dataclass
class Store:
    """Rank 0's, unless it is lost with its machine."""

    kept: dict[str, Any] = field(default_factory=dict)
    is_lost: bool = False

    def set(self, key: str, value: str) -> None:
        self._reach()[key] = value

    def check(self, keys: list[str]) -> bool:
        return all(key in self._reach() for key in keys)

    def get(self, key: str) -> str:
        text: str = self._reach()[key]
        return text

    def add(self, key: str, number: int) -> int:
        self._reach()[key] = self.kept.get(key, 0) + number
        return int(self.kept[key])

    def _reach(self) -> dict[str, Any]:
        if self.is_lost:
            raise RuntimeError("Connection was likely closed.")
        return self.kept


def ended(rank: int, size: int, here: Neighbours, store: Store, error: BaseException = CLOSED) -> BaseException:
    """What a rank is to tell of an error."""
    place = Place(rank, size, 0)
    fate = Fate(place, cast("Peers", here), LastWords(store))
    try:
        return fate.end(error)
    finally:
        # It was never started, and so cannot be stopped.
        fate._wake.close()
        fate._woken.close()
        os.close(fate._stderr)


def told(rank: int, size: int, here: Neighbours, store: Store) -> tuple[str, bool]:
    """What a rank tells of a connection that is closed, and whether the user is to hear it from this one."""
    error = ended(rank, size, here, store)
    assert isinstance(error, RankError)
    return str(error), error.is_mine


def test_the_lowest_that_is_left_tells_of_one_that_died_here() -> None:
    store = Store()
    assert told(2, 3, Neighbours([0, 1], [1]), store) == (DIED.format(1, 3), False)
    assert told(0, 3, Neighbours([1, 2], [1]), store) == (DIED.format(1, 3), True)


def test_of_one_on_another_machine_the_first_that_asks_tells() -> None:
    store = Store()
    assert told(2, 4, Neighbours([3]), store) == (ELSEWHERE, True)
    assert told(0, 4, Neighbours([1]), store) == (ELSEWHERE, False)


def test_somebody_speaks_where_the_first_ones_machine_is_lost() -> None:
    here = [told(rank, 4, Neighbours([other]), Store(is_lost=True)) for rank, other in ((2, 3), (3, 2))]
    assert here == [(ELSEWHERE, True), (ELSEWHERE, False)]


def test_an_error_is_itself_where_all_are_there_and_there_is_no_other_machine() -> None:
    store = Store()
    assert ended(0, 2, Neighbours([1]), store) is CLOSED
    assert LastWords(store).of(0) is not None
    assert LastWords(store).may_tell() is False


def test_on_another_rank_the_first_is_told_what_it_was() -> None:
    store = Store()
    error = ended(1, 2, Neighbours([0]), store)
    assert isinstance(error, RankError)
    assert not error.is_mine
    assert "Rank 1: The measured code failed: RuntimeError: " in str(error)
    assert told(0, 2, Neighbours([1]), store) == (str(error), True)


def test_last_words_explain_a_connection_that_is_closed() -> None:
    store = Store()
    LastWords(store).leave(1, Words("Out of luck.", 4))
    assert told(0, 2, Neighbours([1]), store) == ("Rank 1: Out of luck.", True)


def test_what_speaks_of_nobody_is_not_looked_into() -> None:
    error = RuntimeError("CUDA out of memory")
    assert ended(0, 4, Neighbours([1], [1]), Store(), error) is error


def test_whoever_sees_a_rank_die_tells_other_machines() -> None:
    store = Store()
    assert told(2, 4, Neighbours([3], [3]), store) == (DIED.format(3, 4), False)
    assert told(0, 4, Neighbours([1]), store) == (DIED.format(3, 4), True)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other machines are asked after all the time, and SIGTERM is in the end what it was."""
    monkeypatch.setattr(fate_module, "SECONDS_BETWEEN_QUESTIONS", 0.01)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("words", "text"),
    [(Words("Out of luck.", 4), "Rank 2: Out of luck."), (Words("Interrupted.", 130), "Interrupted.")],
)
def test_words_from_another_machine_end_this_rank_wherever_it_is(words: Words, text: str) -> None:
    store = Store()
    fate = Fate(Place(0, 4, 0), cast("Peers", Neighbours([])), LastWords(store))
    fate.start()
    LastWords(store).leave(2, words)
    try:
        with pytest.raises(RankError) as ended:
            _be_busy()
        assert fate.end(ended.value) is ended.value
    finally:
        fate.stop()
    assert (str(ended.value), ended.value.exit_code, ended.value.is_mine) == (text, words.code, True)


def _be_busy() -> None:
    for _ in range(1000):
        time.sleep(0.01)


@pytest.mark.usefixtures("hasty")
def test_on_one_machine_words_end_nobody_who_is_still_at_work() -> None:
    """Whoever has left them is about to be gone, and that is noticed."""
    store = Store()
    fate = Fate(Place(0, 2, 0), cast("Peers", Neighbours([1])), LastWords(store))
    LastWords(store).leave(1, Words("Interrupted.", 130))
    fate.start()
    time.sleep(0.05)
    fate.stop()
    assert not fate.is_ending


@pytest.mark.usefixtures("hasty")
def test_its_own_words_are_no_loss_to_a_rank_that_ends() -> None:
    """What it leaves is there for whoever asks, itself included: it must not take the telling from who is to tell."""
    store = Store()
    fate = Fate(Place(2, 4, 0), cast("Peers", Neighbours([3])), LastWords(store))
    fate.start()
    error = fate.end(ValueError("no such image"))
    assert isinstance(error, RankError)
    assert not error.is_mine
    # As long as frames are freed and loaders joined.
    time.sleep(0.1)
    fate.stop()
    assert LastWords(store).may_tell(), "nobody has told yet, so that rank 0 still can"


@dataclass
class SilentStore(Store):
    """A store on a machine that has vanished: nobody answers, and nobody says that nobody will."""

    asked: threading.Event = field(default_factory=threading.Event)

    def check(self, keys: list[str]) -> bool:
        self.asked.set()
        time.sleep(30.0)
        return False


@pytest.mark.usefixtures("hasty")
def test_a_question_that_is_never_answered_keeps_nobody_from_hearing_of_the_others() -> None:
    silent = SilentStore()
    neighbours = Neighbours([1])
    fate = Fate(Place(0, 4, 0), cast("Peers", neighbours), LastWords(Store()), beyond=LastWords(silent))
    fate.start()
    try:
        assert silent.asked.wait(10.0)
        threading.Timer(0.05, neighbours.lost.append, [1]).start()
        with pytest.raises(RankError) as ended:
            _be_busy()
        fate.end(ended.value)
    finally:
        fate.stop()
    assert str(ended.value) == DIED.format(1, 4)
