"""The fate that ranks share: where one of them ends, all do, promptly, and one of them says why.

A rank that is gone is noticed in one of four ways: its process's descriptor says so, on its machine; torchrun sends
SIGTERM to all others there; the store that all have met through has words of it, or of whoever has seen it end; or a
collective raises because a connection is closed. A thread looks at the first two, and another one at the store, for the
main one may be in the middle of a backward pass that takes minutes and from which nothing calls it back. Of a machine
that vanishes without closing its connections these tell nothing; where it had the store, whoever asks is not answered.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal

from paco_prof.errors import ExitCode, RankError
from paco_prof.measure.distributed.last_words import LastWords, Words, words_of
from paco_prof.measure.distributed.lost_rank import is_of_a_lost_rank
from paco_prof.measure.distributed.peers import SECONDS_BETWEEN_LOOKS, Peers
from paco_prof.ranks import Place

__all__ = ["Fate"]

# How long to wait for the one that is gone, where something else says that one must be: it may be ending.
SECONDS_TO_FIND_OUT = 1.5
# The same where all ranks are on this machine, so that one must be: with a GPU's memory to give back that takes longer
# than closing connections.
SECONDS_TO_BE_GONE = 5.0
# How long the main thread may take to come back and end in good order.
GRACE = 3.0
# The same where somebody interrupts the run, which may be held until a step or a checkpoint is complete. Torchrun kills
# after thirty seconds.
GRACE_OF_AN_INTERRUPTION = 20.0
# How long those who do not tell stay, so that whoever does is not mistaken in who is left.
SECONDS_TO_STAY = 2.0
# Ranks of other machines are asked after in the store that all have met through.
SECONDS_BETWEEN_QUESTIONS = 1.0
# What is written beside the numbers of signals, which are none of these.
STOP, ASKED = b"\0", b"\xff"


class Fate:
    """What this rank does when another one ends, or when it ends itself.

    Args:
        place: of this rank.
        peers: the other ranks on this machine.
        last_words: what ranks tell each other.
        stderr: the descriptor on which the user is told: output may be set aside when the time comes.
        beyond: the last words, asked after ranks of other machines by a connection of their own, since an answer may
            never come; None where that is no matter.
    """

    def __init__(
        self, place: Place, peers: Peers, last_words: LastWords, stderr: int = 2, beyond: LastWords | None = None
    ) -> None:
        self._place = place
        self._peers = peers
        self._has_other_machines = peers.number + 1 < place.world_size
        self._last_words = last_words
        self._beyond = last_words if beyond is None else beyond
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._finding = threading.Lock()
        self._loss: RankError | None = None
        self._is_ending = threading.Event()
        self._cause: BaseException | None = None
        self._told: BaseException | None = None
        self._save: Callable[[BaseException], None] = lambda error: None
        self._pid = os.getpid()
        self._stderr = os.dup(stderr)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before: tuple[Any, int] | None = None

    def start(self) -> None:
        """Look after the others from now on."""
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        if threading.current_thread() is threading.main_thread():
            handler = signal.signal(signal.SIGTERM, self._on_term)
            self._before = handler, signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._thread.start()
        if self._has_other_machines:
            threading.Thread(target=self._ask, daemon=True).start()

    def stop(self) -> None:
        """No longer: whoever ends from now on has done what there was to do."""
        self._is_over.set()
        self._wake.send(STOP)
        self._thread.join()
        if self._before is not None:
            handler, descriptor = self._before
            signal.set_wakeup_fd(descriptor)
            # Whoever ends early has things to save and to say, and torchrun's SIGTERM may be still on its way.
            signal.signal(signal.SIGTERM, signal.SIG_IGN if self._is_ending.is_set() else handler)
        self._wake.close()
        self._woken.close()
        self._peers.close()
        os.close(self._stderr)

    @property
    def is_ending(self) -> bool:
        """Whether an error has ended this rank."""
        return self._is_ending.is_set()

    def at_a_forced_end(self, save: Callable[[BaseException], None]) -> None:
        """What is to be saved where the main thread cannot do it any more; it is given the reason."""
        self._save = save

    def end(self, error: BaseException) -> BaseException:
        """What this rank is to raise, or to tell, where `error` ended it: a `RankError` where the reason is another
        rank's, or another rank tells of it.
        """
        with self._lock:
            self._is_ending.set()
        if self._told is None:
            self._told = self._as_told(error)
        return self._told

    def _as_told(self, error: BaseException) -> BaseException:
        cause = self._cause or (self._lost() if is_of_a_lost_rank(error) else None)
        if isinstance(cause, RankError):
            if not cause.is_mine:
                time.sleep(SECONDS_TO_STAY)
            return cause
        error = cause or error
        words = words_of(error)
        # Asked before others hear of it: whoever is told of an error is not the one to tell it where this rank is.
        is_mine = self._is_lowest(self._peers.gone()) and self._last_words.may_tell()
        self._last_words.leave(self._place.rank, words)
        if self._place.is_first:
            return error
        return RankError(f"Rank {self._place.rank}: {words.text}", words.code, is_mine=is_mine)

    def _lost(self) -> RankError | None:
        """A rank is gone, or cannot be reached any more; None where all are there, and an error is about something
        else. Both threads may find that out, and only once.
        """
        with self._finding:
            if self._loss is None:
                gone = self._peers.wait(SECONDS_TO_FIND_OUT)
                words = self._words_of(gone)
                if words is None:
                    gone = self._peers.wait(SECONDS_TO_BE_GONE)
                    words = self._words_of(gone)
                if words is not None:
                    self._loss = RankError(words.text, words.code, is_mine=self._tells(gone))
            return self._loss

    def _tells(self, gone: list[int]) -> bool:
        """Whether this rank is the one that tells of those that are gone.

        Where none of this machine's is, nobody here knows which ranks of other machines are left: whoever is first.
        """
        if gone and not self._is_lowest(gone):
            return False
        is_first_here = all(rank > self._place.rank or rank in gone for rank in self._peers.ranks)
        return self._last_words.may_tell(otherwise=is_first_here)

    def _words_of(self, gone: list[int]) -> Words | None:
        """Why the run ends where these ranks are gone; the reason may be one that could still say it. None where
        nothing says that one is.
        """
        others = [rank for rank in range(self._place.world_size) if rank != self._place.rank and rank not in gone]
        for rank in (*gone, *others):
            if (words := self._last_words.of(rank)) is not None:
                return words
        if not gone and not self._has_other_machines:
            return None
        who = f"Rank {gone[0]} of {self._place.world_size} died" if gone else "A rank on another machine was lost"
        words = Words(f"{who}, and with it the run; it left no message.", ExitCode.MEASUREMENT_FAILED)
        if gone:
            # No other machine sees that a process of this one is gone.
            self._last_words.leave_for(gone[0], words)
        return words

    def _is_lowest(self, gone: list[int]) -> bool:
        """Whether no rank is left that comes before this one, as far as can be told from here."""
        return all(rank in gone for rank in range(self._place.rank))

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        """In the main thread: raise the reason, once the other thread knows it."""
        if os.getpid() != self._pid:
            # A child that was forked, which this is no concern of.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif self._cause is not None and not self._is_ending.is_set():
            raise self._cause

    def _watch(self) -> None:
        what = self._wait()
        if what == "over" or (what == "loss" and self._is_ending.is_set()):
            # The others end because this rank does, or its own are the words that are there: it has told why.
            return
        if what == "loss" or self._peers.wait(SECONDS_TO_FIND_OUT):
            self._cause = self._lost()
            _thread.interrupt_main(signal.SIGTERM)
            self._is_ending.wait(GRACE)
        else:
            self._interrupt()
            self._is_ending.wait(GRACE_OF_AN_INTERRUPTION)
        with self._lock:
            if self._is_ending.is_set():
                return
            self._force()

    def _interrupt(self) -> None:
        """A signal that nobody's end explains is somebody's wish to end the run: a Ctrl-C, which may be held."""
        if callable(signal.getsignal(signal.SIGINT)):
            _thread.interrupt_main(signal.SIGINT)
        else:
            # A job in the background ignores it, and is to be ended by this all the same.
            self._cause = KeyboardInterrupt()
            _thread.interrupt_main(signal.SIGTERM)

    def _wait(self) -> Literal["loss", "signal", "over"]:
        """Return as a rank is gone, or SIGTERM has come, or nobody needs to know any more."""
        handles = self._peers.handles
        poll = select.poll()
        for handle in (self._woken.fileno(), *handles):
            poll.register(handle, select.POLLIN)
        while True:
            # Every so often for what makes no descriptor readable.
            ready = poll.poll(SECONDS_BETWEEN_LOOKS * 1000 if len(handles) < self._peers.number else None)
            if self._woken.fileno() in {handle for handle, _ in ready}:
                signals = self._woken.recv(4096)
                if STOP in signals:
                    return "over"
                if signal.SIGTERM in signals:
                    return "signal"
                if ASKED in signals:
                    return "loss"
            if self._peers.gone():
                return "loss"

    def _ask(self) -> None:
        """Wake the watching thread where a rank, most likely of another machine, has left words."""
        while not self._is_over.wait(SECONDS_BETWEEN_QUESTIONS):
            if self._beyond.are_there():
                with contextlib.suppress(OSError):
                    self._wake.send(ASKED)
                return

    def _force(self) -> None:
        """End the process in place of the main thread, which does not come back."""
        error = self._cause or KeyboardInterrupt()
        words = words_of(error)
        is_mine = error.is_mine if isinstance(error, RankError) else self._place.is_first
        if not isinstance(error, RankError):
            self._last_words.leave(self._place.rank, words)
        try:
            self._save(error)
        finally:
            if is_mine:
                os.write(self._stderr, f"paco-prof: {words.text}\n".encode(errors="replace"))
            else:
                time.sleep(SECONDS_TO_STAY)
            sys.stdout.flush()
            os._exit(words.code)
