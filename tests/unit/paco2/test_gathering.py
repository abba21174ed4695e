"""Negatives of all ranks: two processes that gather are one process with the joint batch, value and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joint_batches import CASES, RANKS, Step, joint_step
from paco_prof.errors import UsageError
from paco_prof.paco2 import PaCoModel
from ranks_of_torch import run_ranks


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes came to, all cases one after the other."""
    results, codes, said = run_ranks(tmp_path_factory.mktemp("ranks"), "joint_batches", "steps_of_rank", RANKS)
    assert codes == [0] * RANKS, said
    return results


def steps_of(ranks: list[dict[str, Any]], case: str) -> list[Step]:
    return [Step(**results["steps"][case]) for results in ranks]


def mean_losses(steps: list[Step]) -> dict[str, float]:
    return {name: sum(step.losses[name] for step in steps) / len(steps) for name in steps[0].losses}


def assert_joint(steps: list[Step], joint: Step) -> None:
    assert mean_losses(steps) == pytest.approx(joint.losses, rel=1e-10, abs=1e-14)
    assert joint.losses["pac"] > 0
    for step in steps:
        assert step.gradient.keys() == joint.gradient.keys()
        for name, gradient in joint.gradient.items():
            largest = max(map(abs, gradient))
            np.testing.assert_allclose(step.gradient[name], gradient, rtol=1e-10, atol=1e-10 * largest, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_gathered_it_is_the_joint_batch(ranks: list[dict[str, Any]], case: str) -> None:
    assert_joint(steps_of(ranks, case), joint_step(CASES[case]))


def test_an_image_a_rank_has_those_of_the_others(ranks: list[dict[str, Any]]) -> None:
    """Alone it would have nothing to be contrasted with."""
    assert_joint(steps_of(ranks, "an image a rank"), joint_step(CASES["fused, shared"], RANKS))


def test_not_gathered_it_is_another_objective(ranks: list[dict[str, Any]]) -> None:
    steps, joint = steps_of(ranks, "not gathered"), joint_step(CASES["fused, shared"])
    losses = mean_losses(steps)
    # All but PaC are means over images, which ranks share.
    assert losses["ce"] == pytest.approx(joint.losses["ce"], rel=1e-10)
    assert losses["soc"] == pytest.approx(joint.losses["soc"], rel=1e-10)
    assert losses["pac"] != pytest.approx(joint.losses["pac"], rel=1e-3)
    mine, theirs = (np.concatenate(list(step.gradient.values())) for step in (steps[0], joint))
    assert np.linalg.norm(mine - theirs) > 1e-3 * np.linalg.norm(theirs)


def test_parts_keep_their_type(ranks: list[dict[str, Any]]) -> None:
    for results in ranks:
        assert results["types"] == ["torch.float32", "torch.bfloat16", "torch.float64"]


def test_unequal_batches_are_refused_on_every_rank(ranks: list[dict[str, Any]]) -> None:
    for results in ranks:
        assert results["unequal"].startswith(
            "Negatives are gathered from ranks with equal batches, and these have 1, 2 images."
        )


def test_a_process_alone_has_nobody_to_gather_from() -> None:
    with pytest.raises(UsageError, match="needs several ranks: torchrun --nproc-per-node 2"):
        PaCoModel("test_resnet", num_classes=5, K=2, r=1, d=6, image_size=64, gather_negatives=True)
