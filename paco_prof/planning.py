"""From settings to a variant that is ready to be built: what the commands and the Python API have in common.

Free of torch until a job is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from paco_prof.data.spec import SYNTHETIC, parse_data
from paco_prof.errors import UsageError
from paco_prof.settings import Settings, Workload, with_settings
from paco_prof.variants.resolve import Planned, plan_variant
from paco_prof.variants.user_file import own_variants
from paco_prof.variants.variant import Variant

if TYPE_CHECKING:
    from paco_prof.measure.job import Job

__all__ = ["COMPARED", "MINUTES_EACH", "base_workload", "job_of", "planned_variant", "refuse_synthetic"]

# What is held against what where nobody says it: of PaCo-2 itself, and of a model of the user's own.
COMPARED = {False: ("baseline", "exact"), True: ("baseline", "drop-in")}
# Minutes for each variant of a comparison: one variant is done within five, the first launch's overrun included.
MINUTES_EACH = 4.5


def base_workload(settings: Settings, *, data: str, **placed: Any) -> Workload:
    """The baseline: a workload that nothing has been switched on in.

    Args:
        settings: that `with_settings` knows.
        data: which images, as `--data` has it.
        placed: what it does not know, where and how the step runs among it; see `Workload`.

    Raises:
        UsageError: a value that cannot be, an unknown setting, or a folder that is not there.
    """
    try:
        base = Workload(data=parse_data(data), **placed)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise UsageError(f"{name}={placed.get(name)!r} {first['msg'].removeprefix('Input ')}.") from error
    return with_settings(base, settings)


def refuse_synthetic(workload: Workload) -> None:
    """Find out before anything is built that there is nothing to learn.

    Raises:
        UsageError: the data are synthetic.
    """
    if workload.data == SYNTHETIC:
        raise UsageError("Synthetic data are no images to learn from.", "Use --data digits or --data folder:PATH.")


def planned_variant(
    base: Workload,
    name: str,
    overrides: Mapping[str, Any],
    explicit: Sequence[str] = (),
    others: Sequence[Variant] = (),
) -> Planned:
    """A variant of a baseline, one of the user's configuration or of `others` among those that it may be.

    Args:
        overrides: settings on top of the variant.
        explicit: names of settings that a variant must not undo.

    Raises:
        UsageError: an unknown variant or setting, a value that cannot be, or a choice that the variant undoes.
    """
    return plan_variant(base, name, overrides, (*own_variants(Path.cwd()), *others), explicit)


def job_of(planned: Planned) -> Job:
    """What is to be built; from here on torch is needed."""
    from paco_prof.measure.job import Job

    return Job(planned.workload, planned.base, planned.used, planned.optional)
