"""Whether a node has built what the others have: only then do its launches stand beside theirs. Free of torch."""

from __future__ import annotations

from collections.abc import Collection

from paco_prof.records import Contestant

__all__ = ["NOT_ALIKE", "NOT_ALIKE_HINT", "built_otherwise"]

NOT_ALIKE = "a machine of the cluster builds something else than the one before it"
NOT_ALIKE_HINT = "Compare on machines that can do the same."


def built_otherwise(before: Contestant, now: Contestant, aside: Collection[str] = ()) -> str:
    """What of a contestant was built otherwise than before, in words; empty where nothing was.

    Args:
        aside: of its workload, what may be another all the same.
    """
    names = [name for name in type(before.workload).model_fields if name not in aside]
    others = [name for name in names if getattr(before.workload, name) != getattr(now.workload, name)]
    if not others:
        return ""
    left_out = [f"{name} is left out: {now.variant.left_out[name]}" for name in others if name in now.variant.left_out]
    return f"{before.name} has another {', another '.join(others)} there" + "".join(f"; {each}" for each in left_out)
