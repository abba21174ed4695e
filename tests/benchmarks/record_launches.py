"""Records launches of equal work, and of five per cent more of it, for `judgement.py` and the tests to replay.

    python tests/benchmarks/record_launches.py [ROUNDS]     # about 20 s a round

Every round starts fresh processes: a baseline, an equal of it, and one with 21 units of work where it has 20.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

from planted import PLANTED, UNITS, contestant

from paco_prof.measure.comparing import new_comparison
from paco_prof.measure.referee import Referee
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.records import ComparisonPlan, ComparisonRecord

HERE = Path(__file__).parent
LAUNCHES = HERE.parent / "data" / "launches.json.gz"
PAIRS = 81


class Printing:
    """Tells how far it is."""

    def begin(self, what: str) -> None:
        print(what, flush=True)

    def update(self, elapsed: float, left: float) -> None: ...


def record_launches(rounds: int) -> ComparisonRecord:
    """Take the launches."""
    contestants = [contestant(UNITS, "base"), contestant(UNITS, "equal"), contestant(PLANTED, "planted")]
    plan = ComparisonPlan(launches=rounds, pairs=PAIRS, fidelity=False)
    launcher = ProcessLauncher("planted:build", [HERE])
    return Referee(new_comparison(contestants, plan), launcher, Printing(), lambda record: None).run().record


def write(record: ComparisonRecord, path: Path) -> None:
    """Only what is replayed: the wall seconds of the pairs, and what they were measured on."""
    names = [contestant.name for contestant in record.contestants]
    series: dict[str, list[dict[str, object]]] = {name: [] for name in names[1:]}
    for launch in record.launches:
        sides = [[round(s, 7) for s in side.training.steps] for side in (launch.baseline, launch.variant)]
        first = "".join("01"[is_first] for is_first in launch.baseline_first)
        series[names[launch.contestant]].append({"baseline": sides[0], "variant": sides[1], "baseline_first": first})
    environment = None if record.environment is None else record.environment.model_dump(mode="json")
    data = {
        "work": {"equal": [UNITS, UNITS], "planted": [UNITS, PLANTED]},
        "environment": environment,
        "created": record.created,
        **series,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(data).encode(), mtime=0))


if __name__ == "__main__":
    write(record_launches(int(sys.argv[1]) if len(sys.argv) > 1 else 64), LAUNCHES)
