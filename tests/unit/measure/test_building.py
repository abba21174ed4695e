"""What several ranks build together: of the same images, and with nothing that grows from step to step."""

from __future__ import annotations

import gc

import pytest

from alone_in_a_group import in_a_group_of_one
from few_digits import FEW, few_digits
from one_of_two import OneOfTwo
from paco_prof.errors import UsageError
from paco_prof.measure import building
from paco_prof.measure.building import build
from paco_prof.measure.distributed.reduction import _Passage
from paco_prof.measure.job import Job
from paco_prof.ranks import Place
from paco_prof.training.trainer import Trainer

JOB = Job.baseline(FEW.model_copy(update={"world_size": 2}))


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "open_data", lambda data: few_digits())


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_with_other_images_build_nothing(rank: int) -> None:
    with pytest.raises(UsageError, match=r"^digits has other images on rank 1 than on rank 0\."):
        build(JOB, group=OneOfTwo(Place(rank, 2, rank), "gloo", other="of another folder"))


def test_training_keeps_nothing_of_the_all_reduce_of_its_steps() -> None:
    with in_a_group_of_one():
        trainer = Trainer(build(JOB, group=OneOfTwo(Place(0, 2, 0), "gloo")))
        batch = trainer.loader.first()
        for number in range(3):
            trainer.take(batch, 0, number)
        gc.collect()
        assert [kept for kept in gc.get_objects() if type(kept) is _Passage] == []
