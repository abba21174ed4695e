"""A history as plain data, for programs: seconds and shares, nothing rounded."""

from __future__ import annotations

from typing import Any

from paco_prof.analysis.history import HistoryChange, HistoryPoint, HistorySeries, HistoryView
from paco_prof.render.history_text import titles
from paco_prof.stats.summary import Estimate

__all__ = ["history_data"]


def history_data(view: HistoryView) -> dict[str, Any]:
    """What `paco-prof history --json` prints."""
    left = view.left_out
    return {
        "order": view.order,
        "unplaced": list(view.unplaced),
        "environment": None
        if view.environment is None
        else view.environment.model_dump(exclude={"load_average", "commit"}),
        "series": [_series(title, series) for title, series in zip(titles(view), view.series, strict=True)],
        "left_out": {
            "unread": list(left.unread),
            "without_step": list(left.without_step),
            "quoted": list(left.quoted),
            "other_machines": [
                {
                    "records": machine.num_records,
                    "commits": machine.num_commits,
                    "differences": {name: [theirs, ours] for name, theirs, ours in machine.differences},
                }
                for machine in left.machines
            ],
        },
    }


def _series(title: str, series: HistorySeries) -> dict[str, Any]:
    return {
        "title": title,
        "variant": series.variant,
        "workload": series.workload.model_dump(mode="json"),
        "judged_by": "ratio" if series.by_ratio else "seconds",
        "points": [_point(point) for point in series.points],
        "levels": [{"first": level.first, "end": level.end, "level": level.level} for level in series.levels],
        "changes": [_change(series, change) for change in series.changes],
    }


def _point(point: HistoryPoint) -> dict[str, Any]:
    return {
        "commit": point.commit,
        "created": point.created,
        "files": list(point.files),
        "launches": point.num_launches,
        "step": _estimate(point.step),
        "ratio": None if point.ratio is None else _estimate(point.ratio),
    }


def _change(series: HistorySeries, change: HistoryChange) -> dict[str, Any]:
    point = series.points[change.place]
    return {
        "place": change.place,
        "commit": point.commit,
        "created": point.created,
        "direction": change.direction,
        "relative": change.relative,
        "level_before": change.before,
        "level_after": change.after,
        "seconds_before": change.seconds_before,
        "seconds_after": change.seconds_after,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "confidence": estimate.confidence,
        "samples": estimate.num_samples,
    }
