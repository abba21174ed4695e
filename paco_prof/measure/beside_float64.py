"""Loss and gradient of whatever was built, beside float64: PaCo-2's own reference, or the user's model itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paco_prof.measure.building import Built
from paco_prof.measure.distributed.lost_rank import is_of_a_lost_rank
from paco_prof.measure.fidelity import measure_fidelity
from paco_prof.measure.user.fidelity import measure_user_fidelity
from paco_prof.measure.user.place import told
from paco_prof.records import Fidelity, Note
from paco_prof.settings import Workload

__all__ = ["compared", "fidelity_of"]


def fidelity_of(built: Built, workload: Workload, base: Workload, initial: Mapping[str, Any] | None = None) -> Fidelity:
    """Compare losses and gradient with float64.

    Args:
        built: what is compared.
        workload: what it was built from, in the epoch that counts.
        base: the baseline that it is a variant of.
        initial: weights and buffers to compare with: those that it had before its first step, say. None compares with
            those that it has now.
    """
    step = built.step
    if built.user is not None:
        return measure_user_fidelity(step, built.user, workload, base, initial or step.model.state_dict())
    if initial is not None:
        step.model.load_state_dict(initial)
    return measure_fidelity(step, workload, base)


def compared(
    built: Built, workload: Workload, base: Workload, initial: Mapping[str, Any] | None = None
) -> Fidelity | Note:
    """The same, for what has been measured already: the note `no_fidelity` says why there is no comparison.

    Of PaCo-2 itself that is for want of memory, or because the device cannot do it; any other error is a fault of ours.
    A user's code, or their drop-in, may refuse float64 in any way. Gathered negatives are no rank's own.

    Raises:
        RankError: the run is ended meanwhile, by the loss of another rank say, which says nothing of float64.
    """
    if workload.gather_negatives:
        return Note(code="no_fidelity", detail="a rank's loss is that of its images beside the parts of all ranks")
    try:
        return fidelity_of(built, workload, base, initial)
    except (Exception, SystemExit) as error:
        if is_of_a_lost_rank(error):
            raise
        if built.user is None and not isinstance(error, RuntimeError | MemoryError):
            raise
        return Note(code="no_fidelity", detail=told(error))
