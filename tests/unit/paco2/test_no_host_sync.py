"""No form that says so makes the host wait for the device: in none of a step's passes, at no epoch."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from host_sync import HostSync, no_host_sync
from paco_prof.forms import REFERENCE, Forms
from paco_prof.paco2.criterion import OptimizedPaCoLoss
from paco_prof.paco2.model import PaCoModel

ALL_EXACT = Forms(
    contrast="fused",
    cache_covariance_inverse=True,
    sampling="batched",
    matching="batched",
    pool="folded",
    prototypes="batched",
    weighting="batched",
    parts_dtype="float64",
)

Step = Callable[[], dict[str, Tensor]]


def build(forms: Forms, epoch: int = 0, device: str = "cpu", num_images: int = 4, **settings: Any) -> Step:
    """A training step: forward, backward and a fused AdamW step of a small model."""
    torch.manual_seed(0)
    model = PaCoModel("test_resnet", num_classes=7, K=3, r=3, d=8, image_size=96, forms=forms, **settings).to(device)
    model.set_epoch(epoch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    x1, x2 = torch.randn(2, num_images, 3, 96, 96).to(device)
    targets = torch.tensor([2, 5, 5, 2])[:num_images].to(device)

    def step() -> dict[str, Tensor]:
        result = model(x1, x2, targets)
        result["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        return {name: value.detach() for name, value in result.items()}

    return step


# The guard


MASK = torch.tensor([True, False, True])


REQUESTS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool(x.sum()),
    "int": lambda x: int(x.sum()),
    "float": lambda x: float(x.sum()),
    "a list's index": lambda x: [1, 2][torch.tensor(1)],
    "a range": lambda x: range(x[0].long()),
    "if": lambda x: [1] if x.any() else [],
    "max of the language": max,
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "numpy": lambda x: x.numpy(),
    "an array": np.asarray,
    "is_nonzero": lambda x: x.sum().is_nonzero(),
    "a mask": lambda x: x[MASK],
    "a mask of bytes": lambda x: x[MASK.to(torch.uint8)],
    "a mask of one axis": lambda x: torch.stack([x, x])[:, MASK],
    "writing through a mask": lambda x: x.__setitem__(MASK, torch.zeros(2)),
    "index_put": lambda x: x.index_put((MASK,), x[:2]),
    "nonzero": lambda x: x.nonzero(),
    "torch.nonzero": torch.nonzero,
    "argwhere": torch.argwhere,
    "where": lambda x: torch.where(x > 0),
    "unique": lambda x: x.unique(),
    "unique and its counts": lambda x: x.unique(return_inverse=True, return_counts=True),
    "unique rows": lambda x: torch.stack([x, x]).unique(dim=0),
    "unique_consecutive": lambda x: x.unique_consecutive(),
    "unique consecutive rows": lambda x: torch.stack([x, x]).unique_consecutive(dim=0),
    "masked_select": lambda x: x.masked_select(MASK),
    "equal": lambda x: torch.equal(x, x),
    "allclose": lambda x: torch.allclose(x, x),
    "repeat_interleave": lambda x: x.repeat_interleave(torch.tensor([1, 0, 2])),
    "bincount": lambda x: torch.bincount(MASK.long()),
    "cholesky": lambda x: torch.linalg.cholesky(torch.diag(x)),
    "inv": lambda x: torch.linalg.inv(torch.diag(x)),
    "eigh": lambda x: torch.linalg.eigh(torch.diag(x)),
}


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
def test_the_guard_catches(request_name: str) -> None:
    """Values, truth, copies to the host, shapes that depend on values, success of a factorisation."""
    x = torch.tensor([1.0, 2.0, 3.0])
    REQUESTS[request_name](x.clone())  # nothing wrong with it elsewhere
    with no_host_sync(), pytest.raises(HostSync, match="makes the host wait for the device"):
        REQUESTS[request_name](x)


def test_the_guard_catches_the_backward_pass() -> None:
    """An operator of a gradient is refused like one of the forward pass."""

    class Asks(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad[torch.ones(3, dtype=torch.bool)]

    leaf = torch.ones(3, requires_grad=True)
    with no_host_sync():
        y = Asks.apply(leaf).sum()
        with pytest.raises(HostSync, match="index"):
            y.backward()


def test_the_guard_lets_pass_what_does_not_wait() -> None:
    """Indices, masks as numbers, shapes, factorisations that report their success to nobody; and it ends."""
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with no_host_sync():
        y = x[torch.tensor([0, 2])].sum() + torch.where(MASK, x, 0.0).sum() + x.masked_fill(MASK, 1.0).sum()
        y = y + torch.linalg.cholesky_ex(torch.diag(x)).L.sum() + x.max() + x[1:].sum() + x.shape[0]
        y = y + x.repeat_interleave(2).sum() + x.topk(2).values.sum()
        y.backward()
    assert x.grad is not None
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert x.sum().item() == 6.0
    assert bool(x.any())
    assert "item" not in vars(Tensor)


# The forms


def test_the_reference_makes_the_host_wait() -> None:
    with no_host_sync(), pytest.raises(HostSync):
        build(REFERENCE)()


@pytest.mark.parametrize(
    "form",
    [
        {"contrast": "loop"},
        {"sampling": "loop"},
        {"matching": "scipy"},
        {"pool": "shared"},
        {"prototypes": "loop"},
        {"weighting": "loop"},
    ],
)
def test_each_loop_makes_the_host_wait(form: dict[str, Any]) -> None:
    """One stage in its reference form is enough: no exact form is there in vain."""
    step = build(replace(ALL_EXACT, **form))
    with no_host_sync(), pytest.raises(HostSync):
        step()


@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"sampling": "separable"},
        {"matching": "greedy"},
        {"pool": "other-images"},
        {"cache_covariance_inverse": False},
        {"parts_dtype": "model"},
        {"peaks_every": 2},
        {"views": "together"},
        {"pool": "other-images", "max_negatives": 4, "hard_negative_mining": True},
        {"pool": "other-images", "max_negatives": 4, "hard_negative_mining": False},
    ],
)
def test_a_step_in_fast_forms_does_not_wait(changed: dict[str, Any], epoch: int) -> None:
    """Forward, backward and optimizer, with gamma > 0 and prototypes, twice; and the step is one with a loss."""
    step = build(replace(ALL_EXACT, **changed), epoch, gamma=0.1)
    with no_host_sync():
        results = [step(), step()]
    for result in results:
        assert all(value.isfinite().all() for value in result.values())
        assert all(result[name] > 0 for name in ("total", "ce", "soc"))
        # The parts of other images are far enough away: there may be nothing left to contrast.
        assert result["pac"] > 0 or changed.get("pool") == "other-images"
    assert results[0]["total"] != results[1]["total"]


@pytest.mark.parametrize("num_images", [1, 2])
def test_small_batches_do_not_wait(num_images: int) -> None:
    step = build(ALL_EXACT, num_images=num_images)
    with no_host_sync():
        assert step()["total"].shape == ()


@pytest.mark.parametrize("epoch", [0, 3])
def test_under_autocast_no_form_waits(epoch: int) -> None:
    step = build(ALL_EXACT, epoch)
    with no_host_sync(), torch.autocast("cpu", dtype=torch.bfloat16):
        step()


def test_the_optimized_criterion_does_not_wait_for_a_pool_without_copies() -> None:
    """As a drop-in, with all its inputs; for a longer pool it waits, once, to fold it."""
    criterion = OptimizedPaCoLoss(gamma=0.1)
    Z1, Z2, proto = torch.randn(3, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    Z1.requires_grad_()
    pool = torch.cat([Z1, Z2], dim=1).flatten(0, 1)
    Sigma1, Sigma2 = Z1.mT @ Z1 + torch.eye(5), Z2.mT @ Z2 + torch.eye(5)
    batch = {
        "logits": torch.zeros(4, 7),
        "targets": torch.zeros(4, dtype=torch.long),
        "Z1t": Z1,
        "Z2t": Z2,
        "matching": torch.arange(3).expand(4, 3),
        "Sigma1": Sigma1,
        "Sigma2": Sigma2,
        "Sigma_plus": Sigma1 + Sigma2,
        "Sigma_proto": proto.mT @ proto,
        "saliency_map": torch.rand(4, 5, 5),
        "peaks": torch.zeros(4, 3, 2, dtype=torch.long),
    }
    with no_host_sync():
        criterion(**batch, negatives_pool=pool)["total"].backward()
        with pytest.raises(HostSync):
            criterion(**batch, negatives_pool=torch.cat([pool, pool]))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("epoch", [0, 3])
def test_a_gpu_is_not_waited_for(epoch: int) -> None:
    """The same, said by the device's own runtime; a first step may wait while libraries start up."""
    step = build(ALL_EXACT, epoch, device="cuda", gamma=0.1)
    step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(bool(result[name].isfinite()) for name in ("total", "ce", "pac", "soc"))
