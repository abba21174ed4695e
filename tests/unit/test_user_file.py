"""The user's configuration: which file it is, what it holds, and on which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from paco_prof.errors import UsageError
from paco_prof.user_file import UserFile

OWN = """\
# [check] is read by the gate
[variants.check]
set = { d = 16 }

[check]            # this one
variant = "exact"
set = { d = 32, "r" = 3 }
budgets = [
    "loss <= 10 %",
    "loss/pac <= 5 %",
]
"tricky.name" = 1

[[check.more]]
key = 1
"""
PYPROJECT = """\
[project]
name = "x"
[tool.other]
check = true
[tool.third.check]
budgets = 3
[tool.paco-prof.check]
budgets = []
[tool.paco-prof]
variants.mine.set = { d = 3 }
"""


def found(folder: Path, text: str, name: str = "paco-prof.toml") -> UserFile:
    """The configuration of a folder with this file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    file = UserFile.find(folder)
    assert file is not None
    return file


def refusal(folder: Path, text: str, name: str = "paco-prof.toml") -> str:
    """The one line that a file is refused with."""
    with pytest.raises(UsageError) as caught:
        found(folder, text, name)
    return str(caught.value)


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    assert UserFile.find(tmp_path) is None


def test_the_nearest_file_that_says_something_is_read(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    found(tmp_path, "[check]\nseed = 1\n")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.ruff]\n")
    above = UserFile.find(tmp_path / "a" / "b")
    assert above is not None
    assert (above.name, above.root, above.table("check")) == ("paco-prof.toml", tmp_path, {"seed": 1})
    nearer = found(tmp_path / "a", "[tool.paco-prof.variants.mine]\n", "pyproject.toml")
    assert (nearer.name, nearer.root, nearer.table("check")) == ("pyproject.toml", tmp_path / "a", {})
    assert nearer.table("variants") == {"mine": {}}


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("check",), 5),
        (("check", "variant"), 6),
        (("check", "set"), 7),
        (("check", "set", "d"), 7),
        (("check", "set", "r"), 7),
        (("check", "budgets"), 8),
        (("check", "tricky.name"), 12),
        (("check", "more", "key"), 15),
        (("variants",), 2),
        (("variants", "check", "set", "d"), 3),
        # As many of them as can be found.
        (("check", "set", "gamma"), 7),
        (("check", "missing"), 5),
    ],
)
def test_a_place_is_a_line(names: tuple[str, ...], line: int, tmp_path: Path) -> None:
    assert found(tmp_path, OWN).place(*names) == f"paco-prof.toml, line {line}"


@pytest.mark.parametrize(
    ("names", "line"), [(("check",), 7), (("check", "budgets"), 8), (("variants", "mine"), 10), (("variants",), 10)]
)
def test_other_tools_tables_of_the_same_name_are_not_ours(names: tuple[str, ...], line: int, tmp_path: Path) -> None:
    assert found(tmp_path, PYPROJECT, "pyproject.toml").place(*names) == f"pyproject.toml, line {line}"


def test_one_line_of_several_is_told_by_what_stands_there(tmp_path: Path) -> None:
    file = found(tmp_path, OWN)
    assert file.place("check", "budgets", value="loss/pac <= 5 %") == "paco-prof.toml, line 10"
    assert file.place("check", "budgets", value="elsewhere") == "paco-prof.toml, line 8"


def test_what_is_braced_is_found_on_its_own_line(tmp_path: Path) -> None:
    text = "check = {\n  seed = 1 }\n"
    assert "cannot be read" in refusal(tmp_path / "a", text)
    text = (
        '[check]\nbudgets = [\n  { budget = "x" },\n  {\tsmallest_effect = 1 }]\nbaseline = { smallest_effect = 2 }\n'
    )
    file = found(tmp_path / "b", text)
    assert file.place("check", "budgets", "smallest_effect") == "paco-prof.toml, line 4"
    assert file.place("check", "baseline", "smallest_effect") == "paco-prof.toml, line 5"


def test_without_a_line_a_place_is_the_file(tmp_path: Path) -> None:
    assert found(tmp_path, "").place("check") == "paco-prof.toml"


def test_a_table_that_nobody_reads_is_refused_with_its_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, "[variants]\n\n[chekc]\n") == (
        "paco-prof.toml, line 3: 'chekc' says nothing to paco-prof. There is variants, check, stages."
    )
    assert refusal(tmp_path, "[tool.paco-prof.check]\n") == (
        "paco-prof.toml, line 1: 'tool' says nothing to paco-prof. In paco-prof.toml tables begin without it."
    )
    (tmp_path / "paco-prof.toml").unlink()
    assert refusal(tmp_path, "[tool.check]\n[tool.paco-prof.chekc]\n", "pyproject.toml") == (
        "pyproject.toml, line 2: 'chekc' says nothing to paco-prof. There is variants, check, stages."
    )


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        found(tmp_path, "check = 3\n").table("check")
    assert str(caught.value) == ("paco-prof.toml: check is not a table. Write its entries as name = value, one a line.")
