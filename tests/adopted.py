"""Steps of a model in somebody's writing, and who listens to them."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from adopted_source import GEOMETRY, PACO
from paco_prof import stages
from paco_prof.measure.clock import HostClock
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import ROOT
from paco_prof.measure.training import timed_step
from paco_prof.measure.user.adoption import Adoption
from paco_prof.stages import Phase, listening

__all__ = [
    "ALL",
    "TARGETS",
    "X1",
    "X2",
    "Bare",
    "Names",
    "build",
    "found",
    "heard",
    "paths",
    "step",
    "take",
    "writing",
]

numbers = itertools.count()

# The stages of the model in `adopted_source`.
ALL = {
    "backbone",
    "classifier",
    "part_sampling",
    "dim_reduction",
    "covariance",
    "matching",
    "negatives_pool",
    "prototypes",
    "loss",
    "loss/ce",
    "loss/pac",
    "loss/soc",
}
generator = torch.Generator().manual_seed(0)
X1, X2 = (torch.randn(4, 3, 16, 16, generator=generator) for _ in range(2))
TARGETS = torch.tensor([0, 1, 2, 1])


class Names:
    """A listener that writes down which stages are entered."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def enter(self, name: str, inputs: object) -> None:
        self.heard.append(name)

    def exit(self, outputs: object) -> None: ...

    def enter_phase(self, phase: Phase) -> None: ...

    def take_over(self, name: str) -> None: ...

    def exit_phase(self) -> None: ...


@contextmanager
def writing(folder: Path) -> Iterator[Callable[..., ModuleType]]:
    """Writes packages that nobody has imported before, and imports their `paco`; all is forgotten in the end.

    What is yielded takes the folder to write below, and other sources by the names of their modules.
    """
    written: list[str] = []
    with pytest.MonkeyPatch.context() as monkeypatch:

        def write(below: str = ".", **sources: str) -> ModuleType:
            name = f"somebodys_code_{next(numbers)}"
            written.append(name)
            package = folder / below / name
            package.mkdir(parents=True)
            monkeypatch.syspath_prepend(str(package.parent))
            for module, source in {"geometry": GEOMETRY, "paco": PACO, **sources}.items():
                (package / f"{module}.py").write_text(source.replace("PACKAGE", name))
            importlib.invalidate_caches()
            return importlib.import_module(f"{name}.paco")

        yield write
    for name in [name for name in sys.modules if name.partition(".")[0] in written]:
        del sys.modules[name]


def found(adoption: Adoption) -> dict[str, str]:
    """The stages of what was wrapped, by path."""
    return {wrapped.path: wrapped.stage for wrapped in adoption.wrapped}


def heard(call: Callable[[], object]) -> list[str]:
    """The stages that are entered, in order."""
    names = Names()
    with listening(names):
        call()
    return names.heard


class Bare(nn.Module):
    """A model with what the test gives it, and nothing else."""

    def __init__(self, **parts: object) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return x


def build(paco: ModuleType) -> nn.Module:
    """The same model every time."""
    torch.manual_seed(0)
    return paco.PaCoModel()


def step(model: nn.Module) -> TimedStep:
    """A step on a clock that goes on by a second with every look at it."""
    ticks = iter(range(0, 10**15, 10**9))
    return timed_step(lambda: take(model), HostClock(lambda: next(ticks)))


def take(model: nn.Module) -> dict[str, Tensor]:
    """A step; its losses."""
    with stages.phase("forward"):
        result = model(X1, X2, TARGETS)
    with stages.phase("backward"):
        result["total"].backward()
    return {name: value.detach() for name, value in result.items() if value.dim() == 0}


def paths(timed: TimedStep, phase: str) -> set[str]:
    """The stages that a phase was divided into."""
    return {owner.path for owner in timed.spans if owner.phase == phase} - {ROOT, stages.AUTOGRAD}
