"""A user's model beside itself in float64: drop-ins that are the same, one that is not, and a model that refuses."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from foreign_code import FOREIGN, foreign
from paco_prof.measure.user.fidelity import MAX_IMAGES, measure_user_fidelity
from paco_prof.measure.user.step import Given, build_user_step
from paco_prof.paco2 import OptimizedPaCoLoss
from paco_prof.records import Fidelity
from paco_prof.settings import Workload
from tiny import CPU

CRITERION = (("criterion", "paco_prof:OptimizedPaCoLoss"),)


class Sharper(OptimizedPaCoLoss):
    """Another objective that looks like a drop-in: twice the contrast."""

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        losses = super().forward(*args, **kwargs)  # type: ignore[arg-type]
        return {**losses, "total": losses["total"] + losses["pac"]}


class Stubborn(nn.Module):
    """Computes in float32 whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 5)

    def forward(self, x1: Tensor, x2: Tensor, targets: Tensor) -> dict[str, Tensor]:
        pooled = (x1 + x2).mean(dim=(2, 3)).float()
        return {"total": nn.functional.cross_entropy(self.backbone(pooled), targets % 5)}


@pytest.fixture(autouse=True)
def foreign_code_is_found(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [str(FOREIGN), *sys.path])
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    for name in [name for name in sys.modules if name.partition(".")[0] == "finegrain"]:
        del sys.modules[name]


def fidelity(workload: Workload, base: Workload | None = None, given: Given | None = None) -> Fidelity:
    step, built, user = build_user_step(workload, CPU, given=given)
    try:
        return measure_user_fidelity(step, user, built, base or workload)
    finally:
        user.release()


def test_a_model_beside_itself_differs_by_rounding_alone(capsys: pytest.CaptureFixture[str]) -> None:
    found = fidelity(foreign())
    assert (found.against, found.oracle, found.images) == ("baseline", "own model", None)
    assert found.losses.keys() == {"total", "ce", "pac", "soc"}
    assert found.losses["total"] == pytest.approx(found.reference_losses["total"], rel=1e-5)
    assert 0 < found.gradient_error < 1e-2
    # There is no drop-in that could be looked at in float64.
    assert found.float64_gradient_error is None


@pytest.mark.parametrize("epoch", [0, 5])
@pytest.mark.parametrize("metric", ["fro", "stein"])
def test_the_drop_in_is_the_same_in_float64(epoch: int, metric: str) -> None:
    base = foreign(epoch=epoch, model_args={"metric": metric})
    found = fidelity(base.model_copy(update={"replace": CRITERION}), base)
    assert found.reference_losses["pac"] > 0
    assert found.float64_loss_error is not None
    assert found.float64_loss_error < 1e-12
    assert found.float64_gradient_error is not None
    assert found.float64_gradient_error < 1e-9


def test_all_drop_ins_together_are_the_same_in_float64() -> None:
    drop_ins = (
        *CRITERION,
        ("matcher", "paco_prof:BatchedMatcher"),
        ("sampler", "paco_prof:BatchedSampler"),
        ("pool", "paco_prof:FoldedPool"),
    )
    found = fidelity(foreign(epoch=5, replace=drop_ins), foreign(epoch=5))
    assert found.float64_gradient_error is not None
    assert found.float64_gradient_error < 1e-9


class Counting(OptimizedPaCoLoss):
    """To which the pool is no set: its rows are counted."""

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        losses = super().forward(*args, **kwargs)  # type: ignore[arg-type]
        pool = kwargs["negatives_pool"]
        assert isinstance(pool, Tensor)
        return {**losses, "total": losses["total"] + 1e-3 * pool.square().sum()}


class Narrow(OptimizedPaCoLoss):
    """Safe under autocast, says its author."""

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        narrowed = {
            name: value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
            for name, value in kwargs.items()
        }
        return super().forward(*args, **narrowed)  # type: ignore[arg-type]


def test_a_drop_in_that_learns_is_seen_at_work() -> None:
    """A folded pool is another pool to what counts its rows, which the first call, the original's, would not show."""
    criterion = (("criterion", f"{Counting.__module__}:Counting"),)
    sys.modules.setdefault(Counting.__module__, sys.modules[__name__])
    # With three images each part has two copies; with two it would have one.
    drop_ins = (*criterion, ("pool", "paco_prof:FoldedPool"))
    found = fidelity(foreign(batch_size=3, replace=drop_ins), foreign(batch_size=3, replace=criterion))
    assert found.float64_gradient_error is not None
    assert found.float64_gradient_error > 1e-4


def test_a_model_that_narrows_what_it_computes_is_not_called_float64() -> None:
    narrow = (("criterion", f"{Narrow.__module__}:Narrow"),)
    sys.modules.setdefault(Narrow.__module__, sys.modules[__name__])
    found = fidelity(foreign(replace=narrow), foreign())
    assert found.oracle == "own model as it is"
    assert found.float64_gradient_error is None


def test_another_objective_shows_in_float64() -> None:
    other = (("criterion", f"{Sharper.__module__}:Sharper"),)
    sys.modules.setdefault(Sharper.__module__, sys.modules[__name__])
    found = fidelity(foreign(replace=other), foreign())
    assert found.float64_gradient_error is not None
    assert found.float64_gradient_error > 1e-4


def test_of_a_large_batch_the_first_images_are_enough() -> None:
    found = fidelity(foreign(batch_size=MAX_IMAGES + 1, model_args={"K": 2}))
    assert found.images == MAX_IMAGES


def test_a_model_that_refuses_float64_is_held_against_itself_as_it_is() -> None:
    workload = Workload(model="here:Stubborn", batch_size=2, image_size=16, threads=1, num_classes=5)
    found = fidelity(workload, given=Given(Stubborn))
    assert found.oracle == "own model as it is"
    assert found.gradient_error == 0


def test_trained_weights_are_compared_as_they_are() -> None:
    workload = foreign()
    step, built, user = build_user_step(workload, CPU)
    for _ in range(2):
        step.run()
    trained = measure_user_fidelity(step, user, built, workload, step.model.state_dict())
    fresh = measure_user_fidelity(step, user, built, workload)
    user.release()
    assert trained.losses["ce"] != pytest.approx(fresh.losses["ce"], rel=1e-3)
    assert trained.losses["total"] == pytest.approx(trained.reference_losses["total"], rel=1e-4)
