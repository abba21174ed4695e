"""What a training run found, in words."""

from __future__ import annotations

from paco_prof import units
from paco_prof.analysis import training_run as t
from paco_prof.render.finding_text import sentence

__all__ = ["run_sentence"]


def run_sentence(finding: t.RunFinding) -> str:
    """One finding as a sentence or three: what is so, and what to do about it where something can be done."""
    match finding:
        case t.TrainingEndedEarly():
            return _ended_early(finding)
        case t.Resumed(processes):
            times = "once" if processes == 2 else f"{units.count(processes - 1)} times"
            return (
                f"The run was resumed {times}: its time is that of {units.count(processes)} processes, and what one of "
                "them did after its last checkpoint was done again by the next."
            )
        case t.UnsavedState(names, number):
            more = f" and {units.count(number - len(names))} more" if number > len(names) else ""
            return (
                f"The model keeps tensors beside its weights and buffers, in {', '.join(names)}{more}. No checkpoint "
                "holds them: a run that is resumed begins without them. As buffers (register_buffer) they are saved."
            )
        case _:
            return sentence(finding)


def _ended_early(finding: t.TrainingEndedEarly) -> str:
    how = {
        "running": "is not over, or was killed",
        "interrupted": "was interrupted",
        "failed": f"failed ({finding.detail.rstrip('.')})" if finding.detail else "failed",
    }.get(finding.status, "did not end")
    epochs = f"{units.count(finding.num_epochs)} of {units.count(finding.of_epochs)}"
    plural = "s" if finding.of_epochs != 1 else ""
    return f"The run {how} after {epochs} epoch{plural}; resumed, it goes on from its last checkpoint."
