"""What a gate was asked, and all that it measured for the answers: the record of `paco-prof check`.

A record holds no verdict: `paco_prof.analysis.gate` works it out from the launches, the same in every rendering.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Environment, Frozen, Note
from paco_prof.records.comparison import ComparisonRecord, Status

__all__ = ["YARDSTICK", "Check", "CheckPlan", "CheckRecord", "Quantity"]

# The contestant that a step is measured with where another time, or another variant, cannot stand beside it: a plain
# two-view step on the same backbone.
YARDSTICK = "yardstick"

# What a check is about, a number of each launch: the time of the step beside another step; a stage's share of the step;
# the time beyond a plain step on the same backbone, over that step; peak memory; the share of no stage; and, of no
# launch, loss and gradient against float64.
Quantity = Literal["step", "share", "paco tax", "memory", "unattributed", "fidelity"]


class CheckPlan(Frozen):
    """How a gate measures and when it looks.

    Attributes:
        launches: the most that a check takes.
        first_look: launches after which it is decided already where that can be; None looks once, at the end.
        alpha: probability, at most, that a check fails what is equal to the other side (both looks together).
        max_seconds: for each comparison; None for no limit.
        inconclusive_ok: an inconclusive gate lets pass.
    """

    launches: int = Field(default=14, ge=1)
    first_look: int | None = Field(default=8, ge=1)
    alpha: float = Field(default=0.01, gt=0, lt=1)
    max_seconds: float | None = Field(default=None, gt=0)
    inconclusive_ok: bool = False


class Check(Frozen):
    """One question.

    Attributes:
        name: as the user wrote it, or `against main`, `against reports/baseline.json`.
        kind: `budget`, a relation within one run; `revision`, the step beside that of another revision; `record`, the
            step beside that of a saved baseline.
        quantity: what it is about.
        stage: of a share: the stage and its parents, `loss/pac`.
        subject: what is judged, by the name that it has in the comparison.
        other: beside what; empty where nothing stands beside it.
        at_most, at_least: the bound of a budget: a share (0.1 is 10 %), a tax (0.1), a ratio of times (speed-up, 1.5),
            bytes. One of them, or, of a revision, a record and a fidelity, neither.
        smallest_effect: the relative change that matters: what is nearer to the bound than that fails nothing.
        comparison: which of the record's comparisons answers it; None where none could be taken.
        saved: the baseline that was saved, for `record`.
        trouble: why it could not be measured; empty where it could.
        hint: what can be done about that.
    """

    name: str
    kind: Literal["budget", "revision", "record"]
    quantity: Quantity
    stage: str = ""
    subject: str = ""
    other: str = ""
    at_most: float | None = None
    at_least: float | None = None
    smallest_effect: float = Field(default=0.03, ge=0, lt=1)
    comparison: int | None = Field(default=None, ge=0)
    saved: ComparisonRecord | None = None
    trouble: str = ""
    hint: str = ""


class CheckRecord(Frozen):
    """Questions, and the launches that answer them: the result of `paco-prof check`."""

    schema_version: Literal[1] = 1
    kind: Literal["check"] = "check"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    plan: CheckPlan = CheckPlan()
    checks: tuple[Check, ...] = Field(min_length=1)
    comparisons: tuple[ComparisonRecord, ...] = ()
    status: Status = "running"
    measuring_seconds: float | None = None
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _comparisons_are_there(self) -> CheckRecord:
        if any(check.comparison is not None and check.comparison >= len(self.comparisons) for check in self.checks):
            raise ValueError("a check is answered by a comparison that is not there")
        return self

    @property
    def environment(self) -> Environment | None:
        """Where it was measured."""
        return next((one.environment for one in self.comparisons if one.environment is not None), None)
