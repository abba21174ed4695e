"""A benchmark's figures: what was measured, what was hoped for, and the files under reports/ that keep them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from paco_prof import __version__
from paco_prof.measure.device import resolve_device
from paco_prof.measure.environment import describe_environment
from paco_prof.render.document import Column, Document, Paragraph, Row, Table
from paco_prof.render.markdown import to_markdown
from paco_prof.store import write_text

__all__ = ["Figure", "store"]

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
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    target: float | None = None
    samples: int = 1

    @property
    def verdict(self) -> str:
        """Whether the target is met; nobody can tell where the interval holds it."""
        if self.target is None:
            return ""
        if self.high is not None and self.low is not None and self.low <= self.target < self.high:
            return "cannot be told from noise"
        return "met" if self.value <= self.target else "missed"


def store(figures: list[Figure], seconds: float) -> str:
    """Write the figures as JSON and Markdown; returns the Markdown."""
    environment = describe_environment(resolve_device("cpu"))
    data = {
        "tool_version": __version__,
        "command": "make bench",
        "seconds": round(seconds, 1),
        "environment": environment.model_dump(),
        "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in figures],
    }
    write_text(REPORTS / "benchmarks.json", json.dumps(data, indent=1) + "\n")
    rows = tuple(
        Row(
            (
                figure.name,
                f"{figure.value:.3g} {figure.unit}",
                "" if figure.low is None else f"{figure.low:.3g} to {figure.high:.3g}",
                "" if figure.target is None else f"<= {figure.target:g} {figure.unit}",
                figure.verdict,
                str(figure.samples),
            )
        )
        for figure in figures
    )
    titles = ("figure", "measured", "interval", "target", "verdict", "samples")
    columns = tuple(Column(title, "left" if title in ("figure", "verdict") else "right") for title in titles)
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    machine = (
        f"Measured by make bench on {environment.processor}, {environment.cores} cores, {environment.threads} "
        f"threads, {environment.system}; {versions}; commit {environment.commit}. "
        "Medians; intervals are order-statistic intervals of the median with 95 % confidence where there are six "
        "samples or more, else the full range."
    )
    text = to_markdown(Document("Speed targets", (Paragraph(machine), Table(columns, rows))))
    write_text(REPORTS / "benchmarks.md", text)
    return text
