"""What a run of paco-prof leaves behind: typed, frozen, with every raw sample kept.

Seconds and bytes throughout. `None` is "not measured", `0.0` is "measured, zero". A record is meant to be shared and
committed: it holds no host name, no user name and no absolute path.
"""

from __future__ import annotations

from paco_prof.records.accuracy import AccuracyPlan, AccuracyRecord, AccuracyRun, ExactTwin
from paco_prof.records.base import SCHEMA_VERSION, Environment, Note, Source, StopReason, VariantKind, VariantUsed
from paco_prof.records.breakdown import BreakdownRecord, Claim, OperatorCount
from paco_prof.records.check import YARDSTICK, Check, CheckPlan, CheckRecord, Quantity
from paco_prof.records.comparison import (
    AcceleratorState,
    ComparisonPlan,
    ComparisonRecord,
    Contestant,
    Design,
    Failure,
    FailureKind,
    Launch,
    MachineState,
    Side,
    SpeedupClaim,
    Status,
)
from paco_prof.records.estimate import EstimatePlan, EstimateRecord, EvaluationSeries, Pilot, StepSeries
from paco_prof.records.run import DataUsed, EpochResult, PartsHealth, RunPlan, RunStatus, TrainingRunRecord
from paco_prof.records.training import (
    Fidelity,
    Inference,
    LossTest,
    Memory,
    Overhead,
    StageMemory,
    StageSamples,
    Training,
)

__all__ = [
    "SCHEMA_VERSION",
    "YARDSTICK",
    "AcceleratorState",
    "AccuracyPlan",
    "AccuracyRecord",
    "AccuracyRun",
    "BreakdownRecord",
    "Check",
    "CheckPlan",
    "CheckRecord",
    "Claim",
    "ComparisonPlan",
    "ComparisonRecord",
    "Contestant",
    "DataUsed",
    "Design",
    "Environment",
    "EpochResult",
    "EstimatePlan",
    "EstimateRecord",
    "EvaluationSeries",
    "ExactTwin",
    "Failure",
    "FailureKind",
    "Fidelity",
    "Inference",
    "Launch",
    "LossTest",
    "MachineState",
    "Memory",
    "Note",
    "OperatorCount",
    "Overhead",
    "PartsHealth",
    "Pilot",
    "Quantity",
    "RunPlan",
    "RunStatus",
    "Side",
    "Source",
    "SpeedupClaim",
    "StageMemory",
    "StageSamples",
    "Status",
    "StepSeries",
    "StopReason",
    "Training",
    "TrainingRunRecord",
    "VariantKind",
    "VariantUsed",
]
