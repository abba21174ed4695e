"""What was found in a model of the user's own, and what became of it."""

from __future__ import annotations

from paco_prof.records.base import Frozen, Replacement

__all__ = ["StageFound", "StageMissing", "UserCodeUsed"]


class StageFound(Frozen):
    """A component that announces a stage without having been edited.

    Attributes:
        stage: that it announces.
        path: where it was found: an attribute of the model, or a function of its modules.
        calls: how often it had been called when the run was over.
    """

    stage: str
    path: str
    calls: int = 0


class StageMissing(Frozen):
    """A component that was looked for and is not there.

    Attributes:
        stage: that it would be.
        path: the name that was looked for, the conventional one or the configuration's.
        near: names that are there and are like it.
    """

    stage: str
    path: str
    near: tuple[str, ...] = ()


class UserCodeUsed(Frozen):
    """A model of the user's own, as it was measured.

    Attributes:
        found: the stages that were found in it.
        missing: those that were not.
        hidden: why what is inside of it cannot be seen; empty where it can.
        replaced: components that drop-ins have taken the place of.
        no_inference: why it could not be called with one view in eval mode; empty where it could.
        no_loss_test: why its criterion could not be timed alone; empty where it could, or has none.
        printed: lines that it printed while it was measured.
    """

    found: tuple[StageFound, ...] = ()
    missing: tuple[StageMissing, ...] = ()
    hidden: str = ""
    replaced: tuple[Replacement, ...] = ()
    no_inference: str = ""
    no_loss_test: str = ""
    printed: int = 0
