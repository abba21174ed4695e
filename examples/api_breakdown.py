"""Where the time of your own model's training step goes: python examples/api_breakdown.py

In a notebook the last line of a cell shows the whole report: paco_prof.breakdown(model).
"""

import torch

import paco_prof
from paco_prof import PaCoModel

torch.manual_seed(0)
# Stands for a model of your own: any that is called with two views and targets, and returns its losses.
model = PaCoModel(backbone_name="test_resnet", num_classes=10, K=3, r=3, d=16, image_size=96)
batch = torch.randn(4, 3, 96, 96), torch.randn(4, 3, 96, 96), torch.randint(0, 10, (4,))

# The model stays as it is: what is measured, and so trained, is a copy.
result = paco_prof.breakdown(model, batch=batch, max_seconds=2)
print(repr(result))

table = result.to_pandas()
stages = table[(table.row == "stage") & (table.depth == 0)]
print(
    stages.set_index("stage")[["forward", "backward", "total", "share"]].sort_values("total", ascending=False).head(3)
)

step = table[table.row == "step"].total.item()
print(f"adds up: {table[(table.depth == 0) & (table.row != 'step')].total.sum() / step:.6f} of the step")
# result.save("run.json") is what paco-prof show reads; result.plot("run.png") draws it.
