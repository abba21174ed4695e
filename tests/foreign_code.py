"""The code base under `tests/foreign`, which knows nothing of this package, as workloads and folders."""

from __future__ import annotations

from pathlib import Path

from paco_prof.settings import Workload

__all__ = ["ARGUMENTS", "FOREIGN", "MODEL", "TINY_FOREIGN", "foreign"]

FOREIGN = Path(__file__).parent / "foreign"
MODEL = "finegrain.models.paco:PaCoModel"
ARGUMENTS = {"backbone_name": "test_resnet", "num_classes": 5, "K": 3, "r": 3, "d": 8, "epsilon": 1e-2, "tau": 1e-2}


def foreign(**changes: object) -> Workload:
    """The foreign model, small enough to be stepped in a moment; its parts differ, as small covariances demand."""
    arguments = {**ARGUMENTS, **changes.pop("model_args", {})}  # type: ignore[dict-item]
    small = {"batch_size": 2, "image_size": 160, "threads": 1, "seed": 0}
    return Workload(model=MODEL, model_args=tuple(arguments.items()), **{**small, **changes})


TINY_FOREIGN = foreign()
