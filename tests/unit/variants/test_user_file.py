"""The user's own variants: where they are looked for, what they may say, and one line for what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from paco_prof.errors import UsageError
from paco_prof.forms import Forms
from paco_prof.settings import Workload, with_settings
from paco_prof.variants.resolve import find_variant, plan_variant
from paco_prof.variants.user_file import own_variants
from paco_prof.variants.variant import Variant

ONE = '[variants.one]\nset = { contrast = "fused" }\n'


def written(folder: Path, text: str, name: str = "paco-prof.toml") -> Path:
    """The folder, with a configuration in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def read(folder: Path, text: str) -> dict[str, Variant]:
    """The variants of a `paco-prof.toml`, by name."""
    return {variant.name: variant for variant in own_variants(written(folder, text))}


def names(folder: Path) -> list[str]:
    """What is found from a folder."""
    return [variant.name for variant in own_variants(folder)]


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert own_variants(tmp_path) == ()


def test_both_files_are_known(tmp_path: Path) -> None:
    assert names(written(tmp_path / "a", ONE)) == ["one"]
    assert names(written(tmp_path / "b", ONE.replace("[", "[tool.paco-prof."), "pyproject.toml")) == ["one"]


def test_a_folder_inherits_from_those_above_and_the_nearest_wins(tmp_path: Path) -> None:
    written(tmp_path, ONE)
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert names(tmp_path / "a" / "b") == ["one"]
    written(tmp_path / "a", "[tool.paco-prof.variants.two]\n", "pyproject.toml")
    assert names(tmp_path / "a" / "b") == ["two"]
    assert names(tmp_path) == ["one"]


def test_our_own_file_comes_before_a_pyproject(tmp_path: Path) -> None:
    written(tmp_path, "[tool.paco-prof.variants.two]\n", "pyproject.toml")
    assert names(tmp_path) == ["two"]
    written(tmp_path, ONE)
    assert names(tmp_path) == ["one"]


def test_a_pyproject_that_says_nothing_to_us_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path, ONE)
    below = written(tmp_path / "a", '[tool.ruff]\nline-length = 120\n[project]\nname = "x"\n', "pyproject.toml")
    assert names(below) == ["one"]


def test_a_file_without_variants_ends_the_search(tmp_path: Path) -> None:
    written(tmp_path, ONE)
    assert names(written(tmp_path / "a", "[tool.paco-prof]\n", "pyproject.toml")) == []
    assert names(written(tmp_path / "b", "")) == []


def test_a_variant_is_what_it_uses_and_then_what_it_sets(tmp_path: Path) -> None:
    text = """
        [variants.cluster]
        why = "What we train on the cluster."
        use = ["exact", "bfloat16"]
        set = { d = 32, lr = 0.01, max_negatives_per_sample = 9, matching = "greedy", channels-last = false }
    """
    variant = read(tmp_path, text)["cluster"]
    assert (variant.why, variant.parts, variant.claim) == (
        "What we train on the cluster.",
        ("exact", "bfloat16"),
        None,
    )
    expected = find_variant("exact+bfloat16").settings | {
        "dim": 32,
        "learning_rate": 0.01,
        "max_negatives": 9,
        "matching": "greedy",
        "channels_last": False,
    }
    assert variant.settings == expected
    assert variant.optional == set(expected)


def test_an_empty_variant_is_the_baseline(tmp_path: Path) -> None:
    variant = read(tmp_path, "[variants.mine]\n")["mine"]
    assert (variant.kind, variant.settings, variant.why) == ("exact", {}, "")


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ('set = { contrast = "fused" }', "exact"),
        ('use = ["fused-loss"]', "exact"),
        ('set = { precision = "bfloat16" }', "approximate"),
        ('use = ["exact", "float16"]', "approximate"),
        ('use = ["exact+float16"]', "approximate"),
        ('use = ["max-negatives-16"]', "approximate"),
        ("set = { d = 32 }", "different"),
        ('use = ["fused-loss"]\nset = { batch_size = 16 }', "different"),
        ("set = { d = 64 }", "exact"),
        ('set = { d = 32 }\nkind = "approximate"', "approximate"),
        ('set = { d = 32 }\nkind = "exact"', "exact"),
        ('kind = "different"', "different"),
        ('use = ["exact"]\nset = { channels_last = false }', "exact"),
        ("set = { max_negatives = 16, hard_negative_mining = true }", "approximate"),
    ],
)
def test_the_kind_is_worked_out_or_as_it_is_said(entry: str, kind: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"[variants.mine]\n{entry}\n")["mine"].kind == kind


def test_values_of_every_type_arrive(tmp_path: Path) -> None:
    text = '[variants.mine]\nset = { d = 32, gamma = 0.5, compile = true, metric = "stein", clip_norm = "none" }\n'
    variant = read(tmp_path, text)["mine"]
    workload = with_settings(Workload(clip_norm=1.0), variant.settings)
    assert workload == Workload(dim=32, gamma=0.5, compile=True, metric="stein")


