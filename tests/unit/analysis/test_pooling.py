"""Steps of several launches as if they were of one, and backward as one stage."""

from __future__ import annotations

import pytest

from builders import Times, training_of
from paco_prof.analysis.pooling import pooled, undivided

ONE = training_of((Times("backbone", 0.2, 0.4), Times("loss", 0.1)), (1.0, 2.0), losses={"total": (5.0, 4.0)})
OTHER = training_of(
    (Times("backbone", 0.1, 0.1, calls=2), Times("optimizer", other=0.3)), (1.0,), losses={"total": (3.0,)}
)


def test_steps_and_phases_come_one_after_the_other() -> None:
    both = pooled([ONE, OTHER])
    assert both.steps == (*ONE.steps, *OTHER.steps)
    for phase in ("forward", "backward", "other"):
        assert both.phases[phase] == (*ONE.phases[phase], *OTHER.phases[phase])
    assert both.losses == {"total": (5.0, 4.0, 3.0)}


def test_a_stage_that_a_launch_never_entered_took_no_time_in_it() -> None:
    stages = {(stage.path, stage.phase): stage for stage in pooled([ONE, OTHER]).stages}
    assert stages.keys() == {
        ("backbone", "forward"),
        ("backbone", "backward"),
        ("loss", "forward"),
        ("optimizer", "other"),
    }
    assert stages["loss", "forward"].host == (0.1, 0.2, 0.0)
    assert stages["optimizer", "other"].host == (0.0, 0.0, 0.3)
    assert stages["backbone", "forward"].calls == 2
    assert stages["loss", "forward"].device is None


def test_device_clocks_stay_device_clocks() -> None:
    device = training_of((Times("loss", 0.1, 0.1),), (1.0,), on_device=True)
    stages = {(stage.path, stage.phase): stage for stage in pooled([device, OTHER]).stages}
    assert stages["loss", "forward"].device == (0.1, 0.0)
    assert stages["loss", "forward"].host == (0.001, 0.0)
    assert stages["optimizer", "other"].device is None


def test_one_launch_pooled_is_itself_but_for_the_order_of_its_stages() -> None:
    alone = pooled([ONE])
    assert sorted(alone.stages, key=repr) == sorted(ONE.stages, key=repr)
    assert (alone.steps, alone.phases, alone.losses) == (ONE.steps, ONE.phases, ONE.losses)


def test_backward_that_is_whole_somewhere_is_said_to_be() -> None:
    whole = OTHER.model_copy(update={"backward_whole": "compiled"})
    assert pooled([ONE, whole]).backward_whole == "compiled"
    assert pooled([ONE, OTHER]).backward_whole == ""


def test_nothing_cannot_be_pooled() -> None:
    with pytest.raises(ValueError, match="no steps"):
        pooled([])


def test_undivided_backward_is_one_stage_of_the_whole_phase() -> None:
    glued = training_of((Times("backbone", 0.2, 0.4), Times("autograd", None, 0.1)), (1.0,), glue={"backward": 0.05})
    whole = undivided(glued)
    (backward,) = [stage for stage in whole.stages if stage.phase == "backward"]
    assert (backward.path, backward.host) == ("backward", glued.phases["backward"])
    assert backward.host[0] == pytest.approx(0.55)
    assert [stage.path for stage in whole.stages if stage.phase != "backward"] == ["backbone"]
    assert undivided(whole) == whole
    assert whole.steps == glued.steps


def test_undivided_backward_of_a_device_is_on_its_clock() -> None:
    device = undivided(training_of((Times("backbone", 0.2, 0.4),), (1.0, 2.0), on_device=True))
    (backward,) = [stage for stage in device.stages if stage.phase == "backward"]
    assert backward.device == (0.4, 0.8)
