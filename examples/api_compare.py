"""Is your model faster with a drop-in, and still the same? python examples/api_compare.py

Every variant is measured in processes of its own, which import this file for `build`: hence the last lines.
"""

import paco_prof
from paco_prof import PaCoModel


def build() -> PaCoModel:
    """Stands for a model of your own."""
    return PaCoModel(backbone_name="test_resnet", num_classes=10, K=3, r=3, d=16, image_size=96)


def main() -> None:
    """Hold the criterion's drop-in against the model as it is."""
    # One launch is a first look. A difference is claimed from about seven on: launches=7, and no pairs.
    result = paco_prof.compare(
        "baseline", "drop-in", model=build, batch_size=4, image_size=96, threads=1, launches=1, pairs=3
    )
    print(repr(result))
    print(result.to_pandas()[["variant", "step", "speedup", "established", "loss_error", "gradient_error"]])


if __name__ == "__main__":
    main()
