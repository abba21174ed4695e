"""`paco_prof.estimate`: from records at once, or from a model that is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from builders import cpu_record
from comparisons import comparison_record
from own_models import Failing, Interrupted, Tiny, refusal
from paco_prof import Breakdown, Estimate, estimate
from paco_prof.errors import MeasurementError
from paco_prof.store import write_record
from projections import estimate_record

PILOT: dict[str, Any] = {"image_size": 32, "batch_size": 8, "threads": 1, "steps": 4, "max_seconds": 0.01, "epochs": 2}


def test_a_result_is_projected_at_once() -> None:
    result = estimate(Breakdown.of(cpu_record()), epochs=7, batches_per_epoch=10)
    assert isinstance(result, Estimate)
    assert (result.plan.epochs, result.plan.batches_per_epoch) == (7, 10)
    assert result.pilots[0].origin == "breakdown"
    assert result.to_pandas().variant.tolist() == ["baseline"]


def test_records_and_paths_are_projected_together(elsewhere: Path) -> None:
    write_record(elsewhere / "baseline.json", cpu_record())
    exact = comparison_record()
    for source in (["baseline.json", exact], (elsewhere / "baseline.json", exact)):
        assert len(estimate(source).pilots) == 4
    assert estimate(exact, variants=["exact"]).to_pandas().variant.tolist() == ["exact"]
    assert estimate("baseline.json", variants="baseline").plan.epochs == 100


def test_an_estimate_of_an_estimate_has_its_plan_but_for_what_is_said() -> None:
    plan = estimate_record().plan
    assert estimate(estimate_record()).plan == plan
    assert estimate(estimate_record(), gpus=4).plan == plan.model_copy(update={"gpus": 4})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": "nowhere.json"}, "nowhere.json cannot be read"),
        ({"source": []}, "source holds no record"),
        ({"source": [cpu_record(), cpu_record()]}, "twice"),
        ({"source": [cpu_record(), 3]}, "source holds a int, and no record or path of one"),
        ({"source": cpu_record(training=None)}, "The breakdown: The record holds no training step"),
        ({"source": cpu_record(), "variants": ["exakt"]}, "no variant 'exakt'"),
        ({"source": cpu_record(), "steps": 3}, "steps is for a measurement"),
        ({"source": cpu_record(), "K": 3}, "K is for a measurement"),
        ({"epochs": 0}, "epochs: should be greater than or equal to 1"),
        ({"batches_per_epoch": 1, "dataset_size": 2}, "batches_per_epoch and dataset_size both say"),
        ({"data": "synthetic"}, "Synthetic data are no images to learn from"),
        ({"variants": ["exact", "exact"]}, "'exact' stands there twice"),
        ({"max_seconds": -1}, "max_seconds=-1 should be a positive number"),
        ({"source": "run"}, "model 'run' is not of the form module:factory"),
    ],
)
def test_an_estimate_that_cannot_be_is_refused_in_a_line(arguments: dict[str, Any], words: str) -> None:
    assert words in refusal(lambda: estimate(**arguments))


def test_a_model_is_tried_on_real_images(state: Callable[[], list[Any]]) -> None:
    model = Tiny()
    weights, before = model.backbone.weight.clone(), state()
    result = estimate(model, variants=["baseline", "channels-last"], dataset_size=80, eval_size=16, **PILOT)
    assert result.to_pandas().variant.tolist() == ["baseline", "channels-last"]
    assert all(pilot.workload.model == "own_models:Tiny" for pilot in result.pilots)
    # This process has not begun for it, so nobody can tell how long a run takes to start.
    assert [pilot.startup for pilot in result.pilots] == [None, None]
    assert result.to_pandas().hours_start_up.isna().all()
    assert result.data is not None
    assert (result.data.name, result.plan.dataset_size) == ("digits", 80)
    assert torch.equal(model.backbone.weight, weights)
    assert state() == before


def test_an_interrupted_estimate_holds_the_variants_before() -> None:
    models: Iterator[type[Tiny]] = iter([Tiny, Interrupted])
    result = estimate(lambda: next(models)(), variants=["baseline", "channels-last"], **PILOT)
    assert [pilot.name for pilot in result.pilots] == ["baseline"]
    assert [note.code for note in result.notes] == ["interrupted"]
    with pytest.raises(KeyboardInterrupt):
        estimate(Interrupted, variants=["baseline"], **PILOT)


def test_an_estimate_that_fails_holds_the_variants_before() -> None:
    models: Iterator[type[Tiny]] = iter([Tiny, Failing])
    with pytest.raises(MeasurementError, match="too old") as told:
        estimate(lambda: next(models)(), variants=["baseline", "channels-last"], **PILOT)
    assert isinstance(told.value.result, Estimate)
    with pytest.raises(MeasurementError, match="too old") as told:
        estimate(Failing, variants=["baseline"], **PILOT)
    assert told.value.result is None
