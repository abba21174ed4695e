"""The pool of negatives that the anchors are contrasted with."""

from __future__ import annotations

import torch
from torch import Tensor

from paco_prof.stages import NEGATIVES_POOL, stage

__all__ = ["shared_pool"]


@stage(NEGATIVES_POOL)
def shared_pool(Z1: Tensor, Z2: Tensor) -> Tensor:
    """The pool that users' code builds, from the parts (B, K, d) of two views, as (B (B-1) 2K, d).

    For each image in turn the parts of all *other* images, both views; the B lists are then concatenated into one
    pool that every anchor uses. So each part stands in it B - 1 times, and an anchor meets its own image's parts,
    itself and its own positive included. With one image there is nothing to contrast: (0, d).
    """
    num_images = Z1.shape[0]
    lists = [
        torch.cat([Z1[other], Z2[other]])
        for image in range(num_images)
        for other in range(num_images)
        if other != image
    ]
    return torch.cat(lists) if lists else Z1.new_zeros((0, Z1.shape[2]))
