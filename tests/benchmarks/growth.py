"""Whether growth is found as it is: exponents of the loss, and the largest size, left out of the fit and predicted."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from figures import Figure

from paco_prof.analysis.scale import ScaledVariant, hindcast, scale_view
from paco_prof.analysis.scale_rows import GrowthRow
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
    """Exponents in the batch, and predictions of the largest one, for the reference and for the exact form."""
    reference, exact = _measured("baseline"), _measured("exact")
    return [
        *_exponents("baseline", _loss(reference)),
        *_exponents("exact", _loss(exact)),
        *_predictions("baseline", reference),
        *_predictions("exact", exact),
    ]


def _exponents(name: str, loss: GrowthRow) -> list[Figure]:
    assert loss.growth is not None
    found, num = loss.growth.exponent, len(loss.growth.sizes)
    title = f"exponent of the {name} loss in the batch"
    figures = [Figure(title, found.value, "", found.low, found.high, samples=num)]
    if name == "baseline":
        figures.append(
            Figure(f"{title}: off {CUBIC:g} by", abs(found.value - CUBIC), "", target=TOLERANCE, samples=num)
        )
        covers = found.low is not None and found.high is not None and found.low <= CUBIC <= found.high
        figures.append(
            Figure(f"{title}: its interval holds {CUBIC:g}", covers, "", target=1, samples=num, at_least=True)
        )
    else:
        figures.append(Figure(f"{title}: at most {QUADRATIC:g}", found.value, "", target=QUADRATIC, samples=num))
        covers = found.low is not None and found.low <= QUADRATIC
        figures.append(Figure(f"{title}: its interval allows that", covers, "", target=1, samples=num, at_least=True))
    return figures


def _predictions(name: str, variant: ScaledVariant) -> list[Figure]:
    """The largest size from all others: the step as the sum of its parts, and the loss by itself."""
    assert variant.hindcast is not None
    loss = _loss(variant)
    alone = hindcast(loss, (loss,))
    assert alone is not None
    figures = []
    for title, cast in (("step", variant.hindcast), ("loss", alone)):
        size = f"{name}, batch {cast.sizes[0]} left out of the fit: {title}"
        figures.append(Figure(f"{size}, size of the error", abs(cast.error) * 100, "%", target=ERROR_PERCENT))
    return figures


def _loss(variant: ScaledVariant) -> GrowthRow:
    loss = variant.row(LOSS)
    assert loss is not None
    return loss


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
