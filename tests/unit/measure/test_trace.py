"""The trace of a step: stages on their tracks inside their parents, operators beneath, nothing about the machine."""

from __future__ import annotations

import gzip
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from paco_prof import stages
from paco_prof.measure.clock import HostClock, Instant
from paco_prof.measure.timeline import Owner
from paco_prof.measure.trace import record_trace, stage_events, write_trace
from paco_prof.stages import Phase, stage
from virtual_device import VirtualDevice

Event = dict[str, Any]
ON_THE_HOST, ON_THE_DEVICE = "paco-prof stages", "paco-prof stages, on the device"
MS = 1_000_000


def track(events: list[Event], phase: str, group: str = ON_THE_HOST) -> list[Event]:
    """The slices on a track, in order."""
    process = next(event["pid"] for event in events if event["args"].get("name") == group)
    names = [event for event in events if event["name"] == "thread_name" and event["pid"] == process]
    number = next(event["tid"] for event in names if event["args"]["name"] == phase)
    return [event for event in events if event["ph"] == "X" and (event["pid"], event["tid"]) == (process, number)]


def drawn(slices: list[Event]) -> list[str]:
    """A track as a viewer draws it, a slice a line, indented by the slices that it lies in.

    Viewers count in whole nanoseconds, and drop what sticks out of the slice it lies in.
    """
    lines: list[str] = []
    ends: list[int] = []
    for event in slices:
        start = int(event["ts"] * 1000)
        end = start + int(event["dur"] * 1000)
        while ends and ends[-1] <= start:
            ends.pop()
        assert not ends or end <= ends[-1], f"{event} sticks out"
        lines.append("  " * len(ends) + event["name"])
        ends.append(end)
    return lines


def times_ms(slices: list[Event]) -> list[tuple[str, float, float]]:
    """Each slice's stage, and when it begins and ends, counted from the clock's zero."""
    return [(each["args"]["stage"], each["ts"] / 1e3, (each["ts"] + each["dur"]) / 1e3) for each in slices]


def step() -> None:
    x = torch.ones(64, 64, requires_grad=True)
    with stages.phase("forward"), stage("a", x) as a:
        total = a.outputs((x @ x).sum())
    with stages.phase("backward"):
        total.backward()


def test_stages_have_a_track_a_phase() -> None:
    events = record_trace(step, HostClock(), with_operators=False)
    spans = {(event["name"], event["tid"]) for event in events if event["ph"] == "X"}
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert {(name, names[track]) for name, track in spans} == {
        ("a", "forward"),
        ("autograd", "backward"),
        ("a", "backward"),
    }


def step_with_a_loss() -> None:
    """A loss of two parts, the parts joined by the loss itself."""
    x = torch.ones(8, 8, requires_grad=True)
    with stages.phase("forward"):
        with stage("backbone", x) as backbone:
            features = backbone.outputs(x @ x)
        with stage("loss", features) as loss:
            with stage("pac", features) as pac:
                contrast = pac.outputs(features.square().mean())
            with stage("soc", features) as soc:
                consistency = soc.outputs(features.abs().mean())
            total = loss.outputs(contrast + consistency)
    with stages.phase("backward"):
        total.backward()
    with stage("optimizer"):
        pass


def test_a_stage_lies_inside_its_parent_forward_and_backward() -> None:
    events = record_trace(step_with_a_loss, HostClock(), with_operators=False)
    assert drawn(track(events, "forward")) == ["backbone", "loss", "  pac", "  soc"]
    assert drawn(track(events, "backward")) == ["autograd", "loss", "  soc", "  pac", "backbone"]
    assert drawn(track(events, "other")) == ["optimizer"]
    paths = [event["args"]["stage"] for event in track(events, "forward")]
    assert paths == ["backbone", "loss", "loss/pac", "loss/soc"]


def events_of(
    *stretches: tuple[str, Phase, float], clock: HostClock | None = None, offset_us: float = 0
) -> list[Event]:
    """The events of a timeline of stretches, each with its length in milliseconds."""
    pieces, now = [], 0.0
    for path, phase, length in stretches:
        start, now = now, now + length
        pieces.append((Owner(path, phase), (Instant(round(start * MS)), Instant(round(now * MS)))))
    return stage_events(pieces, clock or HostClock(), offset_us)


def test_a_parent_is_as_long_as_what_it_does_itself_and_what_is_inside_it() -> None:
    events = events_of(
        ("loss", "forward", 1), ("loss/pac", "forward", 2), ("loss", "forward", 4), ("loss/pac/matching", "forward", 8)
    )
    slices = track(events, "forward")
    assert drawn(slices) == ["loss", "  pac", "  pac", "    matching"]
    assert times_ms(slices) == [
        ("loss", 0, 15),
        ("loss/pac", 1, 3),
        ("loss/pac", 7, 15),
        ("loss/pac/matching", 7, 15),
    ]


