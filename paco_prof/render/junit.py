"""A gate's verdicts as JUnit XML, which GitLab, Jenkins and their like show."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping

import junitparser
from rich.console import Console

from paco_prof.analysis.gate import CheckResult, GateView
from paco_prof.records import CheckRecord
from paco_prof.render.document import Block, Document
from paco_prof.render.gate_report import gate_table, stage_blocks
from paco_prof.render.gate_text import gate_sentence, one_line
from paco_prof.render.terminal import to_terminal

__all__ = ["junit_xml"]

_Outcome = junitparser.Failure | junitparser.Error | junitparser.Skipped
# Characters: so wide that no figure is broken.
WIDTH = 100
# What XML 1.0 cannot hold, however it is written.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(record: CheckRecord, view: GateView) -> str:
    """One suite with a case a check, as the text of a UTF-8 file.

    A failed check is a failure; one without an answer is an error, or, where that is let pass, skipped. Checks that
    share a comparison have equal parts of its time, so that the suite adds up.
    """
    suite = junitparser.TestSuite("paco-prof check")
    if record.created:
        suite.timestamp = _legal(record.created.removesuffix("+00:00"))
    for name, value in _properties(record, view).items():
        suite.add_property(name, _legal(value))
    sharing = Counter(check.comparison for check in record.checks)
    for result in view.results:
        suite.add_testcase(_case(record, view, result, sharing))
    file = junitparser.JUnitXml("paco-prof check")
    file.add_testsuite(suite)
    file.update_statistics()
    written = io.BytesIO()
    file.write(written)
    return written.getvalue().decode("utf-8")


def _properties(record: CheckRecord, view: GateView) -> dict[str, str]:
    environment = record.environment
    commit = None if environment is None else environment.commit
    known = {"verdict": view.verdict, "version": record.tool_version, "commit": commit}
    return {name: value for name, value in known.items() if value}


def _case(
    record: CheckRecord, view: GateView, result: CheckResult, sharing: Mapping[int | None, int]
) -> junitparser.TestCase:
    check, sentence = result.check, _legal(gate_sentence(result))
    case = junitparser.TestCase(one_line(check.name), f"paco-prof.{check.kind}")
    if check.comparison is not None:
        seconds = record.comparisons[check.comparison].measuring_seconds
        if seconds is not None:
            case.time = round(seconds / sharing[check.comparison], 3)
    outcome = _outcome(result, sentence, inconclusive_ok=view.inconclusive_ok)
    if outcome is not None:
        # GitLab shows the text, not the message.
        outcome.text = sentence
        case.result = outcome
    case.system_out = _legal(f"{sentence}\n\n{_tables(record, result)}")
    return case


def _outcome(result: CheckResult, sentence: str, *, inconclusive_ok: bool) -> _Outcome | None:
    match result.verdict:
        case "pass":
            return None
        case "fail":
            return junitparser.Failure(sentence, "regression")
        case "inconclusive" if inconclusive_ok:
            return junitparser.Skipped(sentence, "inconclusive")
        case "inconclusive":
            return junitparser.Error(sentence, "inconclusive")
        case "error":
            return junitparser.Error(sentence, result.reason or "error")


def _tables(record: CheckRecord, result: CheckResult) -> str:
    """The check's figures and, where its step has become slower, the stages before and after, as text."""
    blocks: tuple[Block, ...] = (gate_table([result]), *stage_blocks(record, result))
    console = Console(width=WIDTH, color_system=None, file=io.StringIO(), legacy_windows=False)
    with console.capture() as capture:
        console.print(to_terminal(Document("", blocks)))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).strip("\n")


def _legal(text: str) -> str:
    """The text without what XML has no way to write."""
    return _FORBIDDEN.sub("\ufffd", text)
