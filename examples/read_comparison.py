"""A saved comparison without torch: the one number that each launch yields, and what they say together.

python examples/read_comparison.py [run.json]
"""

import math
import sys
from pathlib import Path

from paco_prof import ComparisonRecord, read_record
from paco_prof.analysis.comparison import launch_effects
from paco_prof.stats.paired import judge

committed = Path(__file__).parents[1] / "reports" / "compare_exact.json"
record = read_record(Path(sys.argv[1]) if len(sys.argv) > 1 else committed)
if not isinstance(record, ComparisonRecord):
    sys.exit("This is the record of a breakdown; see read_record.py.")

for place, contestant in enumerate(record.contestants[1:], 1):
    effects = launch_effects(record, place)
    for launch, effect in effects.items():
        print(f"{contestant.name}, launch {launch + 1}: {math.exp(effect):.3f}x")
    if effects:
        speedup = judge(list(effects.values()))
        verdict = "established" if speedup.established else "not established"
        print(f"{contestant.name}: {speedup.ratio:.3f}x ({speedup.low:.3f} to {speedup.high:.3f}), {verdict}")
