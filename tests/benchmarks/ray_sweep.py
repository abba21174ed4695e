"""`python tests/benchmarks/ray_sweep.py`: sweeps on a Ray cluster on this machine; writes reports/ray_sweep.md.

The cluster has two nodes, each node one CPU, and so has a launch. Four sweeps of the same launches: by the local
engine; by the cluster; by the cluster, a node of which is killed while it has a launch; and by a cluster one node of
which has another number of threads. With --quick only the third, with few launches and no report: as much as a test can
wait for.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from ray.cluster_utils import Cluster

from paco_prof import units
from paco_prof.analysis.comparison import ComparisonView, comparison_view
from paco_prof.analysis.machines import by_machine
from paco_prof.records import ComparisonRecord
from paco_prof.render.comparison_text import measured_ratio
from paco_prof.render.markdown import to_markdown
from paco_prof.render.reports import document_of
from paco_prof.store import read_kind

REPORT = Path(__file__).parents[2] / "reports" / "ray_sweep.md"
TINY = "--backbone test_resnet --batch-size 4 --image-size 96 --num-classes 5 -K 3 -r 3 -d 8"
VARIANTS = "baseline exact fused-loss max-negatives-16 vectorized-sampling"
LAUNCHES, PAIRS = 3, 6
QUICK_VARIANTS, QUICK_LAUNCHES, QUICK_PAIRS = "baseline exact", 3, 3
OBJECT_STORE_BYTES = 80_000_000
SECONDS_FOR_A_SWEEP = 1200.0
# In the table, of two intervals that do not meet.
APART = "| no |"


@contextlib.contextmanager
def two_nodes(threads: int = 1) -> Iterator[tuple[Cluster, Any]]:
    """A head that takes nothing and two nodes, and the second of them.

    Args:
        threads: of the second node; the first has one.
    """
    head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = [
            cluster.add_node(
                num_cpus=1, object_store_memory=OBJECT_STORE_BYTES, env_vars={"OMP_NUM_THREADS": str(number)}
            )
            for number in (1, threads)
        ]
        yield cluster, nodes[1]
    finally:
        cluster.shutdown()


def swept(
    folder: Path,
    what: str,
    options: str,
    meanwhile: Callable[[Path], None] = lambda path: None,
) -> tuple[ComparisonRecord, float]:
    """What a comparison wrote, and the seconds that it took.

    Args:
        what: is compared, and how.
        meanwhile: done while it runs; given the file that it writes.
    """
    path = folder / f"{time.monotonic_ns()}.json"
    command = [sys.executable, "-m", "paco_prof", "compare", *what.split(), *options.split()]
    begun = time.monotonic()
    with subprocess.Popen(
        [*command, "--quiet", "--output", str(path)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        meanwhile(path)
        code = process.wait(SECONDS_FOR_A_SWEEP)
    assert code == 0, f"{' '.join(command)} ended with {code}"
    return read_kind(path, ComparisonRecord), time.monotonic() - begun


def has_a_launch(node: Any) -> bool:
    """Whether a launch is under way on a node: one of its workers has started a process that measures."""
    (raylet,) = node.all_processes["raylet"]
    for process in psutil.Process(raylet.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "paco_prof.measure.worker" in process.cmdline():
                return True
    return False


def when_there_are(number: int, node: Any, then: Callable[[], None]) -> Callable[[Path], None]:
    """Do something as soon as a record holds so many launches and a node has another one under way."""

    def wait(path: Path) -> None:
        end = time.monotonic() + SECONDS_FOR_A_SWEEP
        while time.monotonic() < end:
            record = read_kind(path, ComparisonRecord) if path.exists() else None
            number_taken = 0 if record is None else len(record.launches)
            if number_taken >= number and has_a_launch(node):
                then()
                return
            assert record is None or record.status == "running", "It was over before there was anything to lose."
            time.sleep(0.2)
        raise AssertionError("Nothing is under way on the node that was to be lost.")

    return wait


def taken(record: ComparisonRecord) -> list[tuple[int, int]]:
    """Contestant and round of every complete launch."""
    return [(launch.contestant, launch.round) for launch in record.launches if launch.is_complete]


def nothing_is_lost(record: ComparisonRecord) -> bool:
    """Whether every launch that was planned is there, none of them twice, and no process has failed."""
    planned = [(place, number) for number in range(record.plan.launches) for place in range(1, len(record.contestants))]
    return taken(record) == planned and not record.failures and record.status == "complete"


def without_a_node(folder: Path, what: str, after: int) -> tuple[ComparisonRecord, float]:
    """A sweep on two nodes, one of which is killed after so many launches, while it has another one."""
    with two_nodes() as (cluster, second):
        lose = when_there_are(after, second, lambda: cluster.remove_node(second, allow_graceful=False))
        return swept(folder, what, f"--engine ray --address {cluster.address}", lose)


def row(name: str, local: ComparisonView, cluster: ComparisonView, place: int) -> str:
    """A row of the table: a variant's speed-up by either engine, and whether the intervals meet."""
    one, other = local.variants[place].speedup, cluster.variants[place].speedup
    assert one is not None
    assert other is not None
    assert None not in (one.low, one.high, other.low, other.high)
    meet = (one.low or 0.0) <= (other.high or 0.0) and (other.low or 0.0) <= (one.high or 0.0)
    figures = [
        f"{units.precise_ratio(each.ratio)}, {units.ratio_interval(each.low, each.high)}" for each in (one, other)
    ]
    return f"| {name} | {figures[0]} | {figures[1]} {'| yes |' if meet else APART}"


