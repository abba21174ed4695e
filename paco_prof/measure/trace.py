"""A Chrome / Perfetto trace of one step that is not timed: its stages, and the operators beneath them.

The stages come from the same timeline as everything else, each drawn inside its parent: a slice is called by the last
part of its path, and carries all of it. The operators come from `torch.profiler`, as long as there are few enough of
them: on a step of the reference loop it takes tens of times the step to process them (`make bench` measures it), for a
file that no viewer opens gladly.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from paco_prof.measure.clock import Clock, Instant
from paco_prof.measure.timeline import ROOT, Owner, Timeline
from paco_prof.measure.tracker import StageTracker
from paco_prof.stages import listening
from paco_prof.store import write_bytes

__all__ = ["MAX_OPERATORS", "nested", "record_trace", "stage_events", "write_trace"]

# Operators of a forward pass above which only the stages are traced.
MAX_OPERATORS = 10_000
# What ties the host's clock to the profiler's: a range that begins where the timeline does.
ANCHOR = "paco-prof step"
# A process number that no system hands out: the stages get a group of tracks of their own.
STAGES_PROCESS = 2**31 - 1
DEVICE_PROCESS = 2**31 - 2
TRACKS = {"forward": 1, "backward": 2, "other": 3}
# Viewers drop a slice that ends after the one around it, be it by a rounding error. Eighths of a microsecond are exact
# in binary, and so is all arithmetic on them, in nanoseconds too.
TICKS_PER_US = 8

Event = dict[str, Any]
Piece = tuple[Owner, tuple[Instant, Instant]]


def record_trace(run: Callable[[], object], clock: Clock, with_operators: bool) -> list[Event]:
    """Take one step and return it as trace events: stages on a track a phase, inside their parents."""
    clock.synchronize()
    if not with_operators:
        return stage_events(_take_step(run, clock), clock, offset_us=0.0)
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available() and clock.is_asynchronous:
        activities.append(ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        with torch.profiler.record_function(ANCHOR):
            pieces = _take_step(run, clock)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "operators.json"
        profiler.export_chrome_trace(str(file))
        operators: list[Event] = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    anchor = next(event for event in operators if event.get("name") == ANCHOR and event.get("ph") == "X")
    offset = anchor["ts"] - pieces[0][1][0].host_ns / 1e3 if pieces else 0.0
    return [*operators, *stage_events(pieces, clock, offset)]


def _take_step(run: Callable[[], object], clock: Clock) -> list[Piece]:
    timeline = Timeline(clock)
    tracker = StageTracker(timeline)
    with listening(tracker):
        run()
    tracker.close()
    clock.synchronize()
    return timeline.pieces(lambda earlier, later: (earlier, later))


@dataclass(slots=True)
class Slice:
    """A stage at work without interruption, with all that is inside it."""

    owner: Owner
    start: Instant
    end: Instant


def nested(pieces: Iterable[Piece]) -> list[Slice]:
    """The slices that the stretches of a timeline make up, an enclosing one before those inside it.

    Stretches that follow each other and have a parent in common lie in one slice of the parent; where another stage,
    another phase or none comes between them the parent has two.
    """
    slices: list[Slice] = []
    unfinished: list[Slice] = []
    for owner, (start, end) in pieces:
        names = [] if owner.path == ROOT else owner.path.split("/")
        owners = [Owner("/".join(names[:depth]), owner.phase) for depth in range(1, len(names) + 1)]
        goes_on = takewhile(lambda pair: pair[0].owner == pair[1], zip(unfinished, owners, strict=False))
        del unfinished[len(list(goes_on)) :]
        begun = [Slice(each, start, end) for each in owners[len(unfinished) :]]
        slices += begun
        unfinished += begun
        for each in unfinished:
            each.end = end
    return slices


def stage_events(pieces: Sequence[Piece], clock: Clock, offset_us: float) -> list[Event]:
    """The stretches of a timeline as complete events in microseconds, with names for their tracks.

    The device's times, where it has its own, are a second group of tracks. They begin where the host's do, the device
    being idle then.

    Args:
        pieces: the stretches, in order.
        clock: what has read their instants, and waited for the device since.
        offset_us: what the trace's time is ahead of the host's clock.
    """

    def host_us(instant: Instant) -> float:
        return instant.host_ns / 1e3 + offset_us

    slices = nested(pieces)
    events = _tracks(STAGES_PROCESS, "paco-prof stages", slices, host_us)
    if not clock.is_asynchronous or not pieces:
        return events
    first = pieces[0][1][0]

    def device_us(instant: Instant) -> float | None:
        elapsed = clock.between(first, instant).device
        return None if elapsed is None else host_us(first) + elapsed * 1e6

    return events + _tracks(DEVICE_PROCESS, "paco-prof stages, on the device", slices, device_us)


def _tracks(process: int, title: str, slices: list[Slice], us: Callable[[Instant], float | None]) -> list[Event]:
    """A group of tracks, one a phase; a slice whose begin or end nobody knows is left out."""
    events = [_name(process, "process_name", 0, title)]
    events += [_name(process, "thread_name", track, phase) for phase, track in TRACKS.items()]
    for each in slices:
        start, end = us(each.start), us(each.end)
        if start is None or end is None:
            continue
        events.append(
            {
                "ph": "X",
                "cat": "stage",
                "name": each.owner.path.rpartition("/")[2],
                "pid": process,
                "tid": TRACKS[each.owner.phase],
                "ts": _on_grid(start),
                "dur": _on_grid(end) - _on_grid(start),
                "args": {"stage": each.owner.path},
            }
        )
    return events


def _on_grid(us: float) -> float:
    return round(us * TICKS_PER_US) / TICKS_PER_US


def _name(process: int, kind: str, track: int, name: str) -> Event:
    return {"ph": "M", "name": kind, "pid": process, "tid": track, "args": {"name": name}}


def write_trace(path: Path, events: list[Event]) -> None:
    """Write a trace, compressed where the name ends in `.gz`, without what the profiler adds about the machine."""
    data = json.dumps({"displayTimeUnit": "ms", "traceEvents": events}, separators=(",", ":")).encode()
    write_bytes(path, gzip.compress(data) if path.suffix == ".gz" else data)
