"""What options say of a model of the user's own: names, arguments, drop-ins, stages."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from paco_prof.errors import UsageError
from paco_prof.settings import Argument
from paco_prof.user_code import (
    OF_PACO2,
    Named,
    check_argument,
    look_around,
    look_in,
    parse_argument,
    parse_arguments,
    parse_name,
    parse_replacements,
    parse_stages,
    refuse_settings_of_paco2,
    user_code,
)
from paco_prof.user_file import UserFile


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a model in a folder of its own."""
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "paco.py").write_text("def build(): ...\n")
    (tmp_path / "nets" / "2nd-try.py").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("-3", -3),
        ("1e-5", 1e-5),
        ("0.5", 0.5),
        ("true", True),
        ("False", False),
        ("none", None),
        ("resnet50", "resnet50"),
        ("'4'", "4"),
        ('"true"', "true"),
        ("", ""),
        ("nan", "nan"),
        ("inf", "inf"),
        ("'", "'"),
        ("a=b", "a=b"),
    ],
)
def test_a_value_has_the_type_that_it_looks_like(text: str, value: Argument) -> None:
    parsed = parse_argument(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_arguments_have_names_and_stand_there_once() -> None:
    assert parse_arguments(["K=6", "name=a=b", "metric="]) == {"K": 6, "name": "a=b", "metric": ""}
    for text in ("K", "=4", "a b=1", "class=2", "1k=3"):
        with pytest.raises(UsageError, match="is not of the form name=value"):
            parse_arguments([text])
    with pytest.raises(UsageError, match="--model-arg K stands there twice"):
        parse_arguments(["K=1", "K=2"])


ABSOLUTE = ["/home/jane/x.pth", "~/x.pth", "~jane", r"C:\x.pth", "C:/x.pth", r"\\server\share\x.pth"]


@pytest.mark.parametrize("path", ABSOLUTE)
def test_no_argument_tells_where_somebodys_files_are(path: str) -> None:
    with pytest.raises(UsageError, match="is an absolute path, and a record holds none") as told:
        check_argument(path, "here: ")
    assert told.value.message.startswith(f"here: {path!r}")
    for text in (path, f"'{path}'"):
        with pytest.raises(UsageError, match=r"^--model-arg weights: .* is an absolute path"):
            parse_arguments(["K=3", f"weights={text}"])


@pytest.mark.parametrize("value", ["x.pth", "../x/y.pth", "a:b", "resnet50", "", r"\d+", "x~", 3, -1.5, True, None])
def test_any_other_argument_may_stand_in_a_record(value: object) -> None:
    check_argument(value)


@pytest.mark.parametrize(("setting", "option"), OF_PACO2.items())
def test_what_a_factory_decides_is_no_setting_of_its_model(setting: str, option: str) -> None:
    with pytest.raises(UsageError) as told:
        refuse_settings_of_paco2("nets:build", {"batch_size": 2, setting: 3})
    assert told.value.message == f"{option} is for PaCo-2 itself; nets:build decides by what makes it."
    assert told.value.hint.endswith(f"--model-arg {option.strip('-')}=3.")
    with pytest.raises(UsageError, match=r"Leave it away\.$"):
        refuse_settings_of_paco2("nets:build", {setting: 3}, "Leave it away.")
    refuse_settings_of_paco2("nets:build", {"batch_size": 2, "num_classes": 3})


def test_a_module_is_named_as_it_stands() -> None:
    assert parse_name("my_package.models:Net.build") == Named("my_package.models:Net.build")


@pytest.mark.parametrize(
    "text", ["", "models", ":build", "models:", "a b:c", "a.:b", "1a:b", "a:class", "a:b:c", "x.py:"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not of the form module:factory"):
        parse_name(text)


def test_a_file_is_named_by_its_module_and_its_folder(project: Path) -> None:
    assert parse_name("nets/paco.py:build", folder=project) == Named("paco:build", project / "nets")
    assert parse_name(f"{project}/nets/paco.py:build") == Named("paco:build", project / "nets")


def test_a_file_that_is_not_there_or_is_no_module_is_refused(project: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file nets/pacco\.py\. Did you mean paco\.py\?"):
        parse_name("nets/pacco.py:build", "--model", project)
    with pytest.raises(UsageError, match="'2nd-try' is no name"):
        parse_name("nets/2nd-try.py:build", "--model", project)


def test_a_record_keeps_the_folder_where_it_is_below_this_one(project: Path) -> None:
    code = user_code("nets/paco.py:build", ["K=3"], "nets/paco.py:losses", project)
    assert code is not None
    assert code.folders == (project / "nets",)
    assert code.settings(project) == {
        "model": "paco:build",
        "model_args": (("K", 3),),
        "step": "paco:losses",
        "python_path": ("nets",),
    }
    # Of any other folder it would tell where somebody's files are.
    assert code.settings(project / "elsewhere")["python_path"] == ()


def test_options_of_a_model_need_one() -> None:
    assert user_code(None) is None
    with pytest.raises(UsageError, match="--model-arg goes with --model"):
        user_code(None, ["K=3"])
    with pytest.raises(UsageError, match="--step goes with --model"):
        user_code(None, step="a:b")


def test_replacements_name_a_component_and_what_takes_its_place(project: Path) -> None:
    texts = ["criterion=paco_prof:OptimizedPaCoLoss", "neck.pool=nets/paco.py:build"]
    assert parse_replacements(texts, project) == {
        "criterion": Named("paco_prof:OptimizedPaCoLoss"),
        "neck.pool": Named("paco:build", project / "nets"),
    }
    for text in ("criterion", "=a:b", "criterion=", "criterion=loss"):
        with pytest.raises(UsageError, match="is not of the form"):
            parse_replacements([text])
    with pytest.raises(UsageError, match="--replace pool stands there twice"):
        parse_replacements(["pool=a:b", "pool=a:c"])


def test_stages_of_the_configuration_are_paths_and_names(tmp_path: Path) -> None:
    assert parse_stages(None) == ()
    (tmp_path / "pyproject.toml").write_text('[tool.paco-prof.stages]\n"a.b" = "covariance"\nneck = ""\n')
    assert parse_stages(UserFile.find(tmp_path)) == (("a.b", "covariance"), ("neck", ""))


@pytest.mark.parametrize("name", ['"loss/"', '"/"', "3", "true", '["a"]'])
def test_a_stage_that_cannot_be_is_refused_with_its_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "paco-prof.toml").write_text(f"[stages]\nneck = {name}\n")
    with pytest.raises(UsageError, match=r"^paco-prof\.toml, line 2: stages: 'neck' cannot be the stage"):
        parse_stages(UserFile.find(tmp_path))


def test_folders_are_looked_in_first_and_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    look_in([tmp_path / "a", tmp_path / "b"])
    look_in([tmp_path / "b"])
    assert sys.path[:2] == [str(tmp_path / "b"), str(tmp_path / "a")]
    assert sys.path.count(str(tmp_path / "b")) == 1


def test_a_named_folder_goes_before_this_one_and_this_one_before_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = sysconfig.get_path("stdlib")
    monkeypatch.setattr(sys, "path", ["script", library, "installed"])
    look_around(tmp_path)
    look_in([tmp_path / "nets"])
    look_around(tmp_path)
    assert sys.path == [str(tmp_path / "nets"), "script", str(tmp_path), str(tmp_path / "src"), library, "installed"]


def test_a_file_with_another_modules_name_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That module would be measured in its place, in silence."""
    (project / "random.py").write_text("def build(): ...\n")
    with pytest.raises(UsageError, match=r"Python itself has a module called random\. Rename the file\."):
        parse_name("random.py:build", "--model", project)
    monkeypatch.setitem(sys.modules, "paco", ModuleType("paco"))
    with pytest.raises(UsageError, match=r"another module called paco has been imported already\."):
        parse_name("nets/paco.py:build", "--model", project)
    own = ModuleType("paco")
    own.__file__ = str(project / "nets" / "paco.py")
    monkeypatch.setitem(sys.modules, "paco", own)
    assert parse_name("nets/paco.py:build", "--model", project).name == "paco:build"
