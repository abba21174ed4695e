"""What the ranks of `run_ranks` do: each function is one process's part."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any

import torch

from paco_prof.cli.set_aside import set_aside
from paco_prof.errors import RankError
from paco_prof.measure.distributed.group import in_group, opened
from paco_prof.measure.pacing import warm_up
from paco_prof.ranks import this_place
from ranks_of_torch import die

# Models are imported where there are some: others are here for a moment only.
CPU = torch.device("cpu")

__all__: list[str] = []


def talk() -> dict[str, Any]:
    """Everything that a group does, and steps of a model beside those of one process with all images."""
    place = this_place()
    with opened(place, CPU) as group:
        told = {
            "agreed": group.agree(f"rank {place.rank}"),
            "gathered": group.gathered(place.rank),
            "shared": group.shared(place.rank * 10),
            "neighbours": len(group.neighbours),
            "warm-up": _warm_up(group),
            "buffers": _buffers(group),
            "attempt": _attempt(group),
        }
        return told | _steps(group)


def _warm_up(group: Any) -> list[int]:
    """Rank 0 settles after three; the other one alone never would."""
    times = iter([5.0, 1.0, 1.0] if group.is_first else [float(2**-n) for n in range(50)])
    taken: list[float] = []

    def take() -> float:
        taken.append(next(times))
        return taken[-1]

    return [warm_up(take, lambda: 0.0, 1e9, None, group.agree), len(taken)]


def _attempt(group: Any) -> list[Any]:
    """Rank 1 fails in its third round, which rank 0 comes through; afterwards both wait for the same again."""
    from paco_prof.measure.distributed.attempt import Attempt
    from paco_prof.measure.pacing import Budget

    attempt = Attempt(group)
    budget = Budget(lambda: 0.0, 1e9, 2, 200, attempt.agree)
    rounds = 0
    try:
        while budget.stop_reason(rounds, 1.0, is_precise=False) is None:
            rounds += 1
            if not group.is_first and rounds == 3:
                raise ValueError("planted")
    except ValueError as error:
        attempt.fail(str(error))
    return [rounds, attempt.failure, group.agree(f"after {group.place.rank}")]


def _buffers(group: Any) -> list[Any]:
    from paco_prof.measure.distributed.step import share_buffers

    rank = group.place.rank
    buffers = [
        torch.full((2, 2), 1.5 + rank),
        torch.tensor(7 + rank),
        torch.tensor([rank == 0]),
        torch.full((3,), 2.0 + rank, dtype=torch.float64),
    ]
    share_buffers(buffers, group)
    return [buffer.tolist() for buffer in buffers]


def _steps(group: Any) -> dict[str, Any]:
    """One step of both ranks, and what each has by itself on the same weights."""
    from paco_prof.measure.building import build
    from paco_prof.measure.clock import HostClock
    from paco_prof.measure.distributed.step import has_unused_parameters
    from paco_prof.measure.job import Job
    from paco_prof.measure.training import timed_step
    from tiny import TINY

    built = build(Job.baseline(TINY.model_copy(update={"world_size": 2})), group=group)
    model, reduction = built.step.model, built.reduction
    assert reduction is not None
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    reduction.begin()
    step = timed_step(built.step.run, HostClock())
    reduced = reduction.end()
    assert reduced is not None
    together = _gradients(model)
    model.load_state_dict(initial)
    by_itself = built.of_one_rank.step
    by_itself.optimization.zero_grad()
    by_itself.forward_only()["total"].backward()
    average = torch.stack([torch.tensor(each) for each in group.shared(_gradients(model).tolist())]).mean(dim=0)
    return {
        "views": built.step.batch.x1.sum().item(),
        "off by": ((together - average).norm() / average.norm()).item(),
        "same": len({tuple(each) for each in group.shared(together.tolist())}),
        "seconds": step.seconds,
        "spans": {f"{owner.path} {owner.phase}": span.host for owner, span in step.spans.items()},
        "reduced": [reduced.seconds, reduced.exposed, reduced.buckets, reduced.num_bytes],
        "numbers": sum(parameter.numel() for parameter in model.parameters()),
        "unused": has_unused_parameters(by_itself),
        "initial kept": all(torch.equal(value, initial[name]) for name, value in model.named_parameters()),
    }


def _gradients(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.reshape(-1) for p in model.parameters() if p.grad is not None]).clone()


def lose_a_rank() -> str:
    """Rank 1 is killed while rank 0 waits for it."""
    group_error: BaseException | None = None
    with contextlib.suppress(RankError):
        with opened(this_place(), CPU) as group:
            group.barrier()
            try:
                if group.place.rank == 1:
                    die()
                group.barrier()
            except Exception as error:
                group_error = group.end(error)
                raise
    assert isinstance(group_error, RankError)
    return f"{group_error.is_mine} {int(group_error.exit_code)} {group_error}"


def lose_a_rank_late() -> str:
    """Rank 1 is killed when rank 0 has done its part."""

    def take_part(group: Any) -> str:
        group.barrier()
        if group.place.rank == 1:
            die()
        return "measured"

    found, late = in_group(this_place(), CPU, take_part)
    assert isinstance(late, RankError)
    return f"{found} {late.is_mine} {late}"


def lose_a_rank_while_stuck() -> None:
    """Rank 1 is killed while rank 0 is where nothing calls it back, and would be for long; output is set aside."""
    with set_aside() as aside, opened(this_place(), CPU, aside.descriptor) as group:
        group.at_a_forced_end(lambda error: print(f"saved: {error}", file=aside.stream, flush=True))
        print("of the model's own")
        group.barrier()
        if group.place.rank == 1:
            die()
        # In C: no handler runs before it returns.
        ctypes.CDLL(None).sleep(60)


def fail_on_the_second() -> None:
    """Rank 1 raises, rank 0 is told why."""
    with opened(this_place(), CPU) as group:
        group.barrier()
        if group.place.rank == 1:
            raise ValueError("planted")
        try:
            group.barrier()
        except Exception as error:
            print(f"told: {group.end(error)}", flush=True)
            raise
