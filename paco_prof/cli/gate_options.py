"""A gate's configuration, and the options that count more: for `check` and `baseline`. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.cli.own_model import OwnModel
from paco_prof.errors import UsageError

if TYPE_CHECKING:
    from paco_prof.gate.budgets import Budget
    from paco_prof.gate.table import CheckTable

__all__ = ["GateChoices", "configured"]


@dataclass(frozen=True)
class GateChoices:
    """The options of a gate; None, or nothing, is what was not given.

    Attributes:
        budgets: sentences, beside those of the configuration, and in the place of one that is about the same.
        against, baseline, variant, smallest_effect, launches, max_minutes, timeout, threads, device, seed: see
            `CheckTable`.
        only: of the three kinds of questions, the one that is asked.
        settings: those that `--set` changes.
        own_model: what they say about a model of the user's own.
    """

    budgets: Sequence[str] = ()
    against: str | None = None
    baseline: Path | None = None
    only: str | None = None
    variant: str | None = None
    settings: Sequence[str] = ()
    own_model: OwnModel = field(default_factory=OwnModel)
    smallest_effect: str | None = None
    launches: int | None = None
    max_minutes: float | None = None
    timeout: float | None = None
    threads: int | None = None
    device: str | None = None
    seed: int | None = None


def configured(choices: GateChoices, folder: Path) -> CheckTable:
    """The configuration at or above a folder, with what the options say otherwise.

    Raises:
        UsageError: what the file or an option says cannot be.
    """
    from paco_prof.gate.budgets import parse_effect
    from paco_prof.gate.own_code import default_variant, with_code
    from paco_prof.gate.table import Against, Baseline, check_table
    from paco_prof.user_code import parse_arguments

    table = check_table(folder)
    effect = None if choices.smallest_effect is None else parse_effect(choices.smallest_effect)
    changes: dict[str, Any] = {
        name: getattr(choices, name)
        for name in ("variant", "launches", "max_minutes", "timeout", "threads", "device", "seed")
        if getattr(choices, name) is not None
    }
    own = choices.own_model
    table = with_code(table, folder, model=own.model, step=own.step, replacements=own.replace)
    if own.arguments:
        changes["model_args"] = {**table.model_args, **parse_arguments(own.arguments)}
    for option, entry in (("--model-arg", own.arguments), ("--step", own.step), ("--replace", own.replace)):
        if entry and table.model is None:
            raise UsageError(f"{option} goes with --model.", "Name your model, or leave the option away.")
    if choices.variant is None and (own.is_given or own.replace):
        changes["variant"] = default_variant(table.model, table.replace)
    if choices.budgets:
        changes["budgets"] = _budgets(table.budgets, choices.budgets, changes.get("variant", table.variant))
    if choices.settings:
        changes["set"] = {**table.set, **_settings(choices.settings)}
    smallest = table.smallest_effect if effect is None else effect
    if choices.against is not None:
        changes["against"] = Against(choices.against, smallest)
    elif table.against is not None and effect is not None:
        changes["against"] = replace(table.against, smallest_effect=effect)
    if choices.baseline is not None:
        changes["baseline"] = Baseline(str(choices.baseline), choices.baseline.absolute(), smallest)
    elif table.baseline is not None and effect is not None:
        changes["baseline"] = replace(table.baseline, smallest_effect=effect)
    table = _only(replace(table, **changes), choices.only)
    if own.replace:
        _refuse_unused_drop_ins(table)
    return table


def _refuse_unused_drop_ins(table: CheckTable) -> None:
    """Find out whether `--replace` says what nothing that is asked is about.

    Raises:
        UsageError: that is so.
    """
    from paco_prof.variants.catalogue import drop_in
    from paco_prof.variants.resolve import refuse_unused_drop_ins

    names = [name for budget in table.budgets for name in (budget.variant, budget.other)]
    refuse_unused_drop_ins([drop_in(table.replace)], [table.variant, *names])


def _budgets(configured: Sequence[Budget], texts: Sequence[str], variant: str) -> tuple[Budget, ...]:
    """The configured budgets and those of the options, which go before what is configured about the same.

    Raises:
        UsageError: a sentence is no budget, or two are about the same.
    """
    from paco_prof.gate.budgets import asked_twice, parse_budget

    chosen: dict[tuple[str, ...], Budget] = {}
    for budget in map(parse_budget, texts):
        question = budget.question(variant)
        if question in chosen:
            raise asked_twice(budget, chosen[question])
        chosen[question] = budget
    kept = [budget for budget in configured if budget.question(variant) not in chosen]
    return (*kept, *chosen.values())


def _settings(texts: Sequence[str]) -> dict[str, Any]:
    """What `--set` says, by the settings' own names.

    Raises:
        UsageError: a setting that is unknown, or a value that cannot be.
    """
    from paco_prof.settings import Workload, canonical, with_settings
    from paco_prof.variants.resolve import parse_overrides

    overrides = {canonical(name): value for name, value in parse_overrides(texts).items()}
    with_settings(Workload(), overrides)
    return overrides


def _only(table: CheckTable, kind: str | None) -> CheckTable:
    if kind is None:
        return table
    nothing: dict[str, Any] = {"budgets": (), "against": None, "baseline": None}
    kept = {"budgets": "budgets", "revision": "against", "record": "baseline"}[kind]
    return replace(table, **{name: value for name, value in nothing.items() if name != kept})
