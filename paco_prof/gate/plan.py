"""From a gate's configuration to the questions that it asks, and to what has to be measured for the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paco_prof import __version__
from paco_prof.errors import UsageError
from paco_prof.forms import REFERENCE
from paco_prof.gate.budgets import Budget
from paco_prof.gate.own_code import refuse_what_is_in_no_tree
from paco_prof.gate.table import CheckTable
from paco_prof.measure.comparing import new_comparison
from paco_prof.measure.cores import usable_cores
from paco_prof.records import (
    YARDSTICK,
    Check,
    CheckPlan,
    ComparisonPlan,
    ComparisonRecord,
    Contestant,
    VariantUsed,
)
from paco_prof.settings import Workload, changed_settings, with_settings
from paco_prof.stats.bounds import LEAST_LAUNCHES
from paco_prof.store import read_kind
from paco_prof.variants.catalogue import drop_in
from paco_prof.variants.contestants import Field
from paco_prof.variants.user_file import own_variants

__all__ = ["GatePlan", "baseline_comparison", "plan_gate"]

# From so many launches on it pays to look halfway.
LEAST_FOR_TWO_LOOKS = 10
FIRST_LOOK = 8
YARDSTICK_MODEL = "paco_prof.paco2.plain:PlainTwoView"
# Of a model of the user's own nobody knows the backbone.
YARDSTICK_BACKBONE = "resnet18"


@dataclass(frozen=True)
class GatePlan:
    """What a gate asks and measures.

    Attributes:
        plan: how it measures, and when it looks.
        checks: the questions; those of one tree are answered by `own`, the one of two by a comparison that is begun
            when the other tree is there.
        own: the comparison within the working tree, not begun; None where nobody asks for it.
        subject: what is measured.
        revision: the other one; empty where nothing is compared with one.
        table: the configuration.
        project: the folder that the project's files are in.
    """

    plan: CheckPlan
    checks: tuple[Check, ...]
    own: ComparisonRecord | None
    subject: Contestant
    revision: str
    table: CheckTable
    project: Path

    def of_two_trees(self, old: str, new: str, old_name: str, new_name: str) -> ComparisonRecord:
        """The comparison of two revisions of the subject, not begun.

        Args:
            old, new: their commits.
            old_name, new_name: as reports call them.
        """
        before = self.subject.model_copy(update={"name": old_name, "revision": old})
        after = self.subject.model_copy(update={"name": new_name, "revision": new})
        return new_comparison([before, after], _comparison_plan(self.plan, self.table, 1, fidelity=False))


def plan_gate(table: CheckTable, folder: Path, *, inconclusive_ok: bool = False) -> GatePlan:
    """The questions of a configuration.

    Args:
        folder: where the command was started; its project is the folder of the configuration, where there is one.

    Raises:
        UsageError: nothing is configured, a variant or a saved baseline that cannot be, a budget that the gate's
            variant has no part in, or code that two revisions would share.
    """
    refuse_what_is_in_no_tree(table)
    field = _field(table, folder)
    subject = field.contestant([] if table.variant == "baseline" else [table.variant], table.variant)
    checks = [_budget_check(budget, table) for budget in table.budgets]
    if table.baseline is not None:
        checks.append(_record_check(table, subject))
    partners = _partners(checks, table.variant)
    own = None
    plan = _plan(table, inconclusive_ok)
    if checks:
        contestants = [subject, *(_partner(name, subject, field, table) for name in partners)]
        for check in checks:
            _refuse_what_says_nothing(check, contestants)
        needs_fidelity = any(check.quantity == "fidelity" for check in checks)
        own = new_comparison(contestants, _comparison_plan(plan, table, len(partners), fidelity=needs_fidelity))
        checks = [check.model_copy(update={"comparison": 0}) for check in checks]
    if table.against is not None:
        checks.append(
            Check(
                name=f"against {table.against.revision}",
                kind="revision",
                quantity="step",
                smallest_effect=table.against.smallest_effect,
            )
        )
    if not checks:
        raise UsageError(
            "There is nothing to check.",
            "Say --against REVISION, --baseline FILE or --budget 'loss <= 10 %', or write [tool.paco-prof.check].",
        )
    revision = "" if table.against is None else table.against.revision
    return GatePlan(plan, tuple(checks), own, subject, revision, table, table.root or folder)


def _refuse_what_says_nothing(check: Check, contestants: Sequence[Contestant]) -> None:
    """Find out about checks whose answer would mean nothing.

    Raises:
        UsageError: the fidelity of what does not claim to be exact, or of a model of the user's own without a drop-in,
            or a baseline beside another yardstick.
    """
    named = {contestant.name: contestant for contestant in contestants}
    if check.quantity == "fidelity":
        _refuse_fidelity(check, named[check.subject])
    if check.saved is not None:
        there, here = (plain.workload for plain in (check.saved.contestants[1], named[YARDSTICK]))
        if (there.model, there.model_args) != (here.model, here.model_args):
            raise UsageError(
                f"{check.name}: it was saved beside another yardstick ({dict(there.model_args)}).",
                "paco-prof baseline save makes it anew.",
            )


def _refuse_fidelity(check: Check, subject: Contestant) -> None:
    """Find out about a fidelity that nothing could contradict: of an approximation, or of a model beside itself."""
    if subject.variant.kind != "exact":
        raise UsageError(
            f"{check.name!r}: {check.subject} claims to be {subject.variant.kind}, so that nothing can contradict it.",
            "Budget the fidelity of an exact variant.",
        )
    if subject.workload.model is not None and subject.workload.replace == subject.base.replace:
        raise UsageError(
            f"{check.name!r}: of a model of your own fidelity is of a drop-in, and {check.subject} has none.",
            "Name one, --replace COMPONENT=MODULE:FACTORY, or budget the fidelity of drop-in.",
        )


def baseline_comparison(table: CheckTable, folder: Path, command: Sequence[str] = ()) -> ComparisonRecord:
    """The comparison that is saved as a baseline: the gate's variant beside the yardstick, all launches of it.

    Raises:
        UsageError: a variant that cannot be.
    """
    field = _field(table, folder)
    subject = field.contestant([] if table.variant == "baseline" else [table.variant], table.variant)
    contestants = [subject, _partner(YARDSTICK, subject, field, table)]
    plan = _comparison_plan(_plan(table, False), table, 1, fidelity=False)
    return new_comparison(contestants, plan, command=command)


def _field(table: CheckTable, folder: Path) -> Field:
    """Where the gate's variants come from; one core is left free, so that a gate is not at odds with its machine."""
    threads = table.threads or max(1, usable_cores() - 1)
    base = Workload(
        model=table.model,
        model_args=tuple(table.model_args.items()),
        step=table.step,
        stages=table.stages,
        device=table.device,
        seed=table.seed,
        threads=threads,
    )
    own = own_variants(table.root or folder)
    named = (drop_in(table.replace),) if table.replace else ()
    return Field(with_settings(base, table.set), (*own, *named), tuple(table.set))


