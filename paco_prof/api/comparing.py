"""`paco_prof.compare`: speed-ups that can be believed, asked for in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.api.calling import Told, checked, handed_back, in_python, shown_by, split_settings
from paco_prof.api.handed import hand_over
from paco_prof.data.spec import SYNTHETIC
from paco_prof.planning import COMPARED, MINUTES_EACH, base_workload
from paco_prof.records import ComparisonPlan
from paco_prof.results import Comparison
from paco_prof.settings import with_settings
from paco_prof.variants.contestants import Field, compared
from paco_prof.variants.user_file import own_variants

if TYPE_CHECKING:
    from torch import nn

__all__ = ["compare"]


def compare(
    *variants: str,
    model: type[nn.Module] | Callable[..., Any] | str | None = None,
    model_args: Mapping[str, Any] | None = None,
    step: Callable[..., Any] | str | None = None,
    replace: Mapping[str, Callable[..., Any] | str] | None = None,
    stages: Mapping[str, str] | None = None,
    data: str = SYNTHETIC,
    device: str = "auto",
    epoch: int = 0,
    seed: int = 0,
    threads: int | None = None,
    launches: int = 3,
    pairs: int | None = None,
    max_minutes: float | None = None,
    timeout: float = 600.0,
    sequential: bool = False,
    retry_smaller: bool = False,
    fidelity: bool = True,
    progress: Told = None,
    **settings: Any,
) -> Comparison:
    """Measure how much faster variants are than a baseline, and whether the difference is one.

    Every variant lives in a process of its own, so that a script calls it below `if __name__ == "__main__":`, and a
    notebook imports what makes its model from a file. Ctrl-C returns what was measured until then.

    Args:
        variants: of `paco-prof variants`, the baseline first; the same twice measures the noise of this machine. By
            default `baseline` and `exact`; of a model of your own `baseline` and `drop-in`.
        model: what makes it: a class or a function that can be imported by its name, or `"module:factory"` or
            `"path/to/file.py:factory"`; None is PaCo-2 as this package has it.
        model_args, step, replace, stages, data, device, epoch, seed, threads: as for `paco_prof.breakdown`, but that
            all of them are handed on by name.
        launches: fresh processes for each variant; a claim needs about seven.
        pairs: of steps in a launch; None until its median is precise, or its time is up.
        max_minutes: for everything; None is 4.5 a variant. The first launch is taken all the same.
        timeout: seconds that a process may take to start, or for a step.
        sequential: one process at a time, where two do not fit into memory together.
        retry_smaller: halve the batch of both sides where memory runs out.
        fidelity: compare loss and gradient of every variant with a float64 reference.
        progress: as for `paco_prof.breakdown`.
        settings: of the baseline, any that `--set` knows: batch_size, image_size, backbone, K, r, d, precision, ...

    Raises:
        UsageError: something cannot be, or no process could import it; one line says what.
        MeasurementError: a process failed; its `result` is what was measured all the same.
    """
    with in_python(compare):
        explicit, overrides = split_settings(compare, settings)
        chosen = {**explicit, **overrides}
        handed = hand_over(model, model_args, step, replace, stages, chosen, elsewhere="paco_prof.compare")
        placed = {"device": device, "epoch": epoch, "seed": seed, "threads": threads}
        base = with_settings(base_workload(explicit, data=data, **placed, **handed.settings), overrides)
        field = Field(base, (*own_variants(Path.cwd()), *handed.variants), tuple(chosen))
        contestants = compared(field, variants or COMPARED[handed.is_own])
        minutes = MINUTES_EACH * (len(contestants) - 1) if max_minutes is None else max_minutes
        plan = checked(
            ComparisonPlan,
            launches=launches,
            pairs=pairs,
            max_seconds=60 * minutes,
            timeout=timeout,
            sequential=sequential,
            retry_smaller=retry_smaller,
            fidelity=fidelity,
            seed=seed,
        )

        from paco_prof.measure.comparing import new_comparison
        from paco_prof.measure.endings import comparison_ending
        from paco_prof.measure.referee import Referee
        from paco_prof.measure.worker_process import ProcessLauncher

        record = new_comparison(contestants, plan, "compare", ("paco_prof.compare",))
        launcher = ProcessLauncher(python_path=handed.folders)
        outcome = Referee(record, launcher, shown_by(progress), lambda _: None).run()
        return handed_back(Comparison.of(outcome.record), comparison_ending(outcome), outcome.error)
