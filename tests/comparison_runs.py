"""Comparisons whose launches a played cluster takes, and the same on one machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from builders import CPU, RESNET50
from clusters import PlayedPool, launcher_of
from paco_prof.measure.comparing import new_comparison
from paco_prof.measure.engines.comparison_pieces import ComparisonPieces
from paco_prof.measure.engines.sweep import Ended, Sweep
from paco_prof.measure.referee import Referee
from paco_prof.records import ComparisonPlan, ComparisonRecord, Environment
from paco_prof.variants.contestants import Field, compared
from played import Players, Silent

__all__ = ["Run", "on_one_machine", "record_of", "rows", "seconds_of", "trouble_of"]

SECONDS = {"baseline": 0.25, "exact": 0.1, "optimized": 0.08}


def seconds_of(tree: str, name: str, is_first: bool) -> dict[str, float]:
    return {"backbone": 0.7 * SECONDS[name], "loss": 0.3 * SECONDS[name]}


def record_of(*names: str, **plan: Any) -> ComparisonRecord:
    chosen = compared(Field(RESNET50), names or ("baseline", "exact", "optimized"))
    return new_comparison(chosen, ComparisonPlan.model_validate({"launches": 3, "pairs": 4, **plan}))


class Run:
    """A sweep of a comparison over a played cluster, and what was stored on the way.

    Args:
        bad: the pieces, by number, that meet with the players' trouble; None for all.
    """

    def __init__(
        self,
        record: ComparisonRecord,
        *,
        room: int = 2,
        seed: int = 0,
        players: Players | None = None,
        environment_of: Callable[[int], Environment] = lambda number: CPU,
        loses: Callable[[int], Ended | None] = lambda number: None,
        bad: tuple[int, ...] | None = None,
    ) -> None:
        trouble, calm = (players or Players(seconds_of)).trouble, Players(seconds_of).trouble
        self.pool = PlayedPool(
            room,
            lambda number: launcher_of(
                Players(seconds_of, environment_of(number), trouble if bad is None or number in bad else calm)
            ),
            seed=seed,
            loses=loses,
        )
        self.saved: list[ComparisonRecord] = []
        self.pieces = ComparisonPieces(record, self.saved.append)
        self.sweep = Sweep(self.pieces, self.pool, Silent(), max_seconds=record.plan.max_seconds)

    def __call__(self) -> ComparisonRecord:
        assert self.sweep.run() is None
        assert self.saved[-1] == self.pieces.record
        return self.pieces.record


def on_one_machine(record: ComparisonRecord) -> ComparisonRecord:
    return Referee(record, launcher_of(Players(seconds_of)), Silent(), lambda _: None).run().record


def rows(record: ComparisonRecord) -> list[Any]:
    """What a launch is judged by."""
    return [
        (
            *(launch.contestant, launch.round, launch.halvings, launch.baseline_first),
            *(side.training.steps for side in (launch.baseline, launch.variant)),
        )
        for launch in record.launches
    ]


def trouble_of(name: str, kind: Any, what: str = "start") -> Players:
    return Players(seconds_of, trouble=lambda tree, who, asked, steps: kind if (who, asked) == (name, what) else None)
