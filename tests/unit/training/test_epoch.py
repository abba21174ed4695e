"""What an epoch comes to, from steps made by hand."""

from __future__ import annotations

import json
import math

import pytest
import torch

from paco_prof.data.batch import Batch
from paco_prof.records import PartsHealth
from paco_prof.training.epoch import EpochInProgress

ALPHA = 0.2


def batch(size: int, loading: float | None = 0.5) -> Batch:
    return Batch(torch.zeros(size, 3, 1, 1), torch.zeros(size, 3, 1, 1), torch.zeros(size), loading)


def epoch_of(*pac: float, soc: float = 1.0) -> EpochInProgress:
    """An epoch of a step for each value of PaC."""
    epoch = EpochInProgress(2)
    for number, value in enumerate(pac):
        losses = {"total": torch.tensor(value + soc), "pac": torch.tensor(value), "soc": torch.tensor(soc)}
        epoch.add(batch(4 if number < len(pac) - 1 else 3), losses, 1.0 + number, is_first=number == 0)
    return epoch


def test_steps_are_counted_and_losses_averaged() -> None:
    result = epoch_of(0.1, 0.3, 0.5).result(ALPHA, 0.01, 0.75)
    assert (result.epoch, result.num_batches, result.num_images) == (2, 3, 11)
    assert result.losses == pytest.approx({"total": 1.3, "pac": 0.3, "soc": 1.0})
    assert (result.learning_rate, result.accuracy) == (0.01, 0.75)
    assert result.loading_seconds == 1.5


def test_the_first_wait_is_the_epochs_start() -> None:
    result = epoch_of(0.1, 0.3, 0.5).result(ALPHA, 0.01, None)
    assert (result.start_seconds, result.waiting_seconds) == (1.0, 5.0)


def test_how_many_steps_had_pac_at_alpha() -> None:
    """Within a hundredth of it."""
    assert epoch_of(0.2, 0.2019, 0.1981, 0.21).result(ALPHA, 0.01, None).at_alpha == 0.75
    assert epoch_of(0.1, math.nan).result(ALPHA, 0.01, None).at_alpha == 0.0


def test_losses_that_are_not_finite_are_left_out_of_the_mean() -> None:
    result = epoch_of(0.1, math.nan, 0.3, math.inf).result(ALPHA, 0.01, None)
    assert result.non_finite == 2
    assert result.losses["pac"] == pytest.approx(0.2)
    assert result.losses["soc"] == 1.0


def test_nothing_finite_has_no_mean() -> None:
    result = epoch_of(math.nan).result(ALPHA, 0.01, None)
    assert math.isnan(result.losses["pac"])


def test_the_latest_losses() -> None:
    assert epoch_of(0.1, 0.3).latest() == pytest.approx({"total": 1.3, "pac": 0.3, "soc": 1.0})
    assert EpochInProgress(0).latest() == {}


@pytest.mark.parametrize("parts", [None, PartsHealth(coinciding=0.5, at_floor=0.25, spread=0.1)])
def test_a_state_is_plain_and_comes_back(parts: PartsHealth | None) -> None:
    epoch = epoch_of(0.1, 0.3, 1e-7)
    epoch.parts = parts
    epoch.checkpoint_seconds = 0.125
    state = json.loads(json.dumps(epoch.state()))
    again = EpochInProgress.from_state(state)
    assert again.state() == epoch.state()
    assert again.result(ALPHA, 0.01, 0.5) == epoch.result(ALPHA, 0.01, 0.5)
    assert again.latest() == epoch.latest()


def test_a_state_goes_on() -> None:
    whole, half = epoch_of(0.1, 0.3), EpochInProgress.from_state(epoch_of(0.1).state())
    losses = {name: values[-1] for name, values in whole.losses.items()}
    half.add(batch(3), losses, 2.0, is_first=False)
    assert half.result(ALPHA, 0.01, None).losses == whole.result(ALPHA, 0.01, None).losses


def sometimes(*extra: float | None) -> EpochInProgress:
    """An epoch of a step for each value of a loss that a step may lack."""
    epoch = EpochInProgress(0)
    for number, value in enumerate(extra):
        losses = {"total": torch.tensor(1.0)} | ({} if value is None else {"extra": torch.tensor(value)})
        epoch.add(batch(4), losses, 0.0, is_first=number == 0)
    return epoch


