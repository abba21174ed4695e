"""What somebody should hear of a projection onto other devices than were measured: computed facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from paco_prof.analysis.efficiency import Scaling
from paco_prof.analysis.projection import TERMS, ProjectedRun, ProjectionView, Term
from paco_prof.stats.pace import Span

__all__ = [
    "BetterThanPerfect",
    "ModelledScaling",
    "NoEfficiency",
    "OriginsApart",
    "PerfectScaling",
    "ScalingFinding",
    "StepOfOthers",
    "TermsOfOthers",
    "find_in_scaling",
]


@dataclass(frozen=True, slots=True)
class PerfectScaling:
    """Several devices were not measured of these variants, whose steps on one stand for those on each of many.

    Attributes:
        names: empty where that is so of all variants.
    """

    gpus: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelledScaling:
    """So many devices were not measured; fewer were, and more where it lies between them.

    Attributes:
        measured: the numbers that were.
    """

    names: tuple[str, ...]
    devices: int
    measured: tuple[int, ...]
    source: Literal["interpolated", "extrapolated"]


@dataclass(frozen=True, slots=True)
class StepOfOthers:
    """The step of another number of devices stands for that of the run, and no model leads from it there.

    Attributes:
        taken: the number whose step it is; all that were measured are `measured`.
        why: there is one size only, or all are larger, or no two were measured with the same way of matching.
    """

    names: tuple[str, ...]
    devices: int
    taken: int
    measured: tuple[int, ...]
    why: Literal["one size", "all larger", "matching"]


@dataclass(frozen=True, slots=True)
class NoEfficiency:
    """Devices were measured together, and none alone that could be held against them.

    Attributes:
        is_alike: whether one device was not measured, or only with another way of matching (False).
    """

    names: tuple[str, ...]
    measured: tuple[int, ...]
    is_alike: bool


@dataclass(frozen=True, slots=True)
class TermsOfOthers:
    """Terms besides the steps that were measured on another number of devices than the run has.

    Attributes:
        devices: that they were measured on.
        gpus: that the run has.
        loads: whether one of them loads images.
    """

    names: tuple[str, ...]
    terms: tuple[Term, ...]
    devices: int
    gpus: int
    loads: bool


@dataclass(frozen=True, slots=True)
class OriginsApart:
    """Steps on some devices and on others that were measured by different commands."""

    names: tuple[str, ...]
    origins: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class BetterThanPerfect:
    """More devices that were faster each than one alone, by more than chance: the two were measured under other
    conditions.
    """

    names: tuple[str, ...]
    devices: int
    efficiency: Span


ScalingFinding = (
    BetterThanPerfect | ModelledScaling | NoEfficiency | OriginsApart | PerfectScaling | StepOfOthers | TermsOfOthers
)

# What waits for images to be loaded.
_LOADING: set[Term] = {"waiting", "epoch starts", "evaluation"}


def find_in_scaling(view: ProjectionView) -> Iterator[ScalingFinding]:
    """Where the figures for so many devices come from, one finding for all variants of which the same is so."""
    found: dict[ScalingFinding, list[str]] = {}
    for run in view.runs:
        for finding in _of_run(run):
            found.setdefault(finding, []).append(run.name)
    for finding, names in found.items():
        of_all = isinstance(finding, PerfectScaling) and len(names) == len(view.runs)
        yield finding if of_all else replace(finding, names=tuple(names))


def _of_run(run: ProjectedRun) -> Iterator[ScalingFinding]:
    """The findings of a run, as they are of all whose figures are the same: without its name."""
    scaling = run.scaling
    yield from _of_source(scaling)
    if scaling.measured != (1,) and scaling.source != "assumed" and scaling.efficiency is None:
        yield NoEfficiency((), scaling.measured, scaling.is_alike)
    origins = sorted((pilot.workload.world_size, pilot.origin) for pilot in run.pilots)
    if len({origin for _, origin in origins}) > 1:
        yield OriginsApart((), tuple(origins))
    by_devices: dict[int, list[Term]] = {}
    for term in TERMS:
        source = run.sources.get(term)
        if source is not None and source.workload.world_size != scaling.devices and _counts(run, term):
            by_devices.setdefault(source.workload.world_size, []).append(term)
    for devices, terms in by_devices.items():
        yield TermsOfOthers((), tuple(terms), devices, scaling.devices, not _LOADING.isdisjoint(terms))
    for size in scaling.sizes:
        if size.devices > 1 and size.efficiency is not None and (size.efficiency.low or 0.0) > 1:
            yield BetterThanPerfect((), size.devices, size.efficiency)


def _of_source(scaling: Scaling) -> Iterator[ScalingFinding]:
    measured, nearest = scaling.measured, scaling.nearest
    if scaling.source in ("interpolated", "extrapolated"):
        yield ModelledScaling((), scaling.devices, measured, scaling.source)
    elif scaling.source == "assumed" and measured == (1,):
        yield PerfectScaling(scaling.devices)
    elif scaling.source == "assumed":
        why: Literal["one size", "all larger", "matching"] = "matching" if not scaling.is_alike else "one size"
        if scaling.devices < measured[0]:
            why = "all larger"
        yield StepOfOthers((), scaling.devices, nearest, measured, why)


def _counts(run: ProjectedRun, term: Term) -> bool:
    """Whether the run has a term at all."""
    return term != "evaluation" or run.evaluations[0] > 0
