"""The exact twin of the reference loop: the same loss and gradient, and who has one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from few_digits import FEW, few_digits
from paco_prof.errors import UsageError
from paco_prof.forms import Forms
from paco_prof.measure import building, fidelity
from paco_prof.measure.building import build
from paco_prof.measure.job import Job
from paco_prof.settings import Workload, with_settings
from paco_prof.training import twin as twin_module
from paco_prof.training.twin import PAIRS, check_twin, has_loop, require_loop_in_time, twin_of
from tiny import TINY, job_of, step_of

# Beside the loop, settings that a twin has too.
KEPT: list[dict[str, Any]] = [
    {},
    {"views": "together"},
    {"pool": "other-images"},
    {"peaks_every": 4},
    {"matching": "greedy"},
    {"metric": "log-euclidean"},
    {"warmup_epochs": 0},
]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "open_data", lambda _: few_digits())


def test_who_has_one() -> None:
    assert has_loop(job_of("baseline").workload)
    assert has_loop(job_of("both-views").workload)
    assert not has_loop(job_of("exact").workload)
    assert not has_loop(job_of("max-negatives-16").workload)


@pytest.mark.parametrize("settings", KEPT, ids=str)
def test_a_twin_keeps_what_is_part_of_the_objective(settings: dict[str, Any]) -> None:
    loop = with_settings(TINY, settings)
    twin = twin_of(loop)
    assert not has_loop(twin)
    for name, value in settings.items():
        of = twin.forms if hasattr(twin.forms, name) else twin
        assert getattr(of, name) == value
    assert twin.model_copy(update={"forms": loop.forms}) == loop


@pytest.mark.parametrize("settings", KEPT, ids=str)
def test_a_twins_loss_and_gradient_are_the_loops(settings: dict[str, Any]) -> None:
    """With parts in float64 in both, so that rounding is no part of it."""
    loop = with_settings(TINY.model_copy(update={"batch_size": 3}), {**settings, "parts_dtype": "float64"})
    (losses, gradient), (expected, expected_gradient) = (_of(each) for each in (twin_of(loop), loop))
    assert losses == pytest.approx(expected, rel=1e-5)
    assert (gradient - expected_gradient).norm() < 1e-4 * expected_gradient.norm()


def _of(workload: Workload) -> tuple[dict[str, float], torch.Tensor]:
    """Losses of a step, and the gradient of all parameters."""
    torch.set_num_threads(1)
    step = step_of("baseline", workload)
    result = step.model(step.batch.x1, step.batch.x2, step.batch.targets)
    result["total"].backward()
    gradients = [parameter.grad.flatten() for parameter in step.model.parameters() if parameter.grad is not None]
    losses = {name: value.item() for name, value in result.items() if value.dim() == 0}
    return losses, torch.cat(gradients).double()


def checked(loop: Workload) -> Any:
    loop = loop.model_copy(update={"device": "cpu"})
    built = build(Job.baseline(twin_of(loop)))
    return check_twin(1, built.job, loop.forms)


def test_a_twin_is_held_against_the_loop_in_float64() -> None:
    twin = checked(FEW)
    assert twin.contestant == 1
    assert twin.fidelity.oracle == "loop"
    assert twin.fidelity.gradient_error < 1e-4
    assert twin.fidelity.losses == pytest.approx(twin.fidelity.reference_losses, rel=1e-5)
    assert len(twin.loop_steps) == len(twin.twin_steps) == PAIRS


def test_a_twin_is_held_against_the_loop_whose_it_is_and_not_the_baselines() -> None:
    """Both views at once give BatchNorm other statistics."""
    twin = checked(with_settings(FEW, {"views": "together"}))
    assert twin.fidelity.gradient_error < 1e-4


def test_with_many_distances_fewer_images_are_checked_so_that_the_loop_stays_the_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With 2 parts, 4 images take 8 * 49 distances, 3 take 6 * 25, and 2 take 4 * 9."""
    for module in (fidelity, twin_module):
        monkeypatch.setattr(module, "MAX_LOOPED_DISTANCES", 149)
    assert checked(FEW).fidelity.oracle == "loop"
    monkeypatch.setattr(twin_module, "MAX_LOOPED_DISTANCES", 392)
    assert checked(FEW).fidelity.oracle == "exact twin"


@pytest.mark.parametrize(("batch_size", "num_parts"), [(8, 4), (17, 4), (8, 12)])
def test_a_loop_that_takes_a_while_is_timed(batch_size: int, num_parts: int) -> None:
    """Up to 150,000 distances: 17 images of 4 parts take 68 * (2 * 16 * 68 + 1) = 148,036."""
    require_loop_in_time(Workload(batch_size=batch_size, num_parts=num_parts))


@pytest.mark.parametrize(("batch_size", "num_parts"), [(18, 4), (32, 4), (9, 12)])
def test_a_loop_that_takes_minutes_is_refused(batch_size: int, num_parts: int) -> None:
    workload = Workload(batch_size=batch_size, num_parts=num_parts)
    with pytest.raises(UsageError, match=rf"batch of {batch_size}, .* --batch-size"):
        require_loop_in_time(workload)


def test_the_twin_of_the_reference_is_made_of_exact_forms() -> None:
    assert twin_of(TINY).forms == Forms(
        contrast="fused",
        sampling="batched",
        matching="batched",
        prototypes="batched",
        weighting="batched",
        pool="folded",
        parts_dtype="float64",
    )
