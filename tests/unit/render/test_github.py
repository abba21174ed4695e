"""GitHub's workflow commands: one a check that is no plain pass, escaped by its rules."""

from __future__ import annotations

import re

import pytest

from gates import AWKWARD, GATES, gate_of
from paco_prof.analysis.gate import GateView
from paco_prof.render.gate_text import gate_sentence
from paco_prof.render.github import annotations


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("slower", "::error title=paco-prof check%3A fail::against main: the step is 10.3 %25 slower"),
        ("failed", "::error title=paco-prof check%3A error::against main"),
        ("wide", "::warning title=paco-prof check%3A inconclusive::against main"),
        ("faster", "::notice title=paco-prof check%3A faster::against main"),
    ],
)
def test_every_verdict_has_its_level(name: str, begin: str) -> None:
    (line,) = annotations(gate_of(name)[1])
    assert line.startswith(begin)


def test_plain_passes_are_not_told() -> None:
    assert annotations(GATES["pass"][1]) == []


def test_what_an_inconclusive_gate_lets_pass_is_a_warning_still() -> None:
    assert all(line.startswith("::warning ") for line in annotations(GATES["let-pass"][1]))


@pytest.mark.parametrize("view", [*(view for _, view in GATES.values()), gate_of(AWKWARD)[1]])
def test_every_annotation_is_one_line_that_reads_back(view: GateView) -> None:
    for line in annotations(view):
        found = re.fullmatch(r"::(error|warning|notice) title=([^:,\r\n]+)::([^\r\n]+)", line)
        assert found is not None
        assert "%" not in re.sub(r"%(25|0D|0A|3A|2C)", "", line)
        message = found[3].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        assert message in [gate_sentence(result) for result in view.results]