def _plan(table: CheckTable, inconclusive_ok: bool) -> CheckPlan:
    first = max(FIRST_LOOK, table.launches // 2) if table.launches >= LEAST_FOR_TWO_LOOKS else None
    return CheckPlan(
        launches=table.launches,
        first_look=first,
        max_seconds=60 * table.max_minutes,
        inconclusive_ok=inconclusive_ok,
    )


def _comparison_plan(plan: CheckPlan, table: CheckTable, num_partners: int, *, fidelity: bool) -> ComparisonPlan:
    seconds = None if plan.max_seconds is None else plan.max_seconds * num_partners
    return ComparisonPlan(
        launches=plan.launches, max_seconds=seconds, timeout=table.timeout, fidelity=fidelity, seed=table.seed
    )


def _budget_check(budget: Budget, table: CheckTable) -> Check:
    subject, other = budget.variant or table.variant, budget.other
    if budget.quantity == "speed-up" and table.variant not in (subject, other):
        raise UsageError(
            f"{budget.text!r}: one of the two has to be the gate's own variant, which is {table.variant}.",
            f"Say variant = {subject!r}, or budget another pair.",
        )
    if budget.quantity == "paco tax":
        other = YARDSTICK
        if subject != table.variant:
            raise UsageError(f"{budget.text!r}: a tax is of the gate's own variant, which is {table.variant}.")
    if table.model is not None and budget.quantity == "paco tax" and "backbone" not in table.set:
        raise UsageError(
            f"{budget.text!r}: of a model of your own there is no plain step on its backbone.",
            "Name its timm backbone: set = { backbone = ... }.",
        )
    return Check(
        name=budget.text,
        kind="budget",
        quantity="step" if budget.quantity == "speed-up" else budget.quantity,
        stage=budget.stage,
        subject=subject,
        other=other,
        at_most=budget.at_most,
        at_least=budget.at_least,
        smallest_effect=budget.smallest_effect,
    )


def _record_check(table: CheckTable, subject: Contestant) -> Check:
    """The step beside a saved baseline of the same measurement.

    Raises:
        UsageError: it cannot be read, is no baseline, is too small for a verdict, or measures something else.
    """
    assert table.baseline is not None
    written, path = table.baseline.record, table.baseline.path
    saved = read_kind(path, ComparisonRecord)
    again = f"paco-prof baseline save {written} makes one."
    if [contestant.name for contestant in saved.contestants[1:]] != [YARDSTICK]:
        raise UsageError(f"{written} is a comparison, and no baseline.", again)
    if len(saved.launches_of(1)) < LEAST_LAUNCHES:
        raise UsageError(
            f"{written} has {len(saved.launches_of(1))} launches; a verdict needs {LEAST_LAUNCHES}.", again
        )
    if saved.tool_version != __version__:
        raise UsageError(f"{written} was saved by paco-prof {saved.tool_version}, and this is {__version__}.", again)
    there, here = saved.baseline.workload, subject.workload
    models = {name: getattr(there, name) for name in _MODEL if getattr(there, name) != getattr(here, name)}
    changed = {**models, **changed_settings(there, here)}
    # What a device cannot do was left out there, and will be here.
    changed = {name: value for name, value in changed.items() if name not in saved.baseline.variant.left_out}
    if changed:
        name, value = next(iter(changed.items()))
        raise UsageError(f"{written} measures something else: {name} is {value} there.", again)
    return Check(
        name=f"against {Path(written).name}",
        kind="record",
        quantity="step",
        subject=subject.name,
        other=YARDSTICK,
        smallest_effect=table.baseline.smallest_effect,
        saved=saved,
    )


_MODEL = ("model", "model_args", "step", "stages", "seed")


def _partners(checks: Iterable[Check], own: str) -> list[str]:
    """Who has to stand beside the gate's own variant, each once; the yardstick where nobody else does."""
    named = [name for check in checks for name in (check.subject, check.other) if name and name != own]
    partners = list(dict.fromkeys(named))
    return partners or [YARDSTICK]


def _partner(name: str, subject: Contestant, field: Field, table: CheckTable) -> Contestant:
    if name != YARDSTICK:
        return field.contestant([] if name == "baseline" else [name], name)
    backbone = subject.workload.backbone if table.model is None or "backbone" in table.set else YARDSTICK_BACKBONE
    size, classes = subject.workload.image_size or 0, subject.workload.num_classes
    plain = {
        "model": YARDSTICK_MODEL,
        "model_args": (("backbone_name", backbone), ("num_classes", classes), ("image_size", size)),
        "step": None,
        "stages": (),
        "replace": (),
        "forms": REFERENCE,
        "compile": False,
    }
    return Contestant(
        name=YARDSTICK,
        workload=subject.workload.model_copy(update=plain),
        base=subject.base.model_copy(update=plain),
        variant=VariantUsed(name=YARDSTICK, kind="different"),
        optional=subject.optional,
    )
