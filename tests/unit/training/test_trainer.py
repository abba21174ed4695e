"""The training loop and the evaluation, on a handful of digits."""

from __future__ import annotations

import pytest
import torch

from few_digits import BATCH, NUM_BATCHES, NUM_EVAL, few_digits, trainer_of
from paco_prof.data.views import evaluation_views
from paco_prof.training.epoch import EpochInProgress
from paco_prof.training.trainer import Trainer


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    return trainer_of()


def test_an_evaluation_counts_what_is_right(trainer: Trainer) -> None:
    """Image by image, against the model's own answers."""
    views = evaluation_views(few_digits(), 64)
    trainer.model.eval()
    with torch.inference_mode():
        answers = [int(trainer.model(views[0, index].x1[None]).argmax()) for index in range(NUM_EVAL)]
    trainer.model.train()
    targets = list(few_digits().evaluation.targets)
    found = trainer.evaluate()
    assert found.correct == tuple(answer == target for answer, target in zip(answers, targets, strict=True))
    assert found.accuracy == sum(found.correct) / NUM_EVAL


def test_an_evaluation_of_what_is_known_is_right(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = torch.nn.functional.one_hot(torch.tensor(few_digits().evaluation.targets), 10).float()
    seen: list[int] = []

    def knowing(images: torch.Tensor) -> torch.Tensor:
        first = len(seen)
        seen.extend([1] * len(images))
        return wanted[first : first + len(images)]

    monkeypatch.setattr(trainer.model, "forward", knowing)
    assert trainer.evaluate().accuracy == 1.0
    assert len(seen) == NUM_EVAL


def test_an_evaluation_changes_nothing(trainer: Trainer) -> None:
    trainer.model.train()
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    first, second = trainer.evaluate(), trainer.evaluate()
    assert first.correct == second.correct
    assert trainer.model.training
    assert all(torch.equal(before[name], value) for name, value in trainer.model.state_dict().items())


def test_only_the_first_batches(trainer: Trainer) -> None:
    few, whole = trainer.evaluate(max_batches=2), trainer.evaluate()
    assert few.correct == whole.correct[: 2 * BATCH]
    assert len(few.batches) == 2
    assert sum(whole.batches) == pytest.approx(whole.seconds)
    assert len(whole.batches) == 3
    assert trainer.evaluation_batch_size == BATCH


def test_an_epoch_tells_after_every_step() -> None:
    told: list[int] = []
    epoch = EpochInProgress(0)
    trainer_of().train(epoch, lambda epoch: told.append(epoch.num_batches))
    assert told == list(range(1, NUM_BATCHES + 1))
    assert epoch.parts is not None
    assert all(len(values) == NUM_BATCHES for values in epoch.losses.values())


def test_the_parts_are_looked_at_once_an_epoch() -> None:
    trainer, epoch = trainer_of(), EpochInProgress(0)
    looked: list[bool] = []
    trainer.train(epoch, lambda epoch: looked.append(epoch.parts is not None))
    assert looked == [False] * (NUM_BATCHES - 1) + [True]


def test_the_model_learns_in_the_epoch_it_is_in() -> None:
    trainer = trainer_of(warmup_epochs=1)
    trainer.begin(0)
    early = trainer.model.epoch
    trainer.model.eval()
    trainer.begin(1)
    assert (early, trainer.model.epoch, trainer.model.training) == (0, 1, True)


def test_peaks_are_kept_and_handed_on() -> None:
    trainer, other = trainer_of(peaks_every=4), trainer_of(peaks_every=4)
    trainer.train(EpochInProgress(0), lambda _epoch: None)
    kept = trainer.kept_peaks()
    assert kept["num_calls"] == 2 * NUM_BATCHES
    other.keep_peaks(kept)
    again = other.kept_peaks()
    assert again["num_calls"] == kept["num_calls"]
    for view, tensors in kept["kept"].items():
        assert all(torch.equal(one, same) for one, same in zip(tensors, again["kept"][view], strict=True))
