"""A run that is built to collapse is told from a healthy one."""

from __future__ import annotations

from typing import Any

import pytest

from few_digits import trainer_of
from paco_prof.analysis.health import Collapse, find_in_epochs
from paco_prof.cli.progress import SilentProgress
from paco_prof.records import RunPlan, TrainingRunRecord
from paco_prof.render.markdown import to_markdown
from paco_prof.render.reports import document_of
from paco_prof.training.run import TrainingRun

# Every window holds the whole map, so that all parts of an image are its mean; and the floor of the covariances is so
# high that no two parts, of whatever image, are apart.
BUILT_TO_COLLAPSE = {"window": 99, "epsilon": 1e6}


def run_of(**settings: Any) -> TrainingRunRecord:
    return TrainingRun(trainer_of(**settings), RunPlan(epochs=3), SilentProgress(), fidelity=False).run().record


@pytest.mark.parametrize(("settings", "is_collapsed"), [({}, False), (BUILT_TO_COLLAPSE, True)])
def test_the_finding_fires_where_it_should(settings: dict[str, Any], is_collapsed: bool) -> None:
    record = run_of(**settings)
    found = find_in_epochs(record.epochs, record.workload, record.data)
    collapses = [finding for finding in found if isinstance(finding, Collapse)]
    assert bool(collapses) == is_collapsed
    assert ("PaC is stuck at alpha" in to_markdown(document_of(record))) == is_collapsed
    for collapse in collapses:
        assert collapse.until == 2
        assert collapse.at_alpha == 1.0
        assert collapse.soc == pytest.approx(0.0, abs=1e-6)
