"""Annotations of a gate, for the page of a run on GitHub: its workflow commands, a line each."""

# Without annotations from __future__, whose name is that of the function here.
from typing import Literal

from paco_prof.analysis.gate import CheckResult, GateView
from paco_prof.render.gate_text import gate_sentence, is_told

__all__ = ["annotations"]

_LEVELS: dict[str, Literal["error", "warning", "notice"]] = {
    "fail": "error",
    "error": "error",
    "inconclusive": "warning",
    "pass": "notice",
}


def annotations(view: GateView) -> list[str]:
    """`::error title=paco-prof check%3A fail::against main: the step is ...`, of every check that is no plain pass."""
    return [_annotation(result) for result in view.results if is_told(result)]


def _annotation(result: CheckResult) -> str:
    title = "faster" if result.verdict == "pass" else result.verdict
    message = _escaped(gate_sentence(result))
    return f"::{_LEVELS[result.verdict]} title={_escaped_property(f'paco-prof check: {title}')}::{message}"


def _escaped(text: str) -> str:
    """The rules of the runner's own toolkit, for what stands after the second pair of colons."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
