"""A Chrome / Perfetto trace of one step that is not timed: its stages, and the operators beneath them.

The stages come from the same timeline as everything else. The operators come from `torch.profiler`, as long as there
are few enough of them: on a step of the reference loop it takes tens of times the step to process them (`make bench`
measures it), for a file that no viewer opens gladly.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from paco_prof.measure.clock import Clock, Instant
from paco_prof.measure.timeline import ROOT, Owner, Timeline
from paco_prof.measure.tracker import StageTracker
from paco_prof.stages import listening
from paco_prof.store import write_bytes

__all__ = ["MAX_OPERATORS", "record_trace", "stage_events", "write_trace"]

# Operators of a forward pass above which only the stages are traced.
MAX_OPERATORS = 10_000
# What ties the host's clock to the profiler's: a range that begins where the timeline does.
ANCHOR = "paco-prof step"
# A process number that no system hands out: the stages get a group of tracks of their own.
STAGES_PROCESS = 2**31 - 1
TRACKS = {"forward": 1, "backward": 2, "other": 3}

Event = dict[str, Any]


def record_trace(run: Callable[[], object], clock: Clock, with_operators: bool) -> list[Event]:
    """Take one step and return it as trace events, stages on a track a phase."""
    clock.synchronize()
    if not with_operators:
        return stage_events(_take_step(run, clock), offset_us=0.0)
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
    return [*operators, *stage_events(pieces, offset)]


def _take_step(run: Callable[[], object], clock: Clock) -> list[tuple[Owner, tuple[Instant, Instant]]]:
    timeline = Timeline(clock)
    tracker = StageTracker(timeline)
    with listening(tracker):
        run()
    tracker.close()
    clock.synchronize()
    return timeline.pieces(lambda earlier, later: (earlier, later))


def stage_events(pieces: Iterable[tuple[Owner, tuple[Instant, Instant]]], offset_us: float) -> list[Event]:
    """The stretches of a timeline as complete events in microseconds, with names for their tracks."""
    events: list[Event] = [_name("process_name", 0, "paco-prof stages")]
    events += [_name("thread_name", track, phase) for phase, track in TRACKS.items()]
    for owner, (start, end) in pieces:
        if owner.path == ROOT:
            continue
        events.append(
            {
                "ph": "X",
                "cat": "stage",
                "name": owner.path,
                "pid": STAGES_PROCESS,
                "tid": TRACKS[owner.phase],
                "ts": start.host_ns / 1e3 + offset_us,
                "dur": (end.host_ns - start.host_ns) / 1e3,
            }
        )
    return events


def _name(kind: str, track: int, name: str) -> Event:
    return {"ph": "M", "name": kind, "pid": STAGES_PROCESS, "tid": track, "args": {"name": name}}


def write_trace(path: Path, events: list[Event]) -> None:
    """Write a trace, compressed where the name ends in `.gz`, without what the profiler adds about the machine."""
    data = json.dumps({"displayTimeUnit": "ms", "traceEvents": events}, separators=(",", ":")).encode()
    write_bytes(path, gzip.compress(data) if path.suffix == ".gz" else data)
