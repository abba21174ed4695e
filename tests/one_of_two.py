"""One rank of two, whose other one says what a test has it say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paco_prof.measure.distributed.group import Group

__all__ = ["OneOfTwo"]


@dataclass(frozen=True)
class OneOfTwo(Group):
    """A group in which this process hears nobody but the test.

    Attributes:
        other: what the other rank shares; None shares the same. It has nothing to be gathered.
        decided: what rank 0 decides, where this is the other one.
    """

    other: Any = None
    decided: Any = None

    def agree(self, value: Any) -> Any:
        return value if self.is_first else self.decided

    def gathered(self, value: Any) -> list[Any] | None:
        return [value, None] if self.is_first else None

    def shared(self, value: Any) -> list[Any]:
        other = value if self.other is None else self.other
        return [value, other] if self.is_first else [other, value]
