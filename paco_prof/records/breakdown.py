"""Where the time of a training step goes: the record of `paco-prof breakdown`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from paco_prof.records.base import Environment, Frozen, Note, Source, VariantUsed
from paco_prof.records.ranks import Ranks
from paco_prof.records.run import PartsHealth
from paco_prof.records.training import Fidelity, Inference, LossTest, Memory, Overhead, Training
from paco_prof.records.user_code import UserCodeUsed
from paco_prof.settings import Workload

__all__ = ["BreakdownRecord", "Claim", "OperatorCount"]


class OperatorCount(Frozen):
    """What one forward pass of a stage asks of torch.

    Attributes:
        operators: tensor operators dispatched, children excluded.
        factorizations: matrices factorised (Cholesky, LU, QR, eigen- or singular value decomposition).
    """

    path: str
    operators: int
    factorizations: int


class Claim(Frozen):
    """A figure that a quoted source derives from its others, to be held against them.

    Attributes:
        quantity: what it is a figure of; `paco_prof.analysis.claims` knows how each follows from the rest.
        text: the source's words.
        value: the figure as quoted.
        decimals: digits after the point in the quotation, which bound its rounding.
        stage: the stage that a share is of.
        count: batches or epochs that a projection is for.
    """

    quantity: str
    text: str
    value: float
    decimals: int = Field(default=0, ge=0)
    stage: str = ""
    count: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _projections_count(self) -> Claim:
        if self.quantity in ("epoch_minutes", "total_hours") and self.count == 0:
            raise ValueError("a projection needs the number of batches it is for")
        return self


class BreakdownRecord(Frozen):
    """Where the time of a PaCo-2 training step goes: the result of `paco-prof breakdown`.

    Attributes:
        parts: how the parts of the first batch lay, before the first step.
        user_code: what was found in a model of the user's own; None for PaCo-2 itself.
        ranks: every rank, where several trained together; all else is then the first one's.
    """

    schema_version: Literal[1] = 1
    kind: Literal["breakdown"] = "breakdown"
    tool_version: str
    command: tuple[str, ...] = ()
    created: str = ""
    source: Source = Source()
    workload: Workload
    environment: Environment | None = None
    inference: Inference | None = None
    training: Training | None = None
    loss_test: LossTest | None = None
    overhead: Overhead | None = None
    memory: Memory | None = None
    operators: tuple[OperatorCount, ...] = ()
    variant: VariantUsed = VariantUsed()
    fidelity: Fidelity | None = None
    parts: PartsHealth | None = None
    user_code: UserCodeUsed | None = None
    ranks: Ranks | None = None
    measuring_seconds: float | None = None
    notes: tuple[Note, ...] = ()
    claims: tuple[Claim, ...] = ()
