"""What every record holds: where the figures come from, the machine, the variant, notes."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "SCHEMA_VERSION",
    "Environment",
    "Frozen",
    "Note",
    "Replacement",
    "Samples",
    "Source",
    "StopReason",
    "VariantKind",
    "VariantUsed",
    "WallTimes",
]

SCHEMA_VERSION = 1


def _positive(seconds: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 < value < math.inf for value in seconds):
        raise ValueError("what was measured took a positive, finite time")
    return seconds


Samples = tuple[float, ...]
# Wall times of whole steps and runs: at least one, and none of them zero.
WallTimes = Annotated[Samples, Field(min_length=1), AfterValidator(_positive)]
# exact: the same objective and gradient up to rounding; approximate: an approximation of the same objective; different:
# another model, objective or data.
VariantKind = Literal["exact", "approximate", "different"]
StopReason = Literal["settled", "time is up", "as asked", "interrupted", "failed", "quoted"]


class Frozen(BaseModel):
    """A part of a record: typed, unchangeable, and without fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="strings")


class Source(Frozen):
    """Where the figures come from: measured by this tool, or quoted from somebody who measured them."""

    kind: Literal["measured", "quoted"] = "measured"
    citation: str = ""


# What must be the same for two times to be of one machine; never what was measured of it, such as load or clocks.
_FINGERPRINT = ("system", "processor", "cores", "threads", "accelerator", "driver", "versions", "flags")

# What variants set for themselves, which makes no other machine. Threads that nobody sets follow from the cores and
# from OMP_NUM_THREADS and its like, which do.
_SET_BY_VARIANTS = {"threads", "tf32_matmul", "tf32_cudnn", "cudnn_benchmark"}


class Environment(Frozen):
    """The machine and the software that a run was made on.

    Attributes:
        processor: model name of the CPU.
        cores: logical cores this process may use.
        memory_bytes: physical memory.
        accelerator: model name of the device that ran the step, None on a CPU.
        versions: library name -> version.
        flags: settings that change speed (TF32, cudnn.benchmark, ...).
        load_average: one-minute load before the run, where the system tells.
        commit: revision of the git checkout the run was started in, with `+` where it had changes.
    """

    system: str
    processor: str
    cores: int
    memory_bytes: int
    threads: int
    accelerator: str | None = None
    driver: str | None = None
    accelerator_memory_bytes: int | None = None
    versions: dict[str, str] = {}
    flags: dict[str, bool | str] = {}
    load_average: float | None = None
    commit: str | None = None

    @property
    def is_oversubscribed(self) -> bool:
        """Whether a step on the CPU has more threads than there are cores, which makes its time a matter of luck."""
        return self.accelerator is None and self.threads > self.cores

    def differences(self, other: Environment) -> dict[str, tuple[object, object]]:
        """In what it is another machine, or other software, than another one: what it is called, and both values; of
        versions and flags each one by its own name. Times of the two are not comparable if there is any.
        """
        found: dict[str, tuple[object, object]] = {}
        for name in _FINGERPRINT:
            mine, theirs = getattr(self, name), getattr(other, name)
            if not isinstance(mine, dict):
                mine, theirs = {name: mine}, {name: theirs}
            for key in dict.fromkeys((*mine, *theirs)):
                if mine.get(key) != theirs.get(key):
                    found[key] = (mine.get(key), theirs.get(key))
        return found

    def differences_of_machine(self, other: Environment) -> dict[str, tuple[object, object]]:
        """Those `differences` that are not of a variant's own doing: without any, two variants ran on one machine."""
        return {name: pair for name, pair in self.differences(other).items() if name not in _SET_BY_VARIANTS}


class VariantUsed(Frozen):
    """The variant that was run.

    Attributes:
        name: as it was asked for.
        kind: what it claims to be; the fidelity is held against it.
        settings: what it sets, and what `--set` set beside it.
        left_out: setting -> why the device or the backbone cannot do it.
    """

    name: str = "baseline"
    kind: VariantKind = "exact"
    settings: dict[str, bool | int | float | str | None] = {}
    left_out: dict[str, str] = {}


class Replacement(Frozen):
    """A component of a user's model that a drop-in has taken the place of.

    Attributes:
        path: where the component stands in the model.
        by: `module:factory` of the drop-in.
        taken: settings that were taken over: the drop-in's name for each -> its value.
        places: where those were found that the replaced component has not under that name: name -> dotted path from
            the component, or from `model`.
        left: those that stay at the drop-in's own defaults, as `name=default`.
        answered: calls that the drop-in has answered by itself; None where it answers all of them, or nobody counted.
        asked: calls that what it replaces has answered: it learned from them, or knew no answer to them.
    """

    path: str
    by: str
    taken: dict[str, bool | int | float | str | None] = {}
    places: dict[str, str] = {}
    left: tuple[str, ...] = ()
    answered: int | None = None
    asked: int | None = None


class Note(Frozen):
    """Something that a reader of the figures has to know; `code` says which kind, `detail` and `number` hold the
    particulars.
    """

    code: str
    detail: str = ""
    number: int | None = None
