"""A run that was cut off and goes on ends with the weights, bit by bit, of one that was not."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from few_digits import NUM_BATCHES, trainer_of
from paco_prof.cli.progress import SilentProgress
from paco_prof.errors import UsageError
from paco_prof.measure.optimization import Optimization
from paco_prof.records import EpochResult, RunPlan, TrainingRunRecord
from paco_prof.training import run as run_module
from paco_prof.training.checkpoint import read_checkpoint
from paco_prof.training.run import RunOutcome, TrainingRun
from paco_prof.training.trainer import Trainer

EPOCHS = 2
OFTEN = 1e-9
# What training may draw on or keep from step to step, each in one variant or another.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "peaks kept between steps": {"peaks_every": 3},
    "cosine and clipping": {"schedule": "cosine", "clip_norm": 0.5},
    "random negatives": {"max_negatives": 2},
    "a gradient scaler": {"precision": "float16"},
    "matching that changes": {"warmup_epochs": 1},
}


class Interrupting(SilentProgress):
    """Interrupts when something begins whose name begins so."""

    def __init__(self, what: str) -> None:
        self._what = what

    def begin(self, what: str) -> None:
        if what.startswith(self._what):
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _told_of_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "SECONDS_BETWEEN_UPDATES", 0.0)


def run_to_end(trainer: Trainer, epochs: int = EPOCHS) -> RunOutcome:
    outcome = TrainingRun(trainer, RunPlan(epochs=epochs), SilentProgress(), fidelity=False).run()
    assert outcome.error is None
    return outcome


def interrupted(path: Path, at: str, settings: dict[str, Any], **plan: Any) -> RunOutcome:
    """A run that is interrupted when something begins, with its checkpoint in `path`."""
    plan = {"epochs": EPOCHS, **plan}
    run = TrainingRun(trainer_of(**settings), RunPlan(**plan), Interrupting(at), checkpoint=path, fidelity=False)
    outcome = run.run()
    assert isinstance(outcome.error, KeyboardInterrupt)
    return outcome


def go_on(path: Path, settings: dict[str, Any], epochs: int = EPOCHS) -> tuple[Trainer, RunOutcome]:
    """A new process, as it were, from the checkpoint in `path` to the end."""
    # Whatever the process has drawn until then must not matter.
    torch.manual_seed(12345)
    trainer = trainer_of(**settings)
    run = TrainingRun(trainer, RunPlan(epochs=epochs), SilentProgress(), checkpoint=path, fidelity=False)
    run.resume(read_checkpoint(path))
    outcome = run.run()
    assert outcome.error is None
    return trainer, outcome


def learned(record: TrainingRunRecord) -> list[dict[str, Any]]:
    """What the epochs came to, times aside."""
    timed = {name for name in EpochResult.model_fields if name.endswith("seconds")}
    return [result.model_dump(exclude=timed) for result in record.epochs]


def assert_same(trainer: Trainer, other: Trainer) -> None:
    weights, others = trainer.model.state_dict(), other.model.state_dict()
    assert weights.keys() == others.keys()
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert plain(trainer.optimization.state_dict()) == plain(other.optimization.state_dict())


def plain(state: Any) -> Any:
    """A state with its tensors as lists, which can be compared."""
    if isinstance(state, dict):
        return {name: plain(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return [plain(value) for value in state]
    return state.tolist() if isinstance(state, torch.Tensor) else state


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_in_the_middle_of_an_epoch(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = tmp_path / "checkpoint.pt"
    whole_trainer = trainer_of(**settings)
    whole = run_to_end(whole_trainer)
    cut = interrupted(path, f"epoch 2 of {EPOCHS}, batch 3", settings)
    assert cut.record.status == "interrupted"
    assert len(cut.record.epochs) == 1
    trainer, outcome = go_on(path, settings)
    assert_same(trainer, whole_trainer)
    assert learned(outcome.record) == learned(whole.record)
    assert outcome.record.processes == 2
    assert outcome.record.status == "complete"


@pytest.fixture(scope="module")
def whole() -> tuple[Trainer, RunOutcome]:
    trainer = trainer_of()
    return trainer, run_to_end(trainer)


@pytest.mark.parametrize(
    "at",
    [
        "epoch 1 of 2, batch 1 of",
        f"epoch 1 of 2, batch {NUM_BATCHES} of",
        "evaluating after epoch 1",
        f"epoch 2 of 2, batch {NUM_BATCHES} of",
        "evaluating after epoch 2",
    ],
)
def test_at_the_seams_of_an_epoch(tmp_path: Path, at: str, whole: tuple[Trainer, RunOutcome]) -> None:
    interrupted(tmp_path / "checkpoint.pt", at, {})
    trainer, outcome = go_on(tmp_path / "checkpoint.pt", {})
    assert_same(trainer, whole[0])
    assert learned(outcome.record) == learned(whole[1].record)


def test_before_the_first_step(tmp_path: Path, whole: tuple[Trainer, RunOutcome]) -> None:
    interrupted(tmp_path / "checkpoint.pt", "epoch 1", {})
    trainer, outcome = go_on(tmp_path / "checkpoint.pt", {})
    assert_same(trainer, whole[0])
    assert learned(outcome.record) == learned(whole[1].record)


def test_again_and_again(tmp_path: Path, whole: tuple[Trainer, RunOutcome]) -> None:
    path = tmp_path / "checkpoint.pt"
    interrupted(path, "epoch 1 of 2, batch 2", {})
    for at in ("epoch 1 of 2, batch 4", "epoch 2 of 2, batch 1", "epoch 2 of 2, batch 5"):
        run = TrainingRun(trainer_of(), RunPlan(epochs=EPOCHS), Interrupting(at), checkpoint=path, fidelity=False)
        run.resume(read_checkpoint(path))
        assert isinstance(run.run().error, KeyboardInterrupt)
    trainer, outcome = go_on(path, {})
    assert_same(trainer, whole[0])
    assert learned(outcome.record) == learned(whole[1].record)
    assert outcome.record.processes == 5
    assert [note.code for note in outcome.record.notes] == []


def test_from_the_checkpoint_before_a_kill(tmp_path: Path, whole: tuple[Trainer, RunOutcome]) -> None:
    """Nothing is written at a kill: what counts is the last checkpoint within the epoch."""
    path, kept = tmp_path / "checkpoint.pt", tmp_path / "kept.pt"

    class Killing(SilentProgress):
        def begin(self, what: str) -> None:
            if what.startswith("epoch 2 of 2, batch 4"):
                kept.write_bytes(path.read_bytes())
                raise KeyboardInterrupt

    plan = RunPlan(epochs=EPOCHS, checkpoint_minutes=OFTEN)
    TrainingRun(trainer_of(), plan, Killing(), checkpoint=path, fidelity=False).run()
    assert read_checkpoint(kept).epoch.num_batches == 3
    trainer, outcome = go_on(kept, {})
    assert_same(trainer, whole[0])
    assert learned(outcome.record) == learned(whole[1].record)


def test_other_workers_learn_the_same(tmp_path: Path, whole: tuple[Trainer, RunOutcome]) -> None:
    interrupted(tmp_path / "checkpoint.pt", "epoch 1 of 2, batch 2", {})
    trainer, outcome = go_on(tmp_path / "checkpoint.pt", {"workers": 1})
    assert_same(trainer, whole[0])
    assert learned(outcome.record) == learned(whole[1].record)


def test_a_complete_run_may_be_made_longer(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    TrainingRun(trainer_of(), RunPlan(epochs=1), SilentProgress(), checkpoint=path, fidelity=False).run()
    trainer, outcome = go_on(path, {}, epochs=2)
    other = trainer_of()
    assert learned(outcome.record) == learned(run_to_end(other, 2).record)
    assert_same(trainer, other)


def test_a_run_cannot_be_made_shorter_than_it_is(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    TrainingRun(trainer_of(), RunPlan(epochs=2), SilentProgress(), checkpoint=path, fidelity=False).run()
    run = TrainingRun(trainer_of(), RunPlan(epochs=1), SilentProgress(), checkpoint=path, fidelity=False)
    with pytest.raises(UsageError, match="has 2 epochs already"):
        run.resume(read_checkpoint(path))


@pytest.fixture
def signal_in_a_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C between an update of the weights and the end of the step, in the seventh step."""
    updates: list[int] = []
    update = Optimization.update

    def updated(self: Optimization) -> None:
        update(self)
        updates.append(1)
        if len(updates) == NUM_BATCHES + 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Optimization, "update", updated)
        yield


@pytest.mark.usefixtures("signal_in_a_step")
def test_an_interruption_waits_for_the_end_of_the_step(tmp_path: Path, whole: tuple[Trainer, RunOutcome]) -> None:
    path = tmp_path / "checkpoint.pt"
    run = TrainingRun(trainer_of(), RunPlan(epochs=EPOCHS), SilentProgress(), checkpoint=path, fidelity=False)
    assert isinstance(run.run().error, KeyboardInterrupt)
    assert read_checkpoint(path).epoch.num_batches == 2
    trainer, outcome = go_on(path, {})
    assert_same(trainer, whole[0])
    assert learned(outcome.record) == learned(whole[1].record)


def test_times_go_on_where_they_were(tmp_path: Path) -> None:
    cut = interrupted(tmp_path / "checkpoint.pt", "epoch 2 of 2, batch 3", {})
    _, outcome = go_on(tmp_path / "checkpoint.pt", {})
    record = outcome.record
    assert record.epochs[0] == cut.record.epochs[0]
    assert record.created == cut.record.created
    assert record.startup_seconds >= cut.record.startup_seconds
    assert record.total_seconds >= cut.record.total_seconds
    assert record.total_seconds >= sum(result.seconds for result in record.epochs)
