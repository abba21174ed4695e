"""The loader is found to be the bottleneck where it is, with the number of workers that would hide it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import CPU, GPU, ON_CPU, RESNET50, Times, cpu_record, training_of
from comparisons import comparison_record
from paco_prof.analysis.breakdown import breakdown_view
from paco_prof.analysis.comparison import comparison_view
from paco_prof.analysis.comparison_findings import find_in_comparison
from paco_prof.analysis.find import find
from paco_prof.analysis.loading import LoaderIsBottleneck, find_loader_in_epochs, find_loader_in_steps
from paco_prof.records import Launch, Training
from training_runs import DIGITS, RESNET18, epoch_of, healthy_run, waiting_run


def steps(waiting: float, step: float, loading: float | None, num: int = 4) -> Training:
    """Steps that wait for their batch."""
    stages = (Times("data", other=waiting), Times("backbone", step / 2, step / 2))
    return training_of(stages, (1.0,) * num, loading=() if loading is None else (loading,) * num)


def found(training: Training, workers: int | None = 0, **changes: Any) -> list[LoaderIsBottleneck]:
    workload = RESNET50.model_copy(update={"workers": workers, **changes})
    return list(find_loader_in_steps([training], workload, CPU))


@pytest.mark.parametrize(("waiting", "fires"), [(0.1, False), (0.101, True), (0.0, False), (0.9, True)])
def test_more_than_a_tenth_of_an_iteration_is_worth_saying(waiting: float, fires: bool) -> None:
    (*findings,) = found(steps(waiting, 1 - waiting, waiting))
    assert bool(findings) == fires
    if fires:
        assert findings[0].share == pytest.approx(waiting)


@pytest.mark.parametrize(
    ("loading", "step", "workers", "needed"),
    [(0.5, 0.1, 0, 5), (0.51, 0.1, 2, 6), (0.05, 0.1, 0, 1), (0.2, 0.1, 3, 4), (None, 0.1, 3, None)],
)
def test_as_many_workers_as_load_a_batch_in_a_steps_time(
    loading: float | None, step: float, workers: int, needed: int | None
) -> None:
    (finding,) = found(steps(0.2, step, loading), workers)
    assert finding.needed == needed
    assert (finding.waiting, finding.step) == (pytest.approx(0.2), pytest.approx(step))


def test_who_loads_by_itself_waits_for_as_long_as_it_loads() -> None:
    (finding,) = found(steps(0.5, 0.2, None), 0)
    assert (finding.loading, finding.needed) == (pytest.approx(0.5), 3)


def test_a_step_in_four_that_waits_counts_although_the_typical_one_does_not() -> None:
    """Two workers deliver two batches at a time, after a long wait."""
    training = steps(0.2, 0.4, 0.9)
    stages = [s.model_copy(update={"host": (0.8, 0.0, 0.0, 0.0)}) if s.path == "data" else s for s in training.stages]
    bursts = training.model_copy(update={"stages": tuple(stages), "steps": (1.2, 0.4, 0.4, 0.4)})
    (finding,) = found(bursts, 2)
    assert (finding.waiting, finding.step, finding.needed) == (pytest.approx(0.2), pytest.approx(0.4), 3)


def test_the_host_waits_whatever_the_device_saw() -> None:
    stages = (Times("data", other=0.2), Times("backbone", 0.1, 0.1))
    training = training_of(stages, (1.0,) * 3, on_device=True, loading=(0.9,) * 3)
    host = [s.model_copy(update={"host": (0.2,) * 3}) if s.path == "data" else s for s in training.stages]
    (finding,) = find_loader_in_steps(
        [training.model_copy(update={"stages": tuple(host)})],
        RESNET50.model_copy(update={"device": "cuda:0", "workers": 2}),
        GPU,
    )
    assert (finding.cores, finding.shares_cores, finding.waiting) == (16, False, pytest.approx(0.2))


def test_more_workers_than_cores_are_too_many() -> None:
    (few,) = found(steps(0.2, 0.2, 0.3), 0)
    (many,) = found(steps(0.2, 0.2, 0.5), 0)
    assert (few.needed, few.is_too_many, many.needed, many.is_too_many) == (2, False, 3, True)
    assert many.shares_cores


def test_without_a_wait_there_is_nothing_to_say() -> None:
    assert not found(training_of(ON_CPU))
    assert list(find_loader_in_steps([], RESNET50, None)) == []


def test_a_breakdown_names_its_loader() -> None:
    record = cpu_record(training=steps(0.3, 0.5, 0.3))
    assert [f.needed for f in find(record, breakdown_view(record)) if isinstance(f, LoaderIsBottleneck)] == [1]


def test_a_comparison_names_the_variant_that_waits() -> None:
    record = comparison_record()

    def waits(launch: Launch) -> Launch:
        training = launch.variant.training
        waiting = steps(0.5, 0.5, 0.5, len(training.steps)).model_copy(update={"losses": training.losses})
        return launch.model_copy(update={"variant": launch.variant.model_copy(update={"training": waiting})})

    launches = tuple(waits(launch) if launch.contestant == 1 else launch for launch in record.launches)
    changed = record.model_copy(update={"launches": launches})
    names = [f.name for f in find_in_comparison(changed, comparison_view(changed)) if isinstance(f, LoaderIsBottleneck)]
    assert names == ["exact"]


def test_epochs_tell_it_without_their_first_batches() -> None:
    """7.5 s of waiting beside 4.5 s of steps; 23 s of loading take six workers."""
    run = waiting_run()
    (finding,) = find_loader_in_epochs(run.epochs, run.workload, run.data, run.environment)
    assert finding.share == pytest.approx(7.5 / 12)
    assert (finding.workers, finding.needed, finding.cores) == (2, 6, 16)
    assert finding.loading == pytest.approx(23 / 45)
    starts = [epoch_of(0, start_seconds=60.0)]
    assert list(find_loader_in_epochs(starts, RESNET18, DIGITS, CPU)) == []


def test_a_healthy_run_does_not_wait() -> None:
    run = healthy_run()
    assert list(find_loader_in_epochs(run.epochs, run.workload, run.data, run.environment)) == []
    assert list(find_loader_in_epochs((), run.workload, run.data, run.environment)) == []


def test_an_epoch_that_did_not_measure_its_loading_is_left_out() -> None:
    measured, other = (epoch_of(n, waiting_seconds=9.0, loading_seconds=s) for n, s in ((0, 45.0), (1, None)))
    (finding,) = find_loader_in_epochs((measured, other), RESNET18, DIGITS.model_copy(update={"workers": 1}), CPU)
    assert finding.loading == pytest.approx(1.0)


@given(waiting=st.floats(0.01, 10), step=st.floats(0.01, 10), loading=st.floats(0.01, 100), workers=st.integers(0, 8))
def test_so_many_workers_load_as_fast_as_steps_are_taken(
    waiting: float, step: float, loading: float, workers: int
) -> None:
    for finding in found(steps(waiting, step, loading), workers):
        assert finding.needed is not None
        assert finding.needed > workers
        assert finding.needed * finding.step >= loading * (1 - 1e-9)
        assert finding.needed == max(workers + 1, math.ceil(loading / finding.step))
