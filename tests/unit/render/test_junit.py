"""JUnit XML that others can read: a case a check, whatever its name has in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import junitparser
import pytest

from gates import AWKWARD, GATES, gate_of, gate_record, own_comparison, revisions
from paco_prof.analysis.gate import GateView
from paco_prof.records import CheckPlan, CheckRecord
from paco_prof.render.gate_text import gate_sentence
from paco_prof.render.junit import junit_xml


def suite_of(record: CheckRecord, view: GateView) -> ET.Element:
    root = ET.fromstring(junit_xml(record, view).encode())
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    return suite


def only_case(*names: str, plan: CheckPlan | None = None) -> ET.Element:
    (case,) = suite_of(*gate_of(*names, plan=plan or CheckPlan())).findall("testcase")
    return case


@pytest.mark.parametrize("name", GATES)
def test_a_suite_has_a_case_a_check_and_counts_them(name: str) -> None:
    record, view = GATES[name]
    suite = suite_of(record, view)
    verdicts = [result.verdict for result in view.results]
    assert suite.get("name") == "paco-prof check"
    assert suite.get("timestamp") == "2026-01-02T03:04:05"
    assert suite.get("tests") == str(len(verdicts))
    assert suite.get("failures") == str(verdicts.count("fail"))
    skipped = verdicts.count("inconclusive") if view.inconclusive_ok else 0
    assert suite.get("skipped") == str(skipped)
    assert suite.get("errors") == str(verdicts.count("error") + verdicts.count("inconclusive") - skipped)
    assert [case.get("name") for case in suite.findall("testcase")] == [check.name for check in record.checks]


@pytest.mark.parametrize("name", GATES)
def test_the_library_reads_its_own(name: str) -> None:
    record, view = GATES[name]
    (suite,) = junitparser.JUnitXml.fromstring(junit_xml(record, view).encode())
    for case, result in zip(suite, view.results, strict=True):
        assert case.classname == f"paco-prof.{result.check.kind}"
        assert case.is_passed == (result.verdict == "pass")
        assert case.system_out.startswith(gate_sentence(result))
        assert "measured" in case.system_out
    assert {entry.name: entry.value for entry in suite.properties()} == {
        "verdict": view.verdict,
        "version": "0.1.0",
        "commit": "0123456789ab+",
    }


@pytest.mark.parametrize(
    ("name", "tag", "kind"),
    [
        ("slower", "failure", "regression"),
        ("failed", "error", "failed"),
        ("wide", "error", "inconclusive"),
        ("not measured", "error", "not measured"),
    ],
)
def test_every_verdict_has_its_element(name: str, tag: str, kind: str) -> None:
    record, view = gate_of(name)
    (case,) = suite_of(record, view).findall("testcase")
    found = case.find(tag)
    assert found is not None
    assert found.get("type") == kind
    assert found.get("message") == found.text == gate_sentence(view.results[0])


def test_an_inconclusive_check_that_is_let_pass_is_skipped() -> None:
    case = only_case("wide", plan=CheckPlan(inconclusive_ok=True))
    assert case.find("skipped") is not None
    assert case.find("error") is None


def test_a_regression_shows_its_stages() -> None:
    out = only_case("slower").findtext("system-out")
    assert out is not None
    assert "Before and after: against main" in out
    assert "Part Sampling" in out


def test_checks_that_share_a_comparison_share_its_time() -> None:
    suite = suite_of(*gate_of("share kept", "memory kept", "slower"))
    assert [float(case.get("time", "nan")) for case in suite.findall("testcase")] == [210.0, 210.0, 420.0]
    assert float(suite.get("time", "nan")) == 840.0


def test_without_a_time_there_is_none() -> None:
    untimed = tuple(one.model_copy(update={"measuring_seconds": None}) for one in (own_comparison(), revisions()))
    record, view = gate_of("slower", comparisons=untimed)
    assert suite_of(record, view).findall("testcase")[0].get("time") is None
    record, view = gate_of("trouble")
    assert suite_of(record, view).findall("testcase")[0].get("time") is None


def test_no_name_breaks_the_file() -> None:
    (case,) = suite_of(*gate_of(AWKWARD)).findall("testcase")
    assert case.get("name") == '100 %: [a|b], <c> & "d" ::error:: é'


def test_what_xml_cannot_hold_is_replaced_wherever_it_comes_from() -> None:
    record, view = gate_of("slower")
    broken = record.model_copy(update={"tool_version": "0\x00\ud800\ufffe1", "created": "\x08"})
    suite = suite_of(broken, view)
    assert suite.find("properties/property[@name='version']").get("value") == "0\ufffd\ufffd\ufffd1"  # type: ignore[union-attr]


def test_a_gate_that_measured_nothing_is_a_file_as_well() -> None:
    view = gate_of("trouble")[1]
    record = gate_record([result.check for result in view.results], comparisons=(), created="")
    assert suite_of(record, view).get("timestamp") is None
