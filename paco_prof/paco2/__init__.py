"""PaCo-2 itself: part-aware contrast with second-order consistency, usable without the profiler."""

from paco_prof.paco2.criterion import OptimizedPaCoLoss, PaCoLoss
from paco_prof.paco2.drop_ins import BatchedMatcher, BatchedSampler, FoldedPool
from paco_prof.paco2.model import PaCoModel

__all__ = ["BatchedMatcher", "BatchedSampler", "FoldedPool", "OptimizedPaCoLoss", "PaCoLoss", "PaCoModel"]
