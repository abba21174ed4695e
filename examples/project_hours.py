"""Hours of a training run from a saved record, without torch.

python examples/project_hours.py [run.json] [epochs]
"""

import sys
from pathlib import Path

from paco_prof import __version__, read_record
from paco_prof.analysis.pilots import pilots_of
from paco_prof.analysis.projection import projection_view
from paco_prof.records import EstimatePlan, EstimateRecord

committed = Path(__file__).parents[1] / "reports" / "compare_exact.json"
pilots = pilots_of(read_record(Path(sys.argv[1]) if len(sys.argv) > 1 else committed))
plan = EstimatePlan(epochs=int(sys.argv[2]) if len(sys.argv) > 2 else 100, batches_per_epoch=1000)

for run in projection_view(EstimateRecord(tool_version=__version__, plan=plan, pilots=pilots)).runs:
    hours = run.total * (1 / 3600)
    interval = "" if hours.low is None or hours.high is None else f" ({hours.low:.0f} to {hours.high:.0f})"
    print(f"{run.pilot.name}: {hours.value:.0f} hours{interval}")
