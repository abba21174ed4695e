"""Processes that are played: what their steps take is made up, and so is what goes wrong in them."""

from __future__ import annotations

import random
from collections.abc import Callable

from builders import CPU, fidelity_of
from paco_prof.gate.trees import Tree
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import Owner, Span
from paco_prof.measure.worker_handle import Launcher, Ready, WorkerError
from paco_prof.records import Contestant, Environment, FailureKind, Fidelity, Memory

__all__ = ["Players", "Silent", "StageSeconds", "steady"]

# Seconds of a stage, by tree and contestant; `turn` is whether the step is the first of its pair.
StageSeconds = Callable[[str, str, bool], dict[str, float]]


def steady(by: float = 0.0, noise: float = 0.004, seed: int = 0) -> StageSeconds:
    """A step of 0.1 s, so much longer in the working tree; the yardstick takes 0.08 s, the baseline 0.25 s."""
    draw = random.Random(seed)

    def seconds(tree: str, name: str, is_first: bool) -> dict[str, float]:
        size = {"yardstick": 0.08, "baseline": 0.25 if name == "baseline" and tree == "working tree" else 0.1}
        whole = size.get(name, 0.1) * (1 + by if name == "working tree" else 1.0) * draw.lognormvariate(0, noise)
        return {"backbone": 0.7 * whole, "part_sampling": 0.2 * whole, "loss": 0.1 * whole}

    return seconds


class Silent:
    """Progress that nobody sees."""

    def begin(self, what: str) -> None: ...

    def update(self, elapsed: float, left: float) -> None: ...


class Players:
    """All processes of a gate.

    Args:
        seconds: of each stage in a step.
        environment: where they all run.
        trouble: given (tree, contestant, what is asked, number of steps) before every answer; how the process fails
            then, None where it does not.
    """

    def __init__(
        self,
        seconds: StageSeconds,
        environment: Environment = CPU,
        trouble: Callable[[str, str, str, int], FailureKind | None] = lambda tree, name, what, steps: None,
    ) -> None:
        self.seconds = seconds
        self.environment = environment
        self.trouble = trouble
        self.num_steps = 0
        self.workers: list[_Worker] = []

    def launcher(self, tree: Tree) -> Launcher:
        """Starts played processes in a tree."""

        def launch(contestant: Contestant, *, keep_initial: bool) -> _Worker:
            self.workers.append(_Worker(self, tree.name, contestant, 4_000_000 + len(self.workers)))
            return self.workers[-1]

        return launch


class _Worker:
    def __init__(self, players: Players, tree: str, contestant: Contestant, pid: int) -> None:
        self._players = players
        self.tree = tree
        self.contestant = contestant
        self.pid = pid
        self.num_steps = 0
        self.closed = False

    def ready(self, timeout: float) -> Ready:
        self._ask("start")
        return Ready(
            {
                "contestant": self.contestant.model_dump(mode="json"),
                "environment": self._players.environment.model_dump(mode="json"),
                "accelerator_uuid": None,
            }
        )

    def step(self, timeout: float) -> TimedStep:
        self._ask("step")
        self.num_steps += 1
        # Both warm up with as many steps, so that pairs begin at even numbers.
        is_first = self._players.num_steps % 2 == 0
        self._players.num_steps += 1
        stages = self._players.seconds(self.tree, self.contestant.name, is_first)
        spans = {Owner(path, "forward"): Span(seconds, None) for path, seconds in stages.items()}
        spans[Owner("", "backward")] = Span(0.0, None)
        return TimedStep(sum(stages.values()), spans, dict.fromkeys(spans, 1), {"total": 1.0}, 0.0)

    def memory(self, timeout: float) -> Memory:
        self._ask("memory")
        return Memory(process_peak_bytes=2_000_000_000)

    def fidelity(self, timeout: float) -> Fidelity:
        self._ask("fidelity")
        return fidelity_of(1e-8, 1e-4)

    def close(self) -> None:
        self.closed = True

    def _ask(self, what: str) -> None:
        assert not self.closed
        kind = self._players.trouble(self.tree, self.contestant.name, what, self.num_steps)
        if kind is not None:
            raise WorkerError(self.pid, kind, what, f"{self.tree} is {kind}")
