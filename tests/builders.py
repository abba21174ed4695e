"""Records built by hand: fixed figures on a fixed machine, nothing measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from paco_prof.records import (
    BreakdownRecord,
    Environment,
    Fidelity,
    Inference,
    LossTest,
    Memory,
    Note,
    OperatorCount,
    Overhead,
    Source,
    StageMemory,
    StageSamples,
    Training,
    VariantUsed,
)
from paco_prof.settings import Workload, with_settings
from paco_prof.stages import Phase
from paco_prof.store import read_record

EXAMPLES = Path(__file__).parent.parent / "examples"

# How much slower than its base each measured step is: seven steps, all intervals within 5 %.
JITTER = (1.004, 0.998, 1.012, 0.991, 1.0, 1.007, 0.996)


@dataclass(frozen=True)
class Times:
    """Seconds that a stage takes of its own in a step without jitter, by phase; None where it never runs."""

    path: str
    forward: float | None = None
    backward: float | None = None
    other: float | None = None
    calls: int = 1


# A step of the reference on ResNet-50, two CPU cores.
ON_CPU = (
    Times("transfer", other=0.0009),
    Times("zero_grad", other=0.0021),
    Times("backbone", 0.742, 1.466, calls=2),
    Times("part_sampling", 0.0113, 0.0058, calls=2),
    Times("dim_reduction", 0.0009, 0.0012),
    Times("covariance", 0.0011, 0.0007),
    Times("matching", 0.0019),
    Times("negatives_pool", 0.0004, 0.0003),
    Times("classifier", 0.0006, 0.0008),
    Times("prototypes", 0.0013),
    Times("loss", 0.0002, 0.0001),
    Times("loss/ce", 0.0003, 0.0002),
    Times("loss/pac", 1.287, 3.041),
    Times("loss/soc", 0.0024, 0.0031),
    Times("autograd", backward=0.141),
    Times("graph_release", other=0.052),
    Times("optimizer", other=0.0364),
)
# The same on a GPU, where the loop over distances keeps the device waiting for the host.
ON_GPU = (
    Times("transfer", other=0.00021),
    Times("zero_grad", other=0.00004),
    Times("backbone", 0.0121, 0.0235, calls=2),
    Times("part_sampling", 0.0011, 0.0009, calls=2),
    Times("matching", 0.0021),
    Times("loss", 0.00009, 0.00005),
    Times("loss/ce", 0.0001, 0.00008),
    Times("loss/pac", 0.2871, 0.4415),
    Times("loss/soc", 0.0008, 0.0007),
    Times("autograd", backward=0.0902),
    Times("optimizer", other=0.0031),
)
# The same step as `ON_CPU` with every exact toggle that a CPU can do.
ON_CPU_EXACT = (
    Times("transfer", other=0.0009),
    Times("zero_grad", other=0.0021),
    Times("backbone", 0.702, 1.391, calls=2),
    Times("part_sampling", 0.0052, 0.0031, calls=2),
    Times("dim_reduction", 0.0009, 0.0012),
    Times("covariance", 0.0006, 0.0005),
    Times("matching", 0.0004),
    Times("negatives_pool", 0.0001, 0.0001),
    Times("classifier", 0.0006, 0.0008),
    Times("prototypes", 0.0005),
    Times("loss", 0.0002, 0.0001),
    Times("loss/ce", 0.0002, 0.0002),
    Times("loss/pac", 0.0019, 0.0023),
    Times("loss/soc", 0.0011, 0.0014),
    Times("autograd", backward=0.0021),
    Times("graph_release", other=0.0019),
    Times("optimizer", other=0.0123),
)
EXACT: dict[str, bool | int | float | str | None] = {
    "channels_last": True,
    "fused_optimizer": True,
    "contrast": "fused",
    "cache_covariance_inverse": True,
    "sampling": "batched",
    "matching": "batched",
    "pool": "folded",
    "prototypes": "batched",
    "weighting": "batched",
    "parts_dtype": "float64",
}
CPU = Environment(
    system="Linux x86_64",
    processor="AMD EPYC 7B13",
    cores=2,
    memory_bytes=25_276_514_304,
    threads=2,
    versions={"python": "3.11.7", "torch": "2.13.0+cpu", "timm": "1.0.31", "numpy": "2.3.5"},
    flags={"deterministic_algorithms": False, "OMP_NUM_THREADS": "2"},
    load_average=0.4,
    commit="0123456789ab+",
)
GPU = CPU.model_copy(
    update={
        "accelerator": "NVIDIA H200",
        "driver": "CUDA 12.8",
        "accelerator_memory_bytes": 150_109_880_320,
        "cores": 16,
        "threads": 16,
        "versions": {"python": "3.11.7", "torch": "2.13.0+cu128", "timm": "1.0.31"},
    }
)
# Ours and other people's, children without their parents, and names that begin alike.
PATHS = st.sampled_from(
    ("loss", "loss/pac", "loss/ce", "loss/new", "loss_b", "backbone", "backbone/a/b", "optimizer", "zz", "[a|b]")
)
RESNET50 = Workload(feature_map=(2048, 7, 7), num_parameters=24_048_905)


def training_of(
    stages: Sequence[Times],
    factors: Sequence[float] = JITTER,
    *,
    glue: Mapping[Phase, float] | None = None,
    on_device: bool = False,
    **changes: Any,
) -> Training:
    """Training steps in which each stage takes its time times the step's factor, `glue` lying between stages.

    On a device the host takes a hundredth of the device's time: it is far ahead.
    """
    between = {"forward": 0.0, "backward": 0.0, "other": 0.0, **(glue or {})}
    samples = []
    phases: dict[Phase, tuple[float, ...]] = {}
    for phase in ("forward", "backward", "other"):
        whole = between[phase]
        for stage in stages:
            seconds = getattr(stage, phase)
            if seconds is None:
                continue
            whole += seconds
            device = tuple(seconds * factor for factor in factors) if on_device else None
            host = tuple(seconds * factor * (0.01 if on_device else 1.0) for factor in factors)
            samples.append(StageSamples(path=stage.path, phase=phase, calls=stage.calls, host=host, device=device))
        phases[phase] = tuple(whole * factor for factor in factors)
    steps = tuple(sum(parts) for parts in zip(*phases.values(), strict=True))
    settings = {"steps": steps, "phases": phases, "stages": tuple(samples), "stop_reason": "settled", **changes}
    return Training.model_validate(settings)


def cpu_record(**changes: Any) -> BreakdownRecord:
    """A quiet, complete run on a CPU: nothing about it is out of the ordinary, except the loss."""
    training = training_of(
        ON_CPU,
        glue={"forward": 0.004, "backward": 0.003, "other": 0.002},
        warmup=(9.1, 7.2),
        losses={name: (value,) * len(JITTER) for name, value in (("total", 5.5), ("ce", 5.3), ("pac", 0.2))},
        other_busy_cores=0.02,
        instrument=tuple(0.00066 * factor for factor in JITTER),
    )
    record = BreakdownRecord(
        tool_version="0.1.0",
        command=("paco-prof", "breakdown", "--output", "run.json"),
        created="2026-01-02T03:04:05+00:00",
        workload=RESNET50,
        environment=CPU,
        inference=Inference(runs=tuple(0.291 * factor for factor in JITTER), warmup=(0.41,)),
        training=training,
        loss_test=LossTest(
            without_graph=(0.912, 0.905, 0.921), with_graph=(1.204, 1.199, 1.211), backward=(2.951, 2.949, 2.96)
        ),
        overhead=Overhead(instrumented=(6.79, 6.81, 6.80), bare=(6.78, 6.80, 6.81)),
        memory=Memory(process_peak_bytes=2_863_311_530),
        operators=(
            OperatorCount(path="loss/pac", operators=186_784, factorizations=14_368),
            OperatorCount(path="backbone", operators=340, factorizations=0),
        ),
        measuring_seconds=58.3,
    )
    return record.model_copy(update=changes)


def gpu_record() -> BreakdownRecord:
    """A run on a GPU: device clocks, peaks by stage, launch-bound stages, and an event that was lost in every step."""
    training = training_of(ON_GPU, glue={"forward": 0.0011, "backward": 0.0008}, on_device=True, warmup=(2.3,))
    launch_bound = ("loss", "loss/pac", "matching")
    stages = [
        s.model_copy(update={"host": s.device} if s.path in launch_bound and s.phase == "forward" else {})
        for s in training.stages
    ]
    lost = StageSamples(
        path="augment", phase="forward", calls=1, host=(0.0007,) * len(JITTER), device=(None,) * len(JITTER)
    )
    return cpu_record(
        environment=GPU,
        workload=RESNET50.model_copy(update={"device": "cuda:0"}),
        training=training.model_copy(update={"stages": (*stages, lost)}),
        inference=Inference(runs=tuple(0.00412 * factor for factor in JITTER)),
        loss_test=None,
        overhead=Overhead(instrumented=(0.867, 0.868, 0.866), bare=(0.866, 0.867, 0.866)),
        memory=Memory(
            process_peak_bytes=3_000_000_000,
            device_peak_bytes=9_112_000_000,
            stages=(
                StageMemory(path="backbone", phase="forward", peak_bytes=5_200_000_000),
                StageMemory(path="backbone", phase="backward", peak_bytes=9_112_000_000),
                StageMemory(path="loss", phase="forward", peak_bytes=5_300_000_000),
                StageMemory(path="loss/pac", phase="forward", peak_bytes=5_300_000_000),
                StageMemory(path="transfer", phase="other", peak_bytes=90_000_000),
            ),
        ),
    )


def exact_record() -> BreakdownRecord:
    """The preset `exact` on a CPU, which has no cuDNN: the loss is gone from the top, and the kind is confirmed."""
    left_out = {"cudnn_benchmark": "cuDNN runs on NVIDIA GPUs, and this is cpu"}
    training = training_of(
        ON_CPU_EXACT,
        glue={"forward": 0.003, "backward": 0.002, "other": 0.001},
        warmup=(2.9, 2.2),
        losses={name: (value,) * len(JITTER) for name, value in (("total", 5.5), ("ce", 5.3), ("pac", 0.2))},
        instrument=tuple(0.00066 * factor for factor in JITTER),
    )
    return cpu_record(
        command=("paco-prof", "breakdown", "--variant", "exact", "--output", "run.json"),
        workload=with_settings(RESNET50, EXACT),
        variant=VariantUsed(name="exact", kind="exact", settings=EXACT, left_out=left_out),
        fidelity=fidelity_of(4.1e-8, 0.0021),
        inference=Inference(runs=tuple(0.262 * factor for factor in JITTER), warmup=(0.41,)),
        training=training,
        loss_test=LossTest(
            without_graph=(0.0021, 0.0020, 0.0022),
            with_graph=(0.0031, 0.0030, 0.0032),
            backward=(0.0041, 0.0040, 0.0042),
        ),
        overhead=Overhead(instrumented=(2.142, 2.141, 2.143), bare=(2.141, 2.142, 2.141)),
        operators=(
            OperatorCount(path="loss/pac", operators=61, factorizations=8),
            OperatorCount(path="backbone", operators=340, factorizations=0),
        ),
    )


def fidelity_of(loss_error: float, gradient_error: float, **changes: Any) -> Fidelity:
    """A fidelity in which every loss but SoC is off by `loss_error`, and the gradient by a component of its own."""
    reference = {"total": 5.372813, "ce": 5.160021, "pac": 0.200014, "soc": 0.127781}
    settings = {
        "against": "baseline",
        "oracle": "loop",
        "losses": {name: value * (1 + (name != "soc") * loss_error) for name, value in reference.items()},
        "reference_losses": reference,
        "gradient_norm": 13.42,
        "gradient_error": gradient_error,
        "gradient_cosine": 1 / math.hypot(1, gradient_error),
        **changes,
    }
    return Fidelity.model_validate(settings)


def interrupted_record() -> BreakdownRecord:
    """An interrupted run of somebody else's model on one image: one step, NaN losses, stages of their own."""
    stages = (
        Times("backbone", 0.31, 0.62, calls=2),
        Times("loss", 0.002, 0.001),
        Times("loss/[pac|new]", 0.004, 0.006),
        Times("loss/[pac|new]/lu", 0.001, 0.002),
        Times("augment", other=0.013),
    )
    losses = {"total": (float("nan"),), "ce": (float("inf"),), "pac": (0.0,)}
    return cpu_record(
        workload=RESNET50.model_copy(update={"batch_size": 1}),
        training=training_of(stages, (1.0,), warmup=(1.4, 1.1), losses=losses, stop_reason="interrupted"),
        loss_test=None,
        overhead=None,
        memory=None,
        operators=(),
        notes=(Note(code="interrupted"),),
    )


