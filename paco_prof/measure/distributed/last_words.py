"""Why ranks ended, as they tell each other; and who of them tells the user, which one of them does."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

from paco_prof.errors import ExitCode, PacoProfError
from paco_prof.measure.user.place import told

__all__ = ["LastWords", "Words", "words_of"]

PREFIX = "paco_prof/last_words"


@dataclass(frozen=True)
class Words:
    """Why a rank ended: a sentence, and the exit code."""

    text: str
    code: int


def words_of(error: BaseException) -> Words:
    """What a rank tells of the error that ends it."""
    if isinstance(error, PacoProfError):
        return Words(str(error), error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Words("Interrupted.", ExitCode.INTERRUPTED)
    return Words(f"The measured code failed: {told(error)}.", ExitCode.MEASUREMENT_FAILED)


class LastWords:
    """What ranks leave behind for each other in the store that they met through, which outlives them: torchrun has it.

    Args:
        store: of torch.distributed; None where there is none, and nobody hears of anything.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._may_tell: bool | None = None

    def leave(self, rank: int, words: Words) -> None:
        """Say why this rank ends."""
        is_interrupted = words.code == ExitCode.INTERRUPTED
        self.leave_for(rank, words if is_interrupted else Words(f"Rank {rank}: {words.text}", words.code))

    def leave_for(self, rank: int, words: Words) -> None:
        """Say why a rank has ended that cannot do it itself, in a sentence that names it."""
        try:
            self._store.set(f"{PREFIX}/{rank}", json.dumps([words.text, int(words.code)]))
            self._store.set(f"{PREFIX}/any", "")
        except Exception:
            # Gone with the rank that had it. Nobody is left who would listen.
            return

    def of(self, rank: int) -> Words | None:
        """Why a rank ended; None where it had no time to say so."""
        try:
            key = f"{PREFIX}/{rank}"
            if not self._store.check([key]):
                return None
            text, code = json.loads(self._store.get(key))
            return Words(text, code)
        except Exception:
            return None

    def are_there(self) -> bool:
        """Whether any rank has ended of which somebody says why."""
        try:
            return bool(self._store.check([f"{PREFIX}/any"]))
        except Exception:
            # So do the connections say, to whoever needs to know.
            return False

    def may_tell(self, *, otherwise: bool = True) -> bool:
        """Whether this rank is the one that tells the user: the first that asks is, however often it does.

        Args:
            otherwise: what holds where nobody can be asked any more.
        """
        with self._lock:
            if self._may_tell is None:
                try:
                    self._may_tell = int(self._store.add(f"{PREFIX}/told", 1)) == 1
                except Exception:
                    self._may_tell = otherwise
            return self._may_tell
