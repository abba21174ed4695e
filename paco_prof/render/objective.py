"""What several devices make of the objective, in the words that all reports have for it."""

from __future__ import annotations

from paco_prof.settings import Workload

__all__ = ["objective_over_ranks"]


def objective_over_ranks(workload: Workload) -> str:
    """What is contrasted with what where several devices train one model, and whose objective that is not."""
    joint = workload.world_size * workload.batch_size
    if workload.gather_negatives:
        contrast = (
            f"Negatives are gathered from all ranks (gather_negatives), so that PaC is that of the same parts in a "
            f"joint batch of {joint} images; in training the parts come of normalisation over each rank's own images, "
            f"and negatives that are drawn at random are each rank's own. That is a different objective than without "
            f"gathering, where each rank contrasts its own {workload.batch_size}; losses, accuracies and times of the "
            f"two are not those of one model."
        )
    elif workload.model is not None:
        contrast = "What each rank's loss contrasts with what is your model's to say; gradients are averaged."
    else:
        contrast = (
            f"Each rank contrasts the parts of its own {workload.batch_size} images, and gradients are averaged; that "
            f"is not the objective of one device with a batch of {joint}, nor that of gather_negatives."
        )
    return f"{contrast} Statistics of normalisation and class prototypes are rank 0's, which all get before each step."
