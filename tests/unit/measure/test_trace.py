"""The trace of a step: stages on their tracks, operators beneath, nothing about the machine."""

from __future__ import annotations

import gzip
import json
import socket
import time
from pathlib import Path

import torch

from paco_prof import stages
from paco_prof.measure.clock import HostClock
from paco_prof.measure.trace import record_trace, write_trace
from paco_prof.stages import stage


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
