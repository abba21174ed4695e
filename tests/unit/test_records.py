"""Records survive JSON unchanged, cannot be altered, and refuse what does not belong together."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from builders import (
    CPU,
    Times,
    analysis_record,
    changed,
    cpu_record,
    exact_record,
    fidelity_of,
    gpu_record,
    interrupted_record,
    records,
)
from comparisons import ablation_record, comparison_record, launch_of
from paco_prof.records import SCHEMA_VERSION, BreakdownRecord, ComparisonRecord, Failure, Launch, StageSamples, Training
from paco_prof.settings import Workload


@given(records(st.floats()))
@settings(max_examples=150)
def test_any_record_survives_json(record: BreakdownRecord) -> None:
    """NaN, infinities and minus zero included: equal by `repr`, which tells them all apart."""
    text = record.model_dump_json()
    assert repr(BreakdownRecord.model_validate_json(text)) == repr(record)


@given(records(st.floats()))
@settings(max_examples=50)
def test_any_record_is_json_that_every_reader_can_read(record: BreakdownRecord) -> None:
    """`NaN` and `Infinity` are not JSON; they have to be something else in the file."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(record.model_dump_json(), parse_constant=refuse)["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize(
    "record", [cpu_record(), gpu_record(), interrupted_record(), analysis_record(), exact_record()]
)
def test_the_built_records_survive_json_twice(record: BreakdownRecord) -> None:
    once = record.model_dump_json(indent=1)
    again = BreakdownRecord.model_validate_json(once)
    assert again.model_dump_json(indent=1) == once


def test_flags_keep_their_types() -> None:
    """`"1"` of an environment variable is text, and does not become True."""
    record = changed(cpu_record(), "environment.flags", {"OMP_NUM_THREADS": "1", "tf32": True, "wait": "true"})
    again = BreakdownRecord.model_validate_json(record.model_dump_json())
    assert again.environment is not None
    assert again.environment.flags == {"OMP_NUM_THREADS": "1", "tf32": True, "wait": "true"}
    assert again.environment.flags["tf32"] is True


def test_settings_of_a_variant_keep_their_types() -> None:
    """True is not 1, 16 not 16.0, and none not "none"."""
    settings = {"compile": True, "dim": 16, "gamma": 0.0, "epsilon": 1.0, "metric": "stein", "clip_norm": None}
    record = changed(cpu_record(), "variant.settings", settings)
    again = BreakdownRecord.model_validate_json(record.model_dump_json())
    assert repr(again.variant.settings) == repr(settings)


def test_a_fidelity_keeps_what_is_no_number() -> None:
    record = cpu_record(fidelity=fidelity_of(math.nan, math.inf, gradient_norm=math.inf))
    again = BreakdownRecord.model_validate_json(record.model_dump_json())
    assert repr(again.fidelity) == repr(record.fidelity)
    assert again.fidelity is not None
    assert math.isnan(again.fidelity.losses["total"])


def test_a_record_that_says_nothing_of_a_variant_is_of_the_baseline() -> None:
    """Such are the records that were quoted, or measured before there were variants."""
    data = json.loads(cpu_record().model_dump_json())
    del data["variant"], data["fidelity"], data["workload"]["forms"]
    again = BreakdownRecord.model_validate(data)
    assert (again.variant.name, again.variant.settings, again.fidelity) == ("baseline", {}, None)
    assert repr(again) == repr(cpu_record())


def test_not_measured_and_zero_stay_apart() -> None:
    stage = StageSamples(path="loss", phase="forward", calls=1, host=(1.0, 1.0), device=(None, 0.0))
    again = StageSamples.model_validate_json(stage.model_dump_json())
    assert again.device == (None, 0.0)
    assert again.seconds == (None, 0.0)


def test_the_device_clock_counts_where_there_is_one() -> None:
    on_cpu = StageSamples(path="loss", phase="forward", calls=1, host=(1.0, 2.0))
    on_gpu = StageSamples(path="loss", phase="forward", calls=1, host=(1.0, 2.0), device=(3.0, None))
    assert on_cpu.seconds == (1.0, 2.0)
    assert on_gpu.seconds == (3.0, None)


def test_non_finite_losses_are_kept() -> None:
    training = interrupted_record().training
    assert training is not None
    assert math.isnan(training.losses["total"][0])
    assert math.isinf(training.losses["ce"][0])


