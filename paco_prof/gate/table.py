"""What `[tool.paco-prof.check]` of the user's configuration says (`[check]` in paco-prof.toml).

`examples/paco-prof.toml` shows each of its keys once.
"""

from __future__ import annotations

import difflib
import keyword
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paco_prof.errors import UsageError
from paco_prof.gate.budgets import Budget, asked_twice, parse_budget, parse_effect
from paco_prof.gate.own_code import default_variant, with_code
from paco_prof.settings import Argument, Workload, canonical, with_settings
from paco_prof.user_code import check_argument, parse_name, parse_stages
from paco_prof.user_file import UserFile

__all__ = ["Against", "Baseline", "CheckTable", "check_table"]


@dataclass(frozen=True, slots=True)
class Against:
    """Another revision of the same code, beside which the step is measured.

    Attributes:
        revision: as git knows it: a branch, a tag, a commit.
        smallest_effect: the relative change that matters.
    """

    revision: str
    smallest_effect: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """A saved record, beside whose step the step is held.

    Attributes:
        record: its path as the user wrote it, for messages.
        path: where it is.
        smallest_effect: the relative change that matters.
    """

    record: str
    path: Path
    smallest_effect: float


@dataclass(frozen=True, slots=True)
class CheckTable:
    """A CheckTable is a gate's configuration; by default it is that of a project without one.

    Attributes:
        variant: what is checked, unless a budget names another; `exact`, or `baseline` of a model of the user's own.
        set: settings of the baseline that all variants are variants of, by their own names.
        model: `module:factory` of the user's own model; None for PaCo-2 itself.
        model_args: what the factory is called with.
        step: `module:function` that computes a step's losses; None calls the model.
        stages: dotted paths of the user's code, and the stages that they are.
        replace: components of the model, and what the variant `drop-in` puts in their place.
        python_path: folders to import that model from, as written, relative to the file in whichever revision's tree;
            None where it is not said (see `folders`). No record holds them: one may be a file's elsewhere.
        outside: what was named by a file elsewhere than in the project: `model`, `step` or a component, as messages
            call it.
        prepare: shell command that makes another revision's tree ready to be measured; empty for none.
        budgets: what the step is held to, in the file's order.
        against, baseline: what it is held beside; None for nothing.
        smallest_effect: the relative change that matters beside a revision or a record.
        launches: the most that a comparison takes.
        max_minutes: for each comparison; by default a run with one is over within three, start and end included.
        timeout: seconds that a process may take to start or for a step before it is given up.
        threads: CPU threads; None leaves them to the tool.
        device, seed: as the options of the same names.
        root: the folder of the file; None without one.
        file: its name without a folder; empty without one.
    """

    variant: str = "exact"
    set: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    model_args: Mapping[str, Argument] = field(default_factory=dict)
    step: str | None = None
    stages: tuple[tuple[str, str], ...] = ()
    replace: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[str, ...] | None = None
    outside: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    budgets: tuple[Budget, ...] = ()
    against: Against | None = None
    baseline: Baseline | None = None
    smallest_effect: float = 0.03
    launches: int = 14
    max_minutes: float = 2.75
    timeout: float = 600.0
    threads: int | None = None
    device: str = "auto"
    seed: int = 0
    root: Path | None = None
    file: str = ""

    def import_folders(self, root: Path) -> tuple[Path, ...]:
        """The folders to import the user's code from, in the tree in which `root` is the folder of the file.

        Where the file does not say: `root` itself, and `src` in it.
        """
        return tuple(root / folder for folder in self.folders)

    @property
    def folders(self) -> tuple[str, ...]:
        """The same, relative to the file."""
        return (".", "src") if self.python_path is None else self.python_path


def check_table(folder: Path) -> CheckTable:
    """What the nearest configuration at or above `folder` says of the gate; the defaults where it says nothing.

    Raises:
        UsageError: the file is not TOML, or what it says of the gate cannot be.
    """
    file = UserFile.find(folder)
    return CheckTable() if file is None else _Reader(file).table(file.table("check"))


