"""Pilots of several devices: what a record over ranks gives, and how sizes of one variant come together."""

from __future__ import annotations

from typing import Any

import pytest

from builders import CPU, RESNET50, Times, cpu_record, exact_record, training_of
from comparisons import comparison_record
from paco_prof.analysis.estimates import RunSize, estimate_of_records
from paco_prof.analysis.pilots import pilots_of
from paco_prof.analysis.pilots_together import pilots_together
from paco_prof.analysis.projection import projection_view
from paco_prof.analysis.projection_findings import OtherMachines, find_in_projection
from paco_prof.errors import UsageError
from paco_prof.records import BreakdownRecord, EstimateRecord, Pilot
from paco_prof.records.ranks import RankResult, Ranks
from projections import bare_pilot, estimate_record, full_pilot, on_devices
from training_runs import RESNET18, epoch_of, run_of

STAGES = (Times("backbone", 1.0, 2.0),)
LATER = {"epoch": 3, "matching_cost": "wasserstein"}


def over_ranks(number: int, *factors: tuple[float, ...], record: BreakdownRecord | None = None) -> BreakdownRecord:
    """A breakdown over ranks, whose steps take 3 s times the factors of each rank."""
    trainings = [training_of(STAGES, of_rank) for of_rank in factors]
    record = record or cpu_record()
    return record.model_copy(
        update={
            "workload": record.workload.model_copy(update={"world_size": number}),
            "training": trainings[0],
            "ranks": Ranks(
                world_size=number,
                backend="gloo",
                results=tuple(RankResult(rank=rank, training=training) for rank, training in enumerate(trainings)),
            ),
        }
    )


def sizes(pilots: tuple[Pilot, ...]) -> list[tuple[str, int]]:
    return [(pilot.name, pilot.workload.world_size) for pilot in pilots]


def with_workload(record: BreakdownRecord, **changes: Any) -> BreakdownRecord:
    return record.model_copy(update={"workload": record.workload.model_copy(update=changes)})


def test_a_step_over_ranks_is_the_slowest_ones() -> None:
    (pilot,) = pilots_of(over_ranks(2, (1.0, 1.2, 1.0), (1.1, 1.0, 1.3)))
    assert pilot.workload.world_size == 2
    assert pilot.steps[0].blocks == (pytest.approx((3.3, 3.6, 3.9)),)


def test_so_is_the_wait_for_a_batch() -> None:
    """One rank waits 0.5 s and computes 3 s; the other one computes at once, and waits for the first."""
    waiting = training_of((Times("data", other=0.5), *STAGES), (1.0,))
    ready = training_of((Times("data", other=0.1), Times("backbone", 1.0, 2.4)), (1.0,))
    ranks = Ranks(
        world_size=2, backend="gloo", results=(RankResult(rank=0, training=ready), RankResult(rank=1, training=waiting))
    )
    (series,) = pilots_of(cpu_record(training=ready, ranks=ranks))[0].steps
    assert series.blocks == (pytest.approx((3.0,)),)
    assert series.waiting == (pytest.approx((0.5,)),)


def test_only_steps_that_all_ranks_took_count() -> None:
    (pilot,) = pilots_of(over_ranks(2, (1.0, 1.0, 1.0), (1.0, 1.5)))
    assert pilot.steps[0].blocks == (pytest.approx((3.0, 4.5)),)
    # Of ranks that told nothing there is the first one's.
    nothing = over_ranks(2, (1.0, 1.2)).model_copy(update={"ranks": Ranks(world_size=2, backend="gloo")})
    assert pilots_of(nothing)[0].steps[0].blocks == (pytest.approx((3.0, 3.6)),)


def test_an_epoch_over_ranks_has_a_batch_of_each_in_a_step() -> None:
    """1,438 images are 22.46875 steps of 2 x 32."""
    workload = RESNET18.model_copy(update={"world_size": 2})
    (pilot,) = pilots_of(run_of(*(epoch_of(number) for number in range(2)), workload=workload))
    assert pilot.steps[0].blocks[0] == (pytest.approx(9.75 / 22.46875),)
    assert pilot.steps[0].waiting[0] == (pytest.approx(0.5 / 21.46875),)
    assert pilot.evaluation is not None
    assert (pilot.evaluation.blocks[0], pilot.evaluation.batch_size) == ((pytest.approx(1.25 / (359 / 64)),), 32)


def test_numbers_of_devices_are_one_variant() -> None:
    records = {
        "two.json": over_ranks(2, (1.0,)),
        "exact.json": exact_record(),
        "one.json": cpu_record(),
        "four.json": over_ranks(4, (1.0,)),
    }
    together = pilots_together(records)
    assert sizes(together) == [("baseline", 1), ("baseline", 2), ("baseline", 4), ("exact", 1)]
    again = pilots_together({"estimate.json": estimate_record(*together), "eight.json": over_ranks(8, (1.0,))})
    assert sizes(again) == [("baseline", 1), ("baseline", 2), ("baseline", 4), ("baseline", 8), ("exact", 1)]


def test_epochs_of_one_number_become_one_pilot() -> None:
    late = with_workload(over_ranks(2, (1.0, 1.1)), **LATER)
    one, two = pilots_together({"a": cpu_record(), "b": over_ranks(2, (1.0,)), "c": late})
    assert [series.during_warmup for series in one.steps] == [True]
    assert [series.during_warmup for series in two.steps] == [True, False]


