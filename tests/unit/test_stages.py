"""The hook through which code announces stages."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from paco_prof import stages
from paco_prof.stages import Phase, listening, stage


class Recorder:
    """A listener that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def enter(self, name: str, inputs: object) -> None:
        self.heard.append(("enter", name, inputs))

    def exit(self, outputs: object) -> None:
        self.heard.append(("exit", outputs))

    def enter_phase(self, phase: Phase) -> None:
        self.heard.append(("phase", phase))

    def take_over(self, name: str) -> None:
        self.heard.append(("rest", name))

    def exit_phase(self) -> None:
        self.heard.append(("end of phase",))


def test_the_decorator_announces_arguments_and_result() -> None:
    recorder = Recorder()
    with listening(recorder):
        assert stage("double")(lambda x, y=0: 2 * x + y)(3, y=1) == 7
    assert recorder.heard == [("enter", "double", ((3,), {"y": 1})), ("exit", 7)]


def test_the_context_manager_announces_what_it_is_told() -> None:
    recorder = Recorder()
    with listening(recorder), stage("s", "in") as s:
        assert s.outputs("out") == "out"
    assert recorder.heard == [("enter", "s", ("in",)), ("exit", "out")]


def test_a_stage_that_raises_is_announced_as_over() -> None:
    recorder = Recorder()
    with listening(recorder), pytest.raises(ZeroDivisionError):
        stage("s")(lambda: 1 / 0)()
    assert recorder.heard == [("enter", "s", ((), {})), ("exit", None)]


def test_listeners_nest_and_come_back() -> None:
    outer, inner = Recorder(), Recorder()
    with listening(outer):
        with listening(inner), stage("inner"):
            pass
        with stage("outer"):
            pass
    assert [entry[1] for entry in inner.heard if entry[0] == "enter"] == ["inner"]
    assert [entry[1] for entry in outer.heard if entry[0] == "enter"] == ["outer"]
    assert stages._listener is None


def test_phases_are_announced() -> None:
    recorder = Recorder()
    with listening(recorder), stages.phase("backward"):
        pass
    assert recorder.heard == [("phase", "backward"), ("end of phase",)]


def test_the_decorated_function_keeps_its_name_and_docstring() -> None:
    @stage("s")
    def function() -> None:
        """What it says."""

    assert (function.__name__, function.__doc__) == ("function", "What it says.")


def test_stages_are_transparent_to_torch_compile() -> None:
    """No graph break: a full graph is demanded, for the decorator and for the context manager."""

    @stage("decorated")
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    def forward(x: torch.Tensor) -> torch.Tensor:
        with stage("managed", x) as managed:
            return managed.outputs(double(x) + 1)

    compiled = torch.compile(forward, backend="eager", fullgraph=True)
    assert torch.equal(compiled(torch.ones(2)), torch.full((2,), 3.0))


def test_the_module_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import paco_prof.stages; "
        "new = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "print(sorted(m for m in new if m not in sys.stdlib_module_names and m != 'paco_prof'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
