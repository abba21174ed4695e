"""paco-prof: where every millisecond of a PaCo-2 training step goes.

Public names are imported when they are first used, so that `import paco_prof`, the command's help and everything that
only reads records never wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paco_prof.analysis.frame import samples_frame
    from paco_prof.api import breakdown, compare, estimate
    from paco_prof.forms import Forms
    from paco_prof.paco2 import BatchedMatcher, BatchedSampler, FoldedPool, OptimizedPaCoLoss, PaCoLoss, PaCoModel
    from paco_prof.records import BreakdownRecord, ComparisonRecord
    from paco_prof.results import Breakdown, Comparison, Estimate
    from paco_prof.stages import stage
    from paco_prof.store import read_record

__version__ = "0.1.0"

__all__ = [
    "BatchedMatcher",
    "BatchedSampler",
    "Breakdown",
    "BreakdownRecord",
    "Comparison",
    "ComparisonRecord",
    "Estimate",
    "FoldedPool",
    "Forms",
    "OptimizedPaCoLoss",
    "PaCoLoss",
    "PaCoModel",
    "__version__",
    "breakdown",
    "compare",
    "estimate",
    "read_record",
    "samples_frame",
    "stage",
]

_HOMES = {
    "BatchedMatcher": "paco_prof.paco2",
    "BatchedSampler": "paco_prof.paco2",
    "Breakdown": "paco_prof.results",
    "BreakdownRecord": "paco_prof.records",
    "Comparison": "paco_prof.results",
    "ComparisonRecord": "paco_prof.records",
    "Estimate": "paco_prof.results",
    "FoldedPool": "paco_prof.paco2",
    "Forms": "paco_prof.forms",
    "OptimizedPaCoLoss": "paco_prof.paco2",
    "PaCoLoss": "paco_prof.paco2",
    "PaCoModel": "paco_prof.paco2",
    "breakdown": "paco_prof.api",
    "compare": "paco_prof.api",
    "estimate": "paco_prof.api",
    "read_record": "paco_prof.store",
    "samples_frame": "paco_prof.analysis.frame",
    "stage": "paco_prof.stages",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
