"""How often the gate is wrong: live runs on known work, and gates played with their launches, beside other rules."""

from __future__ import annotations

from collections.abc import Sequence

from figures import Figure

from recorded_gates import GateRun, Played, launches_of, play, read_runs

__all__ = ["gate_figures"]

GATES = 1000
# Seconds that one run may take.
LONGEST = 180.0


def gate_figures() -> list[Figure]:
    """The committed runs of `gate_runs.py`, counted, and a thousand gates resampled from their launches."""
    runs = read_runs()
    figures = _live(runs, "equal", "identical code", "fail", 0)
    figures += _live(runs, "slower-10", "+10 % of work", "fail", 10, at_least=True)
    figures += _live(runs, "slower-5", "+5 % of work", "fail", None)
    equal, slower = launches_of(runs, "equal"), launches_of(runs, "slower-5")
    figures += _played(f"identical code, of {len(equal)} launches", play(equal, GATES, equal=True, with_rivals=True))
    planted = play(slower, GATES, equal=False, with_rivals=True)
    figures += _played(f"+5 % of work, of {len(slower)} launches", planted, at_least=True)
    return figures


def _live(
    runs: Sequence[GateRun], kind: str, name: str, what: str, target: int | None, *, at_least: bool = False
) -> list[Figure]:
    mine = [run for run in runs if run.kind == kind]
    num = len(mine)
    beside = sum(run.busy for run in mine)
    title = f"live, {name}, {beside} of {num} runs beside a busy core"
    codes = {word: sum(run.code == code for run in mine) for word, code in (("fail", 1), ("inconclusive", 3))}
    longest = max(run.seconds for run in mine)
    return [
        Figure(f"{title}: {what}", codes["fail"], f"of {num}", target=target, samples=num, at_least=at_least),
        Figure(f"{title}: inconclusive", codes["inconclusive"], f"of {num}", samples=num),
        Figure(f"{title}: the longest run", longest, "s", target=LONGEST, samples=num),
    ]


def _played(name: str, played: Played, *, at_least: bool = False) -> list[Figure]:
    target = 95.0 if at_least else 1.0

    def share(words: str, count: int, target: float | None = None) -> Figure:
        title = f"resampled, {name}: {words}"
        return Figure(title, 100 * count / played.num, "%", target=target, samples=played.num, at_least=at_least)

    figures = [share("fail", played.outcomes["fail"], target)]
    figures += [share(outcome, played.outcomes[outcome]) for outcome in ("inconclusive", "pass")]
    figures += [share(f"fail by {rule}, the same launches", count) for rule, count in played.rivals.items()]
    figures += [share(f"fail by {rule}, one side after the other", count) for rule, count in played.apart.items()]
    return figures
