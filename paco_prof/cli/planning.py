"""From options to a variant that is ready to be built. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paco_prof.cli.own_model import OwnModel
    from paco_prof.measure.job import Job
    from paco_prof.settings import Workload
    from paco_prof.variants.resolve import Planned

__all__ = ["base_workload", "job_of", "planned_variant", "refuse_synthetic"]


def base_workload(
    explicit: Mapping[str, Any], *, data: str, own_model: OwnModel | None = None, **placed: Any
) -> Workload:
    """The baseline that options describe.

    Args:
        explicit: settings that have options of their own.
        own_model: what the options say about a model of the user's own.
        data: what `--data` says, or what it is by default.
        placed: where and how it runs; see `Workload`.

    Raises:
        UsageError: a value that cannot be, or a folder that is not there.
    """
    from paco_prof import planning

    named = {} if own_model is None else own_model.settings(explicit)
    return planning.base_workload(explicit, data=data, **placed, **named)


def refuse_synthetic(workload: Workload) -> None:
    """Find out before anything is built that there is nothing to learn.

    Raises:
        UsageError: the data are synthetic.
    """
    from paco_prof import planning

    planning.refuse_synthetic(workload)


def planned_variant(
    base: Workload,
    name: str,
    overrides: Sequence[str],
    explicit: Mapping[str, Any],
    own_model: OwnModel | None = None,
) -> Planned:
    """A variant of a baseline, the user's own among those that it may be.

    Args:
        overrides: as `--set` was given them.
        explicit: settings that a variant must not undo.
        own_model: may say what the variant `drop-in` is.

    Raises:
        UsageError: an unknown variant or setting, a value that cannot be, or an option that the variant undoes.
    """
    from paco_prof import planning
    from paco_prof.variants.resolve import parse_overrides

    others = () if own_model is None else own_model.variants()
    return planning.planned_variant(base, name, parse_overrides(overrides), tuple(explicit), others)


def job_of(planned: Planned) -> Job:
    """What is to be built; from here on torch is needed."""
    from paco_prof import planning

    return planning.job_of(planned)
