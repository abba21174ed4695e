"""Launches of unlike machines: one comparison each, and nothing that is judged across them."""

from __future__ import annotations

import pytest

from builders import CPU
from comparisons import comparison_record, two_machines_record
from paco_prof.analysis.comparison import comparison_view
from paco_prof.analysis.comparison_findings import MissingLaunches, Unfinished, find_in_comparison
from paco_prof.analysis.frame import comparison_frame
from paco_prof.analysis.history_steps import measured_steps
from paco_prof.analysis.machines import by_machine
from paco_prof.analysis.pilots import pilots_of
from paco_prof.records import ComparisonRecord
from paco_prof.render.comparison_report import comparison_document
from paco_prof.render.markdown import to_markdown
from paco_prof.results import Comparison

OTHER = CPU.model_copy(update={"threads": 64})


def spread(record: ComparisonRecord, elsewhere: set[int]) -> ComparisonRecord:
    """The same, as if some of its launches had been taken on another machine."""
    launches = [
        launch.model_copy(update={"environment": OTHER if place in elsewhere else None})
        for place, launch in enumerate(record.launches)
    ]
    return record.model_copy(update={"launches": tuple(launches)})


def test_a_record_of_one_machine_is_itself() -> None:
    record = comparison_record()
    assert by_machine(record) == (record,)
    assert by_machine(spread(record, set())) == (spread(record, set()),)


@pytest.mark.parametrize("elsewhere", [{0}, {1, 2}, {0, 1, 2, 3, 4, 5}, {0, 3, 4}])
def test_each_launch_is_judged_on_its_own_machine_and_as_if_there_were_no_other(elsewhere: set[int]) -> None:
    record = comparison_record()
    parts = by_machine(spread(record, elsewhere))
    assert sorted(len(part.launches) for part in parts) == sorted(
        number for number in (len(elsewhere), len(record.launches) - len(elsewhere)) if number
    )
    for part in parts:
        alone = record.model_copy(
            update={
                "launches": tuple(
                    launch
                    for place, launch in enumerate(record.launches)
                    if (place in elsewhere) == (part.environment == OTHER)
                )
            }
        )
        for mine, theirs in zip(comparison_view(part).variants, comparison_view(alone).variants, strict=True):
            assert (mine.speedup, mine.step, mine.num_launches) == (theirs.speedup, theirs.step, theirs.num_launches)


def test_load_and_commit_make_no_other_machine() -> None:
    busy = CPU.model_copy(update={"load_average": 9.0, "commit": "fedcba987654"})
    record = comparison_record()
    launches = tuple(launch.model_copy(update={"environment": busy}) for launch in record.launches)
    assert len(by_machine(record.model_copy(update={"launches": launches}))) == 1


def test_who_knows_of_no_machines_sees_the_first_one_alone() -> None:
    record = two_machines_record()
    assert [len(record.launches_of(place)) for place in (1, 2)] == [2, 2]
    assert len(comparison_view(record).variants[0].contestant.name) > 0
    assert [len(pilot.steps[0].blocks) for pilot in pilots_of(record)] == [2, 2, 2]


def test_failures_belong_to_their_machine_and_what_is_missing_to_the_whole() -> None:
    found = [find_in_comparison(part, comparison_view(part)) for part in by_machine(two_machines_record())]
    assert [any(isinstance(each, Unfinished) for each in findings) for findings in found] == [False, True]
    assert [any(isinstance(each, MissingLaunches) for each in findings) for findings in found] == [True, False]


def test_a_few_launches_on_a_machine_establish_nothing() -> None:
    record = spread(comparison_record(launches=4), {6, 7})
    first, second = (comparison_view(part) for part in by_machine(record))
    assert all(variant.speedup is not None and variant.speedup.established for variant in first.variants)
    assert all(variant.speedup is not None and not variant.speedup.established for variant in second.variants)


def test_every_machine_has_its_rows_in_a_frame() -> None:
    frame = comparison_frame(two_machines_record())
    assert frame.machine.tolist() == [1, 1, 1, 2, 2, 2]
    assert frame.launches.tolist() == [2] * 6


def test_every_machine_has_its_steps_in_a_history() -> None:
    steps = measured_steps("run.json", two_machines_record())
    assert len({each.environment.processor for each in steps if each.environment is not None}) == 2
    assert {each.num_launches for each in steps} == {2}


def test_a_result_in_a_line_says_that_there_are_others() -> None:
    assert "on the first of 2 machines" in repr(Comparison.of(two_machines_record()))


@pytest.mark.parametrize("number", [1, 2])
def test_a_machine_that_has_only_failed_has_a_place_of_its_own_and_the_last(number: int) -> None:
    record = two_machines_record()
    here = tuple(launch for launch in record.launches if launch.environment == CPU)
    only = record.model_copy(update={"launches": here if number == 1 else record.launches})
    first, second = by_machine(only)
    assert first.environment == CPU
    assert (first.failures, second.failures) == ((), record.failures)
    assert len(second.launches) == (0 if number == 1 else 4)
    assert second.environment is not None
    assert not second.environment.differences(record.failures[0].environment or CPU)


def test_who_was_lost_before_it_could_tell_where_it_was_stands_with_the_first() -> None:
    record = two_machines_record()
    lost = tuple(failure.model_copy(update={"environment": None}) for failure in record.failures)
    nowhere = record.model_copy(update={"environment": None, "failures": lost})
    assert [part.failures for part in by_machine(nowhere)] == [lost, ()]


def test_the_report_puts_no_failure_under_another_machine() -> None:
    record = two_machines_record()
    here = tuple(launch for launch in record.launches if launch.environment == CPU)
    text = to_markdown(comparison_document(record.model_copy(update={"launches": here})))
    assert "the launches and failures are of 2 unlike machines (4 and 0 launches)" in text
    assert text.index("Machine 2 of 2") < text.index("killed by SIGKILL")