@pytest.mark.parametrize(
    "between",
    [("data", "forward"), ("", "forward"), ("loss/pac", "other"), ("autograd", "backward")],
    ids=["a stage", "no stage", "another phase", "the other pass"],
)
def test_what_comes_between_cuts_a_parent_in_two(between: tuple[str, Phase]) -> None:
    events = events_of(("loss/pac", "forward", 1), (*between, 2), ("loss/soc", "forward", 4))
    slices = [each for each in times_ms(track(events, "forward")) if each[0] != "data"]
    assert slices == [("loss", 0, 1), ("loss/pac", 0, 1), ("loss", 3, 7), ("loss/soc", 3, 7)]


def test_a_name_that_begins_like_another_is_no_child_of_it() -> None:
    events = events_of(("part", "forward", 1), ("part_sampling", "forward", 1), ("loss/part", "forward", 1))
    assert drawn(track(events, "forward")) == ["part", "part_sampling", "loss", "  part"]


@pytest.mark.parametrize("offset_us", [0.0, 1234567.891, 4756153715831.779])
def test_no_slice_sticks_out_of_its_parent_by_a_rounding_error(offset_us: float) -> None:
    """Early and late on a clock that counts in floating point, with lengths that are not round in binary."""
    lengths = [0.0123457 * (1 + number % 7) for number in range(300)]
    stretches = [(f"loss/{number // 3}/{number}", "forward", length) for number, length in enumerate(lengths)]
    slices = track(events_of(*stretches, offset_us=offset_us), "forward")
    assert len(drawn(slices)) == 1 + 100 + 300
    leaves = [each["dur"] for each in slices if each["args"]["stage"].count("/") == 2]
    assert sum(leaves) == slices[0]["dur"] == pytest.approx(1e3 * sum(lengths), abs=0.25)


def queued_step(device: VirtualDevice) -> None:
    """The host queues each part of a loss in 1 ms; the device takes 5 and 7."""
    with stages.phase("forward"), stage("loss"):
        for name, milliseconds in (("pac", 5), ("soc", 7)):
            with stage(name):
                device.launch(MS, milliseconds * MS)


def test_a_device_with_a_queue_has_tracks_of_its_own_times() -> None:
    device = VirtualDevice(host_ns=3 * MS)
    events = record_trace(lambda: queued_step(device), device.clock(), with_operators=False)
    on_host, on_device = track(events, "forward"), track(events, "forward", ON_THE_DEVICE)
    assert drawn(on_host) == drawn(on_device) == ["loss", "  pac", "  soc"]
    assert times_ms(on_host) == [("loss", 3, 5), ("loss/pac", 3, 4), ("loss/soc", 4, 5)]
    assert times_ms(on_device) == [("loss", 3, 16), ("loss/pac", 3, 9), ("loss/soc", 9, 16)]


def test_what_an_event_has_lost_is_not_drawn_on_the_device() -> None:
    # Begin of the step, of the pass, of the loss and of its first part: the fifth event ends that part.
    device = VirtualDevice(forgetful={4})
    events = record_trace(lambda: queued_step(device), device.clock(), with_operators=False)
    assert drawn(track(events, "forward")) == ["loss", "  pac", "  soc"]
    assert drawn(track(events, "forward", ON_THE_DEVICE)) == ["loss", "  soc"]


def test_a_host_has_no_tracks_of_a_device() -> None:
    events = record_trace(step, HostClock(), with_operators=False)
    assert [event["args"]["name"] for event in events if event["name"] == "process_name"] == [ON_THE_HOST]


def slow_step() -> None:
    """A stage that is long beside what a busy machine may put between the readings of two clocks."""
    x = torch.ones(64, 64)
    with stages.phase("forward"), stage("a", x) as a:
        time.sleep(0.05)
        a.outputs(x @ x)
        time.sleep(0.05)


def test_operators_lie_inside_the_stage_that_ran_them() -> None:
    events = record_trace(slow_step, HostClock(), with_operators=True)
    spans = [event for event in events if event["ph"] == "X"]
    a = next(event for event in spans if event["name"] == "a" and event.get("cat") == "stage")
    product = next(event for event in spans if event["name"] == "aten::mm")
    assert a["ts"] <= product["ts"]
    assert product["ts"] + product["dur"] <= a["ts"] + a["dur"]


def test_files_are_json_and_say_nothing_about_the_machine(tmp_path: Path) -> None:
    events = record_trace(step, HostClock(), with_operators=True)
    plain, packed = tmp_path / "trace.json", tmp_path / "trace.json.gz"
    write_trace(plain, events)
    write_trace(packed, events)
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert set(json.loads(plain.read_text())) == {"displayTimeUnit", "traceEvents"}
    assert socket.gethostname() not in plain.read_text()
