"""What the options say about who takes the launches: this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof.cli import options
from paco_prof.cli.groups import OptionGroup
from paco_prof.errors import UsageError
from paco_prof.ranks import this_place

if TYPE_CHECKING:
    from paco_prof.measure.engines.engine import Engine

__all__ = ["EngineChoice"]

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True)
class EngineChoice(OptionGroup):
    """The engine's options; None, or the default, is what was not given.

    Attributes:
        engine: who takes the launches.
        address: of a Ray cluster.
        cpus_per_launch, gpus_per_launch: that Ray keeps for each launch.
    """

    engine: options.EngineName = LOCAL
    address: options.Address = None
    cpus_per_launch: options.CpusPerLaunch = None
    gpus_per_launch: options.GpusPerLaunch = None

    def given(self) -> str:
        """The first option that is not as it is by default; empty where all are."""
        return "--engine" if self.engine != LOCAL else self._of_ray()

    def check(self) -> None:
        """Find out before anything is planned whether the options go together, and whether the engine is there.

        Raises:
            UsageError: there is no such engine, an option of Ray goes with another one, or Ray is not installed.
        """
        if self.engine not in (LOCAL, RAY):
            raise UsageError(f"--engine {self.engine!r} is unknown.", f"Use {LOCAL} or {RAY}.")
        if self.engine == LOCAL and self._of_ray():
            raise UsageError(f"{self._of_ray()} goes with --engine {RAY}.", "Add it, or leave the option away.")
        if self.engine == RAY and not this_place().is_alone:
            raise UsageError(
                "torchrun has started several ranks, and --engine ray takes every launch on one device.",
                "Leave one of them away.",
            )
        if self.engine == RAY:
            from paco_prof.measure.engines.ray_engine import refuse_without_ray

            refuse_without_ray()

    def engine_for(self, folders: Sequence[Path] = ()) -> Engine:
        """The engine.

        Args:
            folders: in which workers look for modules before all others.

        Raises:
            UsageError: see `check`.
        """
        self.check()
        if self.engine == RAY:
            from paco_prof.measure.engines.ray_engine import RayEngine

            return RayEngine(self.address, self.cpus_per_launch, self.gpus_per_launch, folders)
        if not (place := this_place()).is_alone:
            from paco_prof.measure.distributed.engine import RanksEngine

            return RanksEngine(place, folders)
        from paco_prof.measure.engines.local import LocalEngine

        return LocalEngine(folders)

    def serve(self, folders: Sequence[Path] = ()) -> None:
        """What a rank that is not the first does in place of a command: it has its part in the first one's launches."""
        from paco_prof.measure.distributed.engine import RanksEngine

        RanksEngine(this_place(), folders).serve()

    def _of_ray(self) -> str:
        of_ray = {
            "--address": self.address,
            "--cpus-per-launch": self.cpus_per_launch,
            "--gpus-per-launch": self.gpus_per_launch,
        }
        return next((option for option, value in of_ray.items() if value is not None), "")
