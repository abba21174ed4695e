"""`paco-prof breakdown --variant --set`: what arrives at the measurement, and one line for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import Bench
from paco_prof.cli.app import run
from paco_prof.measure.job import Job
from paco_prof.records import VariantUsed
from paco_prof.settings import Workload, with_settings
from paco_prof.variants.catalogue import CATALOGUE

AUTOMATIC = Workload(device="auto")


def test_without_a_variant_the_job_is_the_baseline(bench: Bench) -> None:
    assert run(["breakdown"]) == 0
    ((job, plan, _),) = bench.calls
    assert job == Job.baseline(AUTOMATIC)
    assert plan.fidelity


def test_a_variant_and_settings_arrive(bench: Bench) -> None:
    arguments = "--variant exact+bfloat16 --set gamma=0 --set max-negatives=9 -K 3 --no-fidelity"
    assert run(["breakdown", *arguments.split()]) == 0
    ((job, plan, _),) = bench.calls
    exact = next(variant for variant in CATALOGUE if variant.name == "exact")
    settings = {**exact.settings, "precision": "bfloat16", "gamma": 0.0, "max_negatives": 9}
    assert job.base == with_settings(AUTOMATIC, {"num_parts": 3})
    assert job.workload == with_settings(job.base, settings)
    assert job.variant == VariantUsed(name="exact+bfloat16", kind="different", settings=settings)
    assert job.optional == set(exact.settings)
    assert not plan.fidelity


def test_settings_alone_are_a_change_of_the_baseline(bench: Bench) -> None:
    assert run(["breakdown", "--set", "d=32"]) == 0
    ((job, _, _),) = bench.calls
    assert job.base == AUTOMATIC
    assert job.variant == VariantUsed(name="baseline", kind="different", settings={"dim": 32})


def test_the_epoch_belongs_to_the_baseline(bench: Bench) -> None:
    assert run(["breakdown", "--epoch", "5", "--variant", "exact"]) == 0
    ((job, _, _),) = bench.calls
    assert job.base.epoch == job.workload.epoch == 5
    assert "epoch" not in job.variant.settings


def test_the_users_variants_are_found_in_the_folder(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "paco-prof.toml").write_text('[variants.mine]\nuse = ["fused-loss"]\nset = { d = 16 }\n')
    assert run(["breakdown", "--variant", "mine"]) == 0
    ((job, _, _),) = bench.calls
    assert job.variant.settings == {"contrast": "fused", "dim": 16}


@pytest.mark.parametrize("options", [("-d", "32"), ("-d", "32", "--window", "5"), ("--batch-size", "2")])
def test_an_option_that_says_the_same_as_the_variant_is_fine(bench: Bench, options: tuple[str, ...]) -> None:
    assert run(["breakdown", "--variant", "d32", *options]) == 0
    assert bench.calls[0][0].workload.dim == 32


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--variant nope", ("'nope'", "paco-prof variants")),
        ("--variant fused", ("'fused'", "fused-loss")),
        ("--variant exact+", ("''",)),
        ("--set d", ("'d'", "name=value")),
        ("--set d=", ("'d='", "name=value")),
        ("--set dimm=3", ("'dimm'", "Did you mean dim")),
        ("--set d=0", ("dim", "'0'")),
        ("--set d=2.5", ("dim", "'2.5'")),
        ("--set gamma=2", ("gamma", "'2'")),
        ("--set metric=foo", ("metric", "'foo'", "stein")),
        ("--set max_negatives=0", ("max_negatives", "0")),
        ("--set peaks_every=0", ("peaks_every", "0")),
        ("--set device=cuda", ("'device'",)),
        ("--variant d32 -d 64", ("'d32'", "dim", "32", "64", "--set dim=64")),
        ("--variant phase3 --image-size 96", ("image_size", "192", "96")),
        ("--variant fastest --backbone resnet18", ("backbone", "efficientnet_b0", "resnet18")),
        ("--variant exact+r3 --window 7", ("window", "3", "7")),
    ],
)
def test_a_variant_or_a_setting_that_cannot_be_is_one_line(
    bench: Bench, arguments: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["breakdown", *arguments.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    for word in words:
        assert word in captured.err
    assert bench.calls == []


def test_a_broken_file_of_ones_own_is_one_line(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "paco-prof.toml").write_text("[variants.mine]\nset = { d = 0 }\n")
    assert run(["breakdown"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("paco-prof: paco-prof.toml, line 2: variant 'mine': dim=0 ")
    assert captured.err.count("\n") == 1
    assert bench.calls == []
