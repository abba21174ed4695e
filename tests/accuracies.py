"""Comparisons of accuracies built by hand: fixed outcomes and times, nothing trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from builders import CPU, fidelity_of
from paco_prof.records import (
    AccuracyPlan,
    AccuracyRecord,
    AccuracyRun,
    Contestant,
    EpochResult,
    ExactTwin,
    Fidelity,
    RunPlan,
)
from paco_prof.variants.contestants import Field, compared
from training_runs import DIGITS, RESNET18, epoch_of

EPOCHS = 5
FIELD = Field(RESNET18)
NUM_IMAGES = DIGITS.num_eval
# Share of the final mistakes that an epoch makes beyond them.
FORGOTTEN = (0.6, 0.2, 0.06, 0.02, 0.0)


def outcomes(num_seeds: int, wrong: float, lucky: float, *, salt: int = 0, num_images: int = NUM_IMAGES) -> list[str]:
    """Outcomes of a variant, a string a seed: some images are hard for every model, others are missed by luck.

    Args:
        wrong: share of the images that every seed misses; the same images for every variant.
        lucky: share of the others that a seed misses on average.
        salt: another one misses others by luck.
    """
    table = np.ones((num_seeds, num_images), dtype=int)
    table[:, : round(wrong * num_images)] = 0
    for seed in range(num_seeds):
        drawn = np.random.default_rng([salt, seed]).random(num_images)
        table[seed, drawn < lucky] = 0
    return ["".join(map(str, row)) for row in table]


def run_of(
    place: int, seed: int, correct: str, *, step_seconds: float = 9.75, epochs: int = EPOCHS, **changes: Any
) -> AccuracyRun:
    """A run whose accuracy rises to that of its outcomes; all of an epoch but its steps takes 2.25 seconds."""
    final = correct.count("1") / len(correct)
    settings = {
        "contestant": place,
        "seed": seed,
        "epochs": tuple(_epoch(epoch, final, step_seconds * (1 + 0.01 * seed)) for epoch in range(epochs)),
        "correct": correct if epochs == EPOCHS else "",
        "startup_seconds": 4.0,
        **changes,
    }
    return AccuracyRun.model_validate(settings)


def _epoch(epoch: int, final: float, step_seconds: float) -> EpochResult:
    accuracy = round(NUM_IMAGES * final * (1 - FORGOTTEN[epoch])) / NUM_IMAGES if epoch < EPOCHS - 1 else final
    return epoch_of(epoch, seconds=2.25 + step_seconds, step_seconds=step_seconds, accuracy=accuracy)


def record_of(contestants: Sequence[Contestant], runs: Sequence[AccuracyRun], **changes: Any) -> AccuracyRecord:
    """A complete comparison of these contestants and runs."""
    names = [contestant.name for contestant in contestants]
    num_seeds = len({run.seed for run in runs}) or 3
    settings = {
        "tool_version": "0.1.0",
        "command": ("paco-prof", "compare", *names, "--accuracy", "--seeds", str(num_seeds), "--data", "digits"),
        "created": "2026-01-02T03:04:05+00:00",
        "plan": AccuracyPlan(seeds=num_seeds, run=RunPlan(epochs=EPOCHS)),
        "contestants": tuple(contestants),
        "data": DIGITS,
        "environment": CPU,
        "runs": tuple(runs),
        "status": "complete",
        "measuring_seconds": 60.0 * len(runs),
        **changes,
    }
    return AccuracyRecord.model_validate(settings)


def twin_of(place: int = 0, factor: float = 24.0, fidelity: Fidelity | None = None) -> ExactTwin:
    """A twin whose steps are so many times as fast as the loop's."""
    steps = (0.2167, 0.2151, 0.2202)
    return ExactTwin(
        contestant=place,
        fidelity=fidelity or fidelity_of(3.1e-8, 0.0021),
        loop_steps=tuple(factor * step for step in steps),
        twin_steps=steps,
    )


def accuracy_record(num_seeds: int = 8, **changes: Any) -> AccuracyRecord:
    """baseline, trained through its twin; exact, which is as good; optimized, which is faster and worse."""
    contestants = compared(FIELD, ["baseline", "exact", "optimized"])
    sides = (
        (outcomes(num_seeds, 0.02, 0.003, salt=1), 9.75),
        (outcomes(num_seeds, 0.02, 0.003), 7.2),
        (outcomes(num_seeds, 0.06, 0.02, salt=2), 3.9),
    )
    runs = [
        run_of(place, seed, correct, step_seconds=step)
        for place, (rows, step) in enumerate(sides)
        for seed, correct in enumerate(rows)
    ]
    return record_of(contestants, runs, **{"twins": (twin_of(),), **changes})


def two_sides(
    baseline: Sequence[str], variant: Sequence[str], name: str = "exact", step_seconds: float = 5.0, **changes: Any
) -> AccuracyRecord:
    """A variant beside the baseline, a run a row."""
    contestants = compared(FIELD, ["baseline", name])
    runs = [run_of(0, seed, correct) for seed, correct in enumerate(baseline)]
    runs += [run_of(1, seed, correct, step_seconds=step_seconds) for seed, correct in enumerate(variant)]
    return record_of(contestants, runs, **changes)


def undecided_record(num_seeds: int = 3) -> AccuracyRecord:
    """Three seeds that are too few."""
    return two_sides(outcomes(num_seeds, 0.02, 0.01), outcomes(num_seeds, 0.02, 0.012, salt=1))


def failed_record() -> AccuracyRecord:
    """A variant one of whose runs diverged, and whose others are as good."""
    same = outcomes(3, 0.02, 0.0)
    record = two_sides(same, same)
    failed = run_of(1, 2, same[2], epochs=2, failed="the loss was NaN for 200 steps")
    return record.model_copy(update={"runs": (*record.runs[:-1], failed)})


def guessing_record() -> AccuracyRecord:
    """A variant that has learned nothing."""
    return two_sides(outcomes(3, 0.02, 0.01), outcomes(3, 0.0, 0.9, salt=1), "optimized")


def unfinished_record() -> AccuracyRecord:
    """Interrupted in its first run."""
    contestants = compared(FIELD, ["baseline", "exact"])
    runs = [run_of(0, 0, "1" * NUM_IMAGES, epochs=2)]
    return record_of(contestants, runs, plan=AccuracyPlan(run=RunPlan(epochs=EPOCHS)), status="interrupted")


def crowded_record() -> AccuracyRecord:
    """Seven contestants, some with long names."""
    names = ["baseline", "exact", "optimized", "phase1", "phase2", "fused-loss+max-negatives-16", "float64-parts"]
    contestants = compared(FIELD, names)
    runs = [
        run_of(place, seed, correct, step_seconds=9.75 - place)
        for place in range(len(names))
        for seed, correct in enumerate(outcomes(4, 0.02 + 0.004 * place, 0.01, salt=place))
    ]
    return record_of(contestants, runs)


# One of every sort.
RECORDS: dict[str, Callable[[], AccuracyRecord]] = {
    "decided": accuracy_record,
    "undecided": undecided_record,
    "one seed": lambda: undecided_record(1),
    "two seeds": lambda: undecided_record(2),
    "failed run": failed_record,
    "guessing": guessing_record,
    "astray twin": lambda: accuracy_record(3, twins=(twin_of(fidelity=fidelity_of(0.02, 0.7)),)),
    "crowded": crowded_record,
    "unfinished": unfinished_record,
}
