"""How a report begins: what was measured, on which machine, by which command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from paco_prof import units
from paco_prof.forms import REFERENCE
from paco_prof.records import BreakdownRecord, Environment, VariantUsed
from paco_prof.settings import Workload

if TYPE_CHECKING:
    from paco_prof.store import Record

__all__ = ["command_line", "machine", "model", "preamble", "subject", "variant_used", "workload_subject"]


def subject(record: BreakdownRecord) -> str:
    """What was measured, in a few words."""
    variant = "" if record.variant.name == "baseline" else f", {record.variant.name}"
    return workload_subject(record.workload) + variant


def workload_subject(workload: Workload) -> str:
    """A workload in a few words."""
    size = "" if workload.image_size is None else f", {workload.image_size} px"
    ranks = "" if workload.world_size == 1 else f" on each of {workload.world_size} devices"
    return f"{workload.model or workload.backbone}, batch {workload.batch_size}{size}{ranks}"


def preamble(record: BreakdownRecord) -> list[str]:
    """Source, machine, model, variant and command, a paragraph each."""
    lines = []
    if record.source.kind == "quoted":
        lines.append(f"Quoted, not measured by this tool: {record.source.citation}")
    if record.environment is not None:
        lines.append(machine(record.environment))
    lines.append(model(record.workload))
    if record.variant.name != "baseline" or record.variant.settings:
        lines.append(variant_used(record.variant))
    if record.command:
        lines.append(command_line(record))
    return lines


def command_line(record: Record) -> str:
    """The command that made a record, with the versions of what it measured."""
    commit = record.environment.commit if record.environment else None
    version = f"paco-prof {record.tool_version}" + (f", commit {commit}" if commit else "")
    when = record.created.replace("T", " ").replace("+00:00", " UTC")
    return f"Command: {shlex.join(record.command)} ({version}, {when})."


def machine(environment: Environment) -> str:
    """The machine and the versions, in a sentence."""
    device = environment.accelerator or "CPU"
    if environment.accelerator_memory_bytes is not None:
        device += f" ({units.gigabytes(environment.accelerator_memory_bytes)})"
    memory = f"{environment.memory_bytes / 1e9:.0f} GB"
    load = "" if environment.load_average is None else f", load {environment.load_average:.1f} before the run"
    versions = ", ".join(
        f"{name} {environment.versions[name]}" for name in ("torch", "timm", "python") if name in environment.versions
    )
    return (
        f"Machine: {device} on {environment.system}, {environment.processor}, {environment.cores} cores, "
        f"{environment.threads} thread{'s' if environment.threads != 1 else ''}, {memory} memory{load}; {versions}."
    )


def model(workload: Workload) -> str:
    """What is trained, in a sentence."""
    size = "" if workload.num_parameters is None else f"{workload.num_parameters / 1e6:.1f} M parameters, "
    if workload.model is not None:
        return (
            f"Model: {_called(workload)}, {size}{_told(workload)}{workload.known('num_classes')} classes, "
            f"{workload.optimizer}{_epoch(workload)}; batch {workload.batch_size} x 2 views of {workload.image_size} "
            f"px, {workload.data} data."
        )
    matching = (
        f", epoch {workload.epoch} (matching by {workload.matching_cost} distance)" if workload.matching_cost else ""
    )
    size_of_views = "" if workload.image_size is None else f" of {workload.image_size} px"
    form = " (reference form)" if workload.forms == REFERENCE else ""
    feature_map = ""
    if workload.feature_map is not None:
        channels, height, width = workload.feature_map
        feature_map = f"feature map {channels} x {height} x {width}, "
    return (
        f"Model: PaCo-2{form} on {workload.backbone}, {size}{feature_map}K={workload.num_parts}, "
        f"r={workload.window}, d={workload.dim}, {workload.num_classes} classes, {workload.optimizer}{matching}; batch "
        f"{workload.batch_size} x 2 views{size_of_views}, {workload.data} data."
    )


def _called(workload: Workload) -> str:
    """The user's factory with its arguments, and what calls the model."""
    arguments = ", ".join(f"{name}={value}" for name, value in workload.model_args)
    return f"{workload.model}({arguments})" + (f" through {workload.step}" if workload.step else "")


def _told(workload: Workload) -> str:
    """What the user's model tells of itself."""
    told = dict(workload.told)
    names = {"K": "num_parts", "r": "window", "d": "dim"}
    return "".join(f"{name}={told[setting]}, " for name, setting in names.items() if setting in told)


def _epoch(workload: Workload) -> str:
    return f", epoch {workload.epoch}" if workload.epoch else ""


def variant_used(variant: VariantUsed) -> str:
    """The variant, what it claims to be, and what it sets, in a sentence."""
    settings = ", ".join(f"{name}={value}" for name, value in variant.settings.items()) or "nothing that differs"
    return f"Variant: {variant.name} ({variant.kind}), which sets {settings}."
