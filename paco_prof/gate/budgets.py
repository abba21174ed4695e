"""Budgets as sentences: what a user allows a step to cost, as text and as a bound.

loss <= 10 %                     a stage's share of the step; `stage NAME <= 10 %` for a stage of one's own
unattributed <= 2 %              the share of no stage
paco-tax <= 15 %                 the time beyond a plain step on the same backbone, over that step
memory <= 3 GB                   peak memory; GB and MB are 10^9 and 10^6 bytes, GiB and MiB are 2^30 and 2^20
exact over baseline >= 1.5x      the time of the baseline's step over that of the exact one
fidelity of exact                loss and gradient beside float64

All but the last two may begin with the variant that they are about, `optimized: loss <= 10 %`.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NoReturn

from paco_prof import stages
from paco_prof.errors import UsageError
from paco_prof.records.check import Quantity
from paco_prof.units import parse_bytes

__all__ = ["Budget", "asked_twice", "parse_budget", "parse_effect"]

_SENTENCE = re.compile(r"(?:([^:<>=≤≥]*):)?([^:<>=≤≥]*)(?:([<>=≤≥]+)([^:<>=≤≥]*))?")
_NUMBER = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_SHARE = re.compile(rf"{_NUMBER}\s*(%?)")
_RATIO = re.compile(rf"{_NUMBER}\s*[x×]?", re.IGNORECASE)
_FIDELITY = re.compile(r"fidelity(?:\s+of\s+(\S.*))?", re.IGNORECASE)

_INNER = (stages.CE, stages.PAC, stages.SOC)
_STAGES = (
    stages.DATA,
    stages.TRANSFER,
    stages.ZERO_GRAD,
    stages.BACKBONE,
    stages.CLASSIFIER,
    stages.PART_SAMPLING,
    stages.DIM_REDUCTION,
    stages.COVARIANCE,
    stages.MATCHING,
    stages.NEGATIVES_POOL,
    stages.PROTOTYPES,
    stages.LOSS,
    *(f"{stages.LOSS}/{name}" for name in _INNER),
    stages.AUTOGRAD,
    stages.GRAPH_RELEASE,
    stages.CLIPPING,
    stages.OPTIMIZER,
    stages.SCHEDULE,
    stages.BACKWARD,
)
# What a sentence can be about that is no stage, as it is written; with what stands after it, for an example.
_OTHERS = {"unattributed": "<= 2 %", "paco-tax": "<= 15 %", "memory": "<= 3 GB", "fidelity": ""}
# How like a known name another one is, letter by letter, that is taken for a slip of the pen.
_NEAR = 0.65


@dataclass(frozen=True, slots=True)
class Budget:
    """A Budget is one bound that a step is held to.

    Attributes:
        text: the sentence as its user wrote it.
        quantity: what is bounded; `speed-up` is the time of `other`'s step over the time of `variant`'s.
        variant: what is judged; empty for the gate's own.
        other: the variant that a speed-up is over; empty of all else.
        stage: of a share: the stage and its parents, `loss/pac`.
        at_most: the bound from above: a share of the step (0.1 is 10 %), a tax (0.1), bytes; None of a speed-up.
        at_least: the bound from below, of a speed-up alone: a ratio of times. Fidelity has neither.
        smallest_effect: the relative change that matters; what is nearer to the bound than that fails nothing. 0 where
            the bound itself is the limit.
    """

    text: str
    quantity: Quantity | Literal["speed-up"]
    variant: str = ""
    other: str = ""
    stage: str = ""
    at_most: float | None = None
    at_least: float | None = None
    smallest_effect: float = 0.0

    def question(self, own: str) -> tuple[str, ...]:
        """What it asks, whatever its bound: equal for two that are about the same.

        Args:
            own: the gate's own variant.
        """
        return self.quantity, self.variant or own, self.other, self.stage


def asked_twice(budget: Budget, same: Budget) -> UsageError:
    """What is told of a budget that is about the same as another one."""
    what = "stands twice." if same.text == budget.text else f"is about the same as {same.text!r}."
    return UsageError(f"{budget.text!r} {what}", "Leave one of them out.")


def parse_budget(text: str, smallest_effect: float = 0.0) -> Budget:
    """A budget from its sentence.

    Args:
        text: for example `loss <= 10 %`; this module's docstring has one of each.
        smallest_effect: as `Budget` has it.

    Raises:
        UsageError: it is none; the message quotes it, and the hint has one that is.
    """
    one_line = " ".join(text.split())
    found = _SENTENCE.fullmatch(one_line)
    subject = found[2].strip() if found else ""
    if found is None or not subject:
        _refuse(one_line, "is no budget", "loss <= 10 %")
    variant, sign, bound = ((found[group] or "").strip() for group in (1, 3, 4))
    if found[1] is not None and not variant:
        _refuse(one_line, "names no variant before its colon", f"exact: {subject} {sign} {bound}".rstrip())
    sentence = _Sentence(one_line, variant, subject, sign, bound, smallest_effect)
    if fidelity := _FIDELITY.fullmatch(subject):
        return sentence.fidelity(fidelity[1] or "")
    if re.search(r"\sover\s", subject):
        return sentence.speedup()
    kind = re.sub(r"[\s_-]+", " ", subject.lower())
    if kind == "memory":
        return sentence.memory()
    if kind == "paco tax":
        return sentence.tax()
    if kind == "unattributed":
        return sentence.share("unattributed")
    return sentence.share("share", _stage(sentence))


def parse_effect(value: object, *, may_be_zero: bool = False) -> float:
    """The smallest effect that matters, a relative change, from `"3 %"`, `"0.03"` or 0.03.

    Raises:
        UsageError: it is not between 0 and 1, or a bare number from 1, which may be meant as percent.
    """
    # A float is not always digits and a point: 1e-05.
    text = f"{Decimal(repr(value)):f}" if type(value) in (int, float) else value
    found = _SHARE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise UsageError(f"{value!r} is no change that could matter.", "Write '3 %'.")
    share = _share(found)
    if share is None:
        raise UsageError(f"{value} may be a share or percent.", f"Write '{found[1]} %'.")
    if share >= 1 or (share == 0 and not may_be_zero):
        raise UsageError(f"{value!r} is not between 0 and 100 %.", "Write '3 %'.")
    return share


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence in its parts; each method reads one kind of it."""

    text: str
    variant: str
    subject: str
    sign: str
    bound: str
    smallest_effect: float

    def share(self, quantity: Quantity, stage: str = "") -> Budget:
        """At most so much of the step."""
        bound = self._percent("a share of the step is more than 0 and at most 100 %", "10 %", most=1.0)
        return Budget(self.text, quantity, self.variant, "", stage, bound, None, self.smallest_effect)

    def tax(self) -> Budget:
        """At most so much more than a plain step."""
        bound = self._percent("a tax is more than 0", "15 %", most=math.inf)
        return Budget(self.text, "paco tax", self.variant, "", "", bound, None, self.smallest_effect)

    def memory(self) -> Budget:
        """At most so many bytes."""
        bound = parse_bytes(self.bound)
        if bound is None:
            number = re.fullmatch(_NUMBER, self.bound)
            right = f"{self.bound} GB" if number else "3 GB"
            self._unread("MB, GB, MiB or GiB", self._like("<=", right))
        if not 0 < bound < math.inf:
            self.refuse("allows a size that cannot be", self._like("<=", "3 GB"))
        self._signed("<=")
        return Budget(self.text, "memory", self.variant, "", "", bound, None, self.smallest_effect)

    def speedup(self) -> Budget:
        """At least so many times as fast."""
        variant, _, other = (part.strip() for part in re.split(r"\s(over)\s", self.subject, maxsplit=1))
        if self.variant:
            self.refuse("names its variants without a colon", f"{self.subject} >= 1.5x")
        if variant == other:
            self.refuse("holds a variant against itself", f"{variant} over baseline >= 1.5x")
        found = _RATIO.fullmatch(self.bound)
        bound = float(found[1]) if found else math.nan
        if not 0 < bound < math.inf:
            self._unread("times as fast", self._like(">=", "1.5x"))
        self._signed(">=")
        return Budget(self.text, "speed-up", variant, other, "", None, bound, self.smallest_effect)

    def fidelity(self, named: str) -> Budget:
        """Of the named variant, or of the gate's own where it is empty."""
        if self.sign:
            self.refuse("has a bound, and fidelity is held to those of the tool", self._like("", ""))
        if self.variant and named:
            self.refuse("names its variant twice", f"fidelity of {named}")
        return Budget(self.text, "fidelity", self.variant or named, smallest_effect=self.smallest_effect)

    def _percent(self, sensible: str, example: str, most: float) -> float:
        found = _SHARE.fullmatch(self.bound)
        if found is None:
            self._unread("percent", self._like("<=", example))
        bound = _share(found)
        if bound is None:
            self.refuse(f"may mean a share or percent by {self.bound}", self._like("<=", f"{found[1]} %"))
        if not 0 < bound <= most or math.isinf(bound):
            self.refuse(f"allows what cannot be: {sensible}", self._like("<=", example))
        self._signed("<=")
        return bound

    def _unread(self, unit: str, right: str) -> NoReturn:
        self.refuse(f"is to say how many {unit}, not {self.bound!r}" if self.bound else "has no bound", right)

    def _signed(self, wanted: Literal["<=", ">="]) -> None:
        if self.sign == wanted:
            return
        if self.sign in ("<=", ">="):
            what = "asks for more of what a budget limits" if wanted == "<=" else "asks for less of what should be more"
            self.refuse(what, self._like(wanted, self.bound))
        self.refuse(f"has {self.sign!r} where {wanted!r} belongs", self._like(wanted, self.bound))

    def _like(self, sign: str, bound: str) -> str:
        """The sentence with another end."""
        prefix = f"{self.variant}: " if self.variant else ""
        return f"{prefix}{self.subject} {sign} {bound}".rstrip()

    def refuse(self, what: str, right: str) -> NoReturn:
        """Say what is wrong with the sentence, and what one is that is right."""
        _refuse(self.text, what, right)


