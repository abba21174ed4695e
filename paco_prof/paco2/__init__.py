"""PaCo-2 itself: part-aware contrast with second-order consistency, usable without the profiler."""

from paco_prof.paco2.losses import PaCoLoss
from paco_prof.paco2.model import PaCoModel

__all__ = ["PaCoLoss", "PaCoModel"]
