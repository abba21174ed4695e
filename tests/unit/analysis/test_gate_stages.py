"""Stages before and after, of two revisions and beside a saved baseline at the pace of then."""

from __future__ import annotations

import pytest

from builders import ON_CPU
from comparisons import scaled
from gates import LOSS, SLOWER, gate_record, own_comparison, revision, revisions, saved
from paco_prof.analysis.comparison import ComparedVariant
from paco_prof.analysis.gate import check_result
from paco_prof.analysis.gate_stages import changed_stages
from paco_prof.records import Check, ComparisonRecord


def stages_of(check: Check, *comparisons: ComparisonRecord) -> ComparedVariant | None:
    record = gate_record([check], comparisons=comparisons)
    comparison = None if check.comparison is None else record.comparisons[check.comparison]
    return changed_stages(record, check_result(check, comparison, record.plan))


def changes_of(variant: ComparedVariant | None) -> dict[str, float]:
    assert variant is not None
    return {stage.path: stage.change for stage in variant.stages}


def test_of_two_revisions_the_working_tree_is_after() -> None:
    variant = stages_of(revision(), own_comparison(), revisions())
    changes = changes_of(variant)
    assert variant is not None
    assert variant.name == "working tree"
    assert max(changes, key=changes.__getitem__) == "part_sampling"


def test_beside_a_saved_baseline_times_are_at_the_pace_of_then() -> None:
    """A machine that has become slower changes no stage, and a stage that has become slower changes alone."""
    unchanged = changes_of(stages_of(saved(), own_comparison(pace=1.3)))
    assert max(map(abs, unchanged.values())) < 0.01
    slower = changes_of(stages_of(saved(), own_comparison(step=scaled(ON_CPU, SLOWER), pace=1.3)))
    assert slower.pop("part_sampling") == pytest.approx(0.69, abs=0.02)
    assert max(map(abs, slower.values())) < 0.02


def test_before_and_after_add_up_to_the_step() -> None:
    variant = stages_of(saved(), own_comparison(step=scaled(ON_CPU, SLOWER), pace=0.7))
    assert variant is not None
    assert variant.before is not None
    assert variant.step is not None
    change = sum(stage.change for stage in variant.top_stages) + variant.unattributed[1] - variant.unattributed[0]
    assert change == pytest.approx(variant.step.value - variant.before.value)


def test_a_stage_that_is_new_or_gone_has_one_side_only() -> None:
    without = [stage for stage in ON_CPU if stage.path != "part_sampling"]
    for old, new in ((ON_CPU, without), (without, ON_CPU)):
        variant = stages_of(saved(saved=own_comparison(step=old)), own_comparison(step=new))
        assert variant is not None
        sampling = next(stage for stage in variant.stages if stage.path == "part_sampling")
        assert (sampling.before is None, sampling.after is None) == (old is without, new is without)


def test_a_budget_has_none_nor_has_what_was_not_measured() -> None:
    nothing = own_comparison(launches=0), revisions(launches=0)
    assert stages_of(LOSS, own_comparison()) is None
    assert stages_of(revision(), *nothing) is None
    assert stages_of(revision(comparison=None)) is None
    assert stages_of(saved(), *nothing) is None


def test_backward_is_one_stage_on_both_sides_where_it_is_on_one() -> None:
    now = own_comparison()
    whole = []
    for launch in now.launches:
        training = launch.baseline.training.model_copy(update={"backward_whole": "it was compiled"})
        side = launch.baseline.model_copy(update={"training": training})
        whole.append(launch.model_copy(update={"baseline": side}))
    changes = changes_of(stages_of(saved(), now.model_copy(update={"launches": tuple(whole)})))
    assert changes["backward"] == pytest.approx(0.0)
