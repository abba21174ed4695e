"""A run's progress on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from paco_prof import units

__all__ = ["BarProgress", "SilentProgress"]

SECONDS_BETWEEN_REDRAWS = 0.25


class SilentProgress:
    """Shows nothing."""

    def __enter__(self) -> SilentProgress:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def begin(self, what: str) -> None:
        """See `paco_prof.measure.progress.Progress.begin`."""

    def update(self, elapsed: float, left: float) -> None:
        """See `paco_prof.measure.progress.Progress.update`."""


class _TimeLeft(ProgressColumn):
    """The time left, as the run itself reckons it: steps are long, and too few to extrapolate from."""

    def render(self, task: Task) -> Text:
        left = (task.total or 0.0) - task.completed
        if not task.fields.get("is_timed"):
            return Text("")
        return Text(f"{units.duration(left)} left" if left > 0 else "finishing", style="cyan")


class BarProgress:
    """A bar over the seconds that the run may take, with what is being measured and the time left.

    Args:
        max_seconds: the run's length.
        stream: what to draw on; standard error by default.
    """

    def __init__(self, max_seconds: float, stream: TextIO | None = None) -> None:
        console = Console(stderr=True) if stream is None else Console(file=stream)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            _TimeLeft(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            # No thread that redraws while something is being measured: between measurements, and not after each.
            auto_refresh=False,
            # Rich would print above the bar what others print, and whoever names a stream has a place for that.
            redirect_stdout=stream is None,
            redirect_stderr=stream is None,
        )
        self._task = self._progress.add_task("starting", total=max_seconds, is_timed=False)
        self._last_redraw = 0.0

    def __enter__(self) -> BarProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, what: str) -> None:
        """See `paco_prof.measure.progress.Progress.begin`."""
        self._progress.update(self._task, description=what, refresh=True)

    def update(self, elapsed: float, left: float) -> None:
        """See `paco_prof.measure.progress.Progress.update`."""
        now = time.monotonic()
        is_due = now - self._last_redraw >= SECONDS_BETWEEN_REDRAWS
        self._last_redraw = now if is_due else self._last_redraw
        self._progress.update(self._task, completed=elapsed, total=elapsed + left, is_timed=True, refresh=is_due)
