"""What stages are called in reports: the analysis's names, and plain ones for the stages that it left out."""

from __future__ import annotations

from paco_prof import stages

__all__ = ["plain_title", "title_of"]

_TITLES = {
    stages.LOSS: "Loss Computation",
    f"{stages.LOSS}/{stages.CE}": "Cross-Entropy (CE)",
    f"{stages.LOSS}/{stages.PAC}": "Part Contrast (PaC)",
    f"{stages.LOSS}/{stages.SOC}": "Consistency (SoC)",
    stages.BACKBONE: "Backbone",
    stages.PART_SAMPLING: "Part Sampling",
    stages.MATCHING: "Hungarian Matching",
    stages.COVARIANCE: "Covariance Computation",
    stages.NEGATIVES_POOL: "Negatives Pool Creation",
    stages.DIM_REDUCTION: "Dimension Reduction",
    stages.CLASSIFIER: "Classifier",
    stages.PROTOTYPES: "Class Prototypes",
    stages.DATA: "Waiting for Data",
    stages.TRANSFER: "Host-to-Device Transfer",
    stages.ZERO_GRAD: "Zero Gradients",
    stages.AUTOGRAD: "Autograd Set-up",
    stages.GRAPH_RELEASE: "Autograd Graph Release",
    stages.BUFFER_SYNC: "Buffers from Rank 0",
    stages.GATHERING: "Gathering from All Ranks",
    stages.ALL_REDUCE: "All-Reduce, Exposed",
    stages.CLIPPING: "Gradient Clipping",
    stages.OPTIMIZER: "Optimizer Step",
    stages.SCHEDULE: "Learning-Rate Schedule",
    stages.BACKWARD: "Backward, Not Divided",
}
# Only these two carry their number of calls, as in the analysis.
_COUNTED = {stages.BACKBONE: "{title} ({calls}x forward)", stages.PART_SAMPLING: "{title} ({calls}x)"}


def plain_title(path: str) -> str:
    """A stage's name in a sentence; a stage that is not ours keeps its own."""
    return _TITLES.get(path, path)


def title_of(path: str, calls: int) -> str:
    """A stage's name in a table, where its parents stand above it."""
    if path not in _TITLES:
        return path.rpartition("/")[2]
    return _COUNTED.get(path, "{title}").format(title=plain_title(path), calls=calls)
