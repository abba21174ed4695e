"""What a run of paco-prof leaves behind: typed, frozen, with every raw sample kept.

Seconds and bytes throughout. `None` is "not measured", `0.0` is "measured, zero". A record is meant to be shared and
committed: it holds no host name, no user name and no absolute path.
"""

from __future__ import annotations

from paco_prof.records.accuracy import AccuracyPlan, AccuracyRecord, AccuracyRun, ExactTwin
from paco_prof.records.base import (
    SCHEMA_VERSION,
    Environment,
    Note,
    Replacement,
    Source,
    StopReason,
    VariantKind,
    VariantUsed,
)
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
from paco_prof.records.doctor import CheckGroup, CheckStatus, DoctorCheck, DoctorRecord, Figure, FigureUnit
from paco_prof.records.estimate import EstimatePlan, EstimateRecord, EvaluationSeries, Pilot, StepSeries
from paco_prof.records.ranks import Communication, RankResult, Ranks
from paco_prof.records.run import DataUsed, EpochResult, PartsHealth, RunPlan, RunStatus, TrainingRunRecord
from paco_prof.records.scale import (
    Factor,
    Largest,
    LargestReason,
    ScaleFailure,
    ScalePlan,
    ScalePoint,
    ScaleRecord,
    Trial,
    resized,
)
from paco_prof.records.training import (
    Fidelity,
    Inference,
    LossTest,
    Memory,
    Overhead,
    SavedBytes,
    StageMemory,
    StageSamples,
    Training,
)
from paco_prof.records.user_code import StageFound, StageMissing, UserCodeUsed

__all__ = [
    "SCHEMA_VERSION",
    "YARDSTICK",
    "AcceleratorState",
    "AccuracyPlan",
    "AccuracyRecord",
    "AccuracyRun",
    "BreakdownRecord",
    "Check",
    "CheckGroup",
    "CheckPlan",
    "CheckRecord",
    "CheckStatus",
    "Claim",
    "Communication",
    "ComparisonPlan",
    "ComparisonRecord",
    "Contestant",
    "DataUsed",
    "Design",
    "DoctorCheck",
    "DoctorRecord",
    "Environment",
    "EpochResult",
    "EstimatePlan",
    "EstimateRecord",
    "EvaluationSeries",
    "ExactTwin",
    "Factor",
    "Failure",
    "FailureKind",
    "Fidelity",
    "Figure",
    "FigureUnit",
    "Inference",
    "Largest",
    "LargestReason",
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
    "RankResult",
    "Ranks",
    "Replacement",
    "RunPlan",
    "RunStatus",
    "SavedBytes",
    "ScaleFailure",
    "ScalePlan",
    "ScalePoint",
    "ScaleRecord",
    "Side",
    "Source",
    "SpeedupClaim",
    "StageFound",
    "StageMemory",
    "StageMissing",
    "StageSamples",
    "Status",
    "StepSeries",
    "StopReason",
    "Training",
    "TrainingRunRecord",
    "Trial",
    "UserCodeUsed",
    "VariantKind",
    "VariantUsed",
    "resized",
]