def test_the_number_of_a_device_makes_no_other_variant() -> None:
    one, two = cpu_record(), over_ranks(2, (1.0,))
    records = {"a": with_workload(one, device="cuda"), "b": with_workload(two, device="cuda:0")}
    assert sizes(pilots_together(records)) == [("baseline", 1), ("baseline", 2)]
    other = {"a": with_workload(one, batch_size=4), "b": two}
    assert [name for name, _ in sizes(pilots_together(other))] == ["baseline", "baseline (batch_size=8, world_size=2)"]


def test_a_variant_that_was_renamed_has_its_sizes_too() -> None:
    larger = {"batch_size": 16}
    records = {
        "a": cpu_record(),
        "b": with_workload(cpu_record(), **larger),
        "c": with_workload(over_ranks(2, (1.0,)), **larger),
    }
    assert sizes(pilots_together(records)) == [
        ("baseline", 1),
        ("baseline (batch_size=16)", 1),
        ("baseline (batch_size=16)", 2),
    ]


@pytest.mark.parametrize("order", ["apg", "agp", "gpa", "pga"])
def test_one_device_gathers_from_nobody(order: str) -> None:
    """Alone, the negatives of all ranks are one's own: that pilot is of both objectives."""
    plain = over_ranks(2, (1.0,))
    records = {"a": cpu_record(), "p": plain, "g": with_workload(plain, gather_negatives=True)}
    together = pilots_together({name: records[name] for name in order})
    assert sorted(size for _, size in sizes(together)) == [1, 1, 2, 2]
    assert len({name for name, _ in sizes(together)}) == 2
    view = projection_view(estimate_record(*together))
    assert [run.scaling.measured for run in view.runs] == [(1, 2), (1, 2)]


def test_commands_measure_a_number_each() -> None:
    """Those of one command stay together; a number that two commands measured makes two variants."""
    alone = bare_pilot(origin="pilot")
    of_pilot = estimate_record(alone, on_devices(4, alone, 0.5).model_copy(update={"origin": "pilot"}))
    together = pilots_together({"a": cpu_record(), "b": over_ranks(2, (1.0,)), "c": of_pilot})
    assert sizes(together) == [("baseline", 1), ("baseline", 2), ("baseline (pilot)", 1), ("baseline (pilot)", 4)]
    mixed = pilots_together({"c": estimate_record(alone), "b": over_ranks(2, (1.0,))})
    assert [pilot.origin for pilot in mixed] == ["pilot", "breakdown"]


def test_torchruns_threads_are_told() -> None:
    flags = {**CPU.flags, "OMP_NUM_THREADS": "1"}
    two = over_ranks(2, (1.0,)).model_copy(
        update={"environment": CPU.model_copy(update={"threads": 1, "flags": flags})}
    )
    with pytest.raises(UsageError, match="they differ in threads, OMP_NUM_THREADS") as caught:
        pilots_together({"a": cpu_record(), "b": two})
    assert "torchrun sets OMP_NUM_THREADS to 1" in (caught.value.hint or "")


def test_a_run_has_the_devices_of_its_first_record() -> None:
    alone, two = {"a": cpu_record()}, {"b": over_ranks(2, (1.0,))}
    for records, gpus in ((alone, 1), (two, 2), ({**alone, **two}, 1), ({**two, **alone}, 2)):
        assert estimate_of_records(records, (), RunSize()).plan.gpus == gpus
    run = run_of(epoch_of(0), workload=RESNET18.model_copy(update={"world_size": 4}))
    assert estimate_of_records({"run": run}, (), RunSize()).plan.gpus == 4
    assert estimate_of_records({"run": run}, (), RunSize(gpus=1)).plan.gpus == 1


def test_a_variant_is_taken_with_all_its_sizes() -> None:
    records = {"a": cpu_record(), "b": over_ranks(2, (1.0,)), "c": exact_record()}
    taken = estimate_of_records(records, ("exact", "baseline"), RunSize())
    assert sizes(taken.pilots) == [("exact", 1), ("baseline", 1), ("baseline", 2)]
    assert taken.names == ("exact", "baseline")


def test_two_pilots_of_one_size_are_no_record() -> None:
    with pytest.raises(ValueError, match="different numbers of devices"):
        estimate_record(full_pilot(), full_pilot())


def test_launches_of_other_machines_are_left_out_and_said() -> None:
    record = comparison_record()
    elsewhere = CPU.model_copy(update={"processor": "another", "cores": 64})
    first, *others = record.launches
    moved = first.model_copy(update={"environment": elsewhere})
    mixed = record.model_copy(update={"launches": (*others, moved)})
    estimate = estimate_of_records({"mixed.json": mixed}, (), RunSize())
    (exact,) = (pilot for pilot in estimate.pilots if pilot.name == "exact")
    assert len(exact.steps[0].blocks) == 2
    found = find_in_projection(estimate, projection_view(estimate))
    assert OtherMachines(1) in found
    assert estimate_of_records({"one.json": record}, (), RunSize()).notes == ()


def test_old_records_are_of_one_device() -> None:
    data = estimate_record(full_pilot()).model_dump()
    for pilot in data["pilots"]:
        del pilot["workload"]["world_size"], pilot["workload"]["gather_negatives"]
    read = EstimateRecord.model_validate(data)
    assert sizes(read.pilots) == [("baseline", 1)]
    assert read.pilots[0].workload == RESNET50.model_copy(update={"data": "digits"})
