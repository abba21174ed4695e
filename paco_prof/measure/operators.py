"""How many operators, and how many factorisations, each stage asks of torch: counted, not timed."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from paco_prof.measure.tracker import OpenStages, tensors_in
from paco_prof.records import OperatorCount
from paco_prof.stages import Phase, listening

__all__ = ["OperatorCensus"]

# As the dispatcher names them; `linalg.inv` and `linalg.solve` factorise by LU.
FACTORIZATIONS = frozenset(
    {
        "cholesky",
        "linalg_cholesky_ex",
        "linalg_lu_factor_ex",
        "linalg_ldl_factor_ex",
        "linalg_inv_ex",
        "_linalg_solve_ex",
        "_linalg_det",
        "_linalg_slogdet",
        "_linalg_eigh",
        "_linalg_eigvals",
        "linalg_eig",
        "_linalg_svd",
        "linalg_qr",
        "geqrf",
    }
)


class OperatorCensus(TorchDispatchMode):
    """Counts the operators that pass through torch's dispatcher, by the stage that is open.

    As a context manager it counts, and listens for stages, until the block ends. It slows every operator down, so
    what runs inside must not be timed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._open = OpenStages()
        self._operators: Counter[str] = Counter()
        self._factorizations: Counter[str] = Counter()
        self._listening = listening(self)

    def __enter__(self) -> OperatorCensus:
        self._listening.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        super().__exit__(*exc)
        self._listening.__exit__(*exc)

    def enter(self, name: str, inputs: object) -> None:
        """See `StageListener.enter`."""
        if not self._open.is_elsewhere():
            self._open.enter(name)

    def exit(self, outputs: object) -> None:
        """See `StageListener.exit`."""
        if not self._open.is_elsewhere():
            self._open.exit()

    def enter_phase(self, phase: Phase) -> None:
        """See `StageListener.enter_phase`."""

    def take_over(self, name: str) -> None:
        """See `StageListener.take_over`."""

    def exit_phase(self) -> None:
        """See `StageListener.exit_phase`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        path = self._open.path
        self._operators[path] += 1
        if func.overloadpacket.__name__ in FACTORIZATIONS:
            self._factorizations[path] += _num_matrices(args)
        return result

    def counts(self) -> tuple[OperatorCount, ...]:
        """What has been counted, busiest stage first."""
        return tuple(
            OperatorCount(path=path, operators=number, factorizations=self._factorizations[path])
            for path, number in self._operators.most_common()
        )


def _num_matrices(args: Any) -> int:
    """Matrices in the first tensor argument (..., n, n)."""
    first: Tensor | None = next(iter(tensors_in(args)), None)
    return 1 if first is None else math.prod(first.shape[:-2])