_DEFAULT = CheckTable()


class _Entries(BaseModel):
    """The keys and their types; what is Any here is read by hand, since it may be written in more than one way."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    variant: str | None = Field(default=None, min_length=1)
    set: dict[str, Any] = {}
    model: str | None = None
    model_args: dict[str, Any] = {}
    step: str | None = None
    replace: dict[str, str] = {}
    python_path: list[str] | None = None
    prepare: str = ""
    budgets: list[Any] = []
    against: Any = None
    baseline: Any = None
    smallest_effect: Any = _DEFAULT.smallest_effect
    launches: int = Field(default=_DEFAULT.launches, ge=1, le=1000)
    max_minutes: float = Field(default=_DEFAULT.max_minutes, gt=0)
    timeout: float = Field(default=_DEFAULT.timeout, gt=0)
    threads: int | None = Field(default=None, ge=1, le=4096)
    device: str = Field(default=_DEFAULT.device, min_length=1)
    seed: int = Field(default=_DEFAULT.seed, ge=0, le=2**63 - 1)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one file's table, and knows where in it a fault stands."""

    file: UserFile

    def table(self, table: dict[str, Any]) -> CheckTable:
        self._known(table, _Entries.model_fields, ())
        try:
            entries = _Entries.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            self._refuse([str(part) for part in first["loc"]], UsageError(f"{first['msg']}."))
        smallest = self._effect(entries.smallest_effect, ["smallest_effect"])
        variant = entries.variant or default_variant(entries.model, entries.replace)
        read = CheckTable(
            variant=variant,
            set=self._settings(entries.set),
            model_args=self._arguments(entries.model_args),
            stages=parse_stages(self.file),
            replace=self._replacements(entries.replace),
            python_path=self._python_path(entries.python_path),
            prepare=entries.prepare,
            budgets=self._budgets(entries.budgets, variant),
            against=self._against(entries.against, smallest),
            baseline=self._baseline(entries.baseline, smallest),
            smallest_effect=smallest,
            launches=entries.launches,
            max_minutes=entries.max_minutes,
            timeout=entries.timeout,
            threads=entries.threads,
            device=entries.device,
            seed=entries.seed,
            root=self.file.root,
            file=self.file.name,
        )
        return with_code(read, self.file.root, model=entries.model, step=entries.step, told=self._place)

    def _place(self, name: str) -> str:
        return f"{self.file.place('check', name)}: check: {name}:"

    def _settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        written: dict[str, str] = {}
        for name in settings:
            try:
                own = canonical(name)
                if own in written:
                    raise UsageError(f"{written[own]} and {name} are the same setting.", "Leave one of them out.")
                written[own] = name
            except UsageError as error:
                self._refuse(["set", name], error)
        try:
            values = {own: settings[name] for own, name in written.items()}
            with_settings(Workload(), values)
        except UsageError as error:
            # It quotes the setting by its own name.
            named = [name for own, name in written.items() if re.search(rf"\b{own}\b", error.message)]
            self._refuse(["set", *named[:1]], error)
        return values

    def _replacements(self, replacements: dict[str, str]) -> dict[str, str]:
        for component, factory in replacements.items():
            try:
                if parse_name(factory, folder=self.file.root).folder is not None:
                    raise UsageError(f"{factory!r} is a file.", "Name a module, and python_path where it is.")
            except UsageError as error:
                self._refuse(["replace", component], error)
        return replacements

    def _arguments(self, arguments: dict[str, Any]) -> dict[str, Argument]:
        for name, value in arguments.items():
            # A record is JSON, which has neither infinity nor NaN.
            is_plain = isinstance(value, bool | int | float | str)
            if not is_plain or (isinstance(value, float) and not math.isfinite(value)):
                what = "it is none of true, false, a number and text."
                self._refuse(["model_args", name], UsageError(what, "What else a model needs its factory can make."))
            if not name.isidentifier() or keyword.iskeyword(name):
                self._refuse(["model_args", name], UsageError("no argument can have that name."))
            try:
                check_argument(value)
            except UsageError as error:
                self._refuse(["model_args", name], error)
        return arguments

    def _python_path(self, folders: list[str] | None) -> tuple[str, ...] | None:
        for folder in folders or ():
            # One tree's code would be measured on both sides of a comparison, and nobody would know.
            if PurePath(folder).is_absolute() or folder.startswith("~"):
                what = f"{folder!r} is the same folder whichever revision is measured."
                hint = "Write it relative to this file, for example 'src'."
                self._refuse(["python_path"], UsageError(what, hint), folder)
        return None if folders is None else tuple(folders)

    def _budgets(self, entries: list[Any], variant: str) -> tuple[Budget, ...]:
        budgets: dict[tuple[str, ...], Budget] = {}
        for entry in entries:
            text, effect = self._text_and_effect(entry, ["budgets"], "budget", 0.0)
            try:
                budget = parse_budget(text, effect)
            except UsageError as error:
                self._refuse(["budgets"], error, text)
            same = budgets.get(budget.question(variant))
            if same is not None:
                self._refuse(["budgets"], asked_twice(budget, same), text if same.text != budget.text else "")
            budgets[budget.question(variant)] = budget
        return tuple(budgets.values())

    def _against(self, entry: Any, smallest: float) -> Against | None:
        if entry is None:
            return None
        return Against(*self._text_and_effect(entry, ["against"], "revision", smallest))

    def _baseline(self, entry: Any, smallest: float) -> Baseline | None:
        if entry is None:
            return None
        record, effect = self._text_and_effect(entry, ["baseline"], "record", smallest)
        return Baseline(record, self.file.root / record, effect)

    def _text_and_effect(self, entry: Any, keys: list[str], name: str, smallest: float) -> tuple[str, float]:
        """An entry that is text, or a table of it under `name` and a smallest effect of its own."""
        hint = f'Write text, or {{ {name} = "...", smallest_effect = "2 %" }}.'
        if isinstance(entry, dict):
            self._known(entry, (name, "smallest_effect"), keys)
            if "smallest_effect" in entry:
                smallest = self._effect(entry["smallest_effect"], [*keys, "smallest_effect"], name == "budget")
            entry = entry.get(name, "")
        if not isinstance(entry, str):
            self._refuse(keys, UsageError(f"{entry!r} is no {name}.", hint))
        if not entry.strip():
            self._refuse(keys, UsageError(f"there is no {name}.", hint))
        return entry, smallest

    def _effect(self, value: object, keys: list[str], may_be_zero: bool = False) -> float:
        try:
            return parse_effect(value, may_be_zero=may_be_zero)
        except UsageError as error:
            self._refuse(keys, error, value if isinstance(value, str) else f"= {value}")

    def _known(self, table: dict[str, Any], known: Iterable[str], keys: Iterable[str]) -> None:
        """A key with a misspelt name would be ignored in silence."""
        for name in table:
            if name not in known:
                near = difflib.get_close_matches(name.replace("-", "_").lower(), list(known), n=3)
                hint = f"Did you mean {', '.join(near)}?" if near else f"There are {', '.join(known)}."
                place = self.file.place("check", *keys, name)
                where = ": ".join(["check", *keys])
                raise UsageError(f"{place}: {where}: {name!r} says nothing to paco-prof.", hint)

    def _refuse(self, keys: list[str], error: UsageError, value: str = "") -> NoReturn:
        """Say where it is wrong: the place in the file, and the keys down to it."""
        place = self.file.place("check", *keys, value=value)
        raise UsageError(f"{place}: check: {'.'.join(keys)}: {error.message}", error.hint) from error
