"""From options to a variant that is ready to be built. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.errors import UsageError

if TYPE_CHECKING:
    from paco_prof.measure.job import Job
    from paco_prof.settings import Workload
    from paco_prof.variants.resolve import Planned

__all__ = ["base_workload", "job_of", "planned_variant", "refuse_synthetic"]


def base_workload(explicit: Mapping[str, Any], *, data: str, **placed: Any) -> Workload:
    """The baseline that options describe.

    Args:
        explicit: settings that have options of their own.
        data: what `--data` says, or what it is by default.
        placed: where and how it runs; see `Workload`.

    Raises:
        UsageError: a value that cannot be, or a folder that is not there.
    """
    from paco_prof.data.spec import parse_data
    from paco_prof.settings import Workload, with_settings

    return with_settings(Workload(data=parse_data(data), **placed), explicit)


def refuse_synthetic(workload: Workload) -> None:
    """Find out before anything is built that there is nothing to learn.

    Raises:
        UsageError: the data are synthetic.
    """
    from paco_prof.data.spec import SYNTHETIC

    if workload.data == SYNTHETIC:
        raise UsageError("Synthetic data are no images to learn from.", "Use --data digits or --data folder:PATH.")


def planned_variant(base: Workload, name: str, overrides: Sequence[str], explicit: Mapping[str, Any]) -> Planned:
    """A variant of a baseline, the user's own among those that it may be.

    Args:
        overrides: as `--set` was given them.
        explicit: settings that a variant must not undo.

    Raises:
        UsageError: an unknown variant or setting, a value that cannot be, or an option that the variant undoes.
    """
    from paco_prof.variants.resolve import parse_overrides, plan_variant
    from paco_prof.variants.user_file import own_variants

    return plan_variant(base, name, parse_overrides(overrides), own_variants(Path.cwd()), tuple(explicit))


def job_of(planned: Planned) -> Job:
    """What is to be built; from here on torch is needed."""
    from paco_prof.measure.job import Job

    return Job(planned.workload, planned.base, planned.used, planned.optional)
