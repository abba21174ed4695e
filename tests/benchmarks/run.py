"""`make bench [ONLY=section]`: the speed targets, one after the other; figures go to reports/benchmarks.{json,md}."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

# What the tests use as well.
sys.path.append(str(Path(__file__).parents[1]))

from contrast import contrast_figures
from figures import Figure, store
from gate import gate_figures
from growth import growth_figures
from judgement import judgement_figures, live_figures
from learning import learning_figures
from overhead import light_step, overhead_figures, reference_step
from own_model import own_model_figures
from projection import projection_figures
from startup import startup_figures
from tax import tax_figures

SECTIONS: dict[str, Callable[[], list[Figure]]] = {
    "startup": startup_figures,
    "contrast": contrast_figures,
    "tax": tax_figures,
    "judgement": judgement_figures,
    "live": live_figures,
    "gate": gate_figures,
    "learning": learning_figures,
    "projection": projection_figures,
    "growth": growth_figures,
    "own-model": own_model_figures,
    "instrument": lambda: [
        *overhead_figures("ResNet-18, 96 px, batch 8, light loss", light_step(), 240, profiled_steps=5),
        *overhead_figures("ResNet-18, 96 px, batch 8, reference loss", reference_step(), 180, profiled_steps=1),
    ],
}

if __name__ == "__main__":
    for name in sys.argv[1:] or SECTIONS:
        start = time.perf_counter()
        found = SECTIONS[name]()
        store(name, found, time.perf_counter() - start)
        for figure in found:
            print(f"{figure.name}: {figure.value:.4g} {figure.unit} {figure.verdict}", flush=True)
