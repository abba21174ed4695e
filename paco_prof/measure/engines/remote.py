"""What runs on a node of a cluster: a piece of a record, done as on any machine. Free of torch, and of Ray.

It begins in a process that belongs to the cluster, and takes its launches in fresh processes of its own, which die with
it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paco_prof import __version__
from paco_prof.errors import PacoProfError, UsageError
from paco_prof.measure.cores import usable_cores
from paco_prof.measure.ledger import Assignment
from paco_prof.measure.referee import Referee
from paco_prof.measure.scaling.work import Search, Unit
from paco_prof.measure.surveyor import Surveyor
from paco_prof.measure.worker_handle import LimitingLauncher
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.records import ComparisonRecord, ScaleRecord

__all__ = ["done", "told"]

THREADS = "OMP_NUM_THREADS"
# The environment that this process began with, as Linux shows it.
FIRST_ENVIRONMENT = Path("/proc/self/environ")


class _Unheard:
    """Progress that nobody sees: the next piece of news is the piece itself."""

    def begin(self, what: str) -> None: ...

    def update(self, elapsed: float, left: float) -> None: ...


def told(piece: dict[str, Any], folder: Path, folders: list[Path], cpus: int) -> str:
    """What a node is told of a piece.

    Args:
        piece: the record, and what of it is to be done.
        folder: that the command was given in: what is named by a path from there is looked for there.
        folders: in which workers look for modules before all others.
        cpus: cores that the launch has for itself.
    """
    where = {"folder": str(folder), "folders": [str(each) for each in folders], "cpus": cpus}
    return json.dumps({**piece, **where, "version": __version__})


def done(text: str, launcher: LimitingLauncher | None = None) -> str:
    """What has come of a piece: the record and the seconds that it took, or why no node like this one can do it.

    Args:
        text: what `told` made of it.
        launcher: starts the workers; None for processes of this node.
    """
    begun = time.monotonic()
    piece = json.loads(text)
    try:
        record = _done(piece, launcher)
    except PacoProfError as error:
        return json.dumps({"refused": {"message": error.message, "hint": error.hint}})
    return json.dumps({"part": record.model_dump(mode="json"), "seconds": time.monotonic() - begun})


def _done(piece: Mapping[str, Any], launcher: LimitingLauncher | None) -> ComparisonRecord | ScaleRecord:
    if piece["version"] != __version__:
        raise UsageError(
            f"A node of the cluster has paco-prof {__version__}, and this is {piece['version']}.",
            "Install the same on all of them.",
        )
    os.environ.update(piece.get("variables", {}))
    _take_back_threads(piece["cpus"])
    if piece["kind"] == "comparison":
        comparison = ComparisonRecord.model_validate(piece["record"])
        only = piece["only"]
        mine = Assignment(only["place"], only["round"], only["halvings"], frozenset(only["fidelity_of"]))
        launcher = launcher or _launcher(piece, comparison)
        return Referee(comparison, launcher, _Unheard(), lambda _: None, only=mine).run().record
    growth = ScaleRecord.model_validate(piece["record"])
    sizes = piece["only"].get("sizes")
    place = piece["only"]["contestant"]
    work = Search(place) if sizes is None else Unit(place, tuple(sizes), piece["only"]["round"])
    launcher = launcher or _launcher(piece, growth)
    trials = {"most_trials": piece["only"].get("trials"), "trial_seconds": piece["only"].get("trial_seconds", 0.0)}
    return Surveyor(growth, launcher, _Unheard(), lambda _: None, only=[work], **trials).run().record


def _launcher(piece: Mapping[str, Any], record: ComparisonRecord | ScaleRecord) -> ProcessLauncher:
    """Starts workers where the command was given, if that is there on this node.

    Raises:
        UsageError: it is not, and what is measured is in there.
    """
    needed = [Path(folder) for folder in piece["folders"]]
    workloads = [contestant.workload for contestant in record.contestants]
    own = any(workload.model is not None or workload.data.startswith("folder:") for workload in workloads)
    folder = Path(piece["folder"])
    for each in (*needed, *([folder] if own else [])):
        if not each.is_dir():
            raise UsageError(
                f"A node of the cluster has no folder {each}, and what is measured is in there.",
                "Give the command in a folder that all nodes have: on a shared file system, or copied to each.",
            )
    return ProcessLauncher(python_path=needed, folder=folder if folder.is_dir() else None)


def _take_back_threads(cpus: int) -> None:
    """A launch that has the whole node takes the threads that it would take if it had been started there by hand.

    Ray sets a number for whatever it runs; where a node is shared that is as it has to be.
    """
    if cpus < usable_cores() or os.environ.get(THREADS) != str(cpus):
        return
    began_with = b""
    with contextlib.suppress(OSError):
        began_with = FIRST_ENVIRONMENT.read_bytes()
    if not any(entry.startswith(f"{THREADS}=".encode()) for entry in began_with.split(b"\0")):
        del os.environ[THREADS]
