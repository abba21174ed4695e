"""Hours of a whole training run of your own model, from a few of its steps: python examples/api_estimate.py"""

import paco_prof
from paco_prof import PaCoModel


def build() -> PaCoModel:
    """Stands for a model of your own."""
    return PaCoModel(backbone_name="test_resnet", num_classes=10, K=3, r=3, d=16, image_size=96)


# Pilot runs on real images, of the model as it is and with the criterion's drop-in.
tried = paco_prof.estimate(
    build, epochs=50, dataset_size=6_000, batch_size=4, image_size=96, threads=1, steps=4, max_seconds=2
)
print(tried.to_pandas()[["variant", "seconds_per_step", "hours", "hours_low", "hours_high"]])

# Any result is projected at once: this one, twice as long and on two devices.
print(repr(paco_prof.estimate(tried, epochs=100, gpus=2)))
