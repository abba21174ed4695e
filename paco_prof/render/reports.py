"""The report and the picture of a record, whatever its kind; only what that kind needs is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paco_prof.errors import UsageError
from paco_prof.records import (
    AccuracyRecord,
    BreakdownRecord,
    CheckRecord,
    ComparisonRecord,
    DoctorRecord,
    EstimateRecord,
    ScaleRecord,
)

if TYPE_CHECKING:
    from paco_prof.render.document import Document
    from paco_prof.store import Record

__all__ = ["check_picture", "document_of", "save_plot"]

PICTURES = (".png", ".svg", ".pdf")


def document_of(record: Record) -> Document:
    """The report of a record."""
    if isinstance(record, BreakdownRecord):
        from paco_prof.render.breakdown_report import breakdown_document

        return breakdown_document(record)
    if isinstance(record, ComparisonRecord):
        from paco_prof.render.comparison_report import comparison_document

        return comparison_document(record)
    if isinstance(record, EstimateRecord):
        from paco_prof.render.estimate_report import estimate_document

        return estimate_document(record)
    if isinstance(record, AccuracyRecord):
        from paco_prof.render.accuracy_report import accuracy_document

        return accuracy_document(record)
    if isinstance(record, CheckRecord):
        from paco_prof.analysis.gate import gate_view
        from paco_prof.render.gate_report import gate_document

        return gate_document(record, gate_view(record))
    if isinstance(record, DoctorRecord):
        from paco_prof.render.doctor_report import doctor_document

        return doctor_document(record)
    if isinstance(record, ScaleRecord):
        from paco_prof.render.scale_report import scale_document

        return scale_document(record)
    from paco_prof.render.training_report import training_document

    return training_document(record)


def check_picture(path: Path) -> None:
    """Find out before anything is drawn whether a picture can be of the format that the file's name says.

    Raises:
        UsageError: it cannot.
    """
    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"{path} is not a picture that can be drawn.", "Use .png, .svg or .pdf.")


def save_plot(record: Record, path: Path) -> None:
    """Draw a record and write the picture.

    Raises:
        UsageError: it holds nothing to draw, or the file cannot be written.
    """
    if isinstance(record, BreakdownRecord):
        from paco_prof.render.breakdown_plot import save_breakdown_plot

        save_breakdown_plot(record, path)
    elif isinstance(record, ComparisonRecord):
        from paco_prof.render.comparison_plot import save_comparison_plot

        save_comparison_plot(record, path)
    elif isinstance(record, EstimateRecord):
        from paco_prof.render.estimate_plot import save_estimate_plot

        save_estimate_plot(record, path)
    elif isinstance(record, AccuracyRecord):
        from paco_prof.render.accuracy_plot import save_accuracy_plot

        save_accuracy_plot(record, path)
    elif isinstance(record, CheckRecord):
        from paco_prof.render.comparison_plot import save_comparison_plot

        drawable = [one for one in record.comparisons if any(launch.is_complete for launch in one.launches)]
        if not drawable:
            raise UsageError(f"{path} is not drawn: the record holds no complete launch.")
        save_comparison_plot(drawable[0], path)
    elif isinstance(record, DoctorRecord):
        raise UsageError(f"{path} is not drawn: an examination is words and figures.", "--markdown writes them.")
    elif isinstance(record, ScaleRecord):
        from paco_prof.render.scale_plot import save_scale_plot

        save_scale_plot(record, path)
    else:
        from paco_prof.render.training_plot import save_training_plot

        save_training_plot(record, path)
