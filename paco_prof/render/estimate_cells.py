"""Times, ratios and terms as the report of an estimate writes them."""

from __future__ import annotations

from collections.abc import Sequence

from paco_prof import units
from paco_prof.analysis.projection import Term
from paco_prof.stats.pace import Span

__all__ = ["TERM_TITLES", "TERM_WORDS", "enumerated", "ratio_cell", "span_cell", "step_cell"]

TERM_TITLES: dict[Term, str] = {
    "steps": "Training steps",
    "waiting": "Data loading (waiting for batches)",
    "epoch starts": "Epoch starts",
    "evaluation": "Evaluation",
    "checkpoints": "Checkpoints",
    "start-up": "Start-up",
}
# How a term is called in a sentence.
TERM_WORDS: dict[Term, str] = {
    "steps": "training steps",
    "waiting": "waiting for batches",
    "epoch starts": "epoch starts",
    "evaluation": "the evaluation that was asked for",
    "checkpoints": "checkpoints",
    "start-up": "start-up",
}


def span_cell(span: Span | None) -> str:
    """`104.3 min (98.1 to 110.2)`, or without brackets where there is no interval."""
    return units.MISSING if span is None else units.span_with_interval(span.value, span.low, span.high)


def step_cell(span: Span) -> str:
    """`2,060 ms (1,870 to 2,270)`: a step, always in milliseconds."""
    value = f"{units.milliseconds(span.value)} ms"
    if span.low is None or span.high is None:
        return value
    return f"{value} ({units.milliseconds(span.low)} to {units.milliseconds(span.high)})"


def ratio_cell(ratio: Span | None) -> str:
    """`2.22x (1.98 to 2.49)`."""
    if ratio is None:
        return units.MISSING
    interval = units.ratio_interval(ratio.low, ratio.high)
    return f"{units.precise_ratio(ratio.value)} ({interval})" if interval else units.precise_ratio(ratio.value)


def enumerated(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; nothing of nothing."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
