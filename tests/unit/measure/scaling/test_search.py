"""The search for the largest batch with processes that are played: each image takes 10 of 1,000 bytes."""

from __future__ import annotations

import pytest

from builders import CPU, RESNET50
from paco_prof.errors import OtherMachineError
from paco_prof.measure.scaling.beginning import resumed_survey
from paco_prof.measure.scaling.work import Search, left
from paco_prof.records import ScaleRecord
from paco_prof.settings import with_settings
from paco_prof.variants.contestants import Field
from surveyed import Lab, PlayedSize, survey


def search(lab: Lab, record: ScaleRecord) -> ScaleRecord:
    return lab.run(record, only=[Search(place) for place in range(len(record.contestants))]).record


def test_the_largest_batch_is_closed_in_on_and_confirmed() -> None:
    lab = Lab()
    record = lab.run(survey(variants=["exact"], find_largest=True)).record
    (largest,) = record.largest
    assert (largest.size, largest.next_size, largest.reason) == (100, 101, "out of memory")
    assert (largest.confirmed_steps, largest.peak_bytes, largest.limit_bytes) == (20, 1000, 1000)
    # From the largest batch that was measured; what is available is found once.
    assert [trial.size for trial in largest.trials][:4] == [16, 32, 64, 128]
    assert [process.limit for process in lab.started[3:]] == ["available", *[1000] * (len(largest.trials) - 1)]
    assert left(record) == []


def test_a_search_begins_with_the_batch_that_was_asked_for_where_something_else_is_varied() -> None:
    base = with_settings(RESNET50, {"batch_size": 30})
    record = survey("d=16,32", variants=["exact"], base=Field(base), find_largest=True)
    (largest,) = search(Lab(), record).largest
    assert [trial.size for trial in largest.trials][:3] == [30, 60, 120]
    assert largest.size == 100


def test_a_search_ends_where_it_was_told_to() -> None:
    (largest,) = search(Lab(), survey(variants=["exact"], find_largest=True, largest_up_to=50)).largest
    assert (largest.size, largest.reason, largest.next_size, largest.confirmed_steps) == (50, "as asked", None, 20)


def test_not_even_one_image_may_fit() -> None:
    record = survey(variants=["exact"], find_largest=True, memory_limit_bytes=5)
    (largest,) = search(Lab(), record).largest
    assert (largest.size, largest.next_size, largest.reason, largest.confirmed_steps) == (None, 1, "out of memory", 0)


def test_what_fails_in_the_long_run_is_too_large() -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if process.batch >= 99 and process.steps == 10:
            raise process.failure("out of memory", what)

    (largest,) = search(Lab(trouble=trouble), survey(variants=["exact"], find_largest=True)).largest
    assert (largest.size, largest.next_size, largest.confirmed_steps) == (98, 99, 20)


@pytest.mark.parametrize("of_device", [False, True])
def test_who_dies_under_a_limit_has_run_out_of_memory_and_on_a_device_has_failed(of_device: bool) -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if process.batch > 64 and what == "step":
            raise process.failure("died", what)

    lab = Lab(trouble=trouble, of_device=of_device)
    (largest,) = search(lab, survey(variants=["exact"], find_largest=True)).largest
    assert largest.size == 64
    assert largest.reason == ("failed" if of_device else "out of memory")
    assert largest.next_size == (None if of_device else 65)


def test_a_search_that_time_runs_out_for_tells_what_it_knows_and_goes_on_later() -> None:
    record = survey("batch-size=2,4", variants=["baseline"], find_largest=True, max_seconds=60.0)
    record = Lab().run(record).record
    (largest,) = record.largest
    assert largest.reason == "time is up"
    assert largest.size is not None
    assert 4 <= largest.size < 100
    assert left(record) == [Search(0)]
    lab = Lab()
    (longer,) = lab.run(resumed_survey(record, max_seconds=1e6)).record.largest
    assert (longer.size, longer.reason) == (100, "out of memory")
    assert not {batch for _, batch in lab.taken()} & {trial.size for trial in largest.trials if trial.steps < 20}


def test_a_search_that_is_interrupted_keeps_its_trials() -> None:
    def interrupt(process: PlayedSize, what: str) -> None:
        if process.batch == 64:
            raise KeyboardInterrupt

    outcome = Lab(trouble=interrupt).run(survey(variants=["exact"], find_largest=True))
    assert isinstance(outcome.error, KeyboardInterrupt)
    (largest,) = outcome.record.largest
    assert [trial.size for trial in largest.trials] == [16, 32]
    assert (largest.size, largest.reason) == (32, "interrupted")
    assert left(outcome.record) == [Search(0)]


def test_every_variant_has_its_search() -> None:
    record = search(Lab(seconds=lambda contestant: 0.01), survey(find_largest=True))
    assert [(each.contestant, each.size) for each in record.largest] == [(0, 100), (1, 100)]


def test_half_of_the_time_is_for_the_search() -> None:
    plan = {"variants": ["baseline"], "steps": 1, "max_seconds": 80.0}
    sizes = "batch-size=2,4,8,16,20"
    alone = Lab().run(survey(sizes, **plan)).record
    beside = Lab().run(survey(sizes, find_largest=True, **plan)).record
    assert [point.sizes for point in alone.points] == [(2,), (4,), (8,), (16,), (20,)]
    assert [point.sizes for point in beside.points] == [(2,), (4,), (8,), (16,)]


def test_trials_of_another_machine_are_not_joined() -> None:
    record = Lab().run(survey(variants=["exact"])).record
    more = resumed_survey(record, find_largest=True)
    elsewhere = CPU.model_copy(update={"processor": "another core"})
    lab = Lab(environment_of=lambda process: elsewhere)
    with pytest.raises(OtherMachineError, match="another core"):
        lab.run(more)
    assert lab.saved == []
