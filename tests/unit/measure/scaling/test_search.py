"""The search for the largest batch with processes that are played: each image takes 10 of 1,000 bytes."""

from __future__ import annotations

import pytest

from builders import CPU, RESNET50
from paco_prof.errors import OtherMachineError
from paco_prof.measure.scaling import search as searching
from paco_prof.measure.scaling.beginning import resumed_survey
from paco_prof.measure.scaling.work import Search, left
from paco_prof.records import ScaleRecord, Trial
from paco_prof.settings import with_settings
from paco_prof.variants.contestants import Field
from surveyed import ROOM, Lab, PlayedSize, survey


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
            raise process.failure("died", what, 600, code=1)

    lab = Lab(trouble=trouble, of_device=of_device)
    (largest,) = search(lab, survey(variants=["exact"], find_largest=True)).largest
    assert largest.size == 64
    assert largest.reason == ("failed" if of_device else "out of memory")
    assert largest.next_size == (None if of_device else 65)


@pytest.mark.parametrize(("code", "peak"), [(1, 99), (-9, 900), (-15, 900)])
def test_who_dies_far_from_its_limit_or_is_killed_has_failed(code: int, peak: int) -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if process.batch > 64 and what == "start":
            raise process.failure("died", what, peak, code)

    (largest,) = search(Lab(trouble=trouble), survey(variants=["exact"], find_largest=True)).largest
    assert (largest.size, largest.reason, largest.trials[-1].detail) == (64, "failed", "it is died")


@pytest.mark.parametrize(("max_seconds", "reason"), [(None, "failed"), (100.0, "time is up")])
def test_a_trial_without_an_answer_has_failed_unless_the_search_is_over(max_seconds: float | None, reason: str) -> None:
    def trouble(process: PlayedSize, what: str) -> None:
        if process.batch > 16 and what == "step":
            process.lab.clock += 200.0
            raise process.failure("hung", what)

    record = survey(variants=["exact"], find_largest=True, max_seconds=max_seconds)
    (largest,) = search(Lab(trouble=trouble), record).largest
    assert (largest.size, largest.reason) == (16, reason)
    assert (largest.trials[-1].reason, largest.trials[-1].detail) == (reason, "it is hung")


@pytest.mark.parametrize(("now", "size"), [(500, 50), (2000, 100)])
def test_a_search_goes_on_with_what_is_left_of_what_was_available(
    now: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = search(Lab(), survey(variants=["exact"], find_largest=True))
    (before,) = record.largest
    stopped = record.model_copy(update={"largest": (before.model_copy(update={"reason": "interrupted"}),)})
    monkeypatch.setattr(searching, "available_bytes", lambda: now)
    lab = Lab()
    (largest,) = search(lab, stopped).largest
    if now < ROOM:
        assert {process.limit for process in lab.started} == {now}
        assert largest.trials[-1].steps == 20
    assert (largest.limit_bytes, largest.size, largest.confirmed_steps) == (min(now, ROOM), size, 20)


def test_a_limit_that_was_asked_for_holds_whatever_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    record = search(Lab(), survey(variants=["exact"], find_largest=True, largest_up_to=20, memory_limit_bytes=400))
    monkeypatch.setattr(searching, "available_bytes", lambda: 100)
    lab = Lab()
    (largest,) = search(lab, resumed_survey(record, largest_up_to=4096)).largest
    assert {process.limit for process in lab.started} == {400}
    assert (largest.size, largest.limit_bytes) == (40, 400)


def test_a_search_tells_where_it_was_and_trials_of_another_machine_say_nothing() -> None:
    record = search(Lab(), survey(variants=["exact"], find_largest=True, memory_limit_bytes=400))
    (before,) = record.largest
    assert before.environment == CPU
    elsewhere = CPU.model_copy(update={"processor": "another core"})
    shown = tuple(trial for trial in before.trials if trial.steps < 20)
    stopped = record.model_copy(
        update={"largest": (before.model_copy(update={"reason": "interrupted", "trials": shown}),)}
    )
    (largest,) = search(Lab(environment_of=lambda process: elsewhere), resumed_survey(stopped)).largest
    assert (largest.environment, largest.size, largest.confirmed_steps) == (elsewhere, 40, 20)
    assert largest.trials[0] == Trial(size=40, steps=20, fits=True, peak_bytes=400)


def test_what_was_available_on_a_machine_with_other_memory_is_no_limit() -> None:
    record = search(Lab(), survey(variants=["exact"], find_largest=True))
    trials = (
        Trial(size=40, steps=3, fits=True, peak_bytes=400),
        Trial(size=50, steps=0, fits=False, reason="out of memory"),
    )
    changes = {"reason": "interrupted", "trials": trials, "limit_bytes": 400}
    stopped = record.model_copy(update={"largest": (record.largest[0].model_copy(update=changes),)})
    more = CPU.model_copy(update={"memory_bytes": 2 * CPU.memory_bytes})
    lab = Lab(environment_of=lambda process: more)
    (largest,) = search(lab, resumed_survey(stopped)).largest
    assert (largest.size, largest.limit_bytes, largest.confirmed_steps) == (100, ROOM, 20)
    assert [process.limit for process in lab.started[:3]] == [400, "available", ROOM]
    assert not any(trial in largest.trials for trial in trials)


@pytest.mark.parametrize("name", ["threads", "load_average"])
def test_what_makes_no_other_machine_leaves_trials_as_they_are(name: str) -> None:
    record = search(Lab(), survey(variants=["exact"], find_largest=True))
    (before,) = record.largest
    trials = tuple(trial for trial in before.trials if trial.steps < 20)
    changes = {"reason": "interrupted", "trials": trials}
    stopped = record.model_copy(update={"largest": (before.model_copy(update=changes),)})
    lab = Lab(environment_of=lambda process: CPU.model_copy(update={name: 3}))
    (largest,) = search(lab, resumed_survey(stopped)).largest
    assert (largest.trials, len(lab.started)) == (before.trials, 1)


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


def test_a_search_that_is_interrupted_before_it_was_confirmed_is_not_over() -> None:
    def interrupt(process: PlayedSize, what: str) -> None:
        if process.batch == 100 and process.steps > 3:
            raise KeyboardInterrupt

    record = Lab(trouble=interrupt).run(survey(variants=["exact"], find_largest=True)).record
    (largest,) = record.largest
    assert (largest.size, largest.next_size, largest.reason, largest.confirmed_steps) == (100, 101, "interrupted", 3)
    assert left(record) == [Search(0)]


def test_a_search_can_be_made_trial_by_trial() -> None:
    whole = search(Lab(), survey(variants=["exact"], find_largest=True, memory_limit_bytes=400))
    record = survey(variants=["exact"], find_largest=True, memory_limit_bytes=400)
    for trial in whole.largest[0].trials:
        assert left(record)[-1] == Search(0)
        record = Lab().run(record, only=[Search(0)], most_trials=1).record
        assert record.largest[0].trials[-1] == trial
    assert record.largest == whole.largest
    assert Search(0) not in left(record)


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
