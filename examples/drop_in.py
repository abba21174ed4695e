"""One line makes the loss of an existing PaCo-2 model fast: python examples/drop_in.py"""

import copy
import time

import torch

from paco_prof import OptimizedPaCoLoss, PaCoModel

torch.manual_seed(0)
# Stands for a model of your own: any whose criterion is called with the usual keywords.
model = PaCoModel(backbone_name="test_resnet", num_classes=10, K=4, r=3, d=64, image_size=160)
batch = torch.randn(8, 3, 160, 160), torch.randn(8, 3, 160, 160), torch.randint(0, 10, (8,))


def step(model: PaCoModel) -> tuple[float, float]:
    """Loss and seconds of a forward and backward pass."""
    start = time.perf_counter()
    total = model(*batch)["total"]
    total.backward()
    return total.item(), time.perf_counter() - start


twin = copy.deepcopy(model)
twin.criterion = OptimizedPaCoLoss()
for name, one in (("reference", model), ("drop-in", twin)):
    loss, seconds = step(one)
    print(f"{name}: loss {loss:.6f} in {seconds:.2f} s")
