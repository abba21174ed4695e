"""A model of the user's own in a gate's configuration: what names it, where it is looked for, what no tree has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from paco_prof.errors import UsageError
from paco_prof.gate.own_code import default_variant, refuse_what_is_in_no_tree, with_code
from paco_prof.gate.table import Against, CheckTable

AGAINST = Against("main", 0.03)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with code in folders of its own, and one beside it."""
    project = tmp_path / "project"
    for name in ("nets/net.py", "steps/mine.py", "drops/fast.py", "inner/net.py", "../elsewhere/other.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    return project


@pytest.mark.parametrize(
    ("model", "drop_ins", "variant"),
    [(None, {}, "exact"), ("a:b", {}, "baseline"), ("a:b", {"neck": "c:d"}, "drop-in")],
)
def test_what_is_checked_where_nobody_says(model: str | None, drop_ins: dict[str, str], variant: str) -> None:
    assert default_variant(model, drop_ins) == variant


def test_the_folders_of_model_step_and_drop_ins_are_looked_in_first(project: Path) -> None:
    table = with_code(
        CheckTable(replace={"pool": "paco_prof:FoldedPool"}),
        project,
        model="nets/net.py:build",
        step="steps/mine.py:losses",
        replacements=["neck=drops/fast.py:Fast", "matcher=paco_prof:BatchedMatcher"],
    )
    assert (table.model, table.step) == ("net:build", "mine:losses")
    assert table.replace == {
        "pool": "paco_prof:FoldedPool",
        "neck": "fast:Fast",
        "matcher": "paco_prof:BatchedMatcher",
    }
    assert table.python_path == ("nets", "steps", "drops", ".", "src")
    assert table.outside == {}


def test_folders_are_those_of_the_project_wherever_the_command_was_started(project: Path) -> None:
    table = with_code(CheckTable(root=project, python_path=("lib",)), project / "inner", model="net.py:build")
    assert table.python_path == ("inner", "lib")


def test_what_is_not_named_stays(project: Path) -> None:
    table = CheckTable(model="a:b", step="c:d", replace={"pool": "e:f"}, python_path=("lib",))
    assert with_code(table, project) == table
    assert with_code(table, project, model="g:h") == replace(table, model="g:h")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"model": "../elsewhere/other.py:build"}, "--model '../elsewhere/other.py:build'"),
        ({"step": "../elsewhere/other.py:losses"}, "--step '../elsewhere/other.py:losses'"),
        ({"replacements": ["neck=../elsewhere/other.py:Fast"]}, "--replace neck=other:Fast"),
    ],
)
def test_a_file_from_elsewhere_is_measured_but_beside_no_revision(
    project: Path, named: dict[str, str], said: str
) -> None:
    table = with_code(CheckTable(), project, **named)  # type: ignore[arg-type]
    assert table.import_folders(project) == (project.parent / "elsewhere", project, project / "src")
    refuse_what_is_in_no_tree(table)
    with pytest.raises(UsageError) as told:
        refuse_what_is_in_no_tree(replace(table, against=AGAINST))
    assert told.value.message == f"{said} is the same file whichever revision is measured."


def test_another_file_in_its_place_may_stand_beside_a_revision(project: Path) -> None:
    elsewhere = with_code(CheckTable(against=AGAINST), project, model="../elsewhere/other.py:build")
    refuse_what_is_in_no_tree(with_code(elsewhere, project, model="nets/net.py:build"))
    with pytest.raises(UsageError, match=r"^--model "):
        refuse_what_is_in_no_tree(with_code(elsewhere, project, step="steps/mine.py:losses"))


@pytest.mark.parametrize("option", ["model", "step"])
def test_messages_say_which_option_it_was(project: Path, option: str) -> None:
    for text in ("nets/nett.py:build", "nets"):
        with pytest.raises(UsageError, match=rf"^--{option} '{text}'"):
            with_code(CheckTable(), project, **{option: text})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"^here: model: 'nets'"):
        with_code(CheckTable(), project, model="nets", told="here: {}:".format)
