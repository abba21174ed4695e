"""`paco-prof variants`: the catalogue on screen and as JSON, one's own variants among it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paco_prof.cli.app import run
from paco_prof.variants.catalogue import CATALOGUE

OWN = """
[variants.cluster]
why = "What we train [on the cluster]."
use = ["exact", "bfloat16"]
set = { d = 32 }
[variants.a-name-that-somebody-took-his-time-to-find]
use = ["cluster"]
kind = "approximate"
"""


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints when all is well."""
    assert run(["variants", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.fixture(params=[80, 120])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Columns of the terminal."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def test_no_line_is_wider_than_the_terminal(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys).splitlines()
    assert width - 10 < max(map(len, lines)) <= width


def test_every_name_begins_a_line_with_its_kind(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    begun = [line.split()[:2] for line in shown(capsys).splitlines() if line[:1].strip()]
    for variant in CATALOGUE:
        assert [variant.name, variant.kind] in begun


def test_every_name_is_unbroken_where_a_preset_holds_it(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = {word.strip(",.") for word in shown(capsys).split()}
    assert {part for variant in CATALOGUE for part in variant.parts} <= words


def test_every_word_of_a_reason_is_there_in_order(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(capsys).split())
    # Between the lines of a cell there is nothing but space: the other cells of the row have one line.
    for variant in CATALOGUE:
        assert " ".join(variant.why.split()) in text
        if variant.claim is not None:
            assert f"“{variant.claim.text}”" in text


def test_ones_own_stand_under_yours(width: int, empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Yours" not in shown(capsys)
    (empty_folder / "paco-prof.toml").write_text(OWN)
    out = shown(capsys)
    assert max(map(len, out.splitlines())) <= width
    _, yours = out.split("Yours")
    assert "cluster" in yours
    assert "What we train [on the cluster]." in " ".join(yours.split())
    assert "a-name-that-somebody-took-his-time-to-find" in yours


def test_json_is_the_whole_catalogue_with_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    data: list[dict[str, Any]] = json.loads(shown(capsys, "--json"))
    assert [entry["name"] for entry in data] == [variant.name for variant in CATALOGUE]
    for entry, variant in zip(data, CATALOGUE, strict=True):
        assert set(entry) == {"name", "kind", "why", "settings", "variants", "error", "claim"}
        assert (entry["kind"], entry["why"], entry["error"]) == (variant.kind, variant.why, variant.error)
        assert entry["settings"] == variant.settings
        assert tuple(entry["variants"]) == variant.parts
        assert (entry["claim"] is None) is (variant.claim is None)
    claim = next(entry["claim"] for entry in data if entry["name"] == "efficientnet-b0")
    assert set(claim) == {"text", "speedup_low", "speedup_high", "of"}
    assert claim["of"] == "backbone"


def test_json_does_not_care_for_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert json.loads(shown(capsys, "--json"))


def test_json_holds_ones_own_last(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_folder / "pyproject.toml").write_text(OWN.replace("[variants.", "[tool.paco-prof.variants."))
    *_, cluster, last = json.loads(shown(capsys, "--json"))
    assert (cluster["name"], cluster["kind"]) == ("cluster", "different")
    assert cluster["settings"]["dim"] == 32
    assert cluster["variants"] == ["exact", "bfloat16"]
    assert (last["kind"], last["claim"]) == ("approximate", None)


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[variants.exact]\n", "'exact'"),
        ("[variants.mine]\nset = { dimm = 3 }\n", "'mine'"),
        ("[variants.mine]\nuse = ['nope']\n", "'nope'"),
        ("[variants", "cannot be read"),
        ("variants = 3\n", "not a table"),
    ],
)
def test_a_file_that_cannot_be_is_one_line(
    options: tuple[str, ...], text: str, words: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty_folder / "paco-prof.toml").write_text(text)
    assert run(["variants", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: paco-prof.toml")
    assert words in captured.err
