"""What two processes find out together, and what becomes of one when the other ends."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from paco_prof.errors import UsageError
from paco_prof.measure.distributed.group import ALONE, device_name, in_group, meet
from paco_prof.ranks import Place
from ranks_of_torch import run_ranks
from tiny import CPU


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two ranks tells."""
    results, codes, said = run_ranks(tmp_path_factory.mktemp("ranks"), "ranks_at_work", "talk")
    assert codes == [0, 0], said
    assert said == ""
    return results


def test_rank_0_decides_and_is_told(told: list[dict[str, Any]]) -> None:
    assert [rank["agreed"] for rank in told] == ["rank 0", "rank 0"]
    assert [rank["gathered"] for rank in told] == [[0, 1], None]
    assert [rank["shared"] for rank in told] == [[0, 10], [0, 10]]
    assert [rank["neighbours"] for rank in told] == [1, 1]


def test_all_warm_up_as_long_as_the_first(told: list[dict[str, Any]]) -> None:
    assert [rank["warm-up"] for rank in told] == [[1, 3], [1, 3]]


def test_what_fails_on_one_rank_ends_on_all(told: list[dict[str, Any]]) -> None:
    assert [rank["attempt"] for rank in told] == [[3, "rank 1: planted", "after 0"]] * 2


def test_buffers_of_every_type_are_the_first_ones(told: list[dict[str, Any]]) -> None:
    expected = [[[1.5, 1.5], [1.5, 1.5]], 7, [True], [2.0, 2.0, 2.0]]
    assert [rank["buffers"] for rank in told] == [expected, expected]


def test_each_rank_has_images_of_its_own_and_all_get_the_average_gradient(told: list[dict[str, Any]]) -> None:
    assert told[0]["views"] != told[1]["views"]
    for rank in told:
        assert rank["same"] == 1
        assert rank["off by"] < 1e-5


def test_rows_add_up_to_the_step_on_each_rank(told: list[dict[str, Any]]) -> None:
    for rank in told:
        spans = rank["spans"]
        assert {"buffer_sync forward", "all_reduce backward", "backbone backward"} <= spans.keys()
        assert sum(spans.values()) == pytest.approx(rank["seconds"], rel=0.05, abs=5e-3)


def test_the_all_reduce_is_of_all_gradients_and_its_end_is_exposed(told: list[dict[str, Any]]) -> None:
    for rank in told:
        seconds, exposed, buckets, num_bytes = rank["reduced"]
        assert 0 < exposed <= seconds <= rank["seconds"]
        assert exposed <= rank["spans"]["all_reduce backward"]
        assert buckets >= 1
        assert num_bytes == 4 * rank["numbers"]


def test_looking_for_unused_parameters_leaves_no_trace(told: list[dict[str, Any]]) -> None:
    # Part sampling's attention only says where the peaks are.
    assert [rank["unused"] for rank in told] == [True, True]
    assert all(rank["initial kept"] for rank in told)


def test_a_rank_that_is_stuck_is_ended_and_tells_the_user_why(tmp_path: Path) -> None:
    """Though output is set aside."""
    results, codes, said = run_ranks(tmp_path, "ranks_at_work", "lose_a_rank_while_stuck")
    assert results == [None, None]
    assert codes[0] == 4
    died = "Rank 1 of 2 died, and with it the run; it left no message."
    assert said == f"saved: {died}\npaco-prof: {died}\n"


def test_one_that_raises_ends_the_other(tmp_path: Path) -> None:
    results, codes, said = run_ranks(tmp_path, "ranks_at_work", "fail_on_the_second")
    assert results == [None, None]
    assert codes[0] == 1
    assert "told: Rank 1: The measured code failed: ValueError: planted (ranks_at_work.py, line " in said


def test_a_killed_rank_is_told_of_once(tmp_path: Path) -> None:
    results, codes, said = run_ranks(tmp_path, "ranks_at_work", "lose_a_rank")
    assert results == ["True 4 Rank 1 of 2 died, and with it the run; it left no message.", None]
    assert codes == [0, -9], said


def test_what_was_measured_is_not_lost_with_a_rank_that_dies_late(tmp_path: Path) -> None:
    results, codes, said = run_ranks(tmp_path, "ranks_at_work", "lose_a_rank_late")
    assert results == ["measured True Rank 1 of 2 died, and with it the run; it left no message.", None]
    assert codes == [0, -9], said


def test_alone_a_part_is_all_and_what_it_raises_is_raised() -> None:
    assert in_group(Place(), CPU, lambda group: group is ALONE) == (True, None)
    with pytest.raises(RuntimeError, match="planted"):
        in_group(Place(), CPU, lambda group: _fail())


def _fail() -> None:
    raise RuntimeError("planted")


def test_a_process_that_is_alone_agrees_with_itself() -> None:
    assert ALONE.agree(3) == 3
    assert ALONE.gathered(3) == ALONE.shared(3) == [3]
    ALONE.barrier()
    error = ValueError("its own")
    assert ALONE.end(error) is error


def test_every_rank_has_a_device_of_its_own() -> None:
    assert device_name(Place(1, 2, 1), "cpu") == "cpu"
    assert device_name(Place(3, 4, 1), "cuda") == "cuda:1"
    assert device_name(Place(), "cuda:1") == "cuda:1"
    with pytest.raises(UsageError, match="cuda:1 is one device, and there are 2 ranks"):
        device_name(Place(0, 2, 0), "cuda:1")


def test_ranks_that_come_meet() -> None:
    store = dist.HashStore()
    other = threading.Thread(target=meet, args=(Place(1, 2, 1), store))
    other.start()
    meet(Place(0, 2, 0), store)
    other.join(timeout=10)
    assert not other.is_alive()


def test_a_rank_that_does_not_come_is_not_waited_for_as_long_as_a_step() -> None:
    store = dist.HashStore()
    store.set("paco_prof/here/2", "")
    with pytest.raises(RuntimeError, match=r"^nothing is heard of ranks 1, 3 within 0\.05 s$"):
        meet(Place(0, 4, 0), store, timedelta(milliseconds=50))