def _refuse(text: str, what: str, right: str) -> NoReturn:
    raise UsageError(f"{text!r} {what}.", f"Write {right!r}.")


def _share(found: re.Match[str]) -> float | None:
    """A share of 1; None of a bare number that may be percent. 2.9 % is what Python calls 0.029."""
    number = Decimal(found[1])
    if found[2]:
        return float(number.scaleb(-2))
    return float(number) if number < 1 else None


def _stage(sentence: _Sentence) -> str:
    """The stage that a sentence is about: one of PaCo-2's, or one that its user's code announces."""
    subject = sentence.subject
    own = re.fullmatch(r"stage\s+(.+)", subject)
    if own is not None:
        return own[1]
    if subject in _STAGES:
        return subject
    share = _SHARE.fullmatch(sentence.bound)
    end = f"<= {sentence.bound if share and _share(share) else '10 %'}"
    prefix = f"{sentence.variant}: " if sentence.variant else ""
    known = _nearest(subject)
    if known is not None:
        meant = f"{prefix}{known} {_OTHERS.get(known, end)}".rstrip()
        raise UsageError(
            f"{sentence.text!r}: there is no stage {subject!r}.",
            f"Did you mean {known}? Write {meant!r}, or '{prefix}stage {subject} {end}' for a stage of your own.",
        )
    of = re.fullmatch(r"(\S+) of (\S+)", subject)
    if of is not None:
        sentence.refuse("names its variant in the wrong place", f"{of[2]}: {of[1]} {end}")
    if re.search(r"\s", subject):
        sentence.refuse("is about nothing that is known", f"{prefix}stage {subject} {end}")
    return subject


def _nearest(subject: str) -> str | None:
    """The known name that another one is a slip of the pen of; None where it is a name of its own.

    Paths are compared name by name, so that a loss of one's own, `loss/focal`, is no slip of `loss/soc`.
    """
    folded = re.sub(r"[\s_-]+", "_", subject.lower())
    if folded in _INNER:
        return f"{stages.LOSS}/{folded}"
    likeness = {known: _likeness(folded, known.replace("-", "_")) for known in (*_STAGES, *_OTHERS)}
    best = max(likeness, key=lambda known: likeness[known])
    return best if likeness[best] >= _NEAR else None


def _likeness(path: str, known: str) -> float:
    names, others = path.split("/"), known.split("/")
    if len(names) != len(others):
        return 0.0
    return min(
        difflib.SequenceMatcher(a=name, b=other, autojunk=False).ratio()
        for name, other in zip(names, others, strict=True)
    )