@pytest.mark.parametrize("extra", [(0.25, None, 0.75), (None, 0.25, 0.75), (None, 0.5, None), (0.5, None, None)])
def test_a_loss_that_some_steps_lack_is_averaged_over_the_others(extra: tuple[float | None, ...]) -> None:
    result = sometimes(*extra).result(ALPHA, 0.01, None)
    assert result.losses == {"total": 1.0, "extra": 0.5}
    assert (result.num_batches, result.non_finite) == (3, 0)
    again = EpochInProgress.from_state(json.loads(json.dumps(sometimes(*extra).state())))
    assert again.result(ALPHA, 0.01, None) == result


def test_a_step_without_a_loss_is_not_one_whose_loss_is_not_finite() -> None:
    assert sometimes(math.nan, None, math.inf, 1.0).result(ALPHA, 0.01, None).non_finite == 2
    assert sometimes(None, 0.5).latest() == {"total": 1.0, "extra": 0.5}
    assert sometimes(0.5, None).latest() == {"total": 1.0}


def test_how_many_of_the_steps_with_a_pac_had_it_at_alpha() -> None:
    epoch = EpochInProgress(0)
    for number, pac in enumerate((None, ALPHA, ALPHA, 0.0)):
        losses = {} if pac is None else {"pac": torch.tensor(pac)}
        epoch.add(batch(4), losses, 0.0, is_first=number == 0)
    assert epoch.result(ALPHA, 0.01, None).at_alpha == pytest.approx(2 / 3)


def test_of_several_ranks_images_are_summed_and_losses_averaged_step_by_step() -> None:
    one, other = epoch_of(0.1, 0.3, 0.5), epoch_of(0.3, 0.1, 0.7, soc=2.0)
    one.parts, other.parts = (PartsHealth(coinciding=c, at_floor=0.5, spread=s) for c, s in ((0.2, 3.0), (0.4, 4.0)))
    joint = EpochInProgress.joined([one, other])
    result = joint.result(ALPHA, 0.01, 0.75)
    assert (result.num_batches, result.num_images) == (3, 22)
    assert result.losses == pytest.approx({"total": 11 / 6, "pac": 1 / 3, "soc": 1.5})
    # Two of the three means are alpha, and of no rank's own values any.
    assert result.at_alpha == pytest.approx(2 / 3)
    assert result.parts is not None
    assert (result.parts.coinciding, result.parts.at_floor) == pytest.approx((0.3, 0.5))
    assert result.parts.spread == pytest.approx(math.sqrt((9 + 16) / 2))


def test_of_several_ranks_times_are_the_first_ones() -> None:
    one, other = epoch_of(0.1, 0.3), epoch_of(0.1, 0.3)
    one.step_seconds, other.step_seconds = 5.0, 6.0
    one.loading_seconds, other.loading_seconds = 1.0, 3.0
    result = EpochInProgress.joined([one, other]).result(ALPHA, 0.01, None)
    assert (result.start_seconds, result.waiting_seconds, result.step_seconds) == (1.0, 2.0, 5.0)
    assert result.loading_seconds == 2.0


def test_a_rank_without_parts_to_look_at_leaves_none() -> None:
    one, other = epoch_of(0.1), epoch_of(0.1)
    one.parts = PartsHealth(coinciding=0.2, at_floor=0.5, spread=3.0)
    assert EpochInProgress.joined([one, other]).parts is None


def test_a_loss_that_one_rank_lacks_is_the_mean_of_the_others() -> None:
    joint = EpochInProgress.joined([sometimes(None, None), sometimes(0.5, None), sometimes(1.5, 0.25)])
    result = joint.result(ALPHA, 0.01, None)
    assert [None if value is None else float(value) for value in joint.losses["extra"]] == [1.0, 0.25]
    assert result.losses == {"total": 1.0, "extra": 0.625}
    assert list(EpochInProgress.joined([sometimes(0.5), sometimes(None)]).losses) == ["total", "extra"]


def test_a_step_in_which_no_rank_has_a_loss_has_none() -> None:
    joint = EpochInProgress.joined([sometimes(None, 0.5), sometimes(None, None)])
    assert joint.losses["extra"][0] is None
    assert joint.result(ALPHA, 0.01, None).losses["extra"] == 0.5


def test_a_loss_that_broke_on_one_rank_has_broken() -> None:
    result = EpochInProgress.joined([epoch_of(0.1, 0.3), epoch_of(math.nan, 0.5)]).result(ALPHA, 0.01, None)
    assert result.non_finite == 1
    assert result.losses["pac"] == pytest.approx(0.4)