def main() -> None:
    """Sweep, and say what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "--quick" in sys.argv:
            what = f"{QUICK_VARIANTS} {TINY} --no-fidelity --launches {QUICK_LAUNCHES} --pairs {QUICK_PAIRS}"
            record, seconds = without_a_node(folder, what, after=0)
            assert nothing_is_lost(record), record.model_dump_json(include={"failures", "status", "notes"})
            print(f"{len(taken(record))} launches, none lost and none twice, in {seconds:.0f} s")
            return
        text = report(folder)
        REPORT.write_text(text)
        print(f"Wrote {REPORT.relative_to(Path.cwd())}.")
        if APART in text:
            sys.exit("The cluster's rows are not those of the local engine: see the table.")


def report(folder: Path) -> str:
    """All sweeps, in words and tables."""
    what = f"{VARIANTS} {TINY} --no-fidelity --launches {LAUNCHES} --pairs {PAIRS} --max-minutes 20"
    local, local_seconds = swept(folder, what, "")
    with two_nodes() as (cluster, _):
        whole, whole_seconds = swept(folder, what, f"--engine ray --address {cluster.address}")
    assert nothing_is_lost(whole)
    lost, lost_seconds = without_a_node(folder, what, after=3)
    assert nothing_is_lost(lost)
    with two_nodes(threads=2) as (cluster, _):
        mixed, mixed_seconds = swept(folder, what, f"--engine ray --address {cluster.address}")
    assert nothing_is_lost(mixed)
    machines = by_machine(mixed)
    assert len(by_machine(whole)) == len(by_machine(lost)) == 1
    assert len(machines) == 2
    views = comparison_view(local), comparison_view(whole)
    names = [contestant.name for contestant in local.contestants[1:]]
    apart = to_markdown(document_of(mixed)).split("\n\n")
    number = len(taken(whole))
    lines = [
        "# Sweeps on a Ray cluster",
        "Made by `python tests/benchmarks/ray_sweep.py`: a local cluster (`ray.cluster_utils.Cluster`) of two nodes "
        f"with one CPU each; {number} launches, {len(names)} variants of a tiny model {LAUNCHES} times each. "
        f"Machine: {_machine(local)}.",
        "## The rows of the local engine",
        "| speed-up and interval | local engine | two nodes | intervals meet |\n|:---|:---|:---|:---|\n"
        + "\n".join(row(each, *views, place) for place, each in enumerate(names)),
        f"The local engine took {local_seconds:.0f} s for {len(taken(local))} launches, the cluster "
        f"{whole_seconds:.0f} s for {number}. The two nodes share this machine, so that launches that ran side by side "
        "had less of its memory's bandwidth each than one alone.",
        "## A node is killed",
        f"One of the two nodes was killed after three launches, while it had one: {len(taken(lost))} launches are "
        f"there, none of them twice, none failed. It took {lost_seconds:.0f} s.",
        "## Unlike nodes",
        f"One node has one thread and the other has two: {len(machines[0].launches)} and "
        f"{len(machines[1].launches)} launches, none pooled; it took {mixed_seconds:.0f} s. Speed-ups by machine, as "
        "undecided as so few launches are:",
        "| | "
        + " | ".join(f"machine {place}" for place in (1, 2))
        + " |\n|:---|:---|:---|\n"
        + "\n".join(
            f"| {each} | "
            + " | ".join(measured_ratio(comparison_view(part).variants[place].speedup) for part in machines)
            + " |"
            for place, each in enumerate(names)
        ),
        "What the report of that sweep says of it:",
        *(f"> {paragraph}" for paragraph in apart if paragraph.startswith(("Not pooled", "Other than on machine"))),
    ]
    return "\n\n".join(lines) + "\n"


def _machine(record: ComparisonRecord) -> str:
    """Where it was: the machine of the local engine's launches."""
    found = record.environment
    assert found is not None
    versions = ", ".join(f"{name} {found.versions[name]}" for name in ("torch", "timm", "python"))
    return f"{found.processor}, {found.cores} cores, {found.system}; {versions}"


if __name__ == "__main__":
    main()
