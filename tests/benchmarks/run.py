"""`make bench`: the speed targets, measured one after the other; figures go to reports/benchmarks.{json,md}."""

from __future__ import annotations

import time

from figures import store
from overhead import light_step, overhead_figures, reference_step
from startup import startup_figures

if __name__ == "__main__":
    start = time.perf_counter()
    figures = startup_figures()
    figures += overhead_figures("ResNet-18, 96 px, batch 8, light loss", light_step(), 240, profiled_steps=5)
    figures += overhead_figures("ResNet-18, 96 px, batch 8, reference loss", reference_step(), 180, profiled_steps=1)
    print(store(figures, time.perf_counter() - start))
