"""Tables over ranks, the straggler, and what communication costs, on made-up times."""

from __future__ import annotations

import pytest

from paco_prof.analysis.ranks import RanksView, own_work, ranks_view
from several_ranks import BUFFERS, EXPOSED, ranks_record


def view_of(**made: object) -> RanksView:
    view = ranks_view(ranks_record(**made))  # type: ignore[arg-type]
    assert view is not None
    return view


def test_a_process_that_is_alone_has_no_ranks() -> None:
    assert ranks_view(ranks_record().model_copy(update={"ranks": None})) is None


def test_each_row_has_its_ends_and_whose_the_largest_is() -> None:
    view = view_of(slower={1: {"backbone": 0.5}, 2: {"backbone": 0.2}})
    rows = {path: over for path, _, _, over in view.rows}
    backbone = rows["backbone"]
    assert backbone.maximum - backbone.minimum == pytest.approx(0.5)
    assert backbone.median - backbone.minimum == pytest.approx(0.2)
    assert backbone.largest == 1
    # Those wait longest that others need not wait for.
    assert rows["all_reduce"].largest == 0
    assert rows["all_reduce"].minimum == pytest.approx(EXPOSED)


def test_own_work_is_the_step_without_waiting() -> None:
    record = ranks_record(slower={1: {"matching": 0.5}})
    assert record.ranks is not None
    for result in record.ranks.results:
        waits = BUFFERS + EXPOSED + (0.0 if result.rank == 1 else 0.5)
        assert result.training.steps[0] - own_work(result.training)[0] == pytest.approx(waits * 0.97, rel=0.05)


def test_the_straggler_is_named_with_the_stage_that_it_loses_most_in() -> None:
    straggler = view_of(slower={1: {"matching": 0.5, "backbone": 0.3}}).straggler
    assert straggler is not None
    assert straggler.established
    assert (straggler.rank, straggler.stage) == (1, "matching")
    assert straggler.seconds == pytest.approx(0.8, rel=0.01)
    assert straggler.stage_seconds == pytest.approx(0.5, rel=0.01)


def test_steps_last_equally_long_whoever_is_slow() -> None:
    """The step's own time tells nothing: all wait for the slowest."""
    view = view_of(slower={1: {"matching": 0.5}})
    assert view.step.maximum == pytest.approx(view.step.minimum)
    assert view.work.largest == 1


@pytest.mark.parametrize("slower", [{}, {1: {"matching": 0.01}}])
def test_no_straggler_is_made_of_nothing(slower: dict[int, dict[str, float]]) -> None:
    straggler = view_of(slower=slower).straggler
    assert straggler is not None
    assert not straggler.established


def test_few_steps_establish_nothing() -> None:
    straggler = view_of(slower={1: {"matching": 0.9}}, factors=(1.0, 1.01, 0.99)).straggler
    assert straggler is not None
    assert not straggler.established


@pytest.mark.parametrize("num_ranks", [2, 3, 8])
def test_a_straggler_out_of_many_takes_more_steps(num_ranks: int) -> None:
    """The largest of several is the largest by chance more often: 1 - 2^(1 - n) has to reach 1 - 0.05 / W."""
    least = {2: 7, 3: 7, 8: 9}[num_ranks]
    for num_steps, is_enough in ((least - 1, False), (least, True)):
        factors = [1.0 + 0.001 * step for step in range(num_steps)]
        straggler = view_of(slower={1: {"matching": 0.9}}, num_ranks=num_ranks, factors=factors).straggler
        assert straggler is not None
        assert (straggler.established, straggler.least_steps) == (is_enough, least)


def test_a_loss_in_no_stage_is_in_none() -> None:
    record = ranks_record(num_ranks=2)
    assert record.ranks is not None
    first, second = record.ranks.results
    training = second.training.model_copy(update={"steps": tuple(step + 2.0 for step in second.training.steps)})
    results = (first, second.model_copy(update={"training": training}))
    view = ranks_view(record.model_copy(update={"ranks": record.ranks.model_copy(update={"results": results})}))
    assert view is not None
    assert view.straggler is not None
    assert (view.straggler.rank, view.straggler.stage) == (1, "")


def test_what_backward_hides_and_what_the_network_leaves() -> None:
    communication = view_of(slower={2: {"backbone": 0.1}}).communication
    assert communication is not None
    assert communication.exposed.minimum == pytest.approx(EXPOSED)
    assert communication.exposed.maximum == pytest.approx(EXPOSED + 0.1)
    assert communication.least == pytest.approx(EXPOSED)
    assert communication.hidden.maximum == pytest.approx(0.05 / (0.05 + EXPOSED))


def test_one_rank_that_is_left_is_no_table() -> None:
    view = view_of(results=[0])
    assert view.straggler is None
    assert view.numbers == (0,)
