"""Gates built by hand: a check of every quantity, verdict and reason, with fixed figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from builders import ON_CPU, Times, fidelity_of
from comparisons import FIELD, record_of, scaled
from paco_prof.analysis.fidelity import fidelity_view
from paco_prof.analysis.gate import CheckResult, Explanation, GateView
from paco_prof.records import YARDSTICK, Check, CheckPlan, CheckRecord, ComparisonPlan, ComparisonRecord, Contestant
from paco_prof.stats.bounds import BoundTest
from paco_prof.variants.contestants import compared

LAUNCHES = 14
OWN, OTHER_REVISION = 0, 1
# What a plain two-view step has of the reference's.
PLAIN = ("transfer", "zero_grad", "backbone", "classifier", "loss", "loss/ce", "optimizer")
# What makes the step of the working tree slower by a tenth: a stage that takes 41 times as long.
SLOWER = {"part_sampling": 41.0}
MAIN = "main"


def own_comparison(
    launches: int = LAUNCHES, step: Sequence[Times] = ON_CPU, *, pace: float = 1.0, **changes: Any
) -> ComparisonRecord:
    """The baseline beside the yardstick, on a machine that takes `pace` times as long for everything."""
    contestants = _named("baseline", YARDSTICK)
    plain = [stage for stage in ON_CPU if stage.path in PLAIN]
    sides = [scaled(stages, dict.fromkeys((stage.path for stage in stages), pace)) for stages in (step, plain)]
    return _comparison(contestants, sides, launches, **changes)


def revisions(
    launches: int = LAUNCHES, after: Sequence[Times] = scaled(ON_CPU, SLOWER), **changes: Any
) -> ComparisonRecord:
    """Another revision beside the working tree, whose part sampling is slower."""
    before, now = _named(MAIN, "working tree")
    contestants = (
        before.model_copy(update={"revision": "0123456789ab"}),
        now.model_copy(update={"revision": "ba9876543210+"}),
    )
    return _comparison(contestants, (ON_CPU, after), launches, **changes)


def _named(*names: str) -> tuple[Contestant, ...]:
    both = compared(FIELD, ["baseline", "baseline"])
    return tuple(one.model_copy(update={"name": name}) for one, name in zip(both, names, strict=True))


def _comparison(
    contestants: Sequence[Contestant], stages: Sequence[Sequence[Times]], launches: int, **changes: Any
) -> ComparisonRecord:
    settings = {"plan": ComparisonPlan(launches=LAUNCHES), "measuring_seconds": 420.0, **changes}
    return record_of("compare", contestants, stages, launches, **settings)


def found_of(value: float, low: float | None, high: float | None, *, limit: float, **changes: Any) -> BoundTest:
    """What launches say of a bound of zero, if nothing else is told; p fits the interval."""
    bound = changes.get("bound", 0.0)
    settings = {
        "confidence": 0.95,
        "p_above": 0.0001 if low is not None and low > bound else 0.4,
        "p_below": 0.0001 if high is not None and high < bound else 0.4,
        "level": 0.005,
        "bound": bound,
        "num_launches": LAUNCHES,
        **changes,
    }
    return BoundTest(value=value, low=low, high=high, limit=limit, **settings)


def change_of(value: float, low: float | None, high: float | None, bound: float = 0.0, **changes: Any) -> BoundTest:
    """The same of relative changes, as logarithms; what matters is 3 % beyond the bound."""
    ends = [None if end is None else math.log1p(end) for end in (low, high)]
    base = math.log1p(bound)
    return found_of(math.log1p(value), *ends, bound=base, limit=base + math.log1p(0.03), **changes)


def speedup_of(value: float, low: float, high: float, at_least: float) -> BoundTest:
    """The same of a speed-up that is asked for: negated logarithms."""
    bound = -math.log(at_least)
    return found_of(-math.log(value), -math.log(high), -math.log(low), bound=bound, limit=bound)


def revision(name: str = "against main", **changes: Any) -> Check:
    """The step beside that of another revision."""
    settings = {"subject": "working tree", "other": MAIN, "comparison": OTHER_REVISION, **changes}
    return Check(name=name, kind="revision", quantity="step", **settings)


def saved(name: str = "against reports/baseline.json", **changes: Any) -> Check:
    """The step beside that of a saved baseline."""
    settings = {"subject": "baseline", "comparison": OWN, "saved": own_comparison(), **changes}
    return Check(name=name, kind="record", quantity="step", **settings)


def budget(name: str, quantity: str, **changes: Any) -> Check:
    """A relation within one run; its bound is its limit."""
    settings = {"subject": "baseline", "smallest_effect": 0.0, "comparison": OWN, **changes}
    return Check.model_validate({"name": name, "kind": "budget", "quantity": quantity, **settings})


LOSS = budget("loss <= 10 %", "share", stage="loss", at_most=0.1)
TAX = budget("paco-tax <= 15 %", "paco tax", other=YARDSTICK, at_most=0.15)
UNATTRIBUTED = budget("unattributed <= 2 %", "unattributed", at_most=0.02)
MEMORY = budget("memory <= 3 GB", "memory", at_most=3e9)
SPEEDUP = budget("exact over baseline >= 1.5x", "step", subject="exact", other="baseline", at_least=1.5)
FIDELITY = budget("fidelity of exact", "fidelity", subject="exact")
SAMPLING = Explanation("part_sampling", 0.0094, 0.96, 0.0031, 0.0125)
SPREAD = Explanation("", 0.0, 0.0)
# Seconds of the step of `revisions` on either side.
TIMES = {"before": 6.906, "after": 7.595}
CRASH = "working tree: raised at its start: ImportError: no module named 'paco'\x1b[0m\n\x00"

RESULTS: dict[str, CheckResult] = {
    "slower": CheckResult(
        revision(), "fail", test=change_of(0.103, 0.091, 0.114), explanation=SAMPLING, before=0.0943, after=0.104
    ),
    "spread": CheckResult(revision(), "fail", test=change_of(0.103, 0.091, 0.114), explanation=SPREAD, **TIMES),
    "slower than saved": CheckResult(saved(), "fail", test=change_of(0.103, 0.091, 0.114), explanation=SPREAD, **TIMES),
    "sampling": CheckResult(
        revision(),
        "fail",
        test=change_of(0.099, 0.096, 0.103),
        explanation=Explanation("part_sampling", 0.693, 1.006, 0.0173, 0.711),
        **TIMES,
    ),
    "as fast": CheckResult(revision(), "pass", test=change_of(0.004, -0.006, 0.013), before=0.0943, after=0.0947),
    "faster": CheckResult(
        revision(),
        "pass",
        test=change_of(-0.071, -0.082, -0.06),
        explanation=Explanation("loss/pac", -0.0067, 1.0, 0.0067, 0.0),
        before=0.0943,
        after=0.0876,
    ),
    "faster than saved": CheckResult(saved(), "pass", test=change_of(-0.071, -0.082, -0.06)),
    "share kept": CheckResult(LOSS, "pass", test=found_of(0.031, 0.029, 0.033, bound=0.1, limit=0.1)),
    "share broken": CheckResult(LOSS, "fail", test=found_of(0.124, 0.121, 0.128, bound=0.1, limit=0.1)),
    "share within": CheckResult(
        LOSS.model_copy(update={"smallest_effect": 0.03}),
        "pass",
        test=found_of(0.101, 0.1005, 0.1015, bound=0.1, limit=0.103),
    ),
    "tax kept": CheckResult(TAX, "pass", test=change_of(0.123, 0.119, 0.128, 0.15)),
    "tax broken": CheckResult(TAX, "fail", test=change_of(1.963, 1.921, 2.012, 0.15)),
    "unattributed kept": CheckResult(
        UNATTRIBUTED, "pass", test=found_of(0.0052, 0.0048, 0.0057, bound=0.02, limit=0.02)
    ),
    "unattributed broken": CheckResult(
        UNATTRIBUTED, "fail", test=found_of(0.0352, 0.0348, 0.0357, bound=0.02, limit=0.02)
    ),
    "memory kept": CheckResult(MEMORY, "pass", test=found_of(2.863e9, 2.861e9, 2.866e9, bound=3e9, limit=3e9)),
    "memory broken": CheckResult(MEMORY, "fail", test=found_of(4.312e9, 4.29e9, 4.331e9, bound=3e9, limit=3e9)),
    "speed-up kept": CheckResult(SPEEDUP, "pass", test=speedup_of(1.62, 1.58, 1.66, 1.5)),
    "speed-up missed": CheckResult(SPEEDUP, "fail", test=speedup_of(1.32, 1.28, 1.36, 1.5)),
    "exact": CheckResult(FIDELITY, "pass", fidelity=fidelity_view("exact", fidelity_of(4.1e-8, 0.0021))),
    "not exact": CheckResult(FIDELITY, "fail", fidelity=fidelity_view("exact", fidelity_of(4.1e-8, 0.31))),
    "loss not exact": CheckResult(FIDELITY, "fail", fidelity=fidelity_view("exact", fidelity_of(5.1e-3, 0.0021))),
    "approximate": CheckResult(FIDELITY, "pass", fidelity=fidelity_view("approximate", fidelity_of(3.1e-3, 0.083))),
    "few launches": CheckResult(
        revision(), "inconclusive", "few launches", test=change_of(0.021, None, None, num_launches=5, level=0.01)
    ),
    "few saved launches": CheckResult(
        saved(), "inconclusive", "few launches", test=change_of(0.021, None, None, num_launches=1, level=0.01)
    ),
    "wide": CheckResult(revision(), "inconclusive", "interval", test=change_of(0.018, -0.012, 0.049)),
    "wide share": CheckResult(
        LOSS, "inconclusive", "interval", test=found_of(0.102, 0.098, 0.109, bound=0.1, limit=0.1, p_above=0.2)
    ),
    "wide tax": CheckResult(
        TAX.model_copy(update={"smallest_effect": 0.03}),
        "inconclusive",
        "interval",
        test=change_of(0.18, 0.16, 0.2, 0.15),
    ),
    "not surely": CheckResult(
        revision(), "inconclusive", "interval", test=change_of(0.061, 0.041, 0.091, num_launches=7, p_above=0.0078)
    ),
    "oversubscribed": CheckResult(
        revision(), "inconclusive", "oversubscribed", "8 threads on 2", test=change_of(0.103, 0.091, 0.114)
    ),
    "changed": CheckResult(revision(), "inconclusive", "changed", test=change_of(0.103, 0.091, 0.114)),
    "failed": CheckResult(revision(), "error", "failed", CRASH, "Is it installed?"),
    "not measured": CheckResult(revision(), "error", "not measured", "no launch came to its end"),
    "trouble": CheckResult(
        revision("against v1.0", subject="", other="", comparison=None, trouble="git knows no revision v1.0"),
        "error",
        "trouble",
        "git knows no revision v1.0",
        "Fetch it: a shallow clone has no other revisions.",
    ),
}
# Names that formats have to escape.
AWKWARD = replace(
    RESULTS["share broken"],
    check=LOSS.model_copy(update={"name": '100 %: [a|b], <c> & "d"\r\n::error::\x1b[31m\x08\ufffe\ud800é'}),
)


def gate_record(checks: Sequence[Check], **changes: Any) -> CheckRecord:
    """The record that these checks are of: one comparison within the tree, one of two revisions."""
    settings = {
        "tool_version": "0.1.0",
        "command": ("paco-prof", "check", "--against", "main"),
        "created": "2026-01-02T03:04:05+00:00",
        "plan": CheckPlan(),
        "checks": tuple(checks),
        "comparisons": (own_comparison(), revisions()),
        "status": "complete",
        **changes,
    }
    return CheckRecord.model_validate(settings)


def gate_of(*results: CheckResult | str, **changes: Any) -> tuple[CheckRecord, GateView]:
    """A record and its view, of results or the names of such."""
    found = tuple(RESULTS[one] if isinstance(one, str) else one for one in results)
    record = gate_record([result.check for result in found], **changes)
    return record, GateView(found, record.plan.inconclusive_ok)


# One of every sort of gate.
GATES: dict[str, tuple[CheckRecord, GateView]] = {
    "pass": gate_of("as fast", "share kept", "tax kept", "memory kept", "speed-up kept", "unattributed kept", "exact"),
    "fail": gate_of("sampling", "slower than saved", "share broken", "tax broken", "memory broken", "speed-up missed"),
    "faster": gate_of("faster", "faster than saved", "share within"),
    "inconclusive": gate_of("few launches", "wide", "wide share", "not surely", "oversubscribed", "changed"),
    "let-pass": gate_of("wide", "wide tax", "approximate", plan=CheckPlan(inconclusive_ok=True, first_look=None)),
    "error": gate_of("failed", "trouble", "not measured", "not exact", status="interrupted"),
}
