"""What a device cannot do ends a toggle and is left out of a preset, with the reason either way."""

from __future__ import annotations

import shutil

import pytest
import torch

from paco_prof.errors import UsageError
from paco_prof.measure.distributed.group import device_name
from paco_prof.measure.job import Job
from paco_prof.ranks import Place
from paco_prof.records import Contestant, VariantUsed
from paco_prof.settings import changed_settings
from tiny import CPU, TINY, job_of

VIT = TINY.model_copy(update={"backbone": "test_vit"})


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no C++ compiler."""
    monkeypatch.setattr(shutil, "which", lambda name: None)


def refused(job: Job) -> str:
    """The one line that a job ends with."""
    with pytest.raises(UsageError) as caught:
        job.on(CPU)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_baseline_is_a_variant_of_nothing() -> None:
    job = Job.baseline(TINY)
    assert (job.workload, job.base, job.variant, job.optional) == (TINY, TINY, VariantUsed(), frozenset())
    assert job.on(CPU) == job


def test_the_device_is_noted() -> None:
    automatic = TINY.model_copy(update={"device": "auto"})
    assert job_of("exact", automatic).on(CPU).workload.device == "cpu"


@pytest.mark.parametrize(
    ("variant", "setting", "words"),
    [("tf32", "tf32", "NVIDIA"), ("cudnn-benchmark", "cudnn_benchmark", "NVIDIA"), ("tf32+exact", "tf32", "cpu")],
)
def test_a_toggle_that_a_cpu_cannot_do_ends_the_run(variant: str, setting: str, words: str) -> None:
    message = refused(job_of(variant))
    assert message.startswith(f"{setting} is not applicable: ")
    assert words in message


def test_what_was_set_by_hand_is_no_more_optional_than_a_toggle() -> None:
    assert refused(job_of("exact", tf32=True)).startswith("tf32 is not applicable")


def test_a_preset_goes_on_without_it() -> None:
    job = job_of("exact").on(CPU)
    assert not job.workload.cudnn_benchmark
    assert set(job.variant.left_out) == {"cudnn_benchmark"}
    assert "NVIDIA" in job.variant.left_out["cudnn_benchmark"]
    assert "cudnn_benchmark" not in job.variant.settings
    assert (job.variant.name, job.variant.kind) == ("exact", "exact")


def test_the_rest_of_the_preset_stays() -> None:
    planned = job_of("exact")
    job = planned.on(CPU)
    assert changed_settings(job.workload, planned.workload) == {"cudnn_benchmark": False}
    assert job.variant.settings == changed_settings(job.workload, TINY)
    assert job.variant.settings == {
        name: value for name, value in planned.variant.settings.items() if name != "cudnn_benchmark"
    }
    assert job.base == planned.base


def test_what_is_left_out_is_as_the_baseline_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A baseline that has a value of its own gets that back, and not the default."""
    base = TINY.model_copy(update={"precision": "float16"})
    job = job_of("bfloat16", base)
    optional = Job(job.workload, job.base, job.variant, frozenset({"precision"}))
    monkeypatch.setattr("paco_prof.measure.job.inapplicable", lambda workload, device: {"precision": "no reason"})
    assert optional.on(CPU).workload.precision == "float16"
    assert optional.on(CPU).variant.settings == {}


def test_without_a_compiler_there_is_no_compile(without_compiler: None) -> None:
    message = refused(job_of("compile"))
    assert message.startswith("compile is not applicable: ")
    assert "C++ compiler" in message
    assert "g++" in message


def test_fastest_goes_on_without_all_that_is_missing(without_compiler: None) -> None:
    job = job_of("fastest", backbone="test_resnet").on(CPU)
    assert set(job.variant.left_out) == {"compile", "tf32", "cudnn_benchmark"}
    assert not job.workload.compile
    assert not job.workload.tf32
    assert job.workload.channels_last
    assert job.workload.precision == "bfloat16"


def test_tokens_have_no_channels_to_put_last() -> None:
    message = refused(job_of("channels-last", VIT))
    assert message.startswith("channels_last is not applicable: test_vit has tokens")
    job = job_of("exact", VIT).on(CPU)
    assert set(job.variant.left_out) == {"channels_last", "cudnn_benchmark"}
    assert not job.workload.channels_last


def test_a_convolutional_backbone_has() -> None:
    assert job_of("channels-last").on(CPU).workload.channels_last
    assert job_of("channels-last").on(CPU).variant.left_out == {}


def test_the_first_reason_that_counts_ends_the_run_whatever_else_is_left_out() -> None:
    assert refused(job_of("exact+tf32")).startswith("tf32 is not applicable")


def test_float64_parts_end_a_run_on_mps() -> None:
    with pytest.raises(UsageError, match="parts_dtype is not applicable: MPS has no float64"):
        job_of("float64-parts").on(torch.device("mps"))


def test_what_one_of_several_ranks_has_built_is_built_again_on_each_of_their_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in the second round of a comparison, in which all are told to build what the first one's worker had built."""
    monkeypatch.setattr("paco_prof.measure.job.inapplicable", lambda workload, device: {})
    asked = TINY.model_copy(update={"device": "cuda", "world_size": 2})
    contestant = Contestant(name="baseline", workload=asked, base=asked)
    for _ in range(2):
        names = [device_name(Place(rank, 2, rank), contestant.workload.device) for rank in range(2)]
        assert names == ["cuda:0", "cuda:1"]
        built = Job(contestant.workload, contestant.base).on(torch.device(names[0]))
        contestant = contestant.as_built(contestant.model_copy(update={"workload": built.workload}))
    assert contestant.workload.device == "cuda"
    alone = Job.baseline(asked.model_copy(update={"world_size": 1}))
    assert alone.on(torch.device("cuda", 1)).workload.device == "cuda:1"