def analysis_record() -> BreakdownRecord:
    """The analysis's own table, as it ships with the package's examples."""
    return read_record(EXAMPLES / "analysis_batch8.json")


def changed(record: BreakdownRecord, where: str, value: Any) -> BreakdownRecord:
    """The record with one field replaced, `training.other_busy_cores`, and validated again."""
    return BreakdownRecord.model_validate(changed_data(record, where, value))


def changed_data(record: BreakdownRecord, where: str, value: Any) -> dict[str, Any]:
    """The same as plain data, which nobody has validated."""
    data = record.model_dump()
    *outer, last = where.split(".")
    inner: Any = data
    for name in outer:
        inner = inner[int(name)] if isinstance(inner, list | tuple) else inner[name]
    inner[last] = value
    return data


def with_stage(record: BreakdownRecord, stage: StageSamples) -> BreakdownRecord:
    """The record with one more stage in its training steps."""
    assert record.training is not None
    return changed(record, "training.stages", (*record.training.stages, stage))


@st.composite
def records(draw: st.DrawFn, seconds: st.SearchStrategy[float]) -> BreakdownRecord:
    """Any record of up to eight steps: stages in any order and phase, events lost, nothing that adds up."""
    num = draw(st.integers(1, 8))
    samples = st.lists(seconds, min_size=num, max_size=num).map(tuple)
    wall_times = st.lists(seconds.filter(lambda s: 0 < s < math.inf), min_size=num, max_size=num).map(tuple)
    events = st.lists(st.none() | seconds, min_size=num, max_size=num).map(tuple)
    is_quoted = draw(st.booleans())
    phase = st.just("forward") if is_quoted else st.sampled_from(("forward", "backward", "other"))
    own = st.builds(StageSamples, path=PATHS, phase=phase, calls=st.integers(1, 9), host=samples, device=st.none())
    timed = own if is_quoted else own | own.flatmap(lambda s: events.map(lambda e: s.model_copy(update={"device": e})))
    stages = draw(st.lists(timed, max_size=9, unique_by=lambda s: (s.path, s.phase)))
    # A step without any backward stage would be one that was quoted.
    last = StageSamples(path="autograd/last", phase="forward" if is_quoted else "backward", calls=1, host=draw(samples))
    training = Training(
        steps=draw(wall_times),
        phases={name: draw(samples) for name in ("forward", "backward", "other")},
        stages=(*stages, last),
        losses=draw(st.dictionaries(st.text(max_size=5), st.lists(st.floats(), max_size=3).map(tuple), max_size=3)),
        stop_reason="quoted" if is_quoted else "settled",
        instrument=draw(st.just(()) | samples),
    )
    return cpu_record(
        source=Source(kind="quoted" if is_quoted else "measured", citation=draw(st.text(max_size=9))),
        training=training,
        inference=draw(st.none() | st.builds(Inference, runs=wall_times)),
        environment=draw(st.none() | st.just(CPU) | st.just(GPU)),
        notes=draw(
            st.lists(st.builds(Note, code=st.text(max_size=9), detail=st.text(max_size=9)), max_size=2).map(tuple)
        ),
    )
