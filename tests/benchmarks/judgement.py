"""How often a comparison is wrong: recorded launches judged again, and live comparisons of a variant with itself."""

from __future__ import annotations

from pathlib import Path

from figures import Figure
from planted import UNITS, contestant

from paco_prof.analysis.comparison import comparison_view
from paco_prof.measure.comparing import new_comparison
from paco_prof.measure.referee import Referee
from paco_prof.measure.worker_process import ProcessLauncher
from paco_prof.records import ComparisonPlan
from recorded import Series, Verdicts, read_series, replay

__all__ = ["judgement_figures", "live_figures"]

HERE = Path(__file__).parent
REPLAYS = 1000
LIVE_RUNS = 12
# As many as compare takes by default.
LIVE_LAUNCHES = 3
LIVE_PAIRS = 81


class _Silent:
    def begin(self, what: str) -> None: ...

    def update(self, elapsed: float, left: float) -> None: ...


def judgement_figures() -> list[Figure]:
    """Resampled comparisons of the committed launches, by our rule and by others."""
    equal, planted = read_series("equal"), read_series("planted")
    figures = []
    for launches in (3, 5, 7, 8, 10, 12):
        figures += _of_equals(equal, launches, replay(equal, launches, REPLAYS, with_rivals=True))
        figures += _of_planted(planted, launches, replay(planted, launches, REPLAYS, with_rivals=True))
    return figures


def live_figures() -> list[Figure]:
    """Comparisons of equal work made now, and how many of them claim a difference."""
    claims = 0
    for seed in range(LIVE_RUNS):
        plan = ComparisonPlan(launches=LIVE_LAUNCHES, pairs=LIVE_PAIRS, fidelity=False, seed=seed)
        record = new_comparison([contestant(UNITS, "base"), contestant(UNITS, "equal")], plan)
        launcher = ProcessLauncher("planted:build", [HERE])
        view = comparison_view(Referee(record, launcher, _Silent(), lambda record: None).run().record)
        speedup = view.variants[0].speedup
        assert speedup is not None, view.variants[0].failures
        claims += speedup.established
        print(f"run {seed}: {speedup.ratio:.4f} ({speedup.low:.4f} to {speedup.high:.4f}), p {speedup.p_value:.3f}")
    name = f"A/A, live runs of {LIVE_LAUNCHES} launches: difference claimed"
    return [_share(name, claims, LIVE_RUNS, target=0.01)]


def _of_equals(series: Series, launches: int, verdicts: Verdicts) -> list[Figure]:
    name = f"A/A, {launches} of {len(series.pairs)} launches"
    return [
        _share(f"{name}: difference claimed", verdicts.claims, verdicts.num, target=0.01),
        _share(f"{name}: by Mann-Whitney on the steps", verdicts.rivals.mann_whitney, verdicts.num),
        _share(f"{name}: by Welch on the steps", verdicts.rivals.welch, verdicts.num),
        _share(f"{name}: by a threshold of 5 %", verdicts.rivals.threshold, verdicts.num),
    ]


def _of_planted(series: Series, launches: int, verdicts: Verdicts) -> list[Figure]:
    name = f"+5 % planted, {launches} of {len(series.pairs)} launches"
    return [
        _share(f"{name}: found", verdicts.claims, verdicts.num, target=0.95, at_least=True),
        _share(f"{name}: 95 % interval holds the ratio", verdicts.covered, verdicts.num, target=0.90, at_least=True),
        _share(f"{name}: by Mann-Whitney on the steps", verdicts.rivals.mann_whitney, verdicts.num),
        _share(f"{name}: by Welch on the steps", verdicts.rivals.welch, verdicts.num),
        _share(f"{name}: by a threshold of 5 %", verdicts.rivals.threshold, verdicts.num),
    ]


def _share(name: str, count: int, num: int, target: float | None = None, at_least: bool = False) -> Figure:
    share, aim = 100 * count / num, None if target is None else 100 * target
    return Figure(name, share, "%", target=aim, samples=num, at_least=at_least)
