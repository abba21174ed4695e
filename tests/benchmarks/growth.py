"""Whether growth is found as it is: exponents of the loss, and the largest size, left out of the fit and predicted."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from figures import Figure

from paco_prof.analysis.scale import ScaledVariant, scale_view
from paco_prof.analysis.scale_parts import hindcast
from paco_prof.records import ScaleRecord
from paco_prof.stages import LOSS
from paco_prof.store import read_kind

__all__ = ["growth_figures"]

# A small backbone and small parts: the loop over distances is what the time goes into.
WORKLOAD = ["--backbone", "test_resnet", "--image-size", "64", "-K", "2", "-d", "16", "-r", "3"]
# The loop grows with the cube, and what replaces it needs larger batches to be seen to grow at all.
SIZES = {"baseline": "3,4,6,8,12,16", "exact": "64,96,128,192,256,384,512"}
CUBIC, TOLERANCE, QUADRATIC, ERROR_PERCENT = 3.0, 0.3, 2.0, 15.0
LAUNCHES, MINUTES = 3, 8


def growth_figures() -> list[Figure]:
    """Exponents in the batch, and predictions of the largest one, for the reference and for the exact form; of one for
    which the time was too short, what is missing.
    """
    variants = {name: _measured(name) for name in SIZES}
    return [
        *(figure for name, variant in variants.items() for figure in _exponents(name, variant)),
        *(figure for name, variant in variants.items() for figure in _predictions(name, variant)),
    ]


def _exponents(name: str, variant: ScaledVariant) -> list[Figure]:
    title, loss = f"exponent of the {name} loss in the batch", variant.row(LOSS)
    if loss is None or loss.growth is None or loss.growth.exponent.low is None or loss.growth.exponent.high is None:
        return [_missing(name, variant, title)]
    found, num = loss.growth.exponent, len(loss.growth.sizes)
    low, high = loss.growth.exponent.low, loss.growth.exponent.high
    figures = [
        Figure(title, found.value, "", low, high, samples=num),
        Figure(f"{title}: width of its interval", high - low, "", samples=num),
    ]
    if name == "baseline":
        figures.append(
            Figure(f"{title}: off {CUBIC:g} by", abs(found.value - CUBIC), "", target=TOLERANCE, samples=num)
        )
        figures.append(_holds(f"{title}: its interval holds {CUBIC:g}", low <= CUBIC <= high, num))
    else:
        figures.append(Figure(f"{title}: at most {QUADRATIC:g}", found.value, "", target=QUADRATIC, samples=num))
        figures.append(_holds(f"{title}: its interval allows that", low <= QUADRATIC, num))
    return figures


def _predictions(name: str, variant: ScaledVariant) -> list[Figure]:
    """The largest size from all others: the step as the sum of its parts, and the loss by itself."""
    loss = variant.row(LOSS)
    casts = {"step": variant.hindcast, "loss": None if loss is None else hindcast(loss)}
    figures = []
    for title, cast in casts.items():
        if cast is None or cast.predicted.low is None or cast.predicted.high is None:
            figures.append(_missing(name, variant, f"{name}, prediction of the largest batch: {title}"))
            continue
        low, high = cast.predicted.low, cast.predicted.high
        size = f"{name}, batch {cast.sizes[0]} left out of the fit: {title}"
        figures.append(Figure(f"{size}, size of the error", abs(cast.error) * 100, "%", target=ERROR_PERCENT))
        figures.append(_holds(f"{size}, its interval holds what was measured", bool(cast.is_inside)))
        figures.append(
            Figure(f"{size}, upper end of its interval over the lower", high / low if low else math.inf, "x")
        )
    return figures


def _missing(name: str, variant: ScaledVariant, title: str) -> Figure:
    """A figure that there is none of, because its sizes are too few."""
    planned = len(SIZES[name].split(","))
    return Figure(
        f"{title}: not known, of {planned} sizes measured", len(variant.sizes), "", target=planned, at_least=True
    )


def _holds(title: str, is_so: bool, samples: int = 1) -> Figure:
    return Figure(title, is_so, "", target=1, samples=samples, at_least=True)


def _measured(name: str) -> ScaledVariant:
    """One variant at its sizes, by the command."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "scale.json"
        _call(["--vary", f"batch-size={SIZES[name]}", "--variant", name, "--output", str(saved)])
        (variant,) = scale_view(read_kind(saved, ScaleRecord)).variants
        return variant


def _call(arguments: Sequence[str]) -> None:
    plan = ["--launches", str(LAUNCHES), "--max-minutes", str(MINUTES), "--quiet"]
    subprocess.run([sys.executable, "-m", "paco_prof", "scale", *WORKLOAD, *plan, *arguments], check=True)