@pytest.mark.parametrize(
    ("model", "field", "value"), [(cpu_record(), "tool_version", "2"), (CPU, "cores", 3), (Workload(), "dim", 32)]
)
def test_records_are_frozen(model: BaseModel, field: str, value: object) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, field, value)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="host_name"):
        changed(cpu_record(), "environment.host_name", "somebodys-laptop")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("training.phases", {"forward": (1.0,), "backward": (1.0,), "other": (1.0,)}),
        ("training.steps", (1.0, 2.0)),
        ("training.instrument", (0.001,)),
        ("training.stages.0.host", (1.0,)),
        ("training.stages.0.device", (1.0, None)),
    ],
)
def test_every_stage_and_phase_has_one_sample_a_step(where: str, value: object) -> None:
    with pytest.raises(ValidationError, match="one sample a step"):
        changed(cpu_record(), where, value)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("workload.batch_size", 0),
        ("workload.num_parts", 0),
        ("workload.threads", 0),
        ("training.stop_reason", "bored"),
        ("training.stages.0.phase", "sideways"),
        ("source.kind", "guessed"),
        ("schema_version", 2),
        ("kind", "sweep"),
        ("variant.kind", "faster"),
        ("fidelity", {"against": "nobody"}),
        ("workload.gamma", 2.0),
        ("workload.precision", "float8"),
    ],
)
def test_what_cannot_be_is_refused(where: str, value: object) -> None:
    with pytest.raises(ValidationError):
        changed(cpu_record(), where, value)


def test_a_run_that_ended_before_its_first_step_has_no_training_rather_than_an_empty_one() -> None:
    phases = {"forward": (), "backward": (), "other": ()}
    assert cpu_record(training=None).training is None
    with pytest.raises(ValidationError, match="at least 1 item"):
        Training(steps=(), phases=phases, stages=(), stop_reason="interrupted")


def test_a_comparison_survives_json_twice() -> None:
    for record in (comparison_record(launches=1), ablation_record("one-at-a-time", launches=1)):
        once = record.model_dump_json(indent=1)
        again = ComparisonRecord.model_validate_json(once)
        assert repr(again) == repr(record)
        assert again.model_dump_json(indent=1) == once


@pytest.mark.parametrize("place", [3, 99])
def test_a_launch_of_a_contestant_that_is_not_there_is_refused(place: int) -> None:
    launch = comparison_record(launches=1).launches[0].model_copy(update={"contestant": place})
    with pytest.raises(ValidationError, match="not there"):
        comparison_record(launches=0).model_validate(
            {**comparison_record(launches=0).model_dump(), "launches": [launch]}
        )


def test_a_failure_of_a_contestant_that_is_not_there_is_refused() -> None:
    failure = Failure(contestant=3, round=0, kind="died", during="step", detail="x")
    with pytest.raises(ValidationError, match="not there"):
        comparison_record(launches=0, failures=(failure,))


@pytest.mark.parametrize("place", [0, -1])
def test_the_baseline_has_no_launch_of_its_own(place: int) -> None:
    with pytest.raises(ValidationError):
        launch_of(place, 0, (Times("loss", 0.1, 0.2),), (Times("loss", 0.1, 0.2),))


def test_steps_without_their_partners_are_refused() -> None:
    launch = comparison_record(launches=1).launches[0]
    fewer = launch.model_dump() | {"baseline_first": launch.baseline_first[:-1]}
    with pytest.raises(ValidationError, match="partner"):
        Launch.model_validate(fewer)
    assert Launch.model_validate(fewer | {"sequential": True, "baseline_first": (True,)}).sequential


def test_a_comparison_needs_a_baseline_and_a_variant() -> None:
    record = comparison_record(launches=0)
    with pytest.raises(ValidationError, match="contestants"):
        ComparisonRecord.model_validate(record.model_dump() | {"contestants": record.contestants[:1]})


def test_halving_halves_both_workloads_and_rounds_down() -> None:
    exact = comparison_record(launches=0).contestants[1]
    smaller = exact.halved(2)
    assert (smaller.workload.batch_size, smaller.base.batch_size) == (2, 2)
    assert exact.halved(0) == exact
