"""A saved record without torch: its report's rows, and its raw samples as a data frame.

python examples/read_record.py [run.json]
"""

import sys
from pathlib import Path

from paco_prof import BreakdownRecord, read_record, samples_frame
from paco_prof.analysis.breakdown import breakdown_view

path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("analysis_batch8.json")
record = read_record(path)
view = breakdown_view(record) if isinstance(record, BreakdownRecord) else None
if view is not None:
    for row in view.top_rows:
        print(f"{row.path:16} {row.seconds * 1e3:10.2f} ms")

frame = samples_frame(record)
print(frame.groupby(["stage", "phase"])["seconds"].agg(["median", "min", "max"]))
