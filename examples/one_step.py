"""PaCo-2 alone, without the profiler: one training step of the reference model on random images.

python examples/one_step.py
"""

import torch

from paco_prof import PaCoModel

torch.manual_seed(0)
model = PaCoModel(backbone_name="test_resnet", num_classes=10, K=3, r=3, d=16, image_size=96)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

x1, x2 = torch.randn(2, 4, 3, 96, 96)  # two views of four images
targets = torch.tensor([0, 3, 3, 7])

result = model(x1, x2, targets)
result["total"].backward()
optimizer.step()
print(", ".join(f"{name} {result[name].item():.4f}" for name in ("total", "ce", "pac", "soc")))

model.eval()
with torch.inference_mode():
    print("logits of one view:", tuple(model(x1).shape))
