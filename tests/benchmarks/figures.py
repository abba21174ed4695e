"""A benchmark's figures: what was measured, what was hoped for, and the files under reports/ that keep them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paco_prof import __version__
from paco_prof.measure.device import resolve_device
from paco_prof.measure.environment import describe_environment
from paco_prof.render.document import Block, Column, Document, Heading, Paragraph, Row, Table
from paco_prof.render.markdown import to_markdown
from paco_prof.stats.summary import median_estimate
from paco_prof.store import write_text

__all__ = ["Figure", "median_figure", "store"]

REPORTS = Path(__file__).resolve().parents[2] / "reports"


@dataclass(frozen=True)
class Figure:
    """One figure of a benchmark.

    Attributes:
        name: what it is a figure of.
        value: as measured.
        unit: of the value.
        low, high: its interval, where there is one.
        target: the most it should be; None where it is there for comparison.
        samples: how many measurements it rests on.
        at_least: the target is the least it should be.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    target: float | None = None
    samples: int = 1
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Whether the target is met; nobody can tell where the interval holds it."""
        if self.target is None:
            return ""
        if self.high is not None and self.low is not None and self.low <= self.target < self.high:
            return "cannot be told from noise"
        is_met = self.value >= self.target if self.at_least else self.value <= self.target
        return "met" if is_met else "missed"


def median_figure(
    name: str, samples: list[float], unit: str, target: float | None = None, at_least: bool = False
) -> Figure:
    """The median of samples with its interval."""
    estimate = median_estimate(samples)
    return Figure(name, estimate.value, unit, estimate.low, estimate.high, target, estimate.num_samples, at_least)


def store(name: str, figures: list[Figure], seconds: float) -> None:
    """Replace one section of reports/benchmarks.json, and write reports/benchmarks.md from all of them."""
    path = REPORTS / "benchmarks.json"
    sections: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    sections[name] = {
        "tool_version": __version__,
        "command": f"make bench ONLY={name}",
        "seconds": round(seconds, 1),
        "environment": describe_environment(resolve_device("cpu")).model_dump(),
        "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in figures],
    }
    write_text(path, json.dumps(sections, indent=1) + "\n")
    write_text(REPORTS / "benchmarks.md", to_markdown(_document(sections)))


def _document(sections: dict[str, Any]) -> Document:
    intervals = (
        "Medians; intervals are order-statistic intervals of the median with 95 % confidence where there are six "
        "samples or more, else the full range. make bench measures all of it."
    )
    blocks: list[Block] = [Paragraph(intervals)]
    for name, section in sections.items():
        blocks += [Heading(name.capitalize()), Paragraph(_origin(section)), _table(section["figures"])]
    return Document("Speed targets", tuple(blocks))


def _origin(section: dict[str, Any]) -> str:
    environment = section["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    return (
        f"Measured by {section['command']} on {environment['processor']}, {environment['cores']} cores, "
        f"{environment['threads']} threads, {environment['system']}; {versions}; commit {environment['commit']}."
    )


def _table(figures: list[dict[str, Any]]) -> Table:
    rows = tuple(
        Row(
            (
                figure["name"],
                f"{figure['value']:.3g} {figure['unit']}",
                "" if figure["low"] is None else f"{figure['low']:.3g} to {figure['high']:.3g}",
                _target(figure),
                figure["verdict"],
                str(figure["samples"]),
            )
        )
        for figure in figures
    )
    titles = ("figure", "measured", "interval", "target", "verdict", "samples")
    return Table(tuple(Column(title, "left" if title in ("figure", "verdict") else "right") for title in titles), rows)


def _target(figure: dict[str, Any]) -> str:
    if figure["target"] is None:
        return ""
    return f"{'>=' if figure['at_least'] else '<='} {figure['target']:g} {figure['unit']}"