def test_variants_build_on_those_before_them(tmp_path: Path) -> None:
    text = """
        [variants.small]
        set = { d = 32 }
        [variants.smaller]
        use = ["small", "fused-loss"]
        set = { r = 3 }
    """
    variants = read(tmp_path, text)
    assert list(variants) == ["small", "smaller"]
    assert variants["smaller"].settings == {"dim": 32, "contrast": "fused", "window": 3}
    assert variants["smaller"].parts == ("small", "fused-loss")
    assert variants["smaller"].kind == "different"


def test_they_are_planned_like_any_other(tmp_path: Path) -> None:
    own = tuple(read(tmp_path, ONE).values())
    planned = plan_variant(Workload(), "one+bfloat16", {"K": "3"}, own)
    assert planned.workload == Workload(forms=Forms(contrast="fused"), precision="bfloat16", num_parts=3)
    assert planned.used.name == "one+bfloat16"


def refused(folder: Path, text: str, name: str = "paco-prof.toml") -> str:
    """The one line that a file is refused with."""
    with pytest.raises(UsageError) as caught:
        own_variants(written(folder, text, name))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(name)
    assert str(folder) not in message
    return message


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("useful = true", ("useful",)),
        ('use = ["exakt"]', ("'exakt'", "exact")),
        ('use = ["later"]', ("'later'",)),
        ('use = ["mine"]', ("'mine'",)),
        ('use = "exact"', ("use", "list")),
        ("use = [3]", ("use", "string")),
        ("set = { dimm = 32 }", ("'dimm' is not a setting", "dim")),
        ("set = { device = 'cuda' }", ("'device' is not a setting",)),
        ("set = { d = 0 }", ("dim=0",)),
        ("set = { d = 2.5 }", ("dim=2.5",)),
        ("set = { gamma = 2 }", ("gamma=2",)),
        ("set = { d = [1, 2] }", ("dim=[1, 2]",)),
        ("set = { d = 1979-05-27 }", ("dim=",)),
        ("set = 3", ("set", "dictionary")),
        ("why = 3", ("why", "string")),
        ('kind = "precise"', ("kind", "'exact', 'approximate' or 'different'")),
        ("set = { max_negatives = 0 }", ("max_negatives=0",)),
        ("set = { peaks_every = 0 }", ("peaks_every=0",)),
    ],
)
def test_what_a_variant_cannot_say_is_one_line(entry: str, words: tuple[str, ...], tmp_path: Path) -> None:
    message = refused(tmp_path, f"[variants.mine]\n{entry}\n[variants.later]\n")
    assert "variant 'mine'" in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["exact", "baseline", "d32", '"a+b"'])
def test_a_name_that_is_taken_or_holds_a_plus_is_refused(name: str, tmp_path: Path) -> None:
    message = refused(tmp_path, f"[variants.{name}]\n")
    assert f"variant {name.strip(chr(34))!r}" in message


@pytest.mark.parametrize("value", ["3", '"fused-loss"', "[]"])
def test_a_variant_that_is_no_table_is_refused(value: str, tmp_path: Path) -> None:
    message = refused(tmp_path, f"variants.mine = {value}\n")
    assert "variant 'mine'" in message
    # Names of classes are nobody's business, and a place that is empty is not told.
    assert "_Entry" not in message
    assert ": :" not in message


@pytest.mark.parametrize("value", ["3", '"mine"', '["mine"]'])
def test_variants_that_are_no_table_are_refused(value: str, tmp_path: Path) -> None:
    assert "variants is not a table" in refused(tmp_path, f"variants = {value}\n")
    assert "variants is not a table" in refused(
        tmp_path / "py", f"[tool.paco-prof]\nvariants = {value}\n", "pyproject.toml"
    )


@pytest.mark.parametrize("text", ["[tool]\npaco-prof = 3\n", "tool = 3\n", '[tool]\npaco-prof = ["x"]\n'])
def test_a_section_that_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    assert "not a table" in refused(tmp_path, text, "pyproject.toml")


@pytest.mark.parametrize("name", ["paco-prof.toml", "pyproject.toml"])
@pytest.mark.parametrize("text", ["[variants.mine", "set = {", "a = 1\na = 2\n", "just words"])
def test_broken_toml_is_one_line_that_says_where(name: str, text: str, tmp_path: Path) -> None:
    message = refused(tmp_path, text, name)
    assert "cannot be read" in message
    assert "line" in message or "end of document" in message


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "paco-prof.toml").write_bytes(b"\xff\xfe\x00[variants]")
    with pytest.raises(UsageError, match=r"paco-prof\.toml cannot be read") as caught:
        own_variants(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_first_fault_is_told_even_if_another_variant_is_asked_for(tmp_path: Path) -> None:
    assert "variant 'bad'" in refused(tmp_path, ONE + "[variants.bad]\nset = { d = 0 }\n")


@pytest.mark.parametrize("text", ["[variant.mine]\n", "[tool.paco-prof.variants.mine]\n"])
def test_a_table_that_nobody_reads_is_told(text: str, tmp_path: Path) -> None:
    """A misspelt name would be a variant that is not there, and nobody would know why."""
    assert "says nothing to paco-prof" in refused(tmp_path, text)
